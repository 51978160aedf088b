"""The document of an aggregate report (RFC 9990)."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.dmarc_feedback import (
    NAMESPACE,
    Seen,
    Signature,
    write_feedback,
)
from workpost.formats.mailauth.dmarc import parse_dmarc
from workpost.formats.mime.report_mail import (
    ReportHead,
    file_name,
    stable_id,
    subject_of,
)

HEAD = ReportHead(
    organization="mx.demo.test",
    contact="postmaster@demo.test",
    report_id="abc123",
    begin=86_400,
    end=172_799,
    domain="author.example",
)
RECORD = parse_dmarc("v=DMARC1; p=reject; sp=quarantine; adkim=s; t=y; rua=mailto:a@b.test")
SEEN = Seen(
    source="192.0.2.1",
    author="news.author.example",
    disposition="none",
    dkim=False,
    spf=True,
    override="local_policy",
    comment="arc=pass, sealed by list.example",
    sender="bounces.author.example",
    spf_domain="bounces.author.example",
    spf_result="pass",
    signatures=(Signature("esp.example", "s1", "pass"), Signature("author.example", "s2", "fail")),
)
IN = {"": NAMESPACE}


def texts(document: bytes, path: str) -> list[str]:
    return [each.text or "" for each in ET.fromstring(document).findall(path, IN)]


def test_the_document() -> None:
    document = write_feedback(HEAD, RECORD, [(SEEN, 7)])
    root = ET.fromstring(document)
    assert root.tag == f"{{{NAMESPACE}}}feedback"
    names = [each.tag.removeprefix(f"{{{NAMESPACE}}}") for each in root]
    assert names == ["version", "report_metadata", "policy_published", "record"]
    assert texts(document, "report_metadata/date_range/begin") == ["86400"]
    assert texts(document, "report_metadata/report_id") == ["abc123"]
    published = [texts(document, f"policy_published/{each}") for each in ("p", "sp", "np", "adkim")]
    assert published == [["reject"], ["quarantine"], ["quarantine"], ["s"]]
    assert texts(document, "policy_published/testing") == ["y"]
    assert texts(document, "record/row/source_ip") == ["192.0.2.1"]
    assert texts(document, "record/row/count") == ["7"]
    assert texts(document, "record/row/policy_evaluated/spf") == ["pass"]
    assert texts(document, "record/row/policy_evaluated/reason/type") == ["local_policy"]
    assert texts(document, "record/identifiers/header_from") == ["news.author.example"]
    assert texts(document, "record/auth_results/dkim/selector") == ["s1", "s2"]
    assert texts(document, "record/auth_results/spf/scope") == ["mfrom"]


def test_names_of_file_and_subject() -> None:
    named = file_name("mx.demo.test", "author.example", 86_400, 172_799, "abc123", "xml.gz")
    assert named == "mx.demo.test!author.example!86400!172799!abc123.xml.gz"
    whole = "Report Domain: author.example Submitter: mx.demo.test Report-ID: <abc123@mx.demo.test>"
    assert subject_of("author.example", "mx.demo.test", "abc123") == whole


@given(st.text(), st.text(), st.text())
def test_whatever_strangers_wrote_the_document_can_be_read(
    sender: str, selector: str, author: str
) -> None:
    seen = Seen(
        source="2001:db8::1",
        author=author,
        disposition="reject",
        dkim=False,
        spf=False,
        sender=sender,
        spf_domain="a.test",
        signatures=(Signature("b.test", selector, "fail"),),
    )
    document = write_feedback(HEAD, RECORD, [(seen, 1), (SEEN, 2)])
    assert texts(document, "record/row/count") == ["1", "2"]
    (found,) = texts(document, "record/auth_results/dkim/selector")[:1]
    assert len(found) == len(selector)


def test_a_report_has_one_id_however_often_it_is_tried() -> None:
    told = ("dmarc", "mx.demo.test", "author.example", 20_000)
    others = [("tls", *told[1:]), (*told[:2], "b.example", 20_000), (*told[:3], 20_001)]
    assert stable_id(*told) == stable_id(*told)
    assert len({stable_id(*told), *(stable_id(*each) for each in others)}) == 4
