"""What names of the outside world stand for: the operator's mapping, account by account.

The API names buckets, KMS keys and roles that AWS would host. Only what `[outside]` of the settings
maps for the caller's account exists; everything else is not there. Each entry is words separated by
blanks, the account first:

    buckets   ACCOUNT BUCKET folder [MEGABYTES [OBJECTS]] | ACCOUNT BUCKET s3 [NAME AT THE ENDPOINT]
    keys      ACCOUNT ARN [KEY AT THE ENDPOINT]
    roles     ACCOUNT ARN [PROFILE OF THE AWS SDK]
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from workpost.kernel.outside_settings import Outside

FOLDER = "folder"


class MappedBucket(msgspec.Struct, frozen=True):
    """Where a bucket lies: in `DIR/outside/s3/ACCOUNT/NAME`, or at the S3 endpoint."""

    kind: Literal["folder", "s3"]
    name: str
    megabytes: int = 0
    """What functions may fill of a folder, and with how many objects."""
    objects: int = 0


def find_bucket(outside: Outside, account: str, bucket: str) -> MappedBucket | None:
    """What an account's bucket stands for, None when it is not mapped."""
    found = _find(outside.buckets, account, bucket)
    if found is None:
        return None
    if found[0] == FOLDER:
        bounds = [int(word) for word in found[1:]]
        default = [outside.bucket_megabytes, outside.bucket_objects]
        return MappedBucket("folder", bucket, *bounds, *default[len(bounds) :])
    return MappedBucket("s3", found[1] if len(found) > 1 else bucket)


def find_key(outside: Outside, account: str, arn: str) -> str | None:
    """The key at the KMS endpoint that an account's key ARN stands for, None: not mapped."""
    found = _find(outside.keys, account, arn)
    if found is None:
        return None
    return found[0] if found else arn


def find_role(outside: Outside, account: str, arn: str) -> str | None:
    """The AWS SDK's profile that a role stands for, "" for the default one, None: not mapped."""
    found = _find(outside.roles, account, arn)
    if found is None:
        return None
    return found[0] if found else ""


def _find(entries: Iterable[str], account: str, name: str) -> list[str] | None:
    for entry in entries:
        words = entry.split()
        if words[:2] == [account, name]:
            return words[2:]
    return None
