"""Tag lists, as RFC 6376 3.2 has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.mailauth.tags import LONGEST, MOST, TagError, parse_tags, split_list, squeeze


def test_tags_keep_their_order_and_lose_the_space_around_them() -> None:
    tags = parse_tags(" v = DKIM1 ;\r\n\tk=rsa; p=AB\r\n CD ;")
    assert list(tags.items()) == [("v", "DKIM1"), ("k", "rsa"), ("p", "AB\r\n CD")]
    assert squeeze(tags["p"]) == "ABCD"


def test_values_may_be_empty_hold_an_equals_sign_and_foreign_letters() -> None:
    assert parse_tags("p=; b=QQ==;i=ä@b") == {"p": "", "b": "QQ==", "i": "ä@b"}


def test_names_are_case_sensitive() -> None:
    assert parse_tags("a=1;A=2") == {"a": "1", "A": "2"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";",
        "a",
        "a=1;;b=2",
        "=1",
        "1a=1",
        "a-b=1",
        "a=1; a=2",
        "a=\x00",
        "a=\x7f",
        "ä=1",
        ";".join(f"a{number}=1" for number in range(MOST + 2)),
        "a=" + "x" * LONGEST,
    ],
)
def test_what_is_no_tag_list_is_refused_whole(text: str) -> None:
    with pytest.raises(TagError):
        parse_tags(text)


def test_lists_have_colons() -> None:
    assert split_list("from : To\r\n :subject") == ["from", "To", "subject"]


@given(st.text())
def test_nothing_but_its_own_error_comes_out(text: str) -> None:
    try:
        tags = parse_tags(text)
    except TagError as error:
        said = str(error)
        assert said.isascii()
    else:
        assert tags
        assert parse_tags("; ".join(f"{name}={value}" for name, value in tags.items())) == tags
