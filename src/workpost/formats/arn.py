"""Amazon Resource Names: `arn:partition:service:region:account:resource`."""

from __future__ import annotations

import re
from typing import NamedTuple

_MAX_LENGTH = 2048
_PARTITION = re.compile(r"aws(?:-[a-z]+)*")
_SERVICE = re.compile(r"[a-z0-9][a-z0-9-]*")
_REGION = re.compile(r"[a-z0-9-]*")
_ACCOUNT = re.compile(r"\d{12}|aws|")
_RESOURCE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


class ArnError(ValueError):
    """The text is no ARN; the message says which part is wrong."""


class Arn(NamedTuple):
    """One ARN taken apart; `str()` puts it together again. Region and account may be empty."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return ":".join(("arn", *self))

    @property
    def resource_type(self) -> str:
        """`organization` of `organization/m-1`, `function` of `function:name`, else ""."""
        return self._halves()[0]

    @property
    def resource_id(self) -> str:
        """What follows the resource's type; may itself have slashes and colons."""
        return self._halves()[1]

    def _halves(self) -> tuple[str, str]:
        match = re.search(r"[:/]", self.resource)
        if match is None:
            return "", self.resource
        return self.resource[: match.start()], self.resource[match.end() :]


def parse_arn(text: str) -> Arn:
    """Take `text` apart. Raises ArnError unless it is an ARN of at most 2,048 characters."""
    if len(text) > _MAX_LENGTH:
        raise ArnError("an ARN has at most 2048 characters")
    pieces = text.split(":", 5)
    if len(pieces) != 6 or pieces[0] != "arn":
        raise ArnError("an ARN has the form arn:partition:service:region:account:resource")
    arn = Arn(*pieces[1:])
    for name, pattern, value in (
        ("partition", _PARTITION, arn.partition),
        ("service", _SERVICE, arn.service),
        ("region", _REGION, arn.region),
        ("account", _ACCOUNT, arn.account),
        ("resource", _RESOURCE, arn.resource),
    ):
        if pattern.fullmatch(value) is None:
            raise ArnError(f"the {name} of the ARN is malformed")
    return arn


def organization_arn(region: str, account: str, organization_id: str) -> str:
    """Return the ARN of an organization, as DescribeOrganization gives it.

    The partition is `aws` whatever the region: TagResource takes no other (service model,
    AmazonResourceName).
    """
    return f"arn:aws:workmail:{region}:{account}:organization/{organization_id}"


def message_arn(region: str, account: str, organization: str, direction: str, id: str) -> str:
    """Return the ARN of a message in transit; `direction` is `incoming` or `outgoing`.

    Source: administrator guide, retrieving and updating message content with AWS Lambda.
    """
    resource = f"message/{organization}/{direction}/{id}"
    return f"arn:aws:workmailmessageflow:{region}:{account}:{resource}"
