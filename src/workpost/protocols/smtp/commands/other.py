"""NOOP, VRFY, EXPN, HELP and QUIT."""

from typing import TYPE_CHECKING

from workpost.protocols.smtp.signals import SessionEnd
from workpost.protocols.smtp.wire.errors import CommandError
from workpost.protocols.smtp.wire.replies import reply

if TYPE_CHECKING:
    from workpost.protocols.smtp.dialogue import Dialogue

_OK = reply(250, "2.0.0", "Ok")
_HELP = reply(214, "2.0.0", "Commands are those of RFC 5321")
_CANNOT_VERIFY = reply(252, "2.5.0", "Addresses are not verified, send the message and see")
_BYE = reply(221, "2.0.0", "Bye")


async def noop(_: "Dialogue", __: bytes) -> bytes:
    """RFC 5321 4.1.1.9: ``NOOP [string]``."""
    return _OK


async def vrfy(_: "Dialogue", argument: bytes) -> bytes:
    """RFC 5321 4.1.1.6 and 4.1.1.7, VRFY and EXPN; 7.3: disabled for everyone, told with 252."""
    if not argument:
        raise CommandError(501, "5.5.4", "An address must follow")
    return _CANNOT_VERIFY


async def help_(_: "Dialogue", __: bytes) -> bytes:
    """RFC 5321 4.1.1.8: ``HELP [string]``."""
    return _HELP


async def quit_(_: "Dialogue", argument: bytes) -> bytes:
    """RFC 5321 4.1.1.10: ``QUIT``."""
    if argument:
        raise CommandError(501, "5.5.4", "QUIT takes no argument")
    raise SessionEnd(_BYE)
