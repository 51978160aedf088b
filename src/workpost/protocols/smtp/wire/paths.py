"""Mailboxes and paths of MAIL and RCPT: RFC 5321 4.1.2 and 4.1.3, RFC 6531 3.3.

A source route is checked and then ignored (RFC 5321 appendix C). A quoted local part is returned
without its quotes, so that ``"ada"@a.test`` and ``ada@a.test`` are the same address.
"""

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple

from workpost.protocols.smtp.wire.errors import CommandError

MAX_LOCAL_PART = 64  # octets, RFC 5321 4.5.3.1.1
REWRITTEN = ("SRS0", "SRS1")
"""What local parts begin with that hold another address whole: no part of it can be left out."""
MAX_DOMAIN = 255  # octets, RFC 5321 4.5.3.1.2
MAX_PATH = 256  # octets with the brackets, RFC 5321 4.5.3.1.3
MAX_LABEL = 63  # octets, RFC 1035 2.3.4
REMEMBERED = 1_024
"""Addresses kept as they are written: each is asked for twice or more a message."""

# C1 controls are left out of UTF8-non-ascii: they have no business in an address.
_UTF8 = "\u00a0-\U0010ffff"
_ATEXT = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{_UTF8}-]"
_DOT_STRING = rf"{_ATEXT}+(?:\.{_ATEXT}+)*"
_QUOTED = rf"(?:[ !#-\[\]-~{_UTF8}]|\\[ -~])*"
_NAME = rf"[A-Za-z0-9.{_UTF8}-]+"
_PATH = re.compile(
    rf"<(?:(?P<route>@{_NAME}(?:,@{_NAME})*):)?"
    rf"(?P<local>(?P<dots>{_DOT_STRING})|\"(?P<quoted>{_QUOTED})\")"
    rf"@(?P<domain>{_NAME}|\[[!-Z^-~]+\])>"
)
_DOTS = re.compile(_DOT_STRING)
_QUOTED_PAIR = re.compile(r"\\(.)")
_NEEDS_ESCAPE = re.compile(r"([\"\\])")


class Address(NamedTuple):
    """A mailbox as it was sent, unquoted; neither part is case-folded.

    ``domain`` is empty only for ``<Postmaster>``, and keeps its brackets for an address literal.
    """

    local: str
    domain: str

    @property
    def is_ascii(self) -> bool:
        """Whether the address can travel without SMTPUTF8."""
        return self.local.isascii() and self.domain.isascii()

    def __str__(self) -> str:
        """The address as it may stand in a path or header, quoted where it has to be."""
        return _written(self.local, self.domain)


@lru_cache(REMEMBERED)
def _written(local: str, domain: str) -> str:
    if not _DOTS.fullmatch(local):
        local = '"' + _NEEDS_ESCAPE.sub(r"\\\1", local) + '"'
    return f"{local}@{domain}" if domain else local


def parse_path(text: str, at: int, status: str) -> tuple[Address, int]:
    """The path that starts at ``text[at]``, and where it ends.

    Raises CommandError 501 with ``status`` (5.1.7 for senders, 5.1.3 for recipients).
    """
    found = _PATH.match(text, at)
    if found is None:
        raise CommandError(501, status, "Address must have the form <local-part@domain>")
    local, domain, route = found["local"], found["domain"], found["route"]
    if (
        (_octets(local) > MAX_LOCAL_PART and local.lstrip('"')[:4].upper() not in REWRITTEN)
        or _octets(domain) > MAX_DOMAIN
        or _octets(local) + _octets(domain) + len("<@>") > MAX_PATH
    ):
        raise CommandError(501, status, "Address is too long")
    if not _is_host(domain) or (route and not all(map(_is_domain, route[1:].split(",@")))):
        raise CommandError(501, status, "Domain of the address is not valid")
    if found["dots"] is None:
        local = _QUOTED_PAIR.sub(r"\1", found["quoted"])
    return Address(local, domain), found.end()


def _octets(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _is_host(domain: str) -> bool:
    return _is_literal(domain[1:-1]) if domain[0] == "[" else _is_domain(domain)


def _is_domain(domain: str) -> bool:
    return all(
        label and _octets(label) <= MAX_LABEL and label[0] != "-" and label[-1] != "-"
        for label in domain.split(".")
    )


def _is_literal(literal: str) -> bool:
    """RFC 5321 4.1.3: IPv4 and tagged IPv6; no other tag was ever registered."""
    try:
        if literal[:5].upper() == "IPV6:":
            # A zone index ("%eth0") means something on the sender's machine only.
            return "%" not in literal and bool(ipaddress.IPv6Address(literal[5:]))
        return bool(ipaddress.IPv4Address(literal))
    except ValueError:
        return False
