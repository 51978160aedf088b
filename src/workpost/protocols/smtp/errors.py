"""The one table from domain errors to SMTP replies (RFC 5321 4.2, RFC 3463)."""

from workpost.kernel.errors import (
    AccessDenied,
    AuthenticationFailed,
    InvalidParameter,
    LimitExceeded,
    MailboxNotFound,
    MailLoop,
    MessageRefused,
    MessageTooLarge,
    QuotaExceeded,
    SenderNotAllowed,
    StaleGrant,
    TooManyRecipients,
    TryLater,
    UnknownRecipient,
    WorkpostError,
)
from workpost.protocols.smtp.session import Refused

_TABLE: tuple[tuple[type[WorkpostError], int, str, str], ...] = (
    (UnknownRecipient, 550, "5.1.1", "No such recipient here"),
    (MailboxNotFound, 550, "5.1.1", "No such recipient here"),
    (SenderNotAllowed, 550, "5.7.1", "You may not send as this sender"),
    (AuthenticationFailed, 535, "5.7.8", "Authentication failed"),
    (AccessDenied, 550, "5.7.1", "Not allowed"),
    (MessageRefused, 550, "5.7.1", "Message is refused by policy"),
    (QuotaExceeded, 452, "4.2.2", "Mailbox is full"),
    (MessageTooLarge, 552, "5.3.4", "Message is too large"),
    (MailLoop, 554, "5.4.6", "Too many hops, this message is in a loop"),
    (TooManyRecipients, 550, "5.5.3", "Too many recipients"),
    (LimitExceeded, 452, "4.5.3", "Too much at once, try later"),
    (InvalidParameter, 550, "5.6.0", "Message is not acceptable"),
    # The person was changed or disabled meanwhile: a new session logs in anew (decisions 2).
    (StaleGrant, 421, "4.7.0", "Please log in again"),
    (TryLater, 451, "4.3.0", "Temporary failure, try later"),
)


def refusal(error: WorkpostError) -> Refused:
    """The refusal to send for a domain error; one without an entry is a fault of ours: 451."""
    for kind, code, status, text in _TABLE:
        if isinstance(error, kind):
            return Refused(code, status, error.message or text)
    return Refused(451, "4.3.0", "Local error, try later")
