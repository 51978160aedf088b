"""A log group at a CloudWatch Logs endpoint: the real `LogGroup`.

It needs what the role of WorkMail's guide has, `logs:CreateLogStream` and `logs:PutLogEvents`;
`logs:DescribeLogGroups` to check a group, and for groups of the default name `logs:CreateLogGroup`
and `logs:PutRetentionPolicy`. Endpoint, region and credentials are found as the AWS SDK finds them
(`AWS_ENDPOINT_URL_CLOUDWATCH_LOGS`, profiles, instance roles).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus
from operator import itemgetter
from typing import Any

from workpost.integrations.logs.base import GroupMissing, Line, batches
from workpost.kernel.errors import TryLater

TIMEOUT = 5.0
ATTEMPTS = 2
CONNECTIONS = 4
OLDEST_MS = 14 * 24 * 3_600_000 - 3_600_000
"""Lines older than 14 days are refused: what was delayed for so long is told with a later time."""
THERE = "ResourceAlreadyExistsException"
NOT_THERE = "ResourceNotFoundException"
PASSING = frozenset(
    {
        *("ThrottlingException", "Throttling", "ServiceUnavailableException", "ExpiredToken"),
        *("ExpiredTokenException", "OperationAbortedException", "LimitExceededException"),
    }
)


class CloudWatchGroup:
    """The group of a name, as a profile of the SDK reaches it; implements `LogGroup`."""

    def __init__(self, name: str, region: str, profile: str, now: Callable[[], int]) -> None:
        self._name = name
        self._region = region
        self._profile = profile
        self._now = now
        self._lock = threading.Lock()
        self._client: Any = None
        self._streams: set[str] = set()

    def check(self) -> None:
        answer = self._call("describe_log_groups", logGroupNamePrefix=self._name)
        if all(each["logGroupName"] != self._name for each in answer.get("logGroups", ())):
            raise GroupMissing(f"The log group {self._name} does not exist.")

    def create(self, retention_days: int) -> None:
        answer = self._call("create_log_group", THERE, logGroupName=self._name)
        if answer is not None:
            self._call(
                "put_retention_policy", logGroupName=self._name, retentionInDays=retention_days
            )

    def read(self, since: int, limit: int) -> list[tuple[str, bytes]]:
        """Up to `limit` of the lines since then, each with its stream; needs logs:FilterLogEvents.

        All since then are looked at, and the last ones are given.
        """
        found: list[tuple[str, bytes]] = []
        after: dict[str, str] = {}
        while True:
            answer = self._call(
                "filter_log_events", logGroupName=self._name, startTime=since, **after
            )
            found += [
                (each["logStreamName"], each["message"].encode()) for each in answer["events"]
            ]
            del found[:-limit]
            if "nextToken" not in answer:
                return found
            after = {"nextToken": answer["nextToken"]}

    def put(self, stream: str, lines: Sequence[Line]) -> int:
        oldest = self._now() - OLDEST_MS
        # A clock that stepped back must not make a batch that is refused for good.
        timely = sorted(((max(at, oldest), line) for at, line in lines), key=itemgetter(0))
        return sum(self._put(stream, batch) for batch in batches(timely))

    def _put(self, stream: str, batch: Sequence[Line]) -> int:
        names = {"logGroupName": self._name, "logStreamName": stream}
        if stream not in self._streams:
            self._call("create_log_stream", THERE, **names)
            self._streams.add(stream)
        events = [{"timestamp": at, "message": line.decode()} for at, line in batch]
        answer = self._call("put_log_events", NOT_THERE, logEvents=events, **names)
        if answer is None:
            # Somebody deleted the stream, or the group with it: the next attempt makes it anew.
            self._streams.discard(stream)
            raise GroupMissing(f"The log group {self._name} or its stream does not exist.")
        return _refused(answer.get("rejectedLogEventsInfo") or {}, len(batch))

    def _call(self, operation: str, *accepted: str, **kw: Any) -> Any:
        """The answer; None for an error whose code is among the accepted ones."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._open(), operation)(**kw)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in accepted:
                return None
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            text = f"CloudWatch Logs refused {operation} in {self._name}: {code}"
            passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or code in PASSING
            raise (TryLater if passing else GroupMissing)(text) from error
        except BotoCoreError as error:
            raise TryLater(f"CloudWatch Logs cannot be reached: {type(error).__name__}") from error

    def _open(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = _make_client(self._region, self._profile)
            return self._client


def _refused(told: dict[str, int], count: int) -> int:
    """How many lines of a batch CloudWatch did not take, by the indexes that it names."""
    behind = max(told.get("tooOldLogEventEndIndex", 0), told.get("expiredLogEventEndIndex", 0))
    return behind + count - told.get("tooNewLogEventStartIndex", count)


def _make_client(region: str, profile: str) -> Any:
    from botocore.config import Config
    from botocore.session import Session

    session = Session(profile=profile or None)
    return session.create_client(
        "logs",
        region_name=session.get_config_variable("region") or region,
        config=Config(
            connect_timeout=TIMEOUT,
            read_timeout=TIMEOUT,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        ),
    )
