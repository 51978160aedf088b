"""docs/conformance.md is what `script/docs` writes, and its sources are read right."""

from __future__ import annotations

import pytest

from tests.support.rfc_page import PAGE, SOURCES, TESTS, citations, cited_by, page, proofs_of


def test_the_page_of_rfcs_is_current() -> None:
    assert PAGE.read_text() == page(), "run script/docs"


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("the reply (RFC 9991 4.2)", [(9991, "4.2")]),
        ("RFC 9991 section 6.3.1 has it", [(9991, "6.3.1")]),
        ("RFC 9991 sections 6.4.5 and 6.4.6", [(9991, "6.4.5"), (9991, "6.4.6")]),
        ("RFC 9991 5, RFC 9992 4.4", [(9991, "5"), (9992, "4.4")]),
        ("RFC 9991 3, 9992 5, 9993", [(9991, "3"), (9992, "5"), (9993, "")]),
        ("as in RFC 9991.", [(9991, "")]),
        ("RFC 9991\n    # 3.6.7 says", [(9991, "3.6.7")]),
        ("no RFC at all", []),
    ],
)
def test_citations_are_read(text: str, places: list[tuple[int, str]]) -> None:
    assert list(citations(text)) == places


def test_every_cited_section_has_tests() -> None:
    for place, modules in cited_by(SOURCES).items():
        tests = proofs_of(place, modules)
        assert tests, place
        assert all((TESTS / path).exists() for path in tests)
