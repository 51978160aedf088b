"""Types and constraints of inputs: what is kept, and the services' texts for what is broken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workpost.protocols.api.wire.body import MalformedBody
from workpost.protocols.api.wire.patterns import java_pattern
from workpost.protocols.api.wire.reading import MAX_VIOLATIONS, compile_input

SHAPES: dict[str, dict[str, Any]] = {
    "Input": {
        "type": "structure",
        "required": ["Name", "Flag"],
        "members": {
            "Name": {"shape": "Name"},
            "Flag": {"shape": "Boolean"},
            "Boxed": {"shape": "BooleanObject"},
            "Count": {"shape": "Count"},
            "Big": {"shape": "Big"},
            "Ratio": {"shape": "Ratio"},
            "When": {"shape": "When"},
            "Data": {"shape": "Data"},
            "Effect": {"shape": "Effect"},
            "Secret": {"shape": "Secret"},
            "Free": {"shape": "Free"},
            "Anything": {"shape": "Anything"},
            "Secrets": {"shape": "Secrets"},
            "Words": {"shape": "Words"},
            "Tags": {"shape": "Tags"},
            "Rows": {"shape": "Rows"},
            "S3BucketName": {"shape": "Empty"},
            "Child": {"shape": "Child"},
            "renamed": {"shape": "Name", "locationName": "onTheWire"},
        },
    },
    "Name": {"type": "string", "min": 2, "max": 4, "pattern": "[a-z]+"},
    "Empty": {"type": "string", "min": 0, "max": 4, "pattern": "[a-z]+"},
    "Boolean": {"type": "boolean"},
    "BooleanObject": {"type": "boolean"},
    "Count": {"type": "integer", "min": 1, "max": 100},
    "Big": {"type": "long"},
    "Ratio": {"type": "double", "min": 0},
    "When": {"type": "timestamp"},
    "Data": {"type": "blob", "max": 3},
    "Effect": {"type": "string", "enum": ["ALLOW", "DENY"]},
    "Secret": {"type": "string", "max": 3, "sensitive": True},
    "Free": {"type": "string"},
    "Anything": {"type": "string", "pattern": "[\\s\\S]*"},
    "Secrets": {"type": "list", "member": {"shape": "Secret"}},
    "Words": {"type": "list", "member": {"shape": "Name"}, "min": 1, "max": 3},
    "Tags": {"type": "list", "member": {"shape": "Tag"}, "max": 2},
    "Tag": {
        "type": "structure",
        "required": ["Key"],
        "members": {"Key": {"shape": "Name"}, "Hidden": {"shape": "Secret"}},
    },
    "Rows": {"type": "list", "member": {"shape": "Words"}},
    "Child": {
        "type": "structure",
        "members": {"Child": {"shape": "Child"}, "Name": {"shape": "Name"}},
    },
}

read = compile_input(SHAPES, "Input")
FAILED = "failed to satisfy constraint: Member must"


def violations(**members: Any) -> list[str]:
    return read({"Name": "abc", **members})[1]


def kept(**members: Any) -> dict[str, Any]:
    document, found = read({"Name": "abc", **members})
    assert found == []
    del document["Name"]
    return document


class TestKept:
    def test_unknown_members_are_dropped_at_any_depth(self) -> None:
        assert kept(Other=1, Tags=[{"Key": "ab", "Other": {}}]) == {"Tags": [{"Key": "ab"}]}

    def test_null_is_absent(self) -> None:
        assert kept(Count=None, Child={"Name": None}) == {"Child": {}}

    def test_defaults_are_not_invented(self) -> None:
        assert kept() == {}

    def test_absent_primitive_booleans_are_not_missing(self) -> None:
        assert violations() == []

    def test_a_shape_may_hold_itself(self) -> None:
        assert kept(Child={"Child": {"Name": "ab"}}) == {"Child": {"Child": {"Name": "ab"}}}

    def test_wire_names(self) -> None:
        assert kept(onTheWire="ab") == {"onTheWire": "ab"}

    @pytest.mark.parametrize(
        ("member", "given", "value"),
        [
            ("Count", 5.0, 5),
            ("Big", 2**62, 2**62),
            ("Ratio", 1, 1.0),
            ("When", 1532459261.827, 1532459261827),
            ("When", 10, 10_000),
            ("Data", "YWI=", b"ab"),
            ("Flag", False, False),
            ("S3BucketName", "", ""),
        ],
    )
    def test_conversions(self, member: str, given: Any, value: Any) -> None:
        document = kept(**{member: given})
        assert document == {member: value}
        assert type(document[member]) is type(value)


class TestTypes:
    @pytest.mark.parametrize(
        ("member", "value", "text"),
        [
            ("Count", "5", "STRING_VALUE can not be converted to an Integer"),
            ("Count", 5.5, "NUMBER_VALUE can not be converted to an Integer"),
            ("Count", 2**31, "NUMBER_VALUE can not be converted to an Integer"),
            ("Count", 1e300, "NUMBER_VALUE can not be converted to an Integer"),
            ("Count", True, "TRUE_VALUE can not be converted to an Integer"),
            ("Big", 2.0**63, "NUMBER_VALUE can not be converted to a Long"),
            ("Name", 5, "NUMBER_VALUE can not be converted to a String"),
            ("Name", False, "FALSE_VALUE can not be converted to a String"),
            ("Name", {}, "Start of structure or map found where not expected."),
            ("Name", [], "Start of list found where not expected."),
            ("Flag", "true", "STRING_VALUE can not be converted to a Boolean"),
            ("Flag", 1, "NUMBER_VALUE can not be converted to a Boolean"),
            ("Ratio", "1", "STRING_VALUE can not be converted to a Double"),
            ("When", "2020-01-01", "STRING_VALUE can not be converted to a Timestamp"),
            ("Data", "*", "STRING_VALUE can not be converted to a Blob"),
            ("Words", "ab", "STRING_VALUE can not be converted to a list"),
            ("Words", [1], "NUMBER_VALUE can not be converted to a String"),
            ("Child", [], "Start of list found where not expected."),
            ("Child", "x", "STRING_VALUE can not be converted to a structure"),
            ("Tags", ["a", "b", "c"], "STRING_VALUE can not be converted to a structure"),
        ],
    )
    def test_wrong_type(self, member: str, value: Any, text: str) -> None:
        with pytest.raises(MalformedBody) as caught:
            read({member: value})
        assert caught.value.message == text

    @pytest.mark.parametrize("document", [[], "x", 1, None, True])
    def test_the_document_is_a_structure(self, document: Any) -> None:
        with pytest.raises(MalformedBody):
            read(document)


class TestConstraints:
    def test_required(self) -> None:
        for document in ({}, {"Name": None}):
            assert read(document)[1] == [f"Value null at 'name' {FAILED} not be null"]

    def test_length(self) -> None:
        assert violations(Name="a") == [
            f"Value 'a' at 'name' {FAILED} have length greater than or equal to 2"
        ]
        assert violations(Name="abcde") == [
            f"Value 'abcde' at 'name' {FAILED} have length less than or equal to 4"
        ]

    def test_length_counts_utf16_units(self) -> None:
        assert violations(Secret="😀") == []
        assert len(violations(Secret="😀😀")) == 1

    def test_length_comes_before_pattern(self) -> None:
        assert violations(Name="") == [
            f"Value '' at 'name' {FAILED} have length greater than or equal to 2",
            f"Value '' at 'name' {FAILED} satisfy regular expression pattern: [a-z]+",
        ]

    def test_no_text_holds_nul(self) -> None:
        assert violations(Free="a\0b") == [
            f"Value 'a\0b' at 'free' {FAILED} satisfy regular expression pattern: [^\\u0000]*"
        ]
        assert len(violations(Anything="\0")) == len(violations(Secret="\0")) == 1
        assert len(violations(Name="a\0")) == 1
        assert violations(Free="", Anything="a\r\nb") == []

    @pytest.mark.parametrize("value", ["ab1", "ab\n", "1ab", "éé"])
    def test_patterns_match_the_whole_text(self, value: str) -> None:
        assert violations(Name=value) == [
            f"Value '{value}' at 'name' {FAILED} satisfy regular expression pattern: [a-z]+"
        ]

    def test_range(self) -> None:
        assert violations(Count=0) == [
            f"Value '0' at 'count' {FAILED} have value greater than or equal to 1"
        ]
        assert violations(Count=101) == [
            f"Value '101' at 'count' {FAILED} have value less than or equal to 100"
        ]

    def test_enum(self) -> None:
        assert violations(Effect="allow") == [
            f"Value 'allow' at 'effect' {FAILED} satisfy enum value set: [ALLOW, DENY]"
        ]

    def test_list_size(self) -> None:
        assert violations(Words=[]) == [
            f"Value '[]' at 'words' {FAILED} have length greater than or equal to 1"
        ]
        assert violations(Words=["ab"] * 4) == [
            f"Value '[ab, ab, ab, ab]' at 'words' {FAILED} have length less than or equal to 3"
        ]

    def test_elements_of_a_scalar_list_are_told_at_the_list(self) -> None:
        text = (
            f"Value '[ab, 1]' at 'words' {FAILED} satisfy constraint: "
            "[Member must have length greater than or equal to 2, "
            "Member must have length less than or equal to 4, "
            "Member must satisfy regular expression pattern: [a-z]+]"
        )
        assert violations(Words=["ab", "1"]) == [text]
        assert violations(Words=["ab", None])[0].endswith("[a-z]+, Member must not be null]")

    def test_paths_of_nested_members(self) -> None:
        found = violations(
            Tags=[{"Key": "ab"}, {"Key": "1a"}, None, {}],
            Child={"Child": {"Name": "1a"}},
            Rows=[["ab"], ["1"], None],
        )
        assert [one.split("'")[-2] for one in found if not one.startswith("Value null")] == [
            "tags",
            "tags.2.member.key",
            "rows.2.member",
            "child.child.name",
        ]
        assert [one for one in found if one.startswith("Value null")] == [
            f"Value null at 'tags.3.member' {FAILED} not be null",
            f"Value null at 'tags.4.member.key' {FAILED} not be null",
            f"Value null at 'rows.3.member' {FAILED} not be null",
        ]

    def test_first_letter_of_a_path_is_lower_case(self) -> None:
        assert "at 's3BucketName'" in violations(S3BucketName="12")[0]

    def test_sensitive_values_are_left_out(self) -> None:
        assert violations(Secret="hunter2") == [
            f"Value at 'secret' {FAILED} have length less than or equal to 3"
        ]
        (found,) = violations(Secrets=["hunter2"])
        assert found.startswith(f"Value at 'secrets' {FAILED} satisfy constraint: [Member must")

    def test_sensitive_members_hide_inside_a_shown_list(self) -> None:
        (found,) = violations(Tags=[{"Key": "ab", "Hidden": "x"}] * 3)
        assert found.startswith("Value '[{Key=ab, Hidden=***}, ")

    def test_shown_values_look_like_javas(self) -> None:
        (found,) = violations(Rows=[], Tags=[{"Key": "ab", "x": [True, False, None]}] * 3)
        assert "x=[true, false, null]" in found

    def test_size_of_blobs(self) -> None:
        assert len(violations(Data="YWJjZA==")) == 1

    def test_a_flood_of_violations_is_cut(self) -> None:
        document, found = read({"Name": "ab", "Rows": [[]] * 100_000})
        assert document == {}
        assert len(found) == MAX_VIOLATIONS


class TestJavaPatterns:
    @pytest.mark.parametrize(
        ("pattern", "text", "fits"),
        [
            (r"\w+", "é", False),
            (r"\d", "٣", False),
            (r"^ab$", "ab\n", False),
            (r".+", "a\u2028", False),
            (r".+", "a\r", False),
            (r"[.]+", "..", True),
            (r"\.", ".", True),
            (r"[\].]", ".", True),
            (r"[\S\s]*", "a\n\u2028é", True),
            (r"[\u0020-\u00FF]+", "Grâce", True),
            (r"[\u0020-\u00FF]+", "Ω", False),
        ],
    )
    def test_means_what_it_means_in_java(self, pattern: str, text: str, fits: bool) -> None:
        assert (java_pattern(pattern).fullmatch(text) is not None) is fits


def test_documents_come_from_json() -> None:
    document, found = read(json.loads('{"Name":"ab","Count":5.0}'))
    assert (document, found) == ({"Name": "ab", "Count": 5}, [])
