"""How a command ends other than OK, and the one table from domain errors to response codes."""

from __future__ import annotations

from workpost.kernel import errors as domain


class Refused(Exception):
    """NO or BAD: `status` is either, `code` a response code of RFC 5530 without brackets."""

    def __init__(self, text: str, code: str = "", *, status: str = "NO") -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.status = status


class SessionEnd(Exception):
    """The connection ends; `farewell` is sent after `* BYE`, nothing when empty."""

    def __init__(self, farewell: str = "") -> None:
        super().__init__(farewell)
        self.farewell = farewell


_TABLE: tuple[tuple[type[domain.WorkpostError], str, str], ...] = (
    (domain.FolderNotFound, "NONEXISTENT", "There is no such mailbox"),
    (domain.FolderExists, "ALREADYEXISTS", "There is such a mailbox already"),
    (domain.FolderProtected, "CANNOT", "This mailbox cannot be changed"),
    (domain.FolderHasChildren, "HASCHILDREN", "The mailbox has mailboxes under it"),
    (domain.QuotaExceeded, "OVERQUOTA", "The mailbox is full"),
    (domain.MessageTooLarge, "TOOBIG", "The message is too big"),
    (domain.AccessDenied, "NOPERM", "This is not allowed"),
    (domain.AuthenticationFailed, "AUTHENTICATIONFAILED", "Authentication failed"),
    (domain.LimitExceeded, "LIMIT", "Too much at once"),
    (domain.InvalidParameter, "CANNOT", "This is not possible"),
    (domain.MailboxNotFound, "UNAVAILABLE", "The mailbox is not available"),
    (domain.KeyDestroyed, "CONTACTADMIN", "The mailbox cannot be opened any more"),
    (domain.Conflict, "INUSE", "Another change came first, try again"),
    (domain.TryLater, "UNAVAILABLE", "Temporary failure, try later"),
)


def refusal(error: domain.WorkpostError) -> Refused:
    """The NO for a domain error; one without an entry is a fault of ours."""
    for kind, code, text in _TABLE:
        if isinstance(error, kind):
            return Refused(error.message or text, code)
    return Refused("Internal error, reported to the administrator", "SERVERBUG")
