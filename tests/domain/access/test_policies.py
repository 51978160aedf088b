"""IAM policies: what is refused when stored, and what is allowed when asked."""

from __future__ import annotations

import json
import time
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.domain.access.globs import Piece, arn_like, glob, parse_pattern, resolve
from workpost.domain.access.policies import (
    MAX_POLICY,
    Context,
    Decision,
    PolicyMalformed,
    decide,
    parse_policy,
)

ORGANIZATION = "arn:aws:workmail:us-east-1:111122223333:organization/m-1"
ALLOW = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def ask(
    *statements: dict[str, Any],
    action: str = "workmail:DescribeUser",
    resource: str = ORGANIZATION,
    context: Context | None = None,
    version: str = "2012-10-17",
) -> Decision:
    policy = parse_policy(json.dumps({"Version": version, "Statement": statements}))
    return decide(policy, action=action, resource=resource, context=context or {})


def allows(condition: dict[str, Any], context: dict[str, Any], version: str = "2012-10-17") -> bool:
    values = {k: v if isinstance(v, tuple) else (v,) for k, v in context.items()}
    statement = {**ALLOW, "Condition": condition}
    return ask(statement, context=values, version=version) is Decision.ALLOWED


class TestMalformed:
    @pytest.mark.parametrize(
        "document",
        [
            "",
            "[]",
            "{}",
            '{"Statement":[]}',
            '{"Statement":"x"}',
            '{"Statement":[1]}',
            '{"Version":"2020-01-01","Statement":[]}',
            '{"Version":["2012-10-17"],"Statement":[]}',
            '{"Id":1,"Statement":[]}',
            '{"Statements":[]}',
            " " * (MAX_POLICY + 1),
        ],
    )
    def test_documents(self, document: str) -> None:
        with pytest.raises(PolicyMalformed):
            parse_policy(document)

    @pytest.mark.parametrize(
        "change",
        [
            {"Effect": "allow"},
            {"Effect": None},
            {"Effect": ["Allow"]},
            {"Sid": 1},
            {"Principal": "*"},
            {"NotAction": "*"},
            {"NotResource": "*"},
            {"Action": []},
            {"Action": [1]},
            {"Action": {}},
            {"Action": "DescribeUser"},
            {"Action": "workmail:"},
            {"Action": "work*:Describe"},
            {"Action": "workmail:Describe User"},
            {"Resource": "m-1"},
            {"Resource": ""},
            {"Resource": "arn:aws:workmail:*:*:${oops"},
            {"Condition": []},
            {"Condition": {"StringEquals": []}},
            {"Condition": {"StringEquals": {}}},
            {"Condition": {"StringEquals": {"nokey": "x"}}},
            {"Condition": {"StringEquals": {"aws:username": []}}},
            {"Condition": {"StringEquals": {"aws:username": {}}}},
            {"Condition": {"StringEquals": {"aws:username": None}}},
            {"Condition": {"StringEqual": {"aws:username": "x"}}},
            {"Condition": {"ForSomeValues:StringEquals": {"aws:username": "x"}}},
            {"Condition": {"StringLike": {"aws:username": "${"}}},
            {"Condition": {"NumericEquals": {"aws:EpochTime": "many"}}},
            {"Condition": {"DateLessThan": {"aws:CurrentTime": "soon"}}},
            {"Condition": {"Bool": {"aws:SecureTransport": "yes"}}},
            {"Condition": {"BinaryEquals": {"aws:x": "*"}}},
            {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}},
            {"Condition": {"ArnLike": {"aws:PrincipalArn": "user/ada"}}},
            {"Condition": {"Null": {"aws:username": "maybe"}}},
            {"Condition": {"NullIfExists": {"aws:username": "true"}}},
            {"Condition": {"Null": {"aws:username": ["true", "false"]}}},
        ],
    )
    def test_statements(self, change: dict[str, Any]) -> None:
        statement = {**ALLOW, **change}
        document = {"Version": "2012-10-17", "Statement": [ALLOW, statement]}
        with pytest.raises(PolicyMalformed, match="statement 2"):
            parse_policy(json.dumps(document))

    @pytest.mark.parametrize("missing", ["Effect", "Action", "Resource"])
    def test_missing_elements(self, missing: str) -> None:
        statement = {key: value for key, value in ALLOW.items() if key != missing}
        with pytest.raises(PolicyMalformed):
            parse_policy(json.dumps({"Statement": statement}))

    @given(st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
            st.sampled_from([*ALLOW, "Condition", "StringLike", "aws:x", "Statement", "Version"]),
            inner,
            max_size=4,
        ),
        max_leaves=12,
    ))  # fmt: skip
    def test_refusals_are_of_one_kind(self, document: Any) -> None:
        try:
            policy = parse_policy(json.dumps({"Statement": document}))
        except PolicyMalformed:
            return
        decide(policy, action="workmail:ListUsers", resource="*", context={})


