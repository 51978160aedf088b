"""UntagResource."""

from tests.protocols.api.actions.test_tag_resource import arn, tag, tags
from tests.support.api_server import Tenant, refused


def test_tags_are_removed_and_those_that_are_not_there_ignored(demo: Tenant) -> None:
    tag(demo, stage="test", Stage="", owner="ada")
    demo.client.untag_resource(ResourceARN=arn(demo), TagKeys=["Stage", "never"])
    assert tags(demo) == {"owner": "ada", "stage": "test"}
    demo.client.untag_resource(ResourceARN=arn(demo), TagKeys=[])
    demo.client.untag_resource(ResourceARN=arn(demo), TagKeys=["never"])
    assert tags(demo) == {"owner": "ada", "stage": "test"}
    demo.client.untag_resource(ResourceARN=arn(demo), TagKeys=["owner", "stage", "owner"])
    assert tags(demo) == {}


def test_what_is_not_there(demo: Tenant) -> None:
    unknown = arn(demo).replace(demo.organization, "m-" + "0" * 32)
    code, message = refused(demo.client.untag_resource, ResourceARN=unknown, TagKeys=["k"])
    assert code == "ResourceNotFoundException"
    assert unknown in message
