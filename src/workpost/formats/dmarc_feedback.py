"""DMARC aggregate reports as domains get them: an XML document, compressed (RFC 9990)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from xml.etree import ElementTree as ET

import msgspec

from workpost.formats.mailauth.dmarc import DmarcRecord
from workpost.formats.mime.report_mail import ReportHead

NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0"
MEDIA_TYPE = "application/gzip"

_UNWRITTEN = re.compile("[^ -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write, and what ends lines."""


class Signature(msgspec.Struct, frozen=True):
    """What became of one DKIM signature."""

    domain: str
    selector: str
    result: str


class Seen(msgspec.Struct, frozen=True):
    """Messages that are told together (RFC 9990).

    `disposition` is none, pass, quarantine or reject; `dkim` and `spf` tell of alignment;
    `override` is the type of reason where less was done than the policy asks, else "". `sender` is
    the domain of MAIL FROM, "" for the null sender, `spf_domain` the one that SPF was asked for.
    """

    source: str
    author: str
    disposition: str
    dkim: bool
    spf: bool
    override: str = ""
    comment: str = ""
    sender: str = ""
    spf_domain: str = ""
    spf_result: str = "none"
    signatures: tuple[Signature, ...] = ()


def write_feedback(
    head: ReportHead, record: DmarcRecord, rows: Iterable[tuple[Seen, int]]
) -> bytes:
    """The document; `record` is the domain's of the moment, `rows` what was seen, and how often."""
    root = ET.Element("feedback", {"xmlns": NAMESPACE})
    _add(root, "version", "1.0")
    root.append(_metadata(head))
    root.append(_published(head.domain, record))
    root.extend(_records(rows))
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _metadata(head: ReportHead) -> ET.Element:
    found = ET.Element("report_metadata")
    _add(found, "org_name", head.organization)
    _add(found, "email", head.contact)
    _add(found, "report_id", head.report_id)
    span = ET.SubElement(found, "date_range")
    _add(span, "begin", str(head.begin))
    _add(span, "end", str(head.end))
    _add(found, "generator", "Workpost")
    return found


def _published(domain: str, record: DmarcRecord) -> ET.Element:
    found = ET.Element("policy_published")
    below = record.subdomains or record.policy
    _add(found, "domain", domain)
    _add(found, "discovery_method", "treewalk")
    _add(found, "p", record.policy)
    _add(found, "sp", below)
    _add(found, "np", record.nonexistent or below)
    _add(found, "adkim", "s" if record.strict_dkim else "r")
    _add(found, "aspf", "s" if record.strict_spf else "r")
    _add(found, "testing", "y" if record.testing else "n")
    return found


def _records(rows: Iterable[tuple[Seen, int]]) -> Iterator[ET.Element]:
    for seen, count in rows:
        record = ET.Element("record")
        row = ET.SubElement(record, "row")
        _add(row, "source_ip", seen.source)
        _add(row, "count", str(count))
        row.append(_evaluated(seen))
        identifiers = ET.SubElement(record, "identifiers")
        _add(identifiers, "header_from", seen.author)
        _add(identifiers, "envelope_from", seen.sender)
        record.append(_results(seen))
        yield record


def _evaluated(seen: Seen) -> ET.Element:
    found = ET.Element("policy_evaluated")
    _add(found, "disposition", seen.disposition)
    _add(found, "dkim", "pass" if seen.dkim else "fail")
    _add(found, "spf", "pass" if seen.spf else "fail")
    if seen.override:
        reason = ET.SubElement(found, "reason")
        _add(reason, "type", seen.override)
        if seen.comment:
            _add(reason, "comment", seen.comment)
    return found


def _results(seen: Seen) -> ET.Element:
    found = ET.Element("auth_results")
    for signature in seen.signatures:
        dkim = ET.SubElement(found, "dkim")
        _add(dkim, "domain", signature.domain)
        _add(dkim, "selector", signature.selector)
        _add(dkim, "result", signature.result)
    if seen.spf_domain:
        spf = ET.SubElement(found, "spf")
        _add(spf, "domain", seen.spf_domain)
        # Also where MAIL FROM is empty: then it stands for postmaster at the name of HELO.
        _add(spf, "scope", "mfrom")
        _add(spf, "result", seen.spf_result)
    return found


def _add(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = _UNWRITTEN.sub("?", text)
