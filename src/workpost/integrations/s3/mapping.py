"""From the names of buckets in the API to what the operator maps them to."""

from __future__ import annotations

from workpost.integrations.s3.depot import Depot
from workpost.integrations.s3.folder import FolderDepot
from workpost.integrations.s3.folder_usage import Bounds
from workpost.kernel.outside import FOLDER, find_bucket
from workpost.kernel.outside_settings import Outside
from workpost.kernel.settings import Settings

BUCKETS = "s3"


class Depots:
    """Depots of functions as they were found first: making a client takes a tenth of a second.

    All are forgotten when the settings name others.
    """

    def __init__(self) -> None:
        self._seen: Outside | None = None
        self._found: dict[tuple[str, str], Depot] = {}

    def find(self, settings: Settings, account: str, bucket: str) -> Depot | None:
        """What `find_depot` says, with its bounds."""
        if settings.outside is not self._seen:
            self._seen = settings.outside
            self._found.clear()
        place = (account, bucket)
        depot = self._found.get(place)
        if (
            depot is None
            and (depot := find_depot(settings, account, bucket, bounded=True)) is not None
        ):
            self._found[place] = depot
        return depot


def find_depot(
    settings: Settings,
    account: str,
    bucket: str,
    *,
    key: str = "",
    profile: str = "",
    bounded: bool = False,
) -> Depot | None:
    """What an account's bucket stands for, None when it is not mapped. Touches no network.

    `key` is the KMS key that encrypts what is put there, "" where the bucket decides; `profile` is
    the AWS SDK's, "" for the default one; `bounded` for who may fill no more of a folder
    than the settings say.
    """
    mapped = find_bucket(settings.outside, account, bucket)
    if mapped is None:
        return None
    if mapped.kind == FOLDER:
        bounds = Bounds(
            mapped.megabytes << 20, mapped.objects, settings.outside.upload_hours * 3600
        )
        return FolderDepot(
            settings.outside_dir / BUCKETS / account / mapped.name, bounds if bounded else None
        )
    from workpost.integrations.s3.uploads import BucketDepot

    return BucketDepot(mapped.name, key, settings.api.region, profile, settings.outside_dir)
