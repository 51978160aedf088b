"""Scripts, messages, and what comes of them, in words short enough for a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workpost.formats.sieve.actions import (
    Action,
    FileInto,
    Keep,
    Notify,
    Redirect,
    Reject,
    Result,
    Vacation,
    World,
)
from workpost.formats.sieve.checker import compile_script
from workpost.formats.sieve.interpreter import run_script

NOW = 1_795_773_600.0  # Fri, 27 Nov 2026 10:00:00 +0000

MESSAGE = (
    b"Received: from c.example by b.example; Fri, 27 Nov 2026 09:59:58 +0000\r\n"
    b"Received: from a.example by c.example; Fri, 27 Nov 2026 11:59:00 +0200\r\n"
    b"From: Ada Example <ada+work@example.test>\r\n"
    b"To: grace@example.test, Team <team@lists.example>\r\n"
    b"Cc: barbara@example.test\r\n"
    b"Subject: =?utf-8?Q?J=C3=B6rg?= says: make money fast\r\n"
    b"Date: Fri, 27 Nov 2026 01:30:00 -0500\r\n"
    b"Message-ID: <one@example.test>\r\n"
    b"X-Spam-Score: 12.5\r\n"
    b"X-Spam-Score: 3\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: multipart/alternative; boundary=b\r\n"
    b"\r\n"
    b"--b\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"\r\n"
    b"The quick brown fox\r\n"
    b"--b\r\n"
    b"Content-Type: text/html\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n"
    b"\r\n"
    b"<p>The <b>slow</b> =3D dog</p>\r\n"
    b"--b--\r\n"
)


def world(**values: Any) -> World:
    given = {
        "sender": "ada@example.test",
        "recipient": "grace+lists@example.test",
        "now": NOW,
        "folder_exists": lambda name: name in ("INBOX", "Lists", "Lists/Team"),
        "special_use_exists": lambda folder, uses: (
            folder in ("", "Junk") and set(uses) <= {"\\Junk"}
        ),
        **values,
    }
    return World(**given)


def run(source: str, message: bytes = MESSAGE, **values: Any) -> Result:
    return run_script(compile_script(source.encode()), message, world(**values))


def actions(source: str, message: bytes = MESSAGE, **values: Any) -> list[str]:
    """What comes of a script, a word or two for each action."""
    result = run(source, message, **values)
    if result.error:
        return [f"error: {result.error}"]
    return [shown(action) for action in result.actions]


def shown(action: Action) -> str:
    match action:
        case Keep():
            return f"keep{_flags(action.flags)}"
        case FileInto():
            more = " create" * action.create + f" {action.special_use}" * bool(action.special_use)
            return f"fileinto {action.folder}{_flags(action.flags)}{more}"
        case Redirect():
            return f"redirect {action.address}"
        case Reject():
            return f"{'ereject' if action.during else 'reject'} {action.reason}"
        case Vacation():
            return f"vacation {action.reason}"
        case Notify():
            return f"notify {action.method}"


def _flags(flags: Sequence[str] | None) -> str:
    return "" if flags is None else f" ({' '.join(flags)})"


def holds(test: str, *capabilities: str, message: bytes = MESSAGE, **values: Any) -> bool:
    """Whether a test is true of the message."""
    required = "".join(f'require "{each}"; ' for each in capabilities)
    came = actions(f"{required}if {test} {{ discard; }}", message, **values)
    assert came in ([], ["keep"]), came
    return came == []