class TestEvaluation:
    def test_nothing_matches_is_no(self) -> None:
        statement = {**ALLOW, "Action": "ses:*"}
        assert ask(statement) is Decision.NOT_ALLOWED

    def test_deny_beats_allow_in_any_order(self) -> None:
        deny = {**ALLOW, "Effect": "Deny"}
        assert ask(ALLOW, deny) is Decision.DENIED
        assert ask(deny, ALLOW) is Decision.DENIED
        assert ask(ALLOW, ALLOW) is Decision.ALLOWED

    def test_scalars_and_lists_are_interchangeable(self) -> None:
        document = json.dumps({"Id": "i", "Statement": {"Sid": "s", **ALLOW}})
        policy = parse_policy(document.encode())
        assert decide(policy, action="a:b", resource="*", context={}) is Decision.ALLOWED

    @pytest.mark.parametrize(
        ("pattern", "matches"),
        [
            ("*", True),
            ("workmail:*", True),
            ("WORKMAIL:describeuser", True),
            ("workmail:Describe????", True),
            ("workmail:Describe???", False),
            ("workmail:*User", True),
            ("workmail:AddMembersToGroup", False),
            ("workmailmessageflow:*", False),
        ],
    )
    def test_actions(self, pattern: str, matches: bool) -> None:
        assert (ask({**ALLOW, "Action": ["ses:x", pattern]}) is Decision.ALLOWED) is matches
        turned = {"Effect": "Allow", "NotAction": pattern, "Resource": "*"}
        assert (ask(turned) is Decision.ALLOWED) is not matches

    @pytest.mark.parametrize(
        ("pattern", "matches"),
        [
            ("*", True),
            (ORGANIZATION, True),
            ("arn:aws:workmail:*:*:organization/*", True),
            ("arn:aws:workmail", True),
            ("arn:aws:workmail:*", True),
            ("arn:aws:workmail:us-east-?:111122223333:organization/m-1", True),
            ("arn:aws:workmail:us-east-1:111122223333:organization/M-1", False),
            ("arn:aws:workmail:us-east-1:111122223333:organization/m-2", False),
            ("arn:aws:workmail:*organization/m-1", False),
            ("arn:aws:ses:*:*:*", False),
            ("arn:aws:workmail:*:*:organization/${aws:username}", False),
        ],
    )
    def test_resources(self, pattern: str, matches: bool) -> None:
        assert (ask({**ALLOW, "Resource": [pattern]}) is Decision.ALLOWED) is matches
        turned = {"Effect": "Allow", "Action": "*", "NotResource": pattern}
        assert (ask(turned) is Decision.ALLOWED) is not matches

    def test_actions_above_organizations_need_a_star(self) -> None:
        narrow = {**ALLOW, "Resource": "arn:aws:workmail:*:*:organization/*"}
        assert ask(narrow, resource="*") is Decision.NOT_ALLOWED
        assert ask(ALLOW, resource="*") is Decision.ALLOWED

    def test_a_condition_that_fails_silences_its_statement(self) -> None:
        deny = {**ALLOW, "Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": False}}}
        assert ask(ALLOW, deny, context={"aws:securetransport": ("true",)}) is Decision.ALLOWED
        assert ask(ALLOW, deny, context={"aws:securetransport": ("false",)}) is Decision.DENIED


