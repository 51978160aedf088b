"""DeleteRetentionPolicy."""

from __future__ import annotations

from tests.support.api_server import Tenant, refused

DELETE = "DeleteRetentionPolicy"


def test_it_is_gone_and_what_is_not_there_is_no_error(demo: Tenant, other: Tenant) -> None:
    demo("PutRetentionPolicy", Name="default", FolderConfigurations=[])
    policy = demo("GetDefaultRetentionPolicy")["Id"]
    other("PutRetentionPolicy", Name="default", FolderConfigurations=[])
    assert other(DELETE, Id=policy) == {}
    assert demo(DELETE, Id="unknown") == {}
    assert demo("GetDefaultRetentionPolicy")["Id"] == policy
    assert demo(DELETE, Id=policy) == demo(DELETE, Id=policy) == {}
    assert refused(demo, "GetDefaultRetentionPolicy")[0] == "EntityNotFoundException"
    demo("PutRetentionPolicy", Name="default", FolderConfigurations=[])
    assert demo("GetDefaultRetentionPolicy")["Id"] != policy
