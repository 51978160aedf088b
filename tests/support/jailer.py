"""The driver of `jail`: starts a worker, and has it do what lines of JSON say."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from workpost.integrations.lambda_.base import FunctionFailed, Invocation
from workpost.integrations.lambda_.local.plan import _outermost, _prefixes
from workpost.integrations.lambda_.local.spec import Spec
from workpost.integrations.lambda_.local.worker import Worker, program


def drive() -> None:
    """Run in the driver: start a worker, and have it do what the lines say."""
    spec = json.loads(sys.argv[1])
    opened = os.open(spec["hidden"][1], os.O_RDONLY)
    os.set_inheritable(opened, True)
    asyncio.run(_drive(spec))


async def _drive(told: dict[str, Any]) -> None:
    code = told["code"]
    environment = {
        "PATH": "/usr/bin:/bin",
        "AWS_LAMBDA_FUNCTION_NAME": "hostile",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/hostile",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        "LAMBDA_TASK_ROOT": code,
        "_HANDLER": told.get("handler", "hostile.handler"),
    }
    spec = Spec(
        python=told["python"],
        source=program(),
        environment=environment,
        folder=code,
        visible=_outermost([code, *_prefixes(told["python"]), *told.get("visible", [])]),
        hidden=told["hidden"],
        files=told.get("files", {}),
        memory=told.get("memory", 128) << 20,
        tmp=4 << 20,
        processes=32,
        uid=told["uid"],
        gid=told["gid"],
        unconfined=told.get("unconfined", False),
        without=told["without"],
        address=told.get("address", ""),
        network=tuple(told["network"]) if told.get("network") else None,
    )
    printed = bytearray()
    worker: Worker | None = None

    def say(**what: Any) -> None:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()

    try:
        worker = await Worker.start(spec, printed.extend, 10)
        say(way=worker.way)
    except FunctionFailed as error:
        say(trouble=error.trouble.name, detail=error.detail, printed=printed.decode())
    loop = asyncio.get_running_loop()
    number = 0
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        number += 1
        printed.clear()
        invocation = Invocation(
            event=json.dumps({"try": asked["try"], "with": asked["with"]}).encode(),
            source_arn="",
            source_account="",
            seconds=asked["seconds"],
            arn="arn",
            request_id=f"request-{number}",
            heard=printed.extend,
        )
        try:
            if worker is None or not worker.alive:
                worker = await Worker.start(spec, printed.extend, 10)
            answer = json.loads(await worker.call(invocation, asked["seconds"]))
            say(**answer, printed=len(printed), alive=worker.alive)
        except FunctionFailed as error:
            alive = worker is not None and worker.alive
            text = printed.decode(errors="replace")[-2000:]
            say(trouble=error.trouble.name, detail=error.detail, printed=text, alive=alive)
    if worker is not None:
        await worker.close()
