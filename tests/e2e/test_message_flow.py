"""A message in transit of a running server: read and replaced through its processes."""

from __future__ import annotations

import asyncio
import concurrent.futures
from pathlib import Path

from tests.e2e.conftest import MakeServer
from tests.support import transit
from tests.support.server import Server
from tests.support.stores import make_core
from tests.support.transit import RAW, RETURN_PATH
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.settings import Settings
from workpost.store.database.build import open_store

LARGE = RAW + (b"x" * 70 + b"\r\n") * 100_000
NEW = LARGE.replace(b"Hello", b"[outside] Hello")
AT_ONCE = 6


async def with_core(server: Server, work: str, ids: list[str]) -> list[tuple[bytes, bool]]:
    """Begin or finish messages in the data of a server that is stopped."""
    settings = Settings(data_dir=str(server.data))
    env = SystemEnvironment()
    core = make_core(await open_store(settings, env), settings, env)
    organization = server.account["organization_id"]
    try:
        if work == "finish":
            return [await transit.finish(core, organization, id) for id in ids]
        for id in ids:
            await transit.begin(core, organization, LARGE, id=id)
        return []
    finally:
        await core.store.close()
        await core.keys.close()


def test_messages_are_read_and_replaced_through_all_processes(make_server: MakeServer) -> None:
    server = make_server("data", env={"WORKPOST_PROCESSES__FRONT_ENDS": "2"}).start()
    account = server.account["account_id"]
    server.stop()
    ids = [SystemEnvironment().new_uuid() for _ in range(AT_ONCE)]
    asyncio.run(with_core(server, "begin", ids))
    folder: Path = server.data / "outside" / "s3" / account / "workmail-messages"
    folder.mkdir(parents=True)
    # As scripts write it.
    (folder / "update").write_bytes(NEW.replace(b"\r\n", b"\n"))
    server.env["WORKPOST_OUTSIDE__BUCKETS"] = f"{account} workmail-messages folder"
    server.start()
    reference = {"s3Reference": {"bucket": "workmail-messages", "key": "update"}}

    def call(id: str) -> tuple[bytes, bytes]:
        flow = server.aws("workmailmessageflow")
        before = flow.get_raw_message_content(messageId=id)["messageContent"].read()
        flow.put_raw_message_content(messageId=id, content=reference)
        return before, flow.get_raw_message_content(messageId=id)["messageContent"].read()

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(call, ids))
    assert answers == [(LARGE, NEW)] * AT_ONCE
    server.kill()
    ended = asyncio.run(with_core(server, "finish", ids))
    assert ended == [(RETURN_PATH + NEW, True)] * AT_ONCE
