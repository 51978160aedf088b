"""What `workpost quickstart` does, step by step."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from workpost.cli.common import EX_FAILED, EX_USAGE, fail, with_core
from workpost.cli.ordering import ordered
from workpost.cli.quickstart_files import (
    Places,
    become,
    can_bind_low_ports,
    certificates_fit,
    has_ipv6,
    make_places,
    open_private,
)
from workpost.cli.quickstart_text import Outcome, print_outcome, print_secrets
from workpost.formats import addresses
from workpost.kernel import configuration
from workpost.kernel.operator_settings import is_public_name
from workpost.kernel.settings import Settings, SettingsError
from workpost.node.datadir import write_private
from workpost.operations.setup import configuration as configuring
from workpost.operations.setup import founding
from workpost.operations.setup.configuration import Wish
from workpost.operations.setup.founding import Founded, Secrets
from workpost.store.core import Core

MODES = ("files", "acme", "self-signed")


def set_up(args: argparse.Namespace) -> int:
    """Set everything up; returns the exit code. Raises SettingsError, WorkpostError."""
    wrong = _check(args)
    if wrong:
        return fail(wrong, EX_USAGE)
    try:
        return _set_up(args, Places.of(args.data, args.keys, args.config, args.user))
    except BrokenPipeError:
        raise
    except (OSError, ValueError, LookupError) as error:
        return fail(f"the set-up cannot go on: {error}", EX_FAILED)


def _set_up(args: argparse.Namespace, places: Places) -> int:
    is_new = not places.config.exists()
    if is_new:
        make_places(places)
        places.write_config(configuring.compose(_wish(args, places)))
    settings = configuration.load(places.config, None, os.environ)
    _refuse_others(args, places, settings)
    certificates_fit(settings, places)
    complete = founding.read_founded(settings.data).done
    needs_secrets = not complete or (settings.data / founding.SECRETS).exists()
    # Opened before root's rights go: the file may be where the server's user writes nothing.
    secrets_file = open_private(args.secrets) if needs_secrets and args.secrets else None
    become(places)
    founded, hidden = _found(settings, args, complete=complete)
    if hidden is not None:
        print_secrets(founded, hidden, secrets_file)
        (settings.data / founding.SECRETS).unlink(missing_ok=True)
    outcome = Outcome(
        places=places, is_new=is_new, was_complete=complete, public=tuple(args.public)
    )
    with_core(settings, lambda core: print_outcome(core, founded, outcome))
    return 0


def _refuse_others(args: argparse.Namespace, places: Places, settings: Settings) -> None:
    """Raise SettingsError where the configuration that is there is about something else."""
    if args.data is not None and settings.data != places.data:
        raise SettingsError(f"{places.config} is there already and names {settings.data}")
    if args.hostname is not None and settings.host_name != args.hostname.lower():
        raise SettingsError(f"{places.config} is there already and names {settings.host_name}")


def _found(
    settings: Settings, args: argparse.Namespace, *, complete: bool
) -> tuple[Founded, Secrets | None]:
    """What there is, made if need be; the secrets unless the operator has them already."""
    if complete:
        founded = founding.read_founded(settings.data)
        if founded.address != args.address:
            raise SettingsError(
                f"{settings.data} was set up for {founded.address}; add people by the API"
            )
        return founded, founding.read_secrets(settings.data)
    alias = args.alias or founding.alias_of(args.address.rpartition("@")[2])

    async def work(core: Core) -> tuple[Founded, Secrets]:
        await ordered(core)
        return await founding.found(
            core, args.address, alias=alias, display=args.name, write=write_private
        )

    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    return with_core(settings, work)


def _check(args: argparse.Namespace) -> str:
    """What is wrong with the arguments, "" for nothing."""
    try:
        address = addresses.parse_mailbox(args.address)
        domain = addresses.fold_domain(address.rpartition("@")[2])
        addresses.check_domain(domain)
    except ValueError as error:
        return f"{args.address} is not an address: {error}"
    mode, *files = args.tls
    if mode not in MODES:
        return f"--tls: {mode} is none of {', '.join(MODES)}"
    if len(files) != (2 if mode == "files" else 0):
        return (
            "--tls files needs the certificate and its key"
            if mode == "files"
            else (f"--tls {mode} stands alone")
        )
    if mode == "acme" and not args.agree_tos:
        return "--tls acme needs --agree-tos: the authority asks whether you agree to its terms"
    host = args.hostname or f"mail.{addresses.ascii_domain(domain)}"
    if not is_public_name(host):
        return f"--hostname: {host} is not a whole host name"
    if host.lower() == domain:
        return "--hostname: the server needs a name of its own, such as mail." + domain
    return ""


def _wish(args: argparse.Namespace, places: Places) -> Wish:
    mode, *files = args.tls
    certificate, key = (str(Path(file).absolute()) for file in files) if files else ("", "")
    domain = addresses.ascii_domain(addresses.fold_domain(args.address.rpartition("@")[2]))
    return Wish(
        address=args.address,
        hostname=(args.hostname or f"mail.{domain}").lower(),
        data=str(places.data),
        keys=str(places.keys),
        tls=mode,
        certificate=certificate,
        key=key,
        directory=args.acme_directory,
        low_ports=can_bind_low_ports(),
        hosts=("0.0.0.0", "[::]") if has_ipv6() else ("0.0.0.0",),
    )
