"""What `workpost quickstart` says."""

from __future__ import annotations

import shlex
from typing import IO

import msgspec

from workpost.cli.quickstart_files import Places
from workpost.domain.organizations.publishing import zone_block
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Settings
from workpost.operations.domains.site import all_records
from workpost.operations.setup.configuration import ACME_PORTS, PORTS
from workpost.operations.setup.founding import JOB, Founded, Secrets
from workpost.store.core import Core


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What this run did."""

    places: Places
    is_new: bool
    """The configuration was written now."""
    was_complete: bool
    """There was nothing to make."""
    public: tuple[str, ...]


def print_secrets(founded: Founded, secrets: Secrets, file: IO[str] | None) -> None:
    """Show the secrets, or put them into a file."""
    lines = [
        f"address            {founded.address}",
        f"password           {secrets.password}",
        f"access key id      {secrets.access_key_id}",
        f"secret access key  {secrets.secret_access_key}",
    ]
    if file is None:
        print("Shown this once; keep it:\n")
        # Seen before they are forgotten.
        print("\n".join(f"  {line}" for line in lines) + "\n", flush=True)
        return
    with file:
        file.write("\n".join(lines) + "\n")
    print(f"Password and access key are in {file.name}.\n")


async def print_outcome(core: Core, founded: Founded, outcome: Outcome) -> None:
    """Say what there is, what to publish and what comes next."""
    settings, places = core.settings, outcome.places
    print("Nothing was changed. There is:\n" if outcome.was_complete else "There is now:\n")
    for name, value in (
        (
            "configuration",
            f"{places.config}{'' if outcome.is_new else ' (was there, not changed)'}",
        ),
        ("mail", str(settings.data)),
        ("keys", str(settings.keyring_path.parent)),
        ("certificate", _certificate(settings)),
        ("host", settings.host_name),
        ("account", founded.account),
        ("access key", founded.access_key_id),
        ("organization", f"{founded.organization} ({founded.alias})"),
        ("domain", founded.domain),
        ("person", f"{founded.address}, also postmaster@ and abuse@"),
        ("mail programs", _for_clients(settings)),
    ):
        print(f"  {name:14} {value}")
    _print_ports(settings)
    print(f"\nPublish in DNS, in the zone of {founded.domain}:\n")
    grant = Grant.system(JOB, founded.organization)
    print(zone_block(await all_records(core, grant, founded.domain, outcome.public)))
    _print_next(settings, places)


def _for_clients(settings: Settings) -> str:
    """What people type into a mail program."""
    ports = []
    for name in ("imaps", "submissions"):
        at = getattr(settings.listeners, name)
        ports.append(at[0].rpartition(":")[2] if at else "-")
    imap, smtp = ports
    return f"IMAP at port {imap}, SMTP at port {smtp}, both with TLS; the address is the user name"


def _certificate(settings: Settings) -> str:
    if settings.tls.certificate:
        return settings.tls.certificate
    if settings.acme.enabled:
        return f"fetched from {settings.acme.directory} when the server runs"
    return "self-signed; mail programs complain, `--tls acme` or `--tls files` would not"


def _print_ports(settings: Settings) -> None:
    """Say which ports are not the usual ones."""
    odd = []
    for name, (usual, _, _) in {**PORTS, "acme": ACME_PORTS}.items():
        for text in getattr(settings.listeners, name)[:1]:
            port = text.rpartition(":")[2]
            if port != str(usual):
                odd.append(f"{usual} to {port}")
    if odd:
        print(
            "\n  Ports below 1024 are for root, or for a service that was given the right to them"
        )
        print("  (packaging/systemd). So the server listens at others; lead the usual ones there,")
        print(f"  in your firewall: {', '.join(odd)}.")


def _print_next(settings: Settings, places: Places) -> None:
    config = f"--config {shlex.quote(str(places.config))}"
    # As that user alone, without the unit, it would be refused the ports below 1024.
    unit = "systemctl enable --now workpost, with the unit of packaging/systemd"
    start = unit if places.user else f"workpost serve {config}"
    print("Next:\n")
    steps = [
        "publish the records above; ask for the PTR where you got the address",
        f"start the server: {start}",
        f"let it look at itself: workpost doctor --online {config}",
        f"let it write to itself: workpost selftest {config}",
        f"back up, every day, to another machine: workpost backup {config} FILE",
        f"and right after it, to another place: workpost keys backup {config} FILE",
    ]
    for number, step in enumerate(steps, 1):
        print(f"  {number}. {step}")
    if places.user:
        print(
            f"\nThe other commands run as {places.user}: runuser -u {places.user} -- workpost ..."
        )
