"""`workpost gateway`: servers of an organization through which its outbound rules send mail."""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any

from workpost.cli.common import add_verb, every_page, print_json, run_on_data, shown_time
from workpost.cli.ordering import ordered
from workpost.domain.organizations import smtp_gateways as gateways
from workpost.domain.organizations.smtp_gateways import Gateway
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.tables.smtp_gateways import GatewayRow

JOB = "operator"
PAGE = 100
SUBMISSIONS = 465
MOST = 1_024


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("gateway", help="SMTP gateways", description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    add_verb(verbs, "list", "list the gateways by name").set_defaults(run=list_all)
    verb = add_verb(verbs, "put", "make a gateway, or replace the one with this name")
    verb.add_argument("name", metavar="NAME")
    verb.add_argument("host", metavar="HOST", help="its certificate has to be good for this name")
    verb.add_argument("username", metavar="USERNAME", help="the password is asked for, or read")
    verb.add_argument(
        "--port", type=int, default=SUBMISSIONS, help="465 (TLS, default), others: STARTTLS"
    )
    verb.set_defaults(run=put)
    verb = add_verb(verbs, "delete", "delete a gateway to which no rule leads")
    verb.add_argument("id", metavar="ID")
    verb.set_defaults(run=delete)


def list_all(args: argparse.Namespace) -> int:
    """Print gateways as JSON; returns the exit code."""

    async def work(core: Core) -> list[dict[str, Any]]:
        return [_shown(each) for each in await _all(core, args)]

    print_json(run_on_data(args, work))
    return 0


def put(args: argparse.Namespace) -> int:
    """Make or replace a gateway and print it as JSON; returns the exit code."""
    gateway = Gateway(
        name=args.name,
        host=args.host,
        port=args.port,
        username=args.username,
        password=_password(),
    )
    gateways.check_gateway(gateway)

    async def work(core: Core) -> dict[str, Any]:
        grant = _grant(args)
        known = {each.name: each.id for each in await _all(core, args)}
        gateway_id = known.get(gateway.name, "")
        if gateway_id:
            await gateways.update(core, grant, gateway_id, gateway)
        else:
            gateway_id = await gateways.create(core, grant, gateway)
        return _shown(await gateways.describe(core, grant, gateway_id))

    print_json(run_on_data(args, work))
    return 0


def delete(args: argparse.Namespace) -> int:
    """Delete a gateway and print it as JSON; returns the exit code."""

    async def work(core: Core) -> dict[str, Any]:
        grant = _grant(args)
        found = await gateways.describe(core, grant, args.id)
        await ordered(core, id=args.id, name=found.name)
        await gateways.delete(core, grant, args.id)
        return _shown(found)

    print_json(run_on_data(args, work))
    return 0


def _password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Password of the gateway: ")
    return sys.stdin.readline(MOST).rstrip("\r\n")


def _grant(args: argparse.Namespace) -> Grant:
    return Grant.system(JOB, args.organization)


async def _all(core: Core, args: argparse.Namespace) -> list[GatewayRow]:
    grant = _grant(args)
    return await every_page(
        lambda after: gateways.list_gateways(core, grant, after=after, limit=PAGE)
    )


def _shown(row: GatewayRow) -> dict[str, Any]:
    return {
        "Id": row.id,
        "Name": row.name,
        "Host": row.host,
        "Port": row.port,
        "Username": row.username,
        "Modified": shown_time(row.modified),
    }
