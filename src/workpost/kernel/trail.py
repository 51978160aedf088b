"""What happens to people's access, told to whoever keeps audit logs: the five kinds of WorkMail.

Rooms tell a `Trail` what was asked and how it ended; `operations/audit/trail.py` writes lines of it
and counts. Telling never waits and never fails. Source: Administrator Guide, audit logging, which
names kinds and fields; a field that is empty is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from workpost.kernel.principal import Grant, Principal

ACCESS_CONTROL = "ACCESS_CONTROL_LOGS"
AUTHENTICATION = "AUTHENTICATION_LOGS"
AVAILABILITY = "WORKMAIL_AVAILABILITY_PROVIDER_LOGS"
MAILBOX_ACCESS = "WORKMAIL_MAILBOX_ACCESS_LOGS"
ACCESS_TOKENS = "WORKMAIL_PERSONAL_ACCESS_TOKEN_LOGS"

Scope = Literal["AccessControl", "DeviceAccessControl", "ImpersonationAccessControl"]
ObjectType = Literal["Folder", "Message", "Attachment"]
Action = Literal[
    "read",
    "read_hierarchy",
    "read_summary",
    "read_attachment",
    "read_permissions",
    "create",
    "update",
    "update_permissions",
    "update_read_state",
    "delete",
    "submit_email_for_sending",
    "abort_sending_email",
    "move",
    "move_to",
    "copy",
    "copy_to",
]


class Trail:
    """Where it is told; this one forgets all."""

    def add(
        self, kind: str, organization: str, record: Mapping[str, Any], *, failed: bool = False
    ) -> None:
        """Take a record; `organization` "" where nobody's could be told."""

    def count(self, kind: str, organization: str, *, failed: bool = False) -> bool:
        """Count what would be told; False where nobody keeps it and `add` may be spared.

        Where this is True `add` follows, and counts.
        """
        return True

    async def close(self) -> None:
        """Settle what was taken, before the store is closed."""


NO_TRAIL = Trail()


def tell_login(
    trail: Trail,
    organization: str,
    principal: Principal,
    user: str,
    *,
    user_id: str = "",
    token: str = "",
    failure: str = "",
) -> None:
    """Somebody tried to log in as `user`; `failure` says why that was refused."""
    record = {
        "user_id": user_id,
        "user": user,
        "protocol": principal.protocol,
        "source_ip": principal.address,
        "method": "basic",
        "auth_successful": not failure,
        "auth_failed_reason": failure,
        "personal_access_token_id": token,
    }
    trail.add(AUTHENTICATION, organization, record, failed=bool(failure))


def tell_access_control(
    trail: Trail,
    organization: str,
    principal: Principal,
    *,
    user_id: str,
    rules: Iterable[str],
    granted: bool,
    scope: Scope = "AccessControl",
) -> None:
    """Rules were asked; `rules` are those that matched and made the answer."""
    record = {
        "user_id": user_id,
        "impersonator_id": principal.role,
        "protocol": principal.protocol,
        "source_ip": principal.address,
        "scope": scope,
        "rule_id": ",".join(rules),
        "access_granted": granted,
    }
    trail.add(ACCESS_CONTROL, organization, record, failed=not granted)


def tell_mailbox_access(
    trail: Trail,
    grant: Grant,
    action: Action,
    *,
    object_type: ObjectType,
    item: str = "",
    folder: int = 0,
    path: str = "",
    allowed: bool = True,
) -> None:
    """Somebody did, or was not allowed to do, something to an item or a folder."""
    if not trail.count(MAILBOX_ACCESS, grant.organization, failed=not allowed):
        return
    principal = grant.principal
    record = {
        "user_id": grant.entity,
        "impersonator_id": principal.role,
        "protocol": principal.protocol,
        "source_ip": principal.address,
        "action": action,
        "owner_id": principal.on_behalf_of or grant.entity,
        "object_type": object_type,
        "item_id": item,
        "folder_path": path,
        "folder_id": str(folder) if folder else "",
        "action_allowed": allowed,
    }
    trail.add(MAILBOX_ACCESS, grant.organization, record, failed=not allowed)


def tell_token(
    trail: Trail,
    grant: Grant,
    action: Literal["create", "delete"],
    *,
    user: str,
    name: str = "",
    scopes: Iterable[str] = (),
    expires: int | None = None,
) -> None:
    """Somebody tried to create or delete a personal access token of `user`."""
    record = {
        "user_id": grant.entity,
        "user": user,
        "protocol": "webapp",
        "source_ip": grant.principal.address,
        "action": action,
        "name": name,
        "expires_time": expires or "",
        "scopes": list(scopes),
    }
    trail.add(ACCESS_TOKENS, grant.organization, record)


def tell_availability(
    trail: Trail,
    organization: str,
    *,
    user_id: str,
    domain: str,
    function: str = "",
    endpoint: str = "",
    failure: str = "",
) -> None:
    """A provider of free/busy was asked: a Lambda function, or the EWS of `endpoint`."""
    record = {
        "user_id": user_id,
        "type": "LAMBDA" if function else "EWS",
        "domain": domain,
        "function_arn": function,
        "ews_endpoint": endpoint,
        "error_message": failure,
        "availability_event_successful": not failure,
    }
    trail.add(AVAILABILITY, organization, record, failed=bool(failure))
