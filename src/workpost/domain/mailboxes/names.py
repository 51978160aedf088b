"""Folder paths: how people write them, how the store finds them. Pure.

A path is components joined by `/`. The name of each component is sealed; what is looked up is its
keyed tag. INBOX is the one name that is not case-sensitive (RFC 3501 5.1), and has no components
below it in common with any other spelling.
"""

from __future__ import annotations

import unicodedata

from workpost.kernel.errors import InvalidParameter
from workpost.store.keys import sealing

DELIMITER = "/"
INBOX = "INBOX"
OTHER_USERS = "Other Users"
"""Under this name protocols show the mailboxes of others; nobody has a folder of it."""
MAX_PATH = 1000
MAX_COMPONENT = 255
MAX_DEPTH = 32


def split_path(path: str) -> list[str]:
    """Components of a path, normalized (NFC; INBOX in capitals).

    Raises InvalidParameter for empty components, control characters, wildcards, and names that
    are too long or too deep.
    """
    if len(path) > MAX_PATH:
        raise InvalidParameter("The folder name is too long.")
    parts = [unicodedata.normalize("NFC", part) for part in path.split(DELIMITER)]
    if len(parts) > MAX_DEPTH:
        raise InvalidParameter("The folder lies too deep.")
    for part in parts:
        if not part or len(part) > MAX_COMPONENT:
            raise InvalidParameter("A folder name has 1 to 255 characters.")
        if any(ord(c) < 32 or c in "%*\x7f" or 0xD800 <= ord(c) < 0xE000 for c in part):
            raise InvalidParameter("A folder name cannot hold control characters, % or *.")
    if parts[0].upper() == INBOX:
        parts[0] = INBOX
    return parts


def name_tag(tag_key: bytes, name: str) -> bytes:
    """The keyed tag by which one component is found."""
    return sealing.tag(tag_key, "folder", name)


def path_tags(tag_key: bytes, path: str) -> list[bytes]:
    """The tags of each component of a path."""
    return [name_tag(tag_key, part) for part in split_path(path)]
