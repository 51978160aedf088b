"""PutAccessControlRule."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_server import Tenant, refused


def put(tenant: Tenant, name: str = "office", effect: str = "ALLOW", **more: Any) -> None:
    more.setdefault("Description", "A rule")
    assert tenant("PutAccessControlRule", Name=name, Effect=effect, **more) == {}


def rules(tenant: Tenant) -> dict[str, dict[str, Any]]:
    return {each.pop("Name"): each for each in tenant("ListAccessControlRules")["Rules"]}


def test_a_rule_comes_back_as_it_was_given(demo: Tenant) -> None:
    ada, grace = demo.user("ada"), demo.user("grace")
    given = {
        "Description": "Caf\u00e9 only",
        "IpRanges": ["10.0.0.0/8", "192.0.2.1/32"],
        "NotActions": ["ActiveSync", "EWS"],
        "UserIds": [ada, grace],
    }
    put(demo, "office", "DENY", **given)
    shown = rules(demo)["office"]
    assert shown.pop("DateCreated") == shown.pop("DateModified")
    assert shown == {"Effect": "DENY", **given}


def test_the_same_name_replaces_and_keeps_the_date_of_making(demo: Tenant) -> None:
    put(demo, IpRanges=["10.0.0.0/8"])
    before = rules(demo)["office"]
    put(demo, effect="DENY", Description="Other", NotIpRanges=["10.0.0.0/8"])
    after = rules(demo)["office"]
    assert after["DateCreated"] == before["DateCreated"] <= after["DateModified"]
    assert "IpRanges" not in after
    assert (after["Effect"], after["NotIpRanges"]) == ("DENY", ["10.0.0.0/8"])


def test_a_rule_that_names_a_deleted_user_can_be_put_again_as_it_is_shown(demo: Tenant) -> None:
    ada = demo.user("ada", enabled=False)
    put(demo, UserIds=[ada])
    demo("DeleteUser", UserId=ada)
    put(demo, UserIds=rules(demo)["office"]["UserIds"], Description="Other")
    assert rules(demo)["office"]["Description"] == "Other"


@pytest.mark.parametrize(
    "both",
    [
        {"IpRanges": ["10.0.0.0/8"], "NotIpRanges": ["192.0.2.0/24"]},
        {"Actions": ["IMAP"], "NotActions": ["SMTP"]},
        {"ImpersonationRoleIds": ["a"], "NotImpersonationRoleIds": ["b"]},
        {"Actions": ["POP"]},
        {"NotActions": ["imap"]},
    ],
)
def test_contradictions_and_unknown_actions(demo: Tenant, both: dict[str, Any]) -> None:
    code, _ = refused(
        demo, "PutAccessControlRule", Name="x", Effect="ALLOW", Description="x", **both
    )
    assert code == "InvalidParameterException"
    assert set(rules(demo)) == {"default"}


def test_unknown_users_and_roles(demo: Tenant, other: Tenant) -> None:
    eve = other.user("eve")
    group = demo.group("everyone")
    common = {"Name": "x", "Effect": "DENY", "Description": "x"}
    for user in (eve, group, "nobody-at-all", "S-1-1-12-1234567890"):
        for field in ("UserIds", "NotUserIds"):
            code, _ = refused(demo, "PutAccessControlRule", **common, **{field: [user]})
            assert code == "EntityNotFoundException"
    for field in ("ImpersonationRoleIds", "NotImpersonationRoleIds"):
        code, _ = refused(demo, "PutAccessControlRule", **common, **{field: ["role"]})
        assert code == "ResourceNotFoundException"


def test_ten_rules_at_most(demo: Tenant) -> None:
    for number in range(9):
        put(demo, f"rule{number}")
    common = {"Effect": "ALLOW", "Description": "one too many"}
    code, _ = refused(demo, "PutAccessControlRule", Name="rule9", **common)
    assert code == "LimitExceededException"
    put(demo, "rule8", Description="replaced")
    assert len(rules(demo)) == 10


def test_malformed_conditions(demo: Tenant) -> None:
    for wrong in (
        {"IpRanges": ["10.0.0.0"]},
        {"IpRanges": ["::/0"]},
        {"Name": "a b"},
        {"Actions": ["IM4P"]},
    ):
        values = {"Name": "x", "Effect": "ALLOW", "Description": "x", **wrong}
        assert refused(demo, "PutAccessControlRule", **values)[0] == "ValidationException"
