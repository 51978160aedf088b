"""ListTagsForResource."""

from tests.protocols.api.actions.test_tag_resource import arn, tag
from tests.support.api_server import Tenant, refused


def test_tags_by_key(demo: Tenant) -> None:
    assert demo.client.list_tags_for_resource(ResourceARN=arn(demo))["Tags"] == []
    tag(demo, stage="test", Owner="ada", empty="")
    assert demo.client.list_tags_for_resource(ResourceARN=arn(demo))["Tags"] == [
        {"Key": "Owner", "Value": "ada"},
        {"Key": "empty", "Value": ""},
        {"Key": "stage", "Value": "test"},
    ]


def test_what_is_not_there(demo: Tenant) -> None:
    unknown = arn(demo).replace(demo.organization, "m-" + "0" * 32)
    code, message = refused(demo.client.list_tags_for_resource, ResourceARN=unknown)
    assert code == "ResourceNotFoundException"
    assert unknown in message
