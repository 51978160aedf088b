"""The rules of the embedded scorer: plain signs, each with its points (docs/spam.md tells why).

No rule by itself makes a message junk at the default limit; no rule looks for words. What an
organization's people take for spam is learned (`bayes.py`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from workpost.formats.charsets import decode
from workpost.formats.dates import parse_date
from workpost.operations.filtering.looking import Looked, domain_of, related
from workpost.operations.filtering.networks import public_address
from workpost.operations.filtering.verdicts import Arrival, Authenticated, Hit

POINTS: Final[dict[str, float]] = {
    "NO_DATE": 1.0,
    "DATE_FAR": 1.0,
    "NO_MESSAGE_ID": 0.8,
    "NO_FROM": 2.5,
    "MANY_FROM": 1.5,
    "NO_SUBJECT": 0.3,
    "SHOUTING_SUBJECT": 0.6,
    "NAME_HOLDS_ADDRESS": 2.0,
    "MIXED_SCRIPTS": 1.5,
    "REPLY_ELSEWHERE": 0.8,
    "NOT_ADDRESSED": 0.6,
    "RECEIVED_FORGED": 2.5,
    "HELO_OURS": 2.5,
    "HELO_NO_NAME": 1.0,
    "SPF_FAIL": 2.0,
    "SPF_SOFTFAIL": 0.8,
    "DKIM_FAIL": 0.3,
    "DMARC_FAIL": 2.5,
    "DMARC_PASS": -1.0,
    "UNAUTHENTICATED": 0.8,
    "FROM_OURS": 2.0,
    "PROGRAM_ATTACHED": 3.0,
    "HIDDEN_EXTENSION": 3.0,
    "MACROS_ATTACHED": 1.0,
    "PAGE_ATTACHED": 1.0,
    "ONLY_HTML": 0.3,
    "HARDLY_TEXT": 0.5,
    "HTML_FORM": 1.0,
    "INVISIBLE_LETTERS": 1.5,
    "LINK_TO_ADDRESS": 1.5,
    "LINK_WITH_USER": 2.0,
    "LINK_PUNYCODE": 0.5,
    "LINK_PORT": 0.5,
    "LINK_LIES": 1.2,
    "LINK_RUNS": 2.0,
}

AHEAD = 2 * 86_400
BEHIND = 14 * 86_400
"""Seconds that a Date may be off."""
FEW_WORDS = 12
SHOUTED = 10
INVISIBLE = 5

PROGRAMS = frozenset((
    "ade", "adp", "apk", "app", "bat", "chm", "cmd", "com", "cpl", "dll", "dmg", "exe", "hta",
    "img", "ins", "iso", "jar", "js", "jse", "lnk", "mde", "msc", "msi", "msp", "mst", "pif",
    "ps1", "reg", "scf", "scr", "sct", "url", "vb", "vbe", "vbs", "vhd", "wsc", "wsf", "wsh", "xll",
))  # fmt: skip
MACROS = frozenset(("docm", "dotm", "xlsm", "xltm", "xlam", "pptm", "potm", "ppam"))
PAGES = frozenset(("htm", "html", "mht", "mhtml", "shtml", "svg", "xhtml"))
DOCUMENTS = frozenset((
    "doc", "docx", "gif", "jpeg", "jpg", "mp3", "mp4", "odt", "pdf", "png", "ppt", "pptx", "rtf",
    "txt", "xls", "xlsx", "zip",
))  # fmt: skip
_ADDRESS = re.compile(r"[\w.+-]{1,64}@((?:[\w-]{1,63}\.){1,8}\w{2,63})")
_MIXED = re.compile(
    r"[A-Za-z][^\W\d_]{0,30}[\u0370-\u03ff\u0400-\u052f]"
    r"|[\u0370-\u03ff\u0400-\u052f][^\W\d_]{0,30}[A-Za-z]"
)
_INVISIBLE = re.compile(r"\w[\u200b\u2060\u2062-\u2064]+\w")
_DOMAIN = re.compile(
    r"(?:https?://)?((?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,63})(?:[/:?#]\S*)?", re.IGNORECASE
)
# Characters that turn the direction of what follows, so that `gpj.exe` reads `exe.jpg`: plain, in
# RFC 2231, in RFC 2047. What decodes names leaves them out.
_TURNED = re.compile(
    rb"\xe2\x80[\xaa\xab\xad\xae]|\xe2\x81[\xa6-\xa8]|[%=]E2[%=](?:80[%=]A[ABDE]|81[%=]A[678])",
    re.IGNORECASE,
)
_FORM = re.compile(r"<(?:form|input)\b", re.IGNORECASE)
_RUNS = re.compile(r"(?:javascript|vbscript):|data:text/html", re.IGNORECASE)


class Surroundings(msgspec.Struct, frozen=True):
    """What the rules know beside the message."""

    now: float
    """Seconds since the epoch."""
    host: str
    """Our own name."""
    authentication: Authenticated | None = None


def check(looked: Looked, arrival: Arrival, around: Surroundings) -> list[Hit]:
    """The rules that fit a message, in the order of their table."""
    found = {
        *_header(looked, around),
        *_authors(looked, arrival),
        *_client(looked, arrival, around),
        *_authenticity(looked, arrival, around.authentication),
        *_attachments(looked),
        *_text(looked),
        *_links(looked),
    }
    return [(name, points) for name, points in POINTS.items() if name in found]


def _header(looked: Looked, around: Surroundings) -> Iterator[str]:
    date = looked.fields.get(b"date")
    if not date:
        yield "NO_DATE"
    else:
        said = parse_date(decode(date[:100]))
        if said is None or not -BEHIND < said - around.now < AHEAD:
            yield "DATE_FAR"
    if not looked.fields.get(b"message-id"):
        yield "NO_MESSAGE_ID"
    subject = looked.subject
    if not subject.strip():
        yield "NO_SUBJECT"
    elif subject.isupper() and sum(map(str.isalpha, subject)) >= SHOUTED:
        yield "SHOUTING_SUBJECT"


def _authors(looked: Looked, arrival: Arrival) -> Iterator[str]:
    authors = looked.people.from_.decoded
    domains = [domain_of(address) for _, address in authors]
    if not any(domains):
        yield "NO_FROM"
    elif len(authors) > 1 and not looked.fields.get(b"sender"):
        yield "MANY_FROM"
    names = [name[:200] for name, _ in authors]
    for name in names:
        shown = _ADDRESS.search(name) if "@" in name else None
        if shown is not None and not any(related(shown[1].lower(), domain) for domain in domains):
            yield "NAME_HOLDS_ADDRESS"
    if any(not text.isascii() and _MIXED.search(text) for text in (*names, looked.subject[:200])):
        yield "MIXED_SCRIPTS"
    answers = [domain_of(address) for _, address in looked.people.reply_to.decoded]
    if not looked.is_from_list:
        if any(not any(related(one, domain) for domain in domains) for one in answers if one):
            yield "REPLY_ELSEWHERE"
        if not _is_addressed(looked, arrival):
            yield "NOT_ADDRESSED"


def _is_addressed(looked: Looked, arrival: Arrival) -> bool:
    """True where the message names one of its recipients, or a group of the same domain."""
    domains = {domain_of(address) for address in arrival.recipients}
    named = (*looked.people.to.decoded[:100], *looked.people.cc.decoded[:100])
    return any(domain_of(address) in domains for _, address in named)


def _client(looked: Looked, arrival: Arrival, around: Surroundings) -> Iterator[str]:
    if public_address(arrival.peer) is None:
        # A relay of ours: who it has the message from is not known here.
        return
    helo, host = arrival.helo.lower(), around.host.lower()
    if helo and helo == host:
        yield "HELO_OURS"
    elif helo and ("." not in helo or _is_address(helo)) and not helo.startswith("["):
        yield "HELO_NO_NAME"
    # Whoever passes a message on puts a field of his own above ours.
    if host and looked.received_by == host:
        yield "RECEIVED_FORGED"


def _authenticity(
    looked: Looked, arrival: Arrival, authentication: Authenticated | None
) -> Iterator[str]:
    if authentication is None:
        return
    spf, dmarc = authentication.spf.result, authentication.dmarc.result
    signed = [one.result for one in authentication.dkim]
    # One cause counts once: where the author's domain has a policy, that is what counts.
    if dmarc in ("pass", "fail"):
        yield f"DMARC_{dmarc.upper()}"
    elif spf == "fail":
        yield "SPF_FAIL"
    elif spf == "softfail":
        yield "SPF_SOFTFAIL"
    elif "fail" in signed and "pass" not in signed:
        yield "DKIM_FAIL"
    elif spf != "pass" and "pass" not in signed:
        yield "UNAUTHENTICATED"
    if dmarc != "pass" and spf != "pass" and "pass" not in signed:
        ours = {domain_of(address) for address in arrival.recipients}
        if any(domain_of(address) in ours for _, address in looked.people.from_.decoded):
            yield "FROM_OURS"


def _attachments(looked: Looked) -> Iterator[str]:
    for part in looked.parts:
        if not part.filename:
            continue
        pieces = part.filename.lower().rstrip(". \t").split(".")
        last = pieces[-1].strip() if len(pieces) > 1 else ""
        before = pieces[-2].strip() if len(pieces) > 2 else ""
        if last in PROGRAMS:
            yield "PROGRAM_ATTACHED"
            if before in DOCUMENTS:
                yield "HIDDEN_EXTENSION"
        elif last in MACROS:
            yield "MACROS_ATTACHED"
        elif last in PAGES and part.disposition == "attachment":
            yield "PAGE_ATTACHED"
        if _TURNED.search(looked.header_of(part)):
            yield "HIDDEN_EXTENSION"


def _text(looked: Looked) -> Iterator[str]:
    plain, source = looked.texts
    if source:
        if not plain.strip():
            yield "ONLY_HTML"
        pictured = looked.links or "<img" in source.lower()
        if pictured and _is_short(looked.shown) and _is_short(plain):
            yield "HARDLY_TEXT"
        if _FORM.search(source):
            yield "HTML_FORM"
    text = f"{plain}\n{looked.shown}"
    if not text.isascii():
        for number, _ in enumerate(_INVISIBLE.finditer(text), 1):
            if number >= INVISIBLE:
                yield "INVISIBLE_LETTERS"
                break


def _is_short(text: str) -> bool:
    return len(text.split(None, FEW_WORDS)) <= FEW_WORDS


def _links(looked: Looked) -> Iterator[str]:
    for link in looked.links:
        if _is_address(link.host):
            yield "LINK_TO_ADDRESS"
        if link.userinfo:
            yield "LINK_WITH_USER"
        if link.host.startswith("xn--") or ".xn--" in link.host:
            yield "LINK_PUNYCODE"
        if link.port not in ("", "80", "443"):
            yield "LINK_PORT"
        shown = _DOMAIN.fullmatch(link.shown) if link.shown else None
        if shown is not None and not related(shown[1].lower(), link.host):
            yield "LINK_LIES"
    if any(_RUNS.match(target) for target, _ in looked.anchors):
        yield "LINK_RUNS"


def _is_address(host: str) -> bool:
    if not host or not (host[-1].isdigit() or ":" in host):
        return False
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
