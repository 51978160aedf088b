"""What the actions that change something change beyond the API, and the settings that bind them.

Data for docs/api.md. `PENDING` names who will ask a decision that is made and tested already, where
the protocol that shows it is not there yet.
"""

from __future__ import annotations

ADDRESS_BOOK = "address book (who is hidden)"
SCHEDULING = "scheduling (answers to meeting requests)"
WEB = "the web (signing in, where owners make tokens)"
LOGINS = "logins of IMAP and SMTP"
MAIL = "delivery"
DEVICES = "decisions on mobile devices"
ACTIVESYNC = "ActiveSync (`devices.see_device`)"
ROLES = "what its tokens are good for"
EWS = "EWS (`impersonating.impersonate`)"
ASKED = "asked for free/busy of the domain"
FREE_BUSY = "EWS GetUserAvailability (`availability.query`)"
INCOMING = (
    "mail to the organization: dropped, bounced, in or out of Junk E-mail, or as a function says"
)
OUTGOING = "mail from the organization: dropped, bounced, through a gateway, or as a function says"

EFFECTS: dict[str, str] = {
    "AssociateDelegateToResource": "kept with the resource",
    "AssociateMemberToGroup": "delivery to the group; permissions through the group",
    "AssumeImpersonationRole": "a token, good for 15 minutes",
    "CancelMailboxExportJob": "the export ends, its upload is thrown away",
    "CreateAlias": MAIL,
    "CreateAvailabilityConfiguration": ASKED,
    "CreateGroup": "none before it is registered",
    "CreateIdentityCenterApplication": "signing in, once an organization uses it",
    "CreateImpersonationRole": "none before a token is asked for",
    "CreateMobileDeviceAccessRule": DEVICES,
    "CreateOrganization": (
        "keys, test domain, first access-control rule; with DirectoryId a job reads users and"
        " groups of an LDAP server, which then checks passwords"
    ),
    "CreateResource": "none before it is registered",
    "CreateUser": "none before it is registered",
    "DeleteAccessControlRule": LOGINS,
    "DeleteAlias": MAIL,
    "DeleteAvailabilityConfiguration": "the provider is not asked any more",
    "DeleteEmailMonitoringConfiguration": "no mail event is told any more",
    "DeleteGroup": "its names are free again",
    "DeleteIdentityCenterApplication": "nobody signs in through it any more",
    "DeleteIdentityProviderConfiguration": "logins: passwords count again, tokens are dead",
    "DeleteImpersonationRole": "its tokens are good for nothing",
    "DeleteMailboxPermissions": "others' mailboxes in IMAP; who may send as whom",
    "DeleteMobileDevice": "the device is unknown, a wipe that it has not done with it",
    "DeleteMobileDeviceAccessOverride": DEVICES,
    "DeleteMobileDeviceAccessRule": DEVICES,
    "DeleteOrganization": "logins and mail end; a job deletes data and shreds keys",
    "DeletePersonalAccessToken": "logins; sessions that the token opened end",
    "DeleteResource": "its names are free again",
    "DeleteRetentionPolicy": "a run ends with its slice; no other follows",
    "DeleteUser": "its names are free again",
    "DeregisterFromWorkMail": "logins and mail end; a job deletes the mailbox after 30 days",
    "DeregisterMailDomain": "mail for the domain is refused",
    "DisassociateDelegateFromResource": "kept with the resource",
    "DisassociateMemberFromGroup": "delivery to the group; permissions through the group",
    "PutAccessControlRule": LOGINS,
    "PutEmailMonitoringConfiguration": "each step of a message is a line in the log group",
    "PutIdentityProviderConfiguration": "logins by password and by token, signing in",
    "PutInboundDmarcSettings": (
        "mail from outside that fails DMARC: refused or in Junk E-mail, as its domain asks"
    ),
    "PutMailboxPermissions": "others' mailboxes in IMAP; who may send as whom",
    "PutMobileDeviceAccessOverride": DEVICES,
    "PutRawMessageContent": (
        "what is delivered or sent in the message's stead, while the mail flow waits for a function"
    ),
    "PutRetentionPolicy": "a job moves or deletes old messages, once a period",
    "RegisterMailDomain": "a job looks for the DNS records; DKIM keys",
    "RegisterToWorkMail": "a mailbox (users and resources), logins, delivery",
    "ResetPassword": "logins; open sessions end",
    "SetMobilePolicyDetails": "all devices have to be provisioned again",
    "StartMailboxExportJob": "a job writes all mail, as a zip, into the bucket",
    "TagResource": "conditions of IAM policies",
    "UntagResource": "conditions of IAM policies",
    "UpdateAvailabilityConfiguration": ASKED,
    "UpdateDefaultMailDomain": "shown by the API",
    "UpdateGroup": "shown by the API",
    "UpdateImpersonationRole": ROLES,
    "UpdateMailboxQuota": "delivery and APPEND refuse what is too much",
    "UpdateMobileDeviceAccessRule": DEVICES,
    "UpdatePrimaryEmailAddress": MAIL,
    "UpdateResource": "shown by the API",
    "UpdateUser": "shown by the API; who signs in as whom",
    "WipeMobileDevice": "the device is to be wiped",
    "CreateInboundMailFlowRule": INCOMING,
    "CreateOutboundMailFlowRule": OUTGOING,
    "CreateSmtpGateway": "none before a rule leads to it",
    "DeleteInboundMailFlowRule": INCOMING,
    "DeleteOutboundMailFlowRule": OUTGOING,
    "DeleteSmtpGateway": "mail that waits for it goes back to its senders",
    "SetJournalingRules": "a report of each message in and out goes to the journal recipient",
    "UpdateInboundMailFlowRule": INCOMING,
    "UpdateOutboundMailFlowRule": OUTGOING,
    "UpdateSmtpGateway": "where mail through it goes, that which waits included",
}
"""Of each action that is built and changes something."""

