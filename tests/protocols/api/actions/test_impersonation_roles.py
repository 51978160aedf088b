"""CreateImpersonationRole, UpdateImpersonationRole, DeleteImpersonationRole, GetImpersonationRole,
ListImpersonationRoles, GetImpersonationRoleEffect, AssumeImpersonationRole.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tests.protocols.api.actions.test_put_access_control_rule import put, rules
from tests.support.api_server import ApiServer, Tenant, refused

EVERYBODY = {"ImpersonationRuleId": "everybody", "Effect": "ALLOW", "Name": "Everybody"}


def create(tenant: Tenant, *given: dict[str, Any], name: str = "sync", **more: Any) -> str:
    values = {"Name": name, "Type": "FULL_ACCESS", "Rules": list(given), **more}
    made: str = tenant("CreateImpersonationRole", **values)["ImpersonationRoleId"]
    return made


def get(tenant: Tenant, role: str) -> dict[str, Any]:
    return tenant("GetImpersonationRole", ImpersonationRoleId=role)


def effect(tenant: Tenant, role: str, user: str) -> tuple[str, list[str]]:
    answer = tenant("GetImpersonationRoleEffect", ImpersonationRoleId=role, TargetUser=user)
    return answer["Effect"], [each["ImpersonationRuleId"] for each in answer["MatchedRules"]]


def assume(tenant: Tenant, role: str) -> str:
    answer = tenant("AssumeImpersonationRole", ImpersonationRoleId=role)
    assert answer["ExpiresIn"] == 900
    token: str = answer["Token"]
    return token


def test_a_role_comes_back_with_the_ids_of_its_users(demo: Tenant) -> None:
    ada, grace, room = demo.user("ada"), demo.user("grace"), demo.resource("room")
    given = [
        {**EVERYBODY, "Description": "But two", "NotTargetUsers": ["ada", "grace@demo.test"]},
        {"ImpersonationRuleId": "some", "Effect": "DENY", "TargetUsers": [ada, "ADA", room]},
    ]
    role = create(demo, *given, Description="Calendars", Type="READ_ONLY")
    shown = get(demo, role)
    assert shown.pop("DateCreated") == shown.pop("DateModified")
    assert shown == {
        "ImpersonationRoleId": role,
        "Name": "sync",
        "Type": "READ_ONLY",
        "Description": "Calendars",
        "Rules": [
            {**given[0], "NotTargetUsers": [ada, grace]},
            {**given[1], "TargetUsers": [ada, room]},
        ],
    }


def test_an_update_replaces_and_keeps_the_date_of_making(demo: Tenant) -> None:
    role = create(demo, EVERYBODY, Description="Calendars")
    before = get(demo, role)
    values = {"ImpersonationRoleId": role, "Name": "new", "Type": "READ_ONLY", "Rules": []}
    assert demo("UpdateImpersonationRole", **values) == {}
    after = get(demo, role)
    assert after["DateCreated"] == before["DateCreated"] <= after["DateModified"]
    assert (after["Name"], after["Type"], after["Rules"]) == ("new", "READ_ONLY", [])
    assert "Description" not in after


def test_roles_in_pages(demo: Tenant) -> None:
    made = sorted(create(demo, name=f"role{number}") for number in range(3))
    first = demo("ListImpersonationRoles", MaxResults=2)
    rest = demo("ListImpersonationRoles", MaxResults=2, NextToken=first["NextToken"])
    assert "NextToken" not in rest
    roles = [*first["Roles"], *rest["Roles"]]
    assert [each["ImpersonationRoleId"] for each in roles] == made
    assert set(roles[0]) == {"ImpersonationRoleId", "Name", "Type", "DateCreated", "DateModified"}


def test_twenty_roles_at_most(demo: Tenant) -> None:
    for number in range(20):
        create(demo, name=f"role{number}")
    values = {"Name": "more", "Type": "READ_ONLY", "Rules": []}
    assert refused(demo, "CreateImpersonationRole", **values)[0] == "LimitExceededException"
    page = demo("ListImpersonationRoles")
    assert (len(page["Roles"]), "NextToken" in page) == (20, False)


def test_a_repeat_with_the_token_makes_no_second_role(demo: Tenant) -> None:
    first = create(demo, EVERYBODY, ClientToken="once")
    assert create(demo, EVERYBODY, ClientToken="once") == first
    values = {"Name": "sync", "Type": "FULL_ACCESS", "Rules": [], "ClientToken": "once"}
    assert refused(demo, "CreateImpersonationRole", **values)[0] == "InvalidParameterException"
    assert len(demo("ListImpersonationRoles")["Roles"]) == 1


def test_deny_beats_allow_and_no_rule_is_no(demo: Tenant) -> None:
    ada, _, room = demo.user("ada"), demo.user("grace"), demo.resource("room")
    not_ada = {"ImpersonationRuleId": "not-ada", "Effect": "DENY", "TargetUsers": [ada]}
    role = create(demo, EVERYBODY, not_ada)
    assert effect(demo, role, "ada") == ("DENY", ["not-ada"])
    assert effect(demo, role, "grace@demo.test") == ("ALLOW", ["everybody"])
    assert effect(demo, role, room) == ("ALLOW", ["everybody"])
    assert effect(demo, create(demo), "ada") == ("DENY", [])
    most = create(demo, {**EVERYBODY, "NotTargetUsers": [ada]}, name="most", Type="READ_ONLY")
    assert effect(demo, most, ada) == ("DENY", [])
    answer = demo("GetImpersonationRoleEffect", ImpersonationRoleId=most, TargetUser="grace")
    assert answer["Type"] == "READ_ONLY"
    assert answer["MatchedRules"] == [{"ImpersonationRuleId": "everybody", "Name": "Everybody"}]


def test_users_both_included_and_excluded(demo: Tenant) -> None:
    ada, grace = demo.user("ada"), demo.user("grace")
    rule = {**EVERYBODY, "TargetUsers": [ada], "NotTargetUsers": [grace]}
    values = {"Name": "x", "Type": "READ_ONLY", "Rules": [rule]}
    assert refused(demo, "CreateImpersonationRole", **values)[0] == "InvalidParameterException"


def test_a_remote_user_has_no_mailbox_to_act_on(demo: Tenant) -> None:
    role = create(demo, EVERYBODY)
    demo("CreateUser", Name="eve", DisplayName="Eve", Role="REMOTE_USER")
    demo("RegisterToWorkMail", EntityId="eve", Email="eve@demo.test")
    values = {"ImpersonationRoleId": role, "TargetUser": "eve"}
    assert refused(demo, "GetImpersonationRoleEffect", **values)[0] == "EntityStateException"


def test_tokens_are_random_and_only_their_hashes_are_kept(api: ApiServer, demo: Tenant) -> None:
    role = create(demo, EVERYBODY)
    tokens = {assume(demo, role) for _ in range(3)}
    assert len(tokens) == 3
    assert all(re.fullmatch(r"[\x21-\x7e]{64}", token) for token in tokens)
    rows = api.run(api.core.store.read(lambda tx: tx.rows("SELECT * FROM impersonation_token")))
    assert len(rows) == 3
    assert not any(token.encode() in bytes(str(row), "utf-8") for token in tokens for row in rows)


def test_roles_of_others_are_not_there(demo: Tenant, other: Tenant) -> None:
    theirs = create(other, EVERYBODY)
    demo.user("ada")
    eve = other.user("eve")
    for action, more in (
        ("GetImpersonationRole", {}),
        ("AssumeImpersonationRole", {}),
        ("GetImpersonationRoleEffect", {"TargetUser": "ada"}),
        ("UpdateImpersonationRole", {"Name": "x", "Type": "READ_ONLY", "Rules": []}),
    ):
        code, _ = refused(demo, action, ImpersonationRoleId=theirs, **more)
        assert code == "ResourceNotFoundException", action
    demo("DeleteImpersonationRole", ImpersonationRoleId=theirs)
    assert get(other, theirs)["Name"] == "sync"
    rule = {**EVERYBODY, "TargetUsers": [eve]}
    values = {"Name": "x", "Type": "READ_ONLY", "Rules": [rule]}
    assert refused(demo, "CreateImpersonationRole", **values)[0] == "EntityNotFoundException"


def test_access_control_rules_on_roles(demo: Tenant) -> None:
    ada, role, second = demo.user("ada"), create(demo), create(demo, name="second")
    demo("DeleteAccessControlRule", Name="default")
    put(demo, "sync", IpRanges=["10.0.0.0/8"], ImpersonationRoleIds=[role])
    put(demo, "people", NotImpersonationRoleIds=[role, second])
    assert rules(demo)["sync"]["ImpersonationRoleIds"] == [role]

    def told(address: str = "10.1.2.3", **who: str) -> tuple[str, list[str]]:
        values = {"IpAddress": address, "Action": "EWS", **who}
        answer = demo("GetAccessControlEffect", **values)
        return answer["Effect"], answer["MatchedRules"]

    assert told(ImpersonationRoleId=role) == ("ALLOW", ["sync"])
    assert told("192.0.2.1", ImpersonationRoleId=role) == ("DENY", [])
    assert told(ImpersonationRoleId=second) == ("DENY", [])
    assert told(UserId=ada) == ("ALLOW", ["people"])


def test_a_rule_outlives_its_role_and_lets_nobody_in_by_that(demo: Tenant) -> None:
    role = create(demo)
    demo("DeleteAccessControlRule", Name="default")
    put(demo, "sync", ImpersonationRoleIds=[role])
    ada = demo.user("ada")
    for _ in range(2):
        assert demo("DeleteImpersonationRole", ImpersonationRoleId=role) == {}
    assert rules(demo)["sync"]["ImpersonationRoleIds"] == [role]
    values = {"IpAddress": "10.1.2.3", "Action": "EWS"}
    assert demo("GetAccessControlEffect", UserId=ada, **values)["Effect"] == "DENY"
    code, _ = refused(demo, "GetAccessControlEffect", ImpersonationRoleId=role, **values)
    assert code == "ResourceNotFoundException"


def test_iam_policies_may_name_the_roles_to_assume(api: ApiServer, demo: Tenant) -> None:
    one, two = create(demo, name="one"), create(demo, name="two")
    statement = {
        "Effect": "Allow",
        "Action": "workmail:AssumeImpersonationRole",
        "Resource": "*",
        "Condition": {"StringEquals": {"workmail:ImpersonationRoleId": one}},
    }
    reads = {"Effect": "Allow", "Action": "workmail:GetImpersonationRole", "Resource": "*"}
    absent = {"Condition": {"Null": {"workmail:ImpersonationRoleId": "true"}}}
    policy = {"Version": "2012-10-17", "Statement": [statement, {**reads, **absent}]}
    client = api.client(demo.account, json.dumps(policy))
    limited = Tenant(client, demo.account, demo.organization, demo.domain)
    assume(limited, one)
    code, message = refused(limited, "AssumeImpersonationRole", ImpersonationRoleId=two)
    assert code == "AccessDeniedException"
    assert "workmail:AssumeImpersonationRole" in message
    assert get(limited, two)["Name"] == "two"
