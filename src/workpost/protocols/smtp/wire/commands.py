"""Command lines: RFC 5321 4.1.1 with SIZE, 8BITMIME, SMTPUTF8, AUTH, CHUNKING, DSN, REQUIRETLS,
FUTURERELEASE.

Each ``parse_`` function takes what follows the verb and returns values, or raises CommandError.
Functions see one line without its CRLF; whoever cuts lines has refused bare CR and LF before.
"""

import datetime as dt
import re
from typing import NamedTuple

from workpost.protocols.smtp.wire.errors import CommandError
from workpost.protocols.smtp.wire.paths import Address, parse_path

COMMAND_LINE = 512  # octets with CRLF, RFC 5321 4.5.3.1.4
ENVID = 100  # characters of the parameter's value, RFC 3461 4.4
ORCPT = 500  # characters of the parameter's value, RFC 3461 4.2
# RFC 1870 3, 6152 2, 6531 3.1, 4954 3; RFC 3461 4.3 and 4.4; RFC 8689 3; RFC 4865 4
MAIL_LINE = COMMAND_LINE + 26 + 17 + 10 + 500 + len(" RET=FULL ENVID=") + ENVID + 11 + 34
# RFC 6531 3.1; RFC 3461 4.1 and 4.2
RCPT_LINE = COMMAND_LINE + 10 + len(" NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=") + ORCPT
AUTH_LINE = 12288  # octets, RFC 4954 4
MAX_LINE = AUTH_LINE
LINE_LIMITS = {b"MAIL": MAIL_LINE, b"RCPT": RCPT_LINE, b"AUTH": AUTH_LINE}

# RFC 5321 4.1.2; RFC 6531 3.3 lets a value hold more than ASCII.
_KEYWORD = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u00a0-\U0010ffff]+))?")
_SIZE = re.compile(r"[0-9]{1,20}")
_FLAGS = ("SMTPUTF8", "REQUIRETLS")
_HOLDS = ("HOLDFOR", "HOLDUNTIL")
_HOLDFOR = re.compile(r"[0-9]{1,9}")
# RFC 3339 5.6
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
_XTEXT_CHAR = re.compile(r"\+([0-9A-F]{2})")
_GREETING_NAME = re.compile(r"[!-~\u00a0-\U0010ffff]{1,255}")
_MECHANISM = re.compile(r"[A-Za-z0-9_-]{1,20}")
_BODIES = ("7BIT", "8BITMIME")
_RETURNS = ("FULL", "HDRS")
NOTIFICATIONS = ("SUCCESS", "FAILURE", "DELAY")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}")
# RFC 6533 3: utf-8-addr-xtext and, where SMTPUTF8 allows it, utf-8-addr-unitext.
_UTF8_ADDRESS = re.compile(
    r"(?:[!-*,-<>-\[\]-~\u00a0-\U0010ffff]"
    r"|\\x\{(?:[0-9A-F]{2,5}|10[0-9A-F]{4})\})+"
)


class MailFrom(NamedTuple):
    """MAIL: the sender (None is the null sender) and its parameters.

    ``size`` is the declared size in octets (0: none declared), ``body`` 7BIT or 8BITMIME, ``auth``
    the decoded AUTH parameter of RFC 4954 5 ("" is its ``<>``, None its absence). ``ret`` is FULL
    or HDRS and ``envid`` still in xtext, as it goes on (RFC 3461 4.3 and 4.4); "" is their absence.
    ``holdfor`` is in seconds, ``holduntil`` in milliseconds since the epoch (RFC 4865 4).
    """

    sender: Address | None
    size: int = 0
    body: str = "7BIT"
    smtputf8: bool = False
    auth: str | None = None
    ret: str = ""
    envid: str = ""
    requiretls: bool = False
    holdfor: int | None = None
    holduntil: int | None = None


class RcptTo(NamedTuple):
    """RCPT: the recipient and what the sender wants to hear of it (RFC 3461 4.1 and 4.2).

    ``notify`` holds NEVER alone or any of NOTIFICATIONS, in their order; ``orcpt`` is as it came.
    """

    recipient: Address
    notify: tuple[str, ...] = ()
    orcpt: str = ""


def split_command(line: bytes) -> tuple[bytes, bytes]:
    """Verb in upper case and argument without surrounding spaces.

    Raises CommandError 500 where the line is longer than its verb allows or holds a control.
    """
    verb, _, argument = line.partition(b" ")
    verb = verb.upper()
    if len(line) + 2 > COMMAND_LINE and len(line) + 2 > LINE_LIMITS.get(verb, COMMAND_LINE):
        raise CommandError(500, "5.5.2", "Line too long")
    if b"\r" in line or b"\n" in line or b"\0" in line:
        raise CommandError(500, "5.5.2", "Line holds characters that are not allowed")
    return verb, argument.strip(b" ")


