"""The S3 client of the AWS SDK, as all buckets use it.

Endpoint, region and credentials are found as the AWS SDK finds them (`AWS_ENDPOINT_URL_S3`,
profiles, instance roles). Making one loads botocore.
"""

from __future__ import annotations

from typing import Any

TIMEOUT = 10.0
ATTEMPTS = 3
CONNECTIONS = 16


def make_client(region: str, profile: str = "") -> Any:
    """A client for a profile of the SDK's configuration, "" for the default one.

    Raises ProfileNotFound.
    """
    from botocore.config import Config
    from botocore.session import Session

    session = Session(profile=profile or None)
    return session.create_client(
        "s3",
        region_name=session.get_config_variable("region") or region,
        config=Config(
            connect_timeout=TIMEOUT,
            read_timeout=TIMEOUT,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            s3={"addressing_style": "auto"},
        ),
    )
