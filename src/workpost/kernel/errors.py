"""Domain errors: the only exceptions that cross from the core to the protocols.

A domain function raises one of these; each protocol has one table that turns them into its own
answers (`protocols/api/errors.py`, SMTP replies, IMAP response codes). The message is written for
the person who made the call, names the identifier it speaks of, and never holds a secret.

An error crosses the process boundary between a front end and the writer as its class name and its
message; `revive` makes it again on the other side.
"""

from __future__ import annotations

from typing import ClassVar


class WorkpostError(Exception):
    """Base of all domain errors; `message` is one sentence for the caller."""

    registry: ClassVar[dict[str, type[WorkpostError]]] = {}

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.__name__ in WorkpostError.registry:
            # The writer's answer would come out as the other one.
            raise TypeError(f"there are two errors {cls.__name__}")
        WorkpostError.registry[cls.__name__] = cls


def revive(name: str, message: str) -> WorkpostError:
    """Make the error again that another process raised; unknown names become `Fault`."""
    cls = WorkpostError.registry.get(name)
    return cls(message) if cls is not None else Fault(f"{name}: {message}")


# --- directory and organizations -----------------------------------------------------------------


class EntityNotFound(WorkpostError):
    """No user, group or resource of the organization has this identifier."""


class EntityStateInvalid(WorkpostError):
    """The entity is in a state that does not allow the operation."""


class EntityAlreadyRegistered(WorkpostError):
    """The entity is already enabled under another address."""


class EmailAddressInUse(WorkpostError):
    """Another entity holds this address."""


class NameUnavailable(WorkpostError):
    """A user, group, resource or organization already has this name."""


class NameReserved(WorkpostError):
    """The name is kept for the system."""


class PasswordUnacceptable(WorkpostError):
    """The password breaks the password policy."""


class MailDomainNotFound(WorkpostError):
    """The organization has no such mail domain."""


class MailDomainInUse(WorkpostError):
    """The mail domain is used by an address, is the default, or belongs to someone else."""


class MailDomainStateInvalid(WorkpostError):
    """The mail domain is not verified."""


class OrganizationNotFound(WorkpostError):
    """The account has no such organization."""


class OrganizationStateInvalid(WorkpostError):
    """The organization is not in a state that allows the operation."""


class DirectoryInUse(WorkpostError):
    """The directory already belongs to another organization."""


class DirectoryUnavailable(WorkpostError):
    """The directory does not exist or does not answer."""


class DirectoryAuthenticationFailed(WorkpostError):
    """The directory does not take the credentials that the operator has set for it."""


class ResourceNotFound(WorkpostError):
    """A rule, role, token, policy or other named object does not exist."""


class InvalidConfiguration(WorkpostError):
    """The settings of the resource contradict each other."""


class TooManyTags(WorkpostError):
    """The organization would have more tags than allowed."""


class LimitExceeded(WorkpostError):
    """A limit of the service would be passed; the call had no effect."""


class InvalidParameter(WorkpostError):
    """The input is well formed but not acceptable."""


class Unsupported(WorkpostError):
    """The operation is not possible on this directory or in this version."""


# --- access ---------------------------------------------------------------------------------------


class AccessDenied(WorkpostError):
    """The caller may not do this."""


class AuthenticationFailed(WorkpostError):
    """Name and password, token or signature do not fit; says no more than that."""


class StaleGrant(WorkpostError):
    """The grant is older than the organization's policy; ask access again and repeat."""


# --- mailboxes and messages -----------------------------------------------------------------------


class MailboxNotFound(WorkpostError):
    """The mailbox does not exist, was shredded, or belongs to someone else."""


class FolderNotFound(WorkpostError):
    """The folder does not exist in this mailbox."""


class FolderExists(WorkpostError):
    """A folder of this name exists already."""


class FolderProtected(WorkpostError):
    """The folder cannot be renamed or deleted."""


class FolderHasChildren(WorkpostError):
    """The folder has inferior names and cannot be removed with them."""


class ScriptNotFound(WorkpostError):
    """The mailbox has no Sieve script of this name."""


class ScriptExists(WorkpostError):
    """The mailbox has a Sieve script of this name already."""


class ScriptActive(WorkpostError):
    """The Sieve script is the active one and cannot be deleted."""


class ScriptInvalid(WorkpostError):
    """The text is no Sieve script that this server could run; the message says where and why."""


class ScriptTooLarge(WorkpostError):
    """The Sieve script is over the size limit."""


class QuotaExceeded(WorkpostError):
    """The mailbox has no room for the message."""


class MessageTooLarge(WorkpostError):
    """The message is over the size limit."""


class MailLoop(WorkpostError):
    """The message has passed more hosts than any way has: it runs in circles."""


class TooManyRecipients(WorkpostError):
    """The message has more recipients than its sender may name at once."""


class UnknownRecipient(WorkpostError):
    """Nobody here receives mail under this address."""


class SenderNotAllowed(WorkpostError):
    """The login does not own the sender address."""


class MessageRefused(WorkpostError):
    """A policy refuses the message as a whole; the sending server may tell its author why."""


class ContentRejected(WorkpostError):
    """The content cannot take the place of a message in transit; the text says why."""


class ContentUnreachable(WorkpostError):
    """The object that holds a new content is not there, or nobody may read it."""


class KeyDestroyed(WorkpostError):
    """The key was shredded; what it sealed is gone for good."""


# --- the machinery --------------------------------------------------------------------------------


class TryLater(WorkpostError):
    """A temporary fault of the server or of something it depends on; nothing was changed."""


class Busy(TryLater):
    """There is no room for more at this moment, or the server is stopping."""


class Conflict(WorkpostError):
    """Ids made before the transaction collided or the rows moved; repeat with fresh values."""


class Fault(WorkpostError):
    """A broken invariant or a bug: logged in full, told to the caller as an internal error."""
