"""`workpost domain`: records of a mail domain, verification by the operator's hand, catch-all."""

from __future__ import annotations

import argparse
from typing import Any

from workpost.cli import domain_dkim
from workpost.cli.common import EX_FAILED, fail, load_settings, print_json, with_core
from workpost.cli.domain_dkim import add_domain_verb
from workpost.domain.directory import mail_routing
from workpost.domain.organizations.dns_records import DnsRecord
from workpost.domain.organizations.domains_shell import get_domain, key_records
from workpost.domain.organizations.publishing import Published, zone_block
from workpost.kernel.principal import Grant
from workpost.node.resolver import build_resolver
from workpost.operations.domains.verification import verify_now
from workpost.store.core import Core
from workpost.store.tables.domains import VERIFIED

JOB = "operator"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("domain", help="verify mail domains", description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    records = add_domain_verb(
        verbs, "records", "show what the owner and the operator publish in DNS"
    )
    records.add_argument(
        "--zone",
        action="store_true",
        help="everything that belongs into DNS, with reasons, as lines of a zone file",
    )
    records.set_defaults(run=show)
    check = add_domain_verb(
        verbs, "verify", "look for the records now; exits 1 while they are not found"
    )
    check.add_argument(
        "--force",
        action="store_true",
        help="take the domain as verified without DNS (needs dns.force_verification)",
    )
    check.set_defaults(run=verify)
    caught = add_domain_verb(
        verbs, "catch-all", "show who gets mail for unknown addresses, or change that"
    )
    change = caught.add_mutually_exclusive_group()
    change.add_argument("--to", metavar="ENTITY", help="user, group or resource: id, address, name")
    change.add_argument("--off", action="store_true", help="unknown addresses are refused")
    caught.set_defaults(run=catch_all)
    domain_dkim.add_verbs(verbs)


def show(args: argparse.Namespace) -> int:
    """Print the records, as JSON or as lines of a zone file; returns the exit code."""
    grant = Grant.system(JOB, args.organization)
    if args.zone:
        return _show_zone(args, grant)

    async def work(core: Core) -> dict[str, Any]:
        domain = await get_domain(core, grant, args.domain)
        keys = [] if domain.row.is_test else await key_records(core, grant, args.domain)
        return {
            "Domain": domain.name,
            "OwnerRecords": [_show(record) for record in domain.records],
            "ServerRecords": [_show(record) for record in keys],
        }

    print_json(with_core(load_settings(args), work))
    return 0


def _show_zone(args: argparse.Namespace, grant: Grant) -> int:
    # Only here: certificates come with it, for the TLSA record.
    from workpost.operations.domains.site import all_records

    async def work(core: Core) -> list[Published]:
        return await all_records(core, grant, args.domain)

    print(zone_block(with_core(load_settings(args), work)), end="")
    return 0


def _show(record: DnsRecord) -> dict[str, str]:
    return {"Type": record.type, "Hostname": record.name, "Value": record.value}


def catch_all(args: argparse.Namespace) -> int:
    """Change a domain's catch-all where that is asked for, and show it; returns the exit code."""
    grant = Grant.system(JOB, args.organization)

    async def work(core: Core) -> dict[str, Any]:
        if args.to is not None or args.off:
            await core.store.write(
                mail_routing.set_catch_all, grant=grant, domain=args.domain, identifier=args.to
            )
        found = await core.store.read(mail_routing.get_catch_all, grant=grant, domain=args.domain)
        return {"Domain": args.domain, "CatchAll": found}

    print_json(with_core(load_settings(args), work))
    return 0


def verify(args: argparse.Namespace) -> int:
    """Look a domain up, or force it, and print its states; returns the exit code."""
    settings = load_settings(args)
    if args.force and not settings.dns.force_verification:
        return fail("set dns.force_verification = true to verify domains without DNS")
    grant = Grant.system(JOB, args.organization)

    async def work(core: Core) -> tuple[str, str]:
        domain = await get_domain(core, grant, args.domain)
        resolver = build_resolver(settings)
        return await verify_now(core, resolver, grant, domain.row.name, force=args.force)

    ownership, dkim = with_core(settings, work)
    print_json({"Domain": args.domain, "Ownership": ownership, "Dkim": dkim})
    return 0 if ownership == VERIFIED else EX_FAILED
