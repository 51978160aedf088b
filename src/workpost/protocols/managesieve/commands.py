"""The commands of RFC 5804 section 2, each a function from arguments to an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from workpost.domain.mailboxes import script_shell as scripts
from workpost.formats.sieve.language import CAPABILITIES
from workpost.formats.sieve.limits import MAX_REDIRECTS
from workpost.kernel.errors import Fault
from workpost.kernel.principal import Grant
from workpost.protocols.managesieve.errors import Refused, SessionEnd
from workpost.protocols.managesieve.login import authenticate
from workpost.protocols.managesieve.wire import encoder
from workpost.protocols.managesieve.wire.parser import Argument

if TYPE_CHECKING:
    from workpost.protocols.managesieve.session import Session

STRING, NUMBER = "string", "number"
OPEN = frozenset({"AUTHENTICATE", "STARTTLS", "CAPABILITY", "LOGOUT", "NOOP"})
"""What strangers may ask for."""

_SIEVE = " ".join(CAPABILITIES)


class Handler(NamedTuple):
    """What serves a command; `arguments` are their kinds, of which the last `optional` may lack."""

    serve: Callable[[Session, Sequence[Argument]], Awaitable[bytes]]
    arguments: tuple[str, ...] = ()
    optional: int = 0

    def wrong(self, given: Sequence[Argument]) -> bool:
        """Whether arguments are not those of the command."""
        most = len(self.arguments)
        if not most - self.optional <= len(given) <= most:
            return True
        return any(
            isinstance(value, int) is not (kind == NUMBER)
            for value, kind in zip(given, self.arguments, strict=False)
        )


def capabilities(session: Session) -> bytes:
    """The capabilities as they are now (RFC 5804 1.7)."""
    lines = [
        encoder.capability("IMPLEMENTATION", "Workpost"),
        encoder.capability("SASL", "PLAIN LOGIN" if session.may_log_in else ""),
        encoder.capability("SIEVE", _SIEVE),
        encoder.capability("NOTIFY", "mailto"),
        encoder.capability("MAXREDIRECTS", str(MAX_REDIRECTS)),
    ]
    if session.may_start_tls and session.grant is None:
        lines.append(encoder.capability("STARTTLS"))
    lines.append(encoder.capability("UNAUTHENTICATE"))
    if session.grant is not None:
        lines.append(encoder.capability("OWNER", session.username))
    lines.append(encoder.capability("VERSION", "1.0"))
    return b"".join(lines)


async def _capability(session: Session, _: Sequence[Argument]) -> bytes:
    """2.4."""
    return capabilities(session) + _ok()


async def _starttls(session: Session, _: Sequence[Argument]) -> bytes:
    """2.2: the capabilities are said again under TLS."""
    certificates = session.server.certificates
    if session.grant is not None or not session.may_start_tls or certificates is None:
        raise Refused("STARTTLS is not possible now")
    session.connection.send(encoder.response("OK", "Begin TLS now"))
    await session.connection.start_tls(certificates.context)
    return capabilities(session) + encoder.response("OK", "TLS is in use")


async def _authenticate(session: Session, arguments: Sequence[Argument]) -> bytes:
    """2.1."""
    mechanism, *initial = map(_octets, arguments)
    await authenticate(session, mechanism, initial[0] if initial else None)
    return encoder.response("OK", "Logged in")


async def _unauthenticate(session: Session, _: Sequence[Argument]) -> bytes:
    """2.14."""
    session.leave()
    return _ok()


async def _logout(_: Session, __: Sequence[Argument]) -> bytes:
    """2.3: OK, then the server closes."""
    raise SessionEnd("Goodbye", status="OK")


async def _noop(_: Session, arguments: Sequence[Argument]) -> bytes:
    """2.13: the tag is said again."""
    if not arguments:
        return _ok("Done")
    return encoder.response("OK", "Done", b"TAG " + encoder.string(_octets(arguments[0])))


async def _havespace(session: Session, arguments: Sequence[Argument]) -> bytes:
    """2.5."""
    name, size = arguments
    assert isinstance(size, int)
    await scripts.check_space(session.core, _grant(session), _text(name), size)
    return _ok()


async def _putscript(session: Session, arguments: Sequence[Argument]) -> bytes:
    """2.6."""
    name, source = arguments
    await scripts.put_script(session.core, _grant(session), _text(name), _octets(source))
    return _ok()


async def _checkscript(session: Session, arguments: Sequence[Argument]) -> bytes:
    """2.12."""
    await scripts.check_script(session.core, _octets(arguments[0]))
    return _ok()


async def _listscripts(session: Session, _: Sequence[Argument]) -> bytes:
    """2.7."""
    lines = [
        encoder.string(script.name) + (b" ACTIVE\r\n" if script.active else b"\r\n")
        for script in await scripts.list_scripts(session.core, _grant(session))
    ]
    return b"".join(lines) + _ok()


async def _setactive(session: Session, arguments: Sequence[Argument]) -> bytes:
    """2.8: "" for none."""
    await scripts.activate_script(session.core, _grant(session), _text(arguments[0]))
    return _ok()


async def _getscript(session: Session, arguments: Sequence[Argument]) -> bytes:
    """2.9."""
    source = await scripts.get_script(session.core, _grant(session), _text(arguments[0]))
    return encoder.literal(source) + b"\r\n" + _ok()


async def _deletescript(session: Session, arguments: Sequence[Argument]) -> bytes:
    """2.10."""
    await scripts.delete_script(session.core, _grant(session), _text(arguments[0]))
    return _ok()


async def _renamescript(session: Session, arguments: Sequence[Argument]) -> bytes:
    """2.11."""
    old, new = map(_text, arguments)
    await scripts.rename_script(session.core, _grant(session), old, new)
    return _ok()


def _grant(session: Session) -> Grant:
    if session.grant is None:
        raise Fault("nobody has logged in")
    return session.grant


def _octets(argument: Argument) -> bytes:
    assert isinstance(argument, bytes)
    return argument


def _text(argument: Argument) -> str:
    try:
        return _octets(argument).decode()
    except UnicodeDecodeError:
        raise Refused("The name is not UTF-8") from None


def _ok(text: str = "") -> bytes:
    return encoder.response("OK", text)


COMMANDS: dict[str, Handler] = {
    "AUTHENTICATE": Handler(_authenticate, (STRING, STRING), optional=1),
    "CAPABILITY": Handler(_capability),
    "CHECKSCRIPT": Handler(_checkscript, (STRING,)),
    "DELETESCRIPT": Handler(_deletescript, (STRING,)),
    "GETSCRIPT": Handler(_getscript, (STRING,)),
    "HAVESPACE": Handler(_havespace, (STRING, NUMBER)),
    "LISTSCRIPTS": Handler(_listscripts),
    "LOGOUT": Handler(_logout),
    "NOOP": Handler(_noop, (STRING,), optional=1),
    "PUTSCRIPT": Handler(_putscript, (STRING, STRING)),
    "RENAMESCRIPT": Handler(_renamescript, (STRING, STRING)),
    "SETACTIVE": Handler(_setactive, (STRING,)),
    "STARTTLS": Handler(_starttls),
    "UNAUTHENTICATE": Handler(_unauthenticate),
}
