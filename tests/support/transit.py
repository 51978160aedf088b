"""Messages in transit as a Run Lambda rule begins them, without the rule."""

from __future__ import annotations

from workpost.domain.messages import transit
from workpost.domain.messages.transit import NewTransit
from workpost.store.content.types import Placed, content_key
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command
from workpost.store.tables import contents

FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:disclaimer"
RETURN_PATH = b"Return-Path: <grace@elsewhere.example>\r\n"
RAW = (
    b"Received: from mx.elsewhere.example by mail.demo.test; Thu, 01 Jan 2026 00:00:00 +0000\r\n"
    b"From: Grace <grace@elsewhere.example>\r\n"
    b"To: ada@demo.test\r\n"
    b"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
    b"Message-ID: <1@elsewhere.example>\r\n"
    b"Subject: Hello\r\n"
    b"\r\n"
    b"How are you?\r\n"
)
FENCE = 7


@command
def plant(tx: Tx, *, content: Placed, new: NewTransit) -> None:
    """A message whose content is nobody else's."""
    contents.insert_content(tx, content)
    transit.begin(tx, transit=new)


async def begin(
    core: Core,
    organization: str,
    raw: bytes = RAW,
    *,
    id: str = "",
    direction: str = "incoming",
    synchronous: bool = True,
    function: str = FUNCTION,
) -> str:
    """Let a function run on a message; returns the messageId."""
    id = id or core.env.new_uuid()
    key = content_key(core.env)
    placed = await core.contents.put(RETURN_PATH + raw, key, core.env.new_content_id())
    wrapped, gen = await transit.wrap_content_key(
        core, organization=organization, id=id, content_key=key
    )
    new = NewTransit(
        organization=organization,
        id=id,
        direction=direction,
        content=placed.id,
        wrapped_key=wrapped,
        gen=gen,
        skip=len(RETURN_PATH),
        function=function,
        synchronous=synchronous,
        fence=FENCE,
    )
    await core.store.write(plant, content=placed, new=new)
    return id


async def finish(core: Core, organization: str, id: str) -> tuple[bytes, bool]:
    """End the function's time: what goes on, with its Return-Path, and whether it was put."""
    row = await core.store.write(transit.close, organization=organization, id=id, fence=FENCE)
    assert row is not None
    key = await transit.open_content_key(core, row)
    return await core.contents.get(row.content, key), row.replaced