class TestVariables:
    CONTEXT: ClassVar[Context] = {"aws:username": ("m-1",), "aws:tagkeys": ("a", "b")}

    def test_in_resources(self) -> None:
        statement = {**ALLOW, "Resource": "arn:aws:workmail:*:*:organization/${aws:UserName}"}
        assert ask(statement, context=self.CONTEXT) is Decision.ALLOWED
        assert ask(statement, context={"aws:username": ("*",)}) is Decision.NOT_ALLOWED
        assert ask(statement) is Decision.NOT_ALLOWED

    def test_only_in_the_newer_language(self) -> None:
        statement = {**ALLOW, "Resource": "arn:aws:workmail:*:*:organization/${aws:username}"}
        assert ask(statement, context=self.CONTEXT, version="2008-10-17") is Decision.NOT_ALLOWED

    def test_in_conditions(self) -> None:
        assert allows({"StringEquals": {"aws:x": "${aws:username}"}}, {
            "aws:x": "m-1", "aws:username": "m-1",
        })  # fmt: skip
        assert not allows({"StringEquals": {"aws:x": "${aws:username}"}}, {"aws:x": "m-1"})
        assert allows({"StringLike": {"aws:x": "a${*}b*"}}, {"aws:x": "a*bc"})
        assert not allows({"StringLike": {"aws:x": "a${*}b"}}, {"aws:x": "aab"})
        assert allows({"StringEquals": {"aws:x": "${$}${?}"}}, {"aws:x": "$?"})

    def test_defaults(self) -> None:
        condition = {"StringEquals": {"aws:x": "${aws:username, 'nobody'}"}}
        assert allows(condition, {"aws:x": "nobody"})
        assert not allows(condition, {"aws:x": "nobody", "aws:username": "ada"})

    def test_several_values_have_no_single_text(self) -> None:
        pieces = parse_pattern("${aws:TagKeys}", wildcards=False, variables=True)
        assert resolve(pieces, self.CONTEXT) is None


HAVE = {"aws:x": "Ada"}
OPERATORS = [
    ("StringEquals", "Ada", "ada"),
    ("StringEqualsIgnoreCase", "ADA", "Grace"),
    ("StringLike", "A?*", "a*"),
]


class TestStringOperators:
    @pytest.mark.parametrize(("name", "yes", "no"), OPERATORS)
    def test_positive(self, name: str, yes: str, no: str) -> None:
        assert allows({name: {"aws:x": yes}}, HAVE)
        assert not allows({name: {"aws:X": no}}, HAVE)
        assert allows({name: {"aws:x": [no, yes]}}, HAVE)
        assert not allows({name: {"aws:x": yes}}, {})
        assert allows({f"{name}IfExists": {"aws:x": yes}}, {})
        assert not allows({f"{name}IfExists": {"aws:x": no}}, HAVE)

    @pytest.mark.parametrize(("name", "yes", "no"), OPERATORS)
    def test_negated(self, name: str, yes: str, no: str) -> None:
        negated = name.replace("String", "StringNot", 1)
        assert not allows({negated: {"aws:x": yes}}, HAVE)
        assert allows({negated: {"aws:x": no}}, HAVE)
        assert not allows({negated: {"aws:x": [no, yes]}}, HAVE)
        assert allows({negated: {"aws:x": yes}}, {})

    def test_keys_and_operators_are_anded(self) -> None:
        both = {"StringEquals": {"aws:x": "Ada", "aws:y": "1"}, "StringLike": {"aws:z": "*"}}
        assert allows(both, {"aws:x": "Ada", "aws:y": "1", "aws:z": "q"})
        assert not allows(both, {"aws:x": "Ada", "aws:y": "2", "aws:z": "q"})
        assert not allows(both, {"aws:x": "Ada", "aws:y": "1"})


