"""The Message Flow API for an account that has a bucket for what functions put."""

from __future__ import annotations

from typing import Any

import boto3
import msgspec
import pytest
from botocore.exceptions import ClientError

from tests.support import transit
from tests.support.api_server import ApiServer, Tenant
from tests.support.transit import RAW
from workpost.domain.access.accounts import create_access_key
from workpost.integrations.s3.mapping import find_depot
from workpost.kernel.outside_settings import Outside

BUCKET = "workmail-messages"
KEY = "updates/1"


class Flow:
    """The organization `demo`, a client of its account's, and the account's bucket."""

    def __init__(self, api: ApiServer, demo: Tenant) -> None:
        self.api = api
        self.demo = demo
        self.client = self.signed()

    def map(self, kind: str = "folder") -> None:
        """Map the bucket, to a folder unless told otherwise; this and `limit` are undone later."""
        self.api.set(outside=Outside(buckets=(f"{self.demo.account} {BUCKET} {kind}",)))

    def limit(self, **limits: int) -> None:
        """Change limits."""
        self.api.set(limits=msgspec.structs.replace(self.api.core.settings.limits, **limits))

    def signed(self, policy: str | None = None, account: str = "") -> Any:
        """A client with a fresh key, restricted by a policy."""
        made = create_access_key(self.api.core, account or self.demo.account, policy=policy)
        key = self.api.run(made)
        return self.api.signed_by(
            key.access_key_id, key.secret_access_key, service="workmailmessageflow"
        )

    def begin(self, raw: bytes = RAW, **more: Any) -> str:
        """Let a function run on a message; returns its id."""
        return self.api.run(transit.begin(self.api.core, self.demo.organization, raw, **more))

    def finish(self, id: str) -> tuple[bytes, bool]:
        """End the function's time: what goes on, and whether it was put."""
        return self.api.run(transit.finish(self.api.core, self.demo.organization, id))

    def get(self, id: str, client: Any = None) -> bytes:
        answer = (client or self.client).get_raw_message_content(messageId=id)
        return bytes(answer["messageContent"].read())

    def store(self, content: bytes, key: str = KEY) -> None:
        """Leave an object in the bucket, as a function does."""
        depot = find_depot(self.api.core.settings, self.demo.account, BUCKET)
        assert depot is not None
        depot.check()
        depot.put(key, content)

    def put(self, id: str, content: bytes | None = None, client: Any = None, **more: str) -> None:
        """Put an object in a message's place, the one that is there unless one is given."""
        if content is not None:
            self.store(content)
        reference = {"bucket": BUCKET, "key": KEY, **more}
        (client or self.client).put_raw_message_content(
            messageId=id, content={"s3Reference": reference}
        )

    def refusal(self, id: str, content: bytes | None = None, **more: str) -> tuple[str, str]:
        """Code and text of the error that putting must end in, with its status in the model."""
        return refused(lambda: self.put(id, content, **more))


def refused(call: Any, status: int = 400) -> tuple[str, str]:
    """Code and text of the error that a call must end in."""
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    return response["Error"]["Code"], response["Error"]["Message"]


def s3() -> Any:
    """A client of moto's S3."""
    return boto3.client("s3")
