"""`workpost domain dkim`: the keys by which a domain's mail is signed, and their rotation."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from workpost.cli.common import add_settings, load_settings, print_json, with_core
from workpost.domain.organizations.dkim_rotation import Keyring, get_keyring, rotate_key
from workpost.domain.organizations.dns_records import DnsRecord, dkim_records, key_record
from workpost.formats.addresses import ascii_domain, fold_domain
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.tables.dkim_keys import ED25519, RETIRING, RSA, DkimKeyRow

JOB = "operator"
TTL = 3600
_STRING = 255


def add_verbs(verbs: Any) -> None:
    """Add `dkim show` and `dkim rotate` to the verbs of `workpost domain`."""
    parser = verbs.add_parser("dkim", help="show and rotate DKIM keys", description=__doc__)
    inner = parser.add_subparsers(metavar="VERB", required=True)
    shown = add_domain_verb(
        inner, "show", "show the keys, their states, and what is published for them"
    )
    shown.add_argument(
        "--zone",
        action="store_true",
        help="print the server's records as lines of a zone file instead",
    )
    shown.set_defaults(run=show)
    rotated = add_domain_verb(inner, "rotate", "make a key; it signs when the DNS shows it")
    rotated.add_argument(
        "--algorithm", choices=(RSA, ED25519), default="", help="the key to replace; the oldest"
    )
    rotated.set_defaults(run=rotate)


def add_domain_verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    """Add a verb on a domain of an organization."""
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument("organization", metavar="ORG", help="m- and 32 hexadecimal digits")
    parser.add_argument("domain", metavar="DOMAIN")
    add_settings(parser)
    return parser


def show(args: argparse.Namespace) -> int:
    """Print keys and records as JSON, or the records as a zone file; returns the exit code."""
    settings = load_settings(args)
    grant = Grant.system(JOB, args.organization)

    async def work(core: Core) -> Keyring:
        name = fold_domain(args.domain)
        return await core.store.read(get_keyring, grant=grant, name=name)

    keyring = with_core(settings, work)
    if args.zone:
        for record in _server_records(keyring, settings.host_name):
            print(zone_line(record))
    else:
        print_json(_tell(keyring, settings.host_name))
    return 0


def rotate(args: argparse.Namespace) -> int:
    """Make a key and print what is to be published then; returns the exit code."""
    settings = load_settings(args)
    grant = Grant.system(JOB, args.organization)

    async def work(core: Core) -> Keyring:
        return await rotate_key(core, grant, args.domain, args.algorithm)

    print_json(_tell(with_core(settings, work), settings.host_name))
    return 0


def _tell(keyring: Keyring, host: str) -> dict[str, Any]:
    name = ascii_domain(keyring.row.name)
    return {
        "Domain": name,
        "Keys": [_tell_key(key) for key in keyring.keys],
        "OwnerRecords": [_show(each) for each in dkim_records(name, keyring.row.token, host)],
        "ServerRecords": [_show(each) for each in _server_records(keyring, host)],
    }


def _tell_key(key: DkimKeyRow) -> dict[str, str]:
    told = {
        "Selector": key.selector,
        "Algorithm": key.algorithm,
        "State": key.state,
        "Since": _date(key.since),
    }
    if key.state == RETIRING and key.due is not None:
        told["PublishUntil"] = _date(key.due)
    return told


def _date(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _server_records(keyring: Keyring, host: str) -> list[DnsRecord]:
    return [key_record(key.selector, key.algorithm, key.public, host) for key in keyring.keys]


def _show(record: DnsRecord) -> dict[str, str]:
    return {"Type": record.type, "Hostname": record.name, "Value": record.value}


def zone_line(record: DnsRecord) -> str:
    """A TXT record as a zone file has it: strings of at most 255 octets (RFC 1035 3.3)."""
    value = record.value
    strings = " ".join(f'"{value[at : at + _STRING]}"' for at in range(0, len(value), _STRING))
    return f"{record.name}. {TTL} IN TXT {strings}"
