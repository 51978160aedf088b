"""From the names of buckets in the API to what the operator maps them to."""

from __future__ import annotations

from workpost.integrations.s3.depot import Depot
from workpost.integrations.s3.folder import FolderDepot
from workpost.kernel.outside import FOLDER, find_bucket
from workpost.kernel.settings import Settings

BUCKETS = "s3"


def find_depot(
    settings: Settings, account: str, bucket: str, *, key: str = "", profile: str = ""
) -> Depot | None:
    """What an account's bucket stands for, None when it is not mapped. Touches no network.

    `key` is the KMS key that encrypts what is put there, "" where the bucket decides; `profile` is
    the AWS SDK's, "" for the default one.
    """
    mapped = find_bucket(settings.outside, account, bucket)
    if mapped is None:
        return None
    if mapped.kind == FOLDER:
        return FolderDepot(settings.outside_dir / BUCKETS / account / mapped.name)
    from workpost.integrations.s3.uploads import BucketDepot

    return BucketDepot(mapped.name, key, settings.api.region, profile)
