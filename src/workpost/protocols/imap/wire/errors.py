"""The one error of this package."""

from __future__ import annotations


class WireError(Exception):
    """A command that breaks the grammar, or a limit of it.

    `text` is for people and never repeats what the client sent. `tag` is the command's tag when
    it could be read, else None: the answer is then untagged. `status` is BAD, or NO where the
    grammar is right and the content is refused; `code` is a response code without brackets.
    """

    def __init__(
        self, text: str, *, tag: bytes | None = None, status: str = "BAD", code: str = ""
    ) -> None:
        super().__init__(text)
        self.text = text
        self.tag = tag
        self.status = status
        self.code = code
