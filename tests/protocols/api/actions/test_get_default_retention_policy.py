"""GetDefaultRetentionPolicy."""

from __future__ import annotations

from tests.support.api_server import Tenant, refused

GET = "GetDefaultRetentionPolicy"


def test_before_a_policy_was_put_there_is_none(demo: Tenant, other: Tenant) -> None:
    other("PutRetentionPolicy", Name="theirs", FolderConfigurations=[])
    assert refused(demo, GET)[0] == "EntityNotFoundException"
    demo("PutRetentionPolicy", Name="ours", FolderConfigurations=[])
    assert demo(GET)["Name"] == "ours"
