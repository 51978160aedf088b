"""Encoded words of strangers in what mailboxes send by themselves."""

from __future__ import annotations

import base64

from tests.operations.mailflow.test_personal import House, mail
from tests.support.directories import Directory


async def test_a_message_id_brings_no_fields_into_the_answer(house: Directory) -> None:
    grace = House(house, queued=False)
    await grace.rules('require "vacation"; vacation "I am away.";')
    word = base64.b64encode(b"x\r\nBcc: alan@demo.test\r\n\r\nBuy this").decode()
    raw = mail(sender="ada@demo.test", subject=f"=?utf-8?q?=3D=3Futf-8=3Fb=3F{word}=3F=3D?=")
    await grace.bring(
        raw.replace(b"1@elsewhere.example", f"=?utf-8?b?{word}?=@elsewhere.example".encode()),
        sender="ada@demo.test",
    )
    (answer,) = await grace.folder("INBOX", "ada@demo.test")
    assert answer["Bcc"] is None
    assert answer["Subject"] == "Auto: x Bcc: alan@demo.test Buy this"
    assert answer["Auto-Submitted"] == "auto-replied"
    assert answer.get_content().strip() == "I am away."