PENDING: dict[str, tuple[str, ...]] = {
    "AssociateDelegateToResource": (SCHEDULING,),
    "AssumeImpersonationRole": (EWS,),
    "CreateAvailabilityConfiguration": (FREE_BUSY,),
    "CreateGroup": (ADDRESS_BOOK,),
    "CreateIdentityCenterApplication": (WEB,),
    "CreateOrganization": ("address book (who is in it under interoperability)",),
    "CreateResource": (ADDRESS_BOOK,),
    "CreateUser": (ADDRESS_BOOK,),
    "DeleteAccessControlRule": ("ActiveSync, EWS and the web (their logins)",),
    "DeleteIdentityCenterApplication": (WEB,),
    "CreateMobileDeviceAccessRule": (ACTIVESYNC,),
    "DeleteImpersonationRole": (EWS,),
    "DeleteMobileDevice": (ACTIVESYNC,),
    "DeleteMobileDeviceAccessOverride": (ACTIVESYNC,),
    "DeleteMobileDeviceAccessRule": (ACTIVESYNC,),
    "DeleteAvailabilityConfiguration": (FREE_BUSY,),
    "DisassociateDelegateFromResource": (SCHEDULING,),
    "PutAccessControlRule": (
        "ActiveSync, EWS and the web (their logins)",
        "EWS (rules on impersonation roles)",
    ),
    "PutIdentityProviderConfiguration": (WEB,),
    "PutMobileDeviceAccessOverride": (ACTIVESYNC,),
    "SetMobilePolicyDetails": (ACTIVESYNC,),
    "StartMailboxExportJob": ("calendar (its items in the zip)",),
    "UpdateAvailabilityConfiguration": (FREE_BUSY,),
    "UpdateGroup": (ADDRESS_BOOK,),
    "UpdateImpersonationRole": (EWS,),
    "UpdateMobileDeviceAccessRule": (ACTIVESYNC,),
    "UpdateResource": ("scheduling (booking options)", ADDRESS_BOOK),
    "UpdateUser": (ADDRESS_BOOK,),
    "WipeMobileDevice": (ACTIVESYNC,),
}

LIMITS: dict[str, tuple[str, ...]] = {
    **{
        f"{verb}{side}MailFlowRule": ("limits.flow_patterns_per_rule", "limits.flow_patterns")
        for verb in ("Create", "Update")
        for side in ("Inbound", "Outbound")
    },
    "CreateSmtpGateway": ("limits.smtp_gateways", "outbound.allow", "outbound.ca_file"),
    "CreateAlias": ("limits.aliases_per_entity",),
    "CreateIdentityCenterApplication": ("limits.identity_applications", "identity.providers"),
    "CreateAvailabilityConfiguration": (
        "limits.availability_configurations",
        "egress.plain_http",
    ),
    "CreateOrganization": (
        "limits.organizations_per_account",
        "limits.users_per_organization",
        "organizations.suffix",
        "directories.<id>.account",
    ),
    "CreateGroup": ("organizations.reserved_names",),
    "CreateImpersonationRole": ("limits.impersonation_roles",),
    "CreateMobileDeviceAccessRule": ("limits.device_rules",),
    "CreateResource": ("organizations.reserved_names",),
    "CreateUser": ("limits.users_per_organization", "organizations.reserved_names"),
    "PutAccessControlRule": ("limits.access_rules",),
    "PutRawMessageContent": (
        "limits.message_bytes",
        "limits.outgoing_message_bytes",
        "outside.buckets",
    ),
    "PutEmailMonitoringConfiguration": (
        "outside.log_groups",
        "outside.roles",
        "monitoring.every_seconds",
        "monitoring.retention_days",
    ),
    "PutIdentityProviderConfiguration": ("identity.providers",),
    "PutInboundDmarcSettings": (
        "authentication.server_name",
        "authentication.trusted_arc",
        "authentication.trusted_networks",
        "dmarc.reject",
        "dns.servers",
    ),
    "PutRetentionPolicy": ("retention.every_minutes",),
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
    "TestAvailabilityConfiguration": (
        "egress.allow",
        "egress.ca_file",
        "egress.plain_http",
        "egress.response_kilobytes",
        "egress.seconds",
        "lambda.functions",
    ),
    "UpdateAvailabilityConfiguration": ("egress.plain_http",),
    "UpdateMailboxQuota": ("limits.largest_mailbox_megabytes",),
    "UpdatePrimaryEmailAddress": ("limits.aliases_per_entity",),
    "UpdateResource": ("organizations.reserved_names",),
}
"""Settings by action; those of throttling bind all."""
