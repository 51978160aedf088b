"""Buckets of an account as one of its functions sees them."""

from __future__ import annotations

import itertools
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.api_server import ApiServer
from workpost.domain.access.accounts import create_account
from workpost.domain.access.sessions import Session, open_function_session
from workpost.integrations.s3.mapping import BUCKETS, find_depot
from workpost.kernel.outside_settings import Function, Lambda, Outside

BUCKET = "updates"
_numbers = itertools.count()


class Buckets:
    """An account with the bucket `updates`, and a function that is mapped for it."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api
        self.account = api.run(create_account(api.core))
        self.arn = f"arn:aws:lambda:us-east-1:{self.account}:function:writer"
        self.bucket = f"{BUCKET}-{next(_numbers)}"
        mapped = Function(
            arn=self.arn,
            accounts=(self.account,),
            kind="callable",
            handler="a.b",
            path="/nowhere",
        )
        self.set(
            outside=Outside(buckets=(f"{self.account} {self.bucket} folder",)),
            lambda_=Lambda(functions=(mapped,)),
        )
        depot = find_depot(api.core.settings, self.account, self.bucket)
        assert depot is not None
        depot.check()
        self.folder = api.core.settings.outside_dir / BUCKETS / self.account / self.bucket
        self.client = self.of(self.session())

    def set(self, **changes: Any) -> None:
        """Change settings."""
        self.api.set(**changes)

    def session(self, seconds: int = 600, account: str = "") -> Session:
        """A session of the function's."""
        opened = open_function_session(
            self.api.core,
            account=account or self.account,
            arn=self.arn,
            name="worker",
            seconds=seconds,
        )
        return self.api.run(opened)

    def of(self, session: Session, **config: Any) -> Any:
        """An S3 client with a session."""
        return self.signed(
            session.access_key_id, session.secret_access_key, session.session_token, **config
        )

    def signed(self, key: str, secret: str, token: str | None = None, **config: Any) -> Any:
        """An S3 client with these credentials."""
        values = {"retries": {"max_attempts": 0}, "s3": {"addressing_style": "path"}, **config}
        return boto3.client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.api.url,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(**values),
        )

    def put(self, key: str, body: bytes = b"") -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def get(self, key: str, **more: Any) -> bytes:
        answer = self.client.get_object(Bucket=self.bucket, Key=key, **more)
        return bytes(answer["Body"].read())


def refused(call: Any) -> tuple[int, str]:
    """Status and code of the error that a call must end in."""
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]
