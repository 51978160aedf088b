"""A Lambda endpoint that runs Python code, and the same functions behind URLs.

moto's Lambda runs code in Docker only, and without it answers what it was told to. This one speaks
`POST /2015-03-31/functions/NAME/invocations` (Invoke), refuses what is not signed for Lambda, and
runs handlers in a warm process with variables of their own. `POST /url/NAME` is a function's URL.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.support.outside import Asked, OutsideServer, Reply

RUNTIME = """
import importlib, json, sys, traceback
class Context:
    aws_request_id = "r"
    def get_remaining_time_in_millis(self): return 10000
out, sys.stdout = sys.stdout, sys.stderr
sys.path.insert(0, sys.argv[1])
for line in sys.stdin:
    asked = json.loads(line)
    module, _, name = asked["handler"].rpartition(".")
    try:
        handler = getattr(importlib.import_module(module), name)
        told = {"payload": handler(asked["event"], Context())}
    except Exception as error:
        traceback.print_exc()
        told = {"error": {"errorMessage": str(error), "errorType": type(error).__name__}}
    out.write(json.dumps(told) + "\\n")
    out.flush()
"""


class LambdaEndpoint:
    """Functions by name, of modules in one folder and with the same variables."""

    def __init__(self, path: Path, environment: dict[str, str]) -> None:
        self._server = OutsideServer()
        self._server.answer = self._answer
        self.url = f"http://127.0.0.1:{self._server.port}"
        self.handlers: dict[str, str] = {}
        """Handlers of functions by name."""
        self.queued: list[tuple[str, bytes]] = []
        """Names and events of the invocations for which nobody waits."""
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-c", RUNTIME, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], **environment},
        )

    def _answer(self, asked: Asked) -> Reply:
        parts = asked.path.split("/")
        if parts[1] == "url":
            status, _, body = self._run(parts[2], asked.body)
            return (500 if status == 200 and b'"errorType"' in body else status), {}, body
        if parts[1:3] != ["2015-03-31", "functions"] or parts[4:] != ["invocations"]:
            return refusal(404, "UnknownOperationException")
        authorization = asked.headers.get("authorization", "")
        if not authorization.startswith("AWS4-HMAC-SHA256 ") or "/lambda/aws4" not in authorization:
            return refusal(403, "MissingAuthenticationTokenException")
        name = unquote(parts[3]).split(":")[-1]
        if asked.headers.get("x-amz-invocation-type") == "Event" and name in self.handlers:
            self.queued.append((name, asked.body))
            return 202, {}, b""
        return self._run(name, asked.body)

    def _run(self, name: str, event: bytes) -> Reply:
        handler = self.handlers.get(name)
        if handler is None:
            return refusal(404, "ResourceNotFoundException")
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"handler": handler, "event": json.loads(event)}
        with self._lock:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            told: dict[str, Any] = json.loads(self._process.stdout.readline())
        if "error" in told:
            failed = {"X-Amz-Function-Error": "Unhandled"}
            return 200, failed, json.dumps(told["error"]).encode()
        return 200, {}, json.dumps(told["payload"]).encode()

    def close(self) -> None:
        self._server.close()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


def refusal(status: int, code: str) -> Reply:
    return status, {"x-amzn-ErrorType": code}, json.dumps({"message": code}).encode()
