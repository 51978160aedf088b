"""The one error the wire package raises."""


class CommandError(Exception):
    """A line of the client that cannot be accepted, with the reply it deserves.

    ``code`` is 400 to 599, ``status`` the enhanced code of RFC 3463 with the same first digit.
    """

    def __init__(self, code: int, status: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.status = status
        self.text = text
