"""S3's documents: whatever names hold, they stay XML that reads as it was meant."""

from __future__ import annotations

from urllib.parse import unquote
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from workpost.protocols.s3.wire.answers import NAMESPACE, Listed, Page, error, listing, location

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.lists(TEXT.filter(bool), max_size=4), TEXT, TEXT, st.booleans())
def test_lists(keys: list[str], prefix: str, token: str, encoded: bool) -> None:
    page = Page(
        bucket="updates",
        prefix=prefix,
        delimiter="/",
        start_after="",
        token="",
        max_keys=1000,
        objects=[Listed(key, 1_767_225_600_123, "tag", 7) for key in keys],
        prefixes=["a/"],
        following=token,
        encoded=encoded,
    )
    root = ET.fromstring(listing(page))
    found = root.findall(f"{{{NAMESPACE}}}Contents/{{{NAMESPACE}}}Key")
    if encoded:
        assert [unquote(each.text or "") for each in found] == keys
    assert len(found) == len(keys)
    stamps = root.findall(f"{{{NAMESPACE}}}Contents/{{{NAMESPACE}}}LastModified")
    assert {each.text for each in stamps} <= {"2026-01-01T00:00:00.123Z"}


@given(TEXT, TEXT)
def test_errors(message: str, resource: str) -> None:
    root = ET.fromstring(error("NoSuchKey", message, resource, "id"))
    assert root.findtext("Code") == "NoSuchKey"


def test_regions() -> None:
    assert ET.fromstring(location("us-east-1")).text is None
    assert ET.fromstring(location("eu-west-1")).text == "eu-west-1"
