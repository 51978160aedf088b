"""Six messages of different shapes for the demo's mailboxes. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from workpost.formats.mime.compose import Attachment, compose

PIXEL = base64.b64decode(
    b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)

Mail = tuple[str, list[str], bytes]
"""Envelope sender, envelope recipients, message."""


def demo_messages(domain: str, now: float) -> Iterator[Mail]:
    """The messages, oldest first; `now` in epoch seconds."""
    ada = ("Ada Example", f"ada@{domain}")
    grace = ("Grace Example", f"grace@{domain}")
    both = [ada[1], grace[1]]

    def mid(number: int) -> str:
        return f"demo-{number}@{domain}"

    welcome = compose(
        from_=grace,
        to=[ada],
        subject="Welcome to Workpost",
        epoch=now - 5 * 3600,
        message_id=mid(1),
        text="Hello Ada,\n\nthis mailbox is yours. Write to everyone@"
        + domain
        + " to reach all.\n",
    )
    yield grace[1], [ada[1]], welcome
    yield (
        ada[1],
        [grace[1]],
        compose(
            from_=ada,
            to=[grace],
            subject="Re: Welcome to Workpost",
            epoch=now - 4 * 3600,
            message_id=mid(2),
            in_reply_to=mid(1),
            references=[mid(1)],
            text="Hello Grace,\n\nthank you. It works.\n\n> this mailbox is yours.\n",
        ),
    )
    yield (
        grace[1],
        both,
        compose(
            from_=grace,
            to=[("Everyone", f"everyone@{domain}")],
            subject="Plan for the week",
            epoch=now - 3 * 3600,
            message_id=mid(3),
            text="Monday: install. Tuesday: move the mail. Then tea.\n",
            html="<h1>Plan</h1><ul><li>Monday: install</li><li>Tuesday: move the mail</li></ul>",
        ),
    )
    yield (
        ada[1],
        [grace[1]],
        compose(
            from_=ada,
            to=[grace],
            subject="Figures as a file",
            epoch=now - 2 * 3600,
            message_id=mid(4),
            text="The figures are attached.\n",
            attachments=[
                Attachment("figures.csv", b"month,messages\r\nJanuary,1024\r\n", "text/csv")
            ],
        ),
    )
    yield (
        grace[1],
        [ada[1]],
        compose(
            from_=grace,
            to=[ada],
            subject="Grüße aus Zürich \N{SUNRISE}",
            epoch=now - 3600,
            message_id=mid(5),
            text="Schöne Grüße, 你好, здравствуйте.\n",
            html='<p>Schöne Grüße <img src="cid:pixel"></p>',
            attachments=[Attachment("pixel.png", PIXEL, "image/png", "pixel")],
        ),
    )
    yield (
        grace[1],
        [ada[1]],
        compose(
            from_=grace,
            to=[ada],
            subject="Fwd: Welcome to Workpost",
            epoch=now - 600,
            message_id=mid(6),
            text="For your records.\n",
            messages=[welcome],
        ),
    )
