"""S3, KMS and CloudWatch Logs for the tests: moto's server in a process of its own."""

from __future__ import annotations

import shutil
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import boto3

from tests.support.processes import Peer, accepts, dying_with_us, free_port

REGION = "us-east-1"


class MotoServer:
    """One moto server; `environment` is what makes the AWS SDK talk to it."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="wp-moto-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self._peer = Peer("moto", dying_with_us(command), self._folder / "log")
        self._peer.wait_until(lambda: accepts(self.port), seconds=60)
        self.environment = {
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ENDPOINT_URL_KMS": self.url,
            "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": self.url,
        }

    @property
    def pid(self) -> int:
        return self._peer.pid

    def client(self, service: str) -> Any:
        """A boto3 client, whatever the environment says."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    def reset(self) -> None:
        """Forget every bucket, key and log group."""
        request = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")
        urllib.request.urlopen(request, timeout=30).close()

    def close(self) -> None:
        """Stop the server."""
        self._peer.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
