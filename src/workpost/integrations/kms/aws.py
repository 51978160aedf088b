"""The real master: a symmetric key of AWS KMS, or of anything that speaks its protocol.

Endpoint, region and credentials are found as the AWS SDK finds them (`AWS_ENDPOINT_URL_KMS`,
profiles, instance roles). The client is made at first use: botocore loads only where KMS is
configured. Each wrap carries the encryption context that WorkMail uses,
`{"aws:workmail:arn": "arn:aws:workmail:<region>:<account>:organization/<id>"}`, with region and
account of the key, so that key policies and CloudTrail read as they do on AWS.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

from workpost.kernel.errors import Fault, TryLater

TIMEOUT = 5.0
ATTEMPTS = 2
DAMAGED = {"InvalidCiphertextException", "IncorrectKeyException"}


class Client(Protocol):
    """The three operations we call on botocore's KMS client."""

    def encrypt(self, **kw: Any) -> Any: ...
    def decrypt(self, **kw: Any) -> Any: ...
    def describe_key(self, **kw: Any) -> Any: ...


class KmsService:
    """The KMS endpoint, shared by all keys of it."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._lock = threading.Lock()
        self._client: Client | None = None

    def call(self, operation: str, **kw: Any) -> Any:
        """Call an operation. Raises Fault for a wrap that does not fit, TryLater for the rest."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._open(), operation)(**kw)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in DAMAGED:
                raise Fault(f"a wrapped key does not fit its KMS key ({code})") from error
            raise TryLater(f"KMS refused {operation}: {code}") from error
        except BotoCoreError as error:
            raise TryLater(f"KMS cannot be reached: {type(error).__name__}") from error

    def key_arn(self, key: str) -> str:
        """The ARN of a key given by id, alias or ARN. Raises TryLater."""
        if key.startswith("arn:") and ":key/" in key:
            return key
        return str(self.call("describe_key", KeyId=key)["KeyMetadata"]["Arn"])

    def _open(self) -> Client:
        with self._lock:
            if self._client is None:
                from botocore.config import Config
                from botocore.session import get_session

                session = get_session()
                region = session.get_config_variable("region") or self._region
                client: Client = session.create_client(
                    "kms",
                    region_name=region,
                    config=Config(
                        connect_timeout=TIMEOUT,
                        read_timeout=TIMEOUT,
                        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                    ),
                )
                self._client = client
            return self._client


class KmsKey:
    """One KMS key as a `Master`."""

    def __init__(self, service: KmsService, arn: str) -> None:
        self._service = service
        self._arn = arn

    def wrap(self, scope: str, gen: int, key: bytes) -> tuple[int, bytes]:
        answer = self._service.call(
            "encrypt", KeyId=self._arn, Plaintext=key, EncryptionContext=self._context(scope)
        )
        return 0, bytes(answer["CiphertextBlob"])

    def unwrap(self, scope: str, gen: int, version: int, wrapped: bytes) -> bytes:
        answer = self._service.call(
            "decrypt",
            KeyId=self._arn,
            CiphertextBlob=wrapped,
            EncryptionContext=self._context(scope),
        )
        return bytes(answer["Plaintext"])

    def _context(self, scope: str) -> dict[str, str]:
        _, partition, _, region, account, _ = self._arn.split(":", 5)
        kind, _, name = scope.partition("/")
        resource = f"organization/{name}" if kind == "org" else scope
        return {"aws:workmail:arn": f"arn:{partition}:workmail:{region}:{account}:{resource}"}
