"""Amazon Resource Names: `arn:partition:service:region:account:resource`."""

from __future__ import annotations

import re
from functools import lru_cache
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


def match_arn(pattern: str, arn: str | Arn) -> bool:
    """Tell whether a policy's Resource `pattern` covers `arn`, by the rules of IAM.

    `*` alone covers everything. Otherwise each of the six pieces is compared by itself, case
    matters, `*` is any run of characters and `?` any one, within the piece; in the resource they
    cross slashes and colons.
    """
    if pattern == "*":
        return True
    wanted = pattern.split(":", 5)
    given = str(arn).split(":", 5)
    if len(wanted) != 6 or len(given) != 6:
        return False
    return all(map(match_wildcards, wanted, given))


def match_wildcards(pattern: str, value: str) -> bool:
    """Tell whether `value` is `pattern`, in which `*` and `?` are the only special characters."""
    if "*" not in pattern and "?" not in pattern:
        return pattern == value
    return _compiled(pattern).fullmatch(value) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    # The first place where the text between two stars fits is as good as any later one, so each
    # step is atomic and nothing is ever tried twice.
    first, *others = (
        "".join("." if c == "?" else re.escape(c) for c in piece) for piece in pattern.split("*")
    )
    if not others:
        return re.compile(first, re.DOTALL)
    last = others.pop()
    middle = "".join(f"(?>.*?{piece})" for piece in others if piece)
    return re.compile(f"{first}{middle}.*{last}", re.DOTALL)


def partition_of(region: str) -> str:
    """Return the partition that a region's name belongs to; `aws` for names of one's own."""
    if region.startswith("cn-"):
        return "aws-cn"
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws"


def organization_arn(region: str, account: str, organization_id: str) -> str:
    """Return the ARN of an organization, as DescribeOrganization gives it."""
    return f"arn:{partition_of(region)}:workmail:{region}:{account}:organization/{organization_id}"
