"""API calls signed beforehand (Signature Version 4), so that only the server's work is timed."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

ALGORITHM = "AWS4-HMAC-SHA256"
HEADERS = "content-type;host;x-amz-date;x-amz-target"
TYPE = "application/x-amz-json-1.1"


class Signer:
    """Signs calls of one access key with the time of its making; servers take it for 5 minutes.

    `service` and `target` are the service's name in signatures and its prefix of actions.
    """

    def __init__(
        self,
        host: str,
        region: str,
        access_key_id: str,
        secret: str,
        service: str = "workmail",
        target: str = "WorkMailService",
    ) -> None:
        self._host = host
        self._target = target
        self._time = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        day = self._time[:8]
        self._scope = f"{day}/{region}/{service}/aws4_request"
        self._key = f"AWS4{secret}".encode()
        for part in (day, region, service, "aws4_request"):
            self._key = hmac.digest(self._key, part.encode(), "sha256")
        self._credential = f"{access_key_id}/{self._scope}"

    def call(self, action: str, document: dict[str, Any]) -> bytes:
        """One signed request of HTTP/1.1."""
        body = json.dumps(document).encode()
        target = f"{self._target}.{action}"
        canonical = (
            f"POST\n/\n\ncontent-type:{TYPE}\nhost:{self._host}\nx-amz-date:{self._time}\n"
            f"x-amz-target:{target}\n\n{HEADERS}\n{hashlib.sha256(body).hexdigest()}"
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"{ALGORITHM}\n{self._time}\n{self._scope}\n{digest}"
        signature = hmac.digest(self._key, to_sign.encode(), "sha256").hex()
        head = (
            f"POST / HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: {TYPE}\r\n"
            f"X-Amz-Date: {self._time}\r\nX-Amz-Target: {target}\r\n"
            f"Authorization: {ALGORITHM} Credential={self._credential}, "
            f"SignedHeaders={HEADERS}, Signature={signature}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body