def parse_greeting(argument: bytes) -> str:
    """The name after HELO or EHLO, as sent.

    RFC 5321 4.1.4 forbids refusing a session for a name that does not verify, and clients send
    machine names with underscores: any printable word passes.
    """
    name = _text(argument)
    if not _GREETING_NAME.fullmatch(name):
        raise CommandError(501, "5.5.4", "A host name must follow")
    return name


def parse_mail(argument: bytes) -> MailFrom:
    """``FROM:<path> [parameters]``: RFC 5321 4.1.1.2.

    Raises CommandError: 501 for syntax, 555 5.5.4 for parameters nobody announced, 553 5.6.7 for an
    address that needs SMTPUTF8 and comes without it.
    """
    text = _text(argument)
    at = _after_colon(text, "FROM:")
    sender: Address | None
    if text.startswith("<>", at):
        sender, end = None, at + 2
    else:
        sender, end = parse_path(text, at, "5.1.7")
    mail = MailFrom(sender)
    if end < len(text):
        mail = _with_parameters(mail, _parameters(text, end))
    if sender is not None and not mail.smtputf8 and not sender.is_ascii:
        raise CommandError(553, "5.6.7", "This address needs the parameter SMTPUTF8")
    return mail


def parse_rcpt(argument: bytes, *, smtputf8: bool) -> RcptTo:
    """``TO:<path> [parameters]``: RFC 5321 4.1.1.3; raises CommandError as parse_mail does."""
    text = _text(argument)
    at = _after_colon(text, "TO:")
    if text[at : at + 12].lower() == "<postmaster>":
        recipient, end = Address(text[at + 1 : at + 11], ""), at + 12
    else:
        recipient, end = parse_path(text, at, "5.1.3")
    parameters = _parameters(text, end) if end < len(text) else {}
    if not smtputf8 and not recipient.is_ascii:
        raise CommandError(553, "5.6.7", "This address needs SMTPUTF8 in MAIL")
    rcpt = RcptTo(recipient)
    for keyword, value in parameters.items():
        if keyword == "NOTIFY":
            rcpt = rcpt._replace(notify=_notify(value))
        elif keyword == "ORCPT":
            rcpt = rcpt._replace(orcpt=_orcpt(value, smtputf8=smtputf8))
        else:
            raise CommandError(555, "5.5.4", f"Parameter {keyword} is not supported")
    return rcpt


def parse_bdat(argument: bytes) -> tuple[int, bool]:
    """``BDAT size [LAST]``: octets that follow, and whether they end the message (RFC 3030 2)."""
    size, _, last = argument.decode("latin-1").partition(" ")
    if not _SIZE.fullmatch(size) or last.strip(" ").upper() not in ("", "LAST"):
        raise CommandError(501, "5.5.4", "Syntax: BDAT size [LAST]")
    return int(size), bool(last)


