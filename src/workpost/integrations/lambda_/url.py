"""A function that is an HTTP URL: the event is sent with POST, the answer is the response."""

from __future__ import annotations

from workpost.integrations.egress.client import Bounds, EgressFailed, Problem, post
from workpost.integrations.lambda_.base import ANSWER_BYTES, FunctionFailed, Invocation, Trouble

_TROUBLES = {Problem.TIME: Trouble.TIME, Problem.SIZE: Trouble.TOO_LARGE}
_STATUSES = {
    401: Trouble.REFUSED,
    403: Trouble.REFUSED,
    404: Trouble.MISSING,
    429: Trouble.BUSY,
    503: Trouble.BUSY,
}


class UrlFunction:
    """The URL is the operator's own: it may lead anywhere, and redirects are not followed."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def invoke(self, invocation: Invocation) -> bytes:
        bounds = Bounds(
            anywhere=True, seconds=invocation.seconds, response_bytes=ANSWER_BYTES, redirects=0
        )
        headers = {
            "Content-Type": "application/json",
            "X-Amz-Source-Arn": invocation.source_arn,
            "X-Amz-Source-Account": invocation.source_account,
        }
        try:
            response = await post(bounds, self._url, headers, invocation.event)
        except EgressFailed as error:
            raise FunctionFailed(_TROUBLES.get(error.problem, Trouble.UNREACHABLE)) from error
        if not 200 <= response.status < 300:
            raise FunctionFailed(_STATUSES.get(response.status, Trouble.FAILED))
        return response.body
