"""What a function that runs here may do with the session of its worker.

It reads and replaces messages over which it is running (the actions of Message Flow check that),
reads and writes objects in its account's mapped buckets (the S3 door asks for nothing else), and
calls the actions that its mapping names. A key of somebody else that it was given in its
variables is another matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache

from workpost.kernel.outside_settings import Function

MESSAGES = ("workmailmessageflow:GetRawMessageContent", "workmailmessageflow:PutRawMessageContent")
SERVICES = ("workmail", "workmailconsole")


def mapped_callable(functions: Iterable[Function], account: str, arn: str) -> Function | None:
    """The callable that is mapped as exactly this ARN for an account, None: there is none now."""
    for mapped in functions:
        if mapped.arn == arn and account in mapped.accounts and mapped.kind == "callable":
            return mapped
    return None


@lru_cache(maxsize=256)
def policy_of(actions: tuple[str, ...]) -> str:
    """The policy of a function's session, in which only `actions` of the API are its own choice."""
    allowed = [*MESSAGES, *(f"{service}:{action}" for action in actions for service in SERVICES)]
    statement = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
