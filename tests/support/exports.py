"""An account's bucket, key and role, mapped to a folder or to S3."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.support.api_server import ApiServer, Tenant
from workpost.kernel.outside_settings import Outside


def role_arn(account: str) -> str:
    return f"arn:aws:iam::{account}:role/exporter"


def key_arn(account: str) -> str:
    return f"arn:aws:kms:us-east-1:{account}:key/0f0e0d0c-0b0a-4908-8706-050403020100"


def mapped(account: str, kind: str = "folder") -> Outside:
    """The settings that map them."""
    return Outside(
        buckets=(f"{account} exports {kind}",),
        keys=(f"{account} {key_arn(account)}",),
        roles=(f"{account} {role_arn(account)}",),
    )


def names(account: str) -> dict[str, str]:
    """Parameters of StartMailboxExportJob."""
    return {
        "RoleArn": role_arn(account),
        "KmsKeyArn": key_arn(account),
        "S3BucketName": "exports",
        "S3Prefix": "mail/2026",
    }


class Exporter:
    """Calls the export actions of an organization whose account has the bucket `exports`."""

    def __init__(self, api: ApiServer, demo: Tenant) -> None:
        self.api = api
        self.demo = demo

    def map(self, kind: str = "folder") -> None:
        """Map the names, to a folder unless told otherwise; `limit` and this are undone later."""
        self.api.set(outside=mapped(self.demo.account, kind))

    def limit(self, **limits: int) -> None:
        """Change limits."""
        self.api.set(limits=msgspec.structs.replace(self.api.core.settings.limits, **limits))

    def start(self, entity: str = "ada", **changes: Any) -> str:
        values = {**names(self.demo.account), "EntityId": entity, **changes}
        job: str = self.demo("StartMailboxExportJob", **values)["JobId"]
        return job

    def describe(self, job: str) -> dict[str, Any]:
        return self.demo("DescribeMailboxExportJob", JobId=job)
