"""How a command ends other than OK, and the one table from domain errors to response codes."""

from __future__ import annotations

from workpost.kernel import errors as domain


class Refused(Exception):
    """NO; `code` is a response code of RFC 5804 1.3 without its parentheses."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class SessionEnd(Exception):
    """The connection ends after a last BYE (or OK); without a farewell, in silence."""

    def __init__(self, farewell: str = "", code: str = "", *, status: str = "BYE") -> None:
        super().__init__(farewell)
        self.farewell = farewell
        self.code = code
        self.status = status if farewell else ""


_TABLE: tuple[tuple[type[domain.WorkpostError], str], ...] = (
    (domain.ScriptNotFound, "NONEXISTENT"),
    (domain.ScriptExists, "ALREADYEXISTS"),
    (domain.ScriptActive, "ACTIVE"),
    (domain.ScriptTooLarge, "QUOTA/MAXSIZE"),
    (domain.ScriptInvalid, ""),
    (domain.LimitExceeded, "QUOTA/MAXSCRIPTS"),
    (domain.InvalidParameter, ""),
    (domain.AccessDenied, ""),
    (domain.AuthenticationFailed, ""),
    (domain.MailboxNotFound, ""),
    (domain.KeyDestroyed, ""),
    (domain.Conflict, "TRYLATER"),
    (domain.TryLater, "TRYLATER"),
)


def refusal(error: domain.WorkpostError) -> Refused:
    """The NO for a domain error; one without an entry is a fault of ours."""
    for kind, code in _TABLE:
        if isinstance(error, kind):
            return Refused(error.message or "This is not possible", code)
    return Refused("Internal error, reported to the administrator")
