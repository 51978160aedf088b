"""`workpost serve`: run the server in the foreground until SIGTERM."""

from __future__ import annotations

import argparse

from workpost.cli.common import EX_CONFIG, EX_TEMPFAIL, add_settings, fail, load_settings
from workpost.kernel import listeners, logging
from workpost.kernel.settings import Settings, SettingsError, with_random_ports


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("serve", help="run the server", description=__doc__)
    add_settings(parser)
    parser.add_argument(
        "--random-ports", action="store_true", help="put every listener on a free loopback port"
    )
    parser.add_argument(
        "--roles", metavar="LIST", help="only these roles: api, smtp, imap, jobs (default: all)"
    )
    parser.add_argument(
        "--demo",
        action="store_true",
        help="make an organization to play with; DIR/demo.json has names and passwords",
    )
    parser.add_argument(
        "--inline", action="store_true", help="everything in one process, for debugging"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve; returns the exit code. Raises SettingsError."""
    from workpost.node import demo, supervisor
    from workpost.node.datadir import AlreadyServed

    settings = load_settings(args)
    roles = _roles(args.roles, supervisor.ALL_ROLES)
    if args.random_ports:
        settings = with_random_ports(settings)
    if args.demo:
        _require_loopback(settings)
        settings = demo.for_demo(settings)
    logging.configure(settings.log.level, settings.log.format, process="supervisor")

    def reread() -> Settings:
        return load_settings(args)

    try:
        if args.inline:
            return supervisor.serve_inline(settings, roles, demo=args.demo, reread=reread)
        return supervisor.Supervisor(settings, roles, demo=args.demo, reread=reread).run()
    except AlreadyServed as error:
        return fail(str(error), EX_TEMPFAIL)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return fail(place + (error.strerror or str(error)), EX_CONFIG)


def _roles(text: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    if text is None:
        return known
    roles = tuple(part.strip() for part in text.split(",") if part.strip())
    for role in roles:
        if role not in known:
            raise SettingsError(f"--roles: {role} is none of {', '.join(known)}")
    return roles


def _require_loopback(settings: Settings) -> None:
    exposed = listeners.exposed_listeners(settings)
    if exposed:
        raise SettingsError(
            f"--demo serves loopback only, but listeners.{exposed[0]} is reachable from outside;"
            " serve without --demo or listen at 127.0.0.1"
        )
