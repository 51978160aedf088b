"""GetRawMessageContent and PutRawMessageContent: the Message Flow API."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from typing import Any

from workpost.operations.transit import putting, reading
from workpost.operations.transit.putting import ObjectPlace
from workpost.protocols.api.actions.context import Api, Document
from workpost.protocols.api.call import Call
from workpost.protocols.signing.messages import Streamed


async def GetRawMessageContent(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Read a message in transit, by the id that a function was told."""
    opened = await reading.open_message(
        api.core,
        account=call.account,
        id=document["messageId"],
        function=call.credential.function,
    )
    return {"messageContent": Streamed(opened.size, opened.pieces)}


async def PutRawMessageContent(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Replace a message in transit by an object in a bucket."""
    reference = document["content"]["s3Reference"]
    await putting.put_message(
        api.core,
        api.depots,
        account=call.account,
        id=document["messageId"],
        place=ObjectPlace(
            reference["bucket"], reference["key"], reference.get("objectVersion", "")
        ),
        function=call.credential.function,
    )
    return {}