def parse_auth(argument: bytes) -> tuple[str, bytes | None]:
    """``AUTH mechanism [initial-response]``: RFC 4954 4; the response is still in base64."""
    mechanism, _, initial = argument.decode("latin-1").partition(" ")
    if not _MECHANISM.fullmatch(mechanism):
        raise CommandError(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
    return mechanism.upper(), initial.strip(" ").encode("latin-1") or None


def _text(argument: bytes) -> str:
    try:
        return argument.decode()
    except UnicodeDecodeError:
        raise CommandError(501, "5.5.2", "Argument is not UTF-8") from None


def _after_colon(text: str, keyword: str) -> int:
    """Where the path starts; a space after the colon is what printers and scanners send."""
    at = len(keyword)
    if text[:at].upper() != keyword:
        raise CommandError(501, "5.5.4", f"Syntax: {keyword}<address>")
    while text.startswith(" ", at):
        at += 1
    return at


def _parameters(text: str, at: int) -> dict[str, str | None]:
    """ESMTP parameters of RFC 5321 4.1.2, keywords in upper case."""
    if at < len(text) and text[at] != " ":
        raise CommandError(501, "5.5.4", "A space must follow the address")
    parameters: dict[str, str | None] = {}
    for word in text[at:].split():
        found = _KEYWORD.fullmatch(word)
        if found is None:
            raise CommandError(501, "5.5.4", "Parameter is not valid")
        keyword = found[1].upper()
        if keyword in parameters:
            raise CommandError(501, "5.5.4", f"Parameter {keyword} is given twice")
        parameters[keyword] = found[2]
    return parameters


def _with_parameters(mail: MailFrom, parameters: dict[str, str | None]) -> MailFrom:
    for keyword, value in parameters.items():
        if keyword == "SIZE":
            if value is None or not _SIZE.fullmatch(value):
                raise CommandError(501, "5.5.4", "SIZE must be a number of octets")
            mail = mail._replace(size=int(value))
        elif keyword == "BODY":
            if value is None or value.upper() not in _BODIES:
                raise CommandError(501, "5.5.4", "BODY must be 7BIT or 8BITMIME")
            mail = mail._replace(body=value.upper())
        elif keyword in _FLAGS:
            mail = _flagged(mail, keyword, value)
        elif keyword == "AUTH":
            mail = mail._replace(auth=_decode_auth(value))
        elif keyword == "RET":
            if value is None or value.upper() not in _RETURNS:
                raise CommandError(501, "5.5.4", "RET must be FULL or HDRS")
            mail = mail._replace(ret=value.upper())
        elif keyword == "ENVID":
            mail = mail._replace(envid=_envid(value))
        elif keyword in _HOLDS:
            mail = _held(mail, keyword, value)
        else:
            raise CommandError(555, "5.5.4", f"Parameter {keyword} is not supported")
    return mail


def _flagged(mail: MailFrom, keyword: str, value: str | None) -> MailFrom:
    if value is not None:
        raise CommandError(501, "5.5.4", f"{keyword} takes no value")
    if keyword == "SMTPUTF8":
        return mail._replace(smtputf8=True)
    return mail._replace(requiretls=True)


def _held(mail: MailFrom, keyword: str, value: str | None) -> MailFrom:
    """RFC 4865 4: one of the two parameters that ask for a later release."""
    if mail.holdfor is not None or mail.holduntil is not None:
        raise CommandError(501, "5.5.4", "HOLDFOR and HOLDUNTIL exclude each other")
    if keyword == "HOLDUNTIL":
        return mail._replace(holduntil=_moment(value))
    if value is None or not _HOLDFOR.fullmatch(value):
        raise CommandError(501, "5.5.4", "HOLDFOR must be a number of seconds")
    return mail._replace(holdfor=int(value))


def _moment(value: str | None) -> int:
    """RFC 4865 4, erratum 2040: a date and time of RFC 3339; in milliseconds."""
    if value is not None and _DATE_TIME.fullmatch(value.upper()):
        try:
            return int(dt.datetime.fromisoformat(value.upper()).timestamp() * 1000)
        except (ValueError, OverflowError):
            pass
    raise CommandError(501, "5.5.4", "HOLDUNTIL must be a date and time of RFC 3339")


def _decode_auth(value: str | None) -> str:
    """xtext of RFC 3461 4, as RFC 4954 5 uses it; ``<>`` becomes the empty string."""
    if value == "<>":
        return ""
    if value is None or not _XTEXT.fullmatch(value):
        raise CommandError(501, "5.5.4", "AUTH must be <> or an address in xtext")
    return _XTEXT_CHAR.sub(lambda found: chr(int(found[1], 16)), value)


def _envid(value: str | None) -> str:
    """RFC 3461 4.4: xtext of printable characters, kept as it came."""
    if value is None or len(value) > ENVID or not _is_printable_xtext(value):
        raise CommandError(501, "5.5.4", "ENVID must be xtext of at most 100 characters")
    return value


def _is_printable_xtext(value: str) -> bool:
    if not _XTEXT.fullmatch(value):
        return False
    return all(" " <= chr(int(code, 16)) <= "~" for code in _XTEXT_CHAR.findall(value))


def _notify(value: str | None) -> tuple[str, ...]:
    """RFC 3461 4.1: NEVER, or a list of the others."""
    words = set((value or "").upper().split(","))
    if words == {"NEVER"}:
        return ("NEVER",)
    if not words <= set(NOTIFICATIONS):
        raise CommandError(501, "5.5.4", "NOTIFY must be NEVER or of SUCCESS,FAILURE,DELAY")
    return tuple(word for word in NOTIFICATIONS if word in words)


def _orcpt(value: str | None, *, smtputf8: bool) -> str:
    """RFC 3461 4.2: address type, semicolon, the address in xtext; RFC 6533 3 for UTF-8."""
    kind, _, address = (value or "").partition(";")
    if value is None or len(value) > ORCPT or not _ADDRESS_TYPE.fullmatch(kind):
        raise CommandError(501, "5.5.4", "ORCPT must be a type, a semicolon and an address")
    if kind.lower() == "utf-8":
        if not _UTF8_ADDRESS.fullmatch(address):
            raise CommandError(501, "5.5.4", "ORCPT holds no address of UTF-8")
        if not smtputf8 and not address.isascii():
            raise CommandError(553, "5.6.7", "This address needs SMTPUTF8 in MAIL")
    elif not _is_printable_xtext(address):
        raise CommandError(501, "5.5.4", "ORCPT must hold its address in xtext")
    return value
