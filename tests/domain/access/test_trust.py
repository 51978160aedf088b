"""Trust policies: who may assume a role (IAM user guide)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.domain.access.policies import PolicyMalformed
from workpost.domain.access.trust import Trusted, parse_trust

ACCOUNT, OTHER = "111122223333", "444455556666"
USER = f"arn:aws:iam::{ACCOUNT}:user/ada"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/monday"


def statement(principal: Any, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole", **more}


def answer(*statements: dict[str, Any], arns: tuple[str, ...] = (USER,), **context: str) -> Trusted:
    trust = parse_trust(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
    values = {key.replace("_", ":"): (value,) for key, value in context.items()}
    return trust.decide(account=ACCOUNT, arns=arns, action="sts:AssumeRole", context=values)


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ("*", Trusted.ACCOUNT),
        ({"AWS": "*"}, Trusted.ACCOUNT),
        ({"AWS": ACCOUNT}, Trusted.ACCOUNT),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Trusted.ACCOUNT),
        ({"AWS": [OTHER, USER]}, Trusted.DIRECTLY),
        ({"AWS": OTHER}, Trusted.NO),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/grace"}, Trusted.NO),
    ],
)
def test_principals(principal: Any, expected: Trusted) -> None:
    assert answer(statement(principal)) is expected


def test_a_session_is_known_by_its_own_name_and_by_its_role() -> None:
    for named in (ROLE, SESSION):
        assert answer(statement({"AWS": named}), arns=(SESSION, ROLE)) is Trusted.DIRECTLY


def test_a_deny_wins_and_a_name_beats_an_account() -> None:
    both = (statement({"AWS": USER}), statement({"AWS": ACCOUNT}))
    assert answer(*both) is Trusted.DIRECTLY
    assert answer(*both, statement({"AWS": USER}, "Deny")) is Trusted.DENIED
    assert answer(*both, statement({"AWS": OTHER}, "Deny")) is Trusted.DIRECTLY


def test_actions_and_conditions() -> None:
    assert answer(statement("*", Action="sts:TagSession")) is Trusted.NO
    guarded = statement("*", Condition={"StringEquals": {"sts:ExternalId": "word"}})
    assert answer(guarded) is Trusted.NO
    assert answer(guarded, sts_externalid="word") is Trusted.ACCOUNT


@pytest.mark.parametrize(
    "wrong",
    [
        "text",
        {"Effect": "Allow", "Action": "sts:AssumeRole"},
        statement("*", Resource="*"),
        statement("*", NotResource="*"),
        statement("*", Action="workmail:*"),
        statement("*", Action=[1]),
        statement("*", Action=5),
        statement("*", Action={}),
        statement("ada"),
        statement({"Service": "ec2.amazonaws.com"}),
        statement({"AWS": []}),
        statement({"AWS": [1]}),
        statement({"AWS": "ada"}),
        statement({"AWS": "arn:aws:iam::1:root"}),
        statement("*", "Maybe"),
    ],
)
def test_malformed_ones_are_refused(wrong: Any) -> None:
    with pytest.raises(PolicyMalformed, match="statement 1"):
        parse_trust(json.dumps({"Statement": [wrong]}))


_words = st.sampled_from(
    ["Effect", "Allow", "Principal", "AWS", "*", "Action", "sts:AssumeRole", "Statement", ACCOUNT]
)


@given(
    st.recursive(
        _words | st.none() | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=4),
        max_leaves=20,
    )
)
def test_anything_is_a_trust_policy_or_malformed(document: Any) -> None:
    try:
        parse_trust(json.dumps(document))
    except PolicyMalformed:
        return
