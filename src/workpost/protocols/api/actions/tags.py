"""TagResource, UntagResource, ListTagsForResource."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from workpost.domain.access.accounts import administer
from workpost.domain.organizations import tags as shell
from workpost.formats.arn import ArnError, parse_arn
from workpost.kernel.errors import OrganizationNotFound
from workpost.kernel.principal import Grant
from workpost.protocols.api.actions.context import Api, Document
from workpost.protocols.api.call import Call


async def TagResource(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Add tags to an organization, or give those that it has other values."""
    pairs = [(tag["Key"], tag["Value"]) for tag in document["Tags"]]
    with _named(call, document) as grant:
        await shell.tag(api.core, grant, pairs)
    return {}


async def UntagResource(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Take tags from an organization; keys that it does not have are ignored."""
    with _named(call, document) as grant:
        await shell.untag(api.core, grant, document["TagKeys"])
    return {}


async def ListTagsForResource(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List the tags of an organization by key."""
    with _named(call, document) as grant:
        found = await shell.tags_of(api.core, grant)
    return {"Tags": [{"Key": key, "Value": value} for key, value in found.items()]}


@contextmanager
def _named(call: Call, document: Document) -> Iterator[Grant]:
    """The grant to the organization that an ARN names; what is not found is the resource."""
    arn = document["ResourceARN"]
    try:
        parsed = parse_arn(arn)
    except ArnError:
        raise shell.not_found(arn) from None
    if arn != call.organization_arn(parsed.resource_id):
        raise shell.not_found(arn)
    try:
        yield administer(
            account=call.account,
            caller=call.caller,
            organization=parsed.resource_id,
            address=call.peer,
        )
    except OrganizationNotFound:
        raise shell.not_found(arn) from None
