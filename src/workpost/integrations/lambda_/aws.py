"""A function at a Lambda endpoint: AWS, or anything that speaks Invoke (API of 2015-03-31).

Endpoint and credentials are found as the AWS SDK finds them (`AWS_ENDPOINT_URL_LAMBDA`, profiles,
instance roles), unless the mapping names an endpoint; the region is the ARN's. Where nobody waits
the endpoint queues the event (invocation type Event), retries it by itself and answers nothing.
Clients are made at first use and kept: botocore loads only where such a function is mapped.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from typing import Any

from workpost.integrations.lambda_.base import ANSWER_BYTES, FunctionFailed, Invocation, Trouble

CONNECT_SECONDS = 5
READ_SECONDS = 25
CONNECTIONS = 64
EACH = 32
"""Invocations of one account."""
_CODES = {
    "ResourceNotFoundException": Trouble.MISSING,
    "AccessDeniedException": Trouble.REFUSED,
    "UnrecognizedClientException": Trouble.REFUSED,
    "InvalidSignatureException": Trouble.REFUSED,
    "ExpiredTokenException": Trouble.REFUSED,
    "TooManyRequestsException": Trouble.BUSY,
    "ServiceException": Trouble.BUSY,
}
_making = threading.Lock()


@cache
def _invoking(account: str) -> ThreadPoolExecutor:
    """Threads of an account's own: functions that are slow keep nobody else waiting.

    Those that are given up here stay until the client's own bounds end them.
    """
    return ThreadPoolExecutor(EACH, f"lambda-{account}")


@lru_cache(maxsize=64)
def _client(region: str, endpoint: str) -> Any:
    from botocore.config import Config
    from botocore.session import get_session

    with _making:
        return get_session().create_client(
            "lambda",
            region_name=region,
            endpoint_url=endpoint or None,
            config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                max_pool_connections=CONNECTIONS,
                # Whoever asks has a bound of its own; a function may not expect to run twice.
                retries={"mode": "standard", "total_max_attempts": 1},
            ),
        )


class AwsFunction:
    """One function by its ARN, with its version or alias."""

    def __init__(self, arn: str, endpoint: str = "") -> None:
        self._arn = arn
        self._endpoint = endpoint

    async def invoke(self, invocation: Invocation) -> bytes:
        loop = asyncio.get_running_loop()
        kind = "RequestResponse" if invocation.waited else "Event"
        call = loop.run_in_executor(
            _invoking(invocation.source_account), self._invoke, invocation.event, kind
        )
        try:
            # The thread ends by the client's own bounds.
            return await asyncio.wait_for(call, invocation.seconds)
        except TimeoutError:
            raise FunctionFailed(Trouble.TIME) from None

    def _invoke(self, event: bytes, kind: str) -> bytes:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectTimeoutError,
            ReadTimeoutError,
        )
        from urllib3.exceptions import HTTPError

        try:
            client = _client(self._arn.split(":")[3], self._endpoint)
            answer = client.invoke(FunctionName=self._arn, InvocationType=kind, Payload=event)
            payload = bytes(answer["Payload"].read(ANSWER_BYTES + 1))
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            raise FunctionFailed(_CODES.get(code, Trouble.UNREACHABLE)) from error
        except (ReadTimeoutError, ConnectTimeoutError) as error:
            raise FunctionFailed(Trouble.TIME) from error
        except (BotoCoreError, HTTPError, OSError) as error:
            raise FunctionFailed(Trouble.UNREACHABLE) from error
        if "FunctionError" in answer:
            raise FunctionFailed(Trouble.FAILED)
        if len(payload) > ANSWER_BYTES:
            raise FunctionFailed(Trouble.TOO_LARGE)
        return payload
