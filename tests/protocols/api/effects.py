"""What the actions that change something change beyond the API, and the settings that bind them.

Data for docs/api.md. `PENDING` names who will ask a decision that is made and tested already, where
the protocol that shows it is not there yet.
"""

from __future__ import annotations

ADDRESS_BOOK = "address book (who is hidden)"
SCHEDULING = "scheduling (answers to meeting requests)"
LOGINS = "logins of IMAP and SMTP"
MAIL = "delivery"

EFFECTS: dict[str, str] = {
    "AssociateDelegateToResource": "kept with the resource",
    "AssociateMemberToGroup": "delivery to the group; permissions through the group",
    "CancelMailboxExportJob": "the export ends, its upload is thrown away",
    "CreateAlias": MAIL,
    "CreateGroup": "none before it is registered",
    "CreateOrganization": "keys, test domain, first access-control rule",
    "CreateResource": "none before it is registered",
    "CreateUser": "none before it is registered",
    "DeleteAccessControlRule": LOGINS,
    "DeleteAlias": MAIL,
    "DeleteGroup": "its names are free again",
    "DeleteMailboxPermissions": "others' mailboxes in IMAP; who may send as whom",
    "DeleteOrganization": "logins and mail end; a job deletes data and shreds keys",
    "DeleteResource": "its names are free again",
    "DeleteUser": "its names are free again",
    "DeregisterFromWorkMail": "logins and mail end; a job deletes the mailbox after 30 days",
    "DeregisterMailDomain": "mail for the domain is refused",
    "DisassociateDelegateFromResource": "kept with the resource",
    "DisassociateMemberFromGroup": "delivery to the group; permissions through the group",
    "PutAccessControlRule": LOGINS,
    "PutMailboxPermissions": "others' mailboxes in IMAP; who may send as whom",
    "RegisterMailDomain": "a job looks for the DNS records; DKIM keys",
    "RegisterToWorkMail": "a mailbox (users and resources), logins, delivery",
    "ResetPassword": "logins; open sessions end",
    "StartMailboxExportJob": "a job writes all mail, as a zip, into the bucket",
    "TagResource": "conditions of IAM policies",
    "UntagResource": "conditions of IAM policies",
    "UpdateDefaultMailDomain": "shown by the API",
    "UpdateGroup": "shown by the API",
    "UpdateMailboxQuota": "delivery and APPEND refuse what is too much",
    "UpdatePrimaryEmailAddress": MAIL,
    "UpdateResource": "shown by the API",
    "UpdateUser": "shown by the API",
}
"""Of each action that is built and changes something."""

PENDING: dict[str, tuple[str, ...]] = {
    "AssociateDelegateToResource": (SCHEDULING,),
    "CreateGroup": (ADDRESS_BOOK,),
    "CreateResource": (ADDRESS_BOOK,),
    "CreateUser": (ADDRESS_BOOK,),
    "DeleteAccessControlRule": ("ActiveSync, EWS and the web (their logins)",),
    "DisassociateDelegateFromResource": (SCHEDULING,),
    "PutAccessControlRule": (
        "ActiveSync, EWS and the web (their logins)",
        "impersonation (rules on roles)",
    ),
    "StartMailboxExportJob": ("calendar (its items in the zip)",),
    "UpdateGroup": (ADDRESS_BOOK,),
    "UpdateResource": ("scheduling (booking options)", ADDRESS_BOOK),
    "UpdateUser": (ADDRESS_BOOK,),
}

LIMITS: dict[str, tuple[str, ...]] = {
    "CreateAlias": ("limits.aliases_per_entity",),
    "CreateOrganization": ("limits.organizations_per_account", "organizations.suffix"),
    "CreateGroup": ("organizations.reserved_names",),
    "CreateResource": ("organizations.reserved_names",),
    "CreateUser": ("limits.users_per_organization", "organizations.reserved_names"),
    "PutAccessControlRule": ("limits.access_rules",),
    "RegisterMailDomain": ("limits.domains_per_organization", "organizations.suffix"),
    "RegisterToWorkMail": ("limits.mailbox_megabytes",),
    "StartMailboxExportJob": (
        "limits.exports_running",
        "limits.export_hours",
        "outside.buckets",
        "outside.keys",
        "outside.roles",
    ),
    "TagResource": ("limits.tags",),
    "UpdateMailboxQuota": ("limits.largest_mailbox_megabytes",),
    "UpdatePrimaryEmailAddress": ("limits.aliases_per_entity",),
    "UpdateResource": ("organizations.reserved_names",),
}
"""Settings by action; those of throttling bind all."""
