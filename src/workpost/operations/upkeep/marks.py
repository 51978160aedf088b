"""When the last backups were made: DIR/backups.json, for whoever asks whether there are any."""

from __future__ import annotations

from pathlib import Path

import msgspec

from workpost.kernel.settings import Settings

FILE = "backups.json"


class Marks(msgspec.Struct, frozen=True):
    """Milliseconds since 1970; 0 for never."""

    data: int = 0
    keys: int = 0


def read_marks(settings: Settings) -> Marks:
    """The marks; what cannot be read is never."""
    try:
        return msgspec.json.decode(_path(settings).read_bytes(), type=Marks)
    except (OSError, msgspec.MsgspecError):
        return Marks()


def mark(settings: Settings, what: str, now: int) -> None:
    """Note that the backup of `data` or `keys` was made; a full disk is no failure of it."""
    made = msgspec.structs.replace(read_marks(settings), **{what: now})
    path = _path(settings)
    temporary = path.with_name(f"{FILE}.new")
    try:
        temporary.write_bytes(msgspec.json.encode(made))
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)


def _path(settings: Settings) -> Path:
    return settings.data / FILE