class TestSets:
    def test_for_all_values(self) -> None:
        condition = {"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}
        assert allows(condition, {"aws:tagkeys": ("a", "b")})
        assert not allows(condition, {"aws:tagkeys": ("a", "c")})
        assert allows(condition, {})

    def test_for_any_value(self) -> None:
        condition = {"ForAnyValue:StringEquals": {"aws:TagKeys": ["a", "b"]}}
        assert allows(condition, {"aws:tagkeys": ("c", "b")})
        assert not allows(condition, {"aws:tagkeys": ("c",)})
        assert not allows(condition, {})
        assert allows({"ForAnyValue:StringEqualsIfExists": {"aws:TagKeys": "a"}}, {})

    def test_negated_sets(self) -> None:
        every = {"ForAllValues:StringNotEquals": {"aws:TagKeys": ["a"]}}
        assert allows(every, {"aws:tagkeys": ("b", "c")})
        assert not allows(every, {"aws:tagkeys": ("a", "c")})
        one = {"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["a"]}}
        assert allows(one, {"aws:tagkeys": ("a", "c")})
        assert not allows(one, {"aws:tagkeys": ("a",)})

    def test_several_values_without_a_quantifier(self) -> None:
        assert allows({"StringEquals": {"aws:x": "a"}}, {"aws:x": ("a", "b")})
        assert not allows({"StringNotEquals": {"aws:x": "a"}}, {"aws:x": ("a", "b")})

    @pytest.mark.parametrize("key", ["RequestTag", "ResourceTag", "PrincipalTag"])
    def test_tags_that_differ_only_in_case_are_judged_to_the_callers_disadvantage(
        self, key: str
    ) -> None:
        both = {f"aws:{key.lower()}/stage": ("test", "prod")}
        for operator in ("StringEquals", "StringNotEquals"):
            condition = {operator: {f"aws:{key}/stage": "test"}}
            assert not allows(condition, both)
            deny = {**ALLOW, "Effect": "Deny", "Condition": condition}
            assert ask(ALLOW, deny, context=both) is Decision.DENIED
        assert allows({"StringLike": {f"aws:{key}/stage": ["test", "prod"]}}, both)


class TestOtherOperators:
    @pytest.mark.parametrize(
        ("name", "below", "equal", "above"),
        [
            ("Equals", False, True, False),
            ("NotEquals", True, False, True),
            ("LessThan", True, False, False),
            ("LessThanEquals", True, True, False),
            ("GreaterThan", False, False, True),
            ("GreaterThanEquals", False, True, True),
        ],
    )
    def test_numbers_and_dates(self, name: str, below: bool, equal: bool, above: bool) -> None:
        for value, wanted in (("4.5", below), ("5", equal), ("6", above)):
            assert allows({f"Numeric{name}": {"aws:n": 5}}, {"aws:n": value}) is wanted
        for value, wanted in (
            ("2025-12-31T23:59:59Z", below),
            ("2026-01-01T01:00:00+01:00", equal),
            ("1767225601", above),
        ):
            condition = {f"Date{name}": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}
            assert allows(condition, {"aws:currenttime": value}) is wanted

    def test_dates_without_a_zone_are_utc(self) -> None:
        condition = {"DateEquals": {"aws:d": "2026-01-01"}}
        assert allows(condition, {"aws:d": "1767225600"})

    @pytest.mark.parametrize("name", ["NumericEquals", "DateEquals"])
    def test_unreadable_request_values_do_not_fit(self, name: str) -> None:
        assert not allows({name: {"aws:n": "5"}}, {"aws:n": "five"})
        assert allows({name.replace("Eq", "NotEq"): {"aws:n": "5"}}, {"aws:n": "five"})

    def test_booleans(self) -> None:
        assert allows({"Bool": {"aws:SecureTransport": "True"}}, {"aws:securetransport": "true"})
        assert not allows({"Bool": {"aws:SecureTransport": True}}, {"aws:securetransport": "false"})

    def test_binary(self) -> None:
        assert allows({"BinaryEquals": {"aws:b": "YQ=="}}, {"aws:b": "YQ=="})
        assert not allows({"BinaryEquals": {"aws:b": "YQ=="}}, {"aws:b": "*"})

    @pytest.mark.parametrize(
        ("network", "address", "inside"),
        [
            ("10.0.0.0/8", "10.1.2.3", True),
            ("10.0.0.1", "10.0.0.1", True),
            ("10.0.0.5/8", "10.1.2.3", True),
            ("10.0.0.0/8", "11.1.2.3", False),
            ("10.0.0.0/8", "::ffff:10.1.2.3", True),
            ("2001:db8::/32", "2001:db8::1", True),
            ("2001:db8::/32", "10.1.2.3", False),
            ("10.0.0.0/8", "nowhere", False),
        ],
    )
    def test_addresses(self, network: str, address: str, inside: bool) -> None:
        context = {"aws:sourceip": address}
        assert allows({"IpAddress": {"aws:SourceIp": network}}, context) is inside
        assert allows({"NotIpAddress": {"aws:SourceIp": network}}, context) is not inside

    @pytest.mark.parametrize("name", ["ArnEquals", "ArnLike"])
    def test_arns(self, name: str) -> None:
        context = {"aws:principalarn": "arn:aws:iam::111122223333:user/ada"}
        yes = {name: {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}}
        no = {name: {"aws:PrincipalArn": "arn:aws:iam:*user/ada"}}
        assert allows(yes, context)
        assert not allows(no, context)
        turned = name.replace("Arn", "ArnNot")
        assert not allows({turned: yes[name]}, context)
        assert not allows(yes, {"aws:principalarn": "ada"})
        assert allows({name: {"aws:PrincipalArn": "*"}}, context)

    def test_null(self) -> None:
        assert allows({"Null": {"aws:x": "true"}}, {})
        assert not allows({"Null": {"aws:x": True}}, HAVE)
        assert allows({"Null": {"aws:x": "false"}}, HAVE)
        assert not allows({"Null": {"aws:x": "false"}}, {})


class TestGlobs:
    @pytest.mark.parametrize(
        ("pattern", "text", "fits"),
        [
            ("", "", True),
            ("*", "", True),
            ("?", "", False),
            ("**a", "ba", True),
            ("a*b*c", "aXbYbZc", True),
            ("a*b*c", "aXbYbZ", False),
            ("a?c", "abc", True),
            ("abc", "abcd", False),
            ("[a]", "a", False),
            ("a?b*", "a\nb\n", True),
        ],
    )
    def test_wildcards(self, pattern: str, text: str, fits: bool) -> None:
        assert glob(parse_pattern(pattern, wildcards=True, variables=False), text) is fits

    def test_hostile_patterns_cost_no_more_than_the_product_of_lengths(self) -> None:
        # As long as a session policy, which every tenant writes, and a header may be.
        started = time.process_time()
        for source in ("*a" * 900 + "b", "*" + "a" * 1800 + "b", "*" + "?" * 1800 + "b"):
            pattern = parse_pattern(source, wildcards=True, variables=False)
            assert not glob(pattern, "a" * 8000)
        assert time.process_time() - started < 2

    @given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
    def test_agrees_with_regular_expressions(self, pattern: str, text: str) -> None:
        import re

        expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
        wanted = re.fullmatch(expression, text) is not None
        assert glob(parse_pattern(pattern, wildcards=True, variables=False), text) is wanted

    def test_values_never_act_as_wildcards(self) -> None:
        pieces = parse_pattern("arn:aws:s3:::${aws:username}", wildcards=True, variables=True)
        resolved = resolve(pieces, {"aws:username": ("*",)})
        assert resolved is not None
        assert arn_like(resolved, "arn:aws:s3:::*")
        assert not arn_like(resolved, "arn:aws:s3:::ada")
        assert Piece("*") not in resolved
