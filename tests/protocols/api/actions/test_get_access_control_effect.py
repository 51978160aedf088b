"""GetAccessControlEffect."""

from __future__ import annotations

from typing import Any

from tests.protocols.api.actions.test_put_access_control_rule import put
from tests.support.api_server import Tenant, refused


def effect(tenant: Tenant, user: str, action: str = "IMAP", address: str = "10.1.2.3") -> Any:
    answer = tenant("GetAccessControlEffect", IpAddress=address, Action=action, UserId=user)
    return answer["Effect"], answer["MatchedRules"]


def test_deny_beats_allow_and_silence_is_no(demo: Tenant) -> None:
    ada, grace = demo.user("ada"), demo.user("grace", enabled=False)
    assert effect(demo, ada) == ("ALLOW", ["default"])
    put(demo, "no-imap", "DENY", Actions=["IMAP"], UserIds=[ada])
    put(demo, "inside", "ALLOW", IpRanges=["10.0.0.0/8"])
    assert effect(demo, ada) == ("DENY", ["no-imap"])
    assert effect(demo, ada, "SMTP") == ("ALLOW", ["default", "inside"])
    assert effect(demo, grace) == ("ALLOW", ["default", "inside"])
    demo("DeleteAccessControlRule", Name="default")
    assert effect(demo, grace, address="192.0.2.1") == ("DENY", [])
    assert effect(demo, grace) == ("ALLOW", ["inside"])
    demo("DeleteAccessControlRule", Name="inside")
    assert effect(demo, grace) == ("DENY", [])


def test_exclusions(demo: Tenant) -> None:
    ada, grace = demo.user("ada"), demo.user("grace")
    demo("DeleteAccessControlRule", Name="default")
    put(demo, "rest", NotIpRanges=["10.0.0.0/8"], NotActions=["EWS"], NotUserIds=[ada])
    assert effect(demo, grace, address="192.0.2.1") == ("ALLOW", ["rest"])
    assert effect(demo, ada, address="192.0.2.1")[0] == "DENY"
    assert effect(demo, grace)[0] == "DENY"
    assert effect(demo, grace, "EWS", "192.0.2.1")[0] == "DENY"


def test_either_a_user_or_a_role(demo: Tenant) -> None:
    ada = demo.user("ada")

    def code(**more: str) -> str:
        values = {"IpAddress": "10.1.2.3", "Action": "EWS", **more}
        return refused(demo, "GetAccessControlEffect", **values)[0]

    assert code() == "InvalidParameterException"
    assert code(UserId=ada, ImpersonationRoleId="role") == "InvalidParameterException"
    assert code(ImpersonationRoleId="role", Action="IMAP") == "InvalidParameterException"
    assert code(UserId=ada, Action="POP") == "InvalidParameterException"
    assert code(ImpersonationRoleId="role") == "ResourceNotFoundException"
    assert code(UserId="nobody-at-all") == "EntityNotFoundException"
    assert code(UserId=ada, IpAddress="::1") == "ValidationException"
