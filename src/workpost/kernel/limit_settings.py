"""Settings of what is refused: `[limits]`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from workpost.kernel.sections import LIVE, Section


class Limits(Section, frozen=True, kw_only=True):
    """What is refused, each with its protocol's own error."""

    message_bytes: Annotated[
        int,
        Meta(
            ge=65536,
            le=1 << 30,
            description="Largest message, as sent (attachments encoded).",
            extra=LIVE,
        ),
    ] = 40 * 1024 * 1024
    outgoing_message_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=1 << 30,
            description="The same for what people here send; 0: `message_bytes` alone counts.",
            extra=LIVE,
        ),
    ] = 40 * 1024 * 1024
    recipients: Annotated[
        int, Meta(ge=1, le=10_000, description="Recipients of one message.", extra=LIVE)
    ] = 500
    attachments: Annotated[
        int, Meta(ge=0, description="Attachments of one message; 0: no limit.", extra=LIVE)
    ] = 500
    external_recipients_per_day: Annotated[
        int,
        Meta(
            ge=0,
            description="Recipients elsewhere of one user's mail of a day (UTC), what it forwards "
            "and what it has held for later included; 0: no limit.",
            extra=LIVE,
        ),
    ] = 10_000
    account_recipients_per_day: Annotated[
        int,
        Meta(
            ge=0,
            description="The same of all organizations of an account together; 0: no limit.",
            extra=LIVE,
        ),
    ] = 100_000
    test_domain_recipients_per_day: Annotated[
        int,
        Meta(
            ge=0,
            description="Recipients, here and elsewhere, of an account's mail of a day from the "
            "test domains that organizations begin with; 0: no limit.",
            extra=LIVE,
        ),
    ] = 200
    hops: Annotated[
        int,
        Meta(
            ge=10,
            le=1_000,
            description="Received fields of a message: more of them mean that it runs in a loop.",
            extra=LIVE,
        ),
    ] = 50
    mailbox_megabytes: Annotated[
        int, Meta(ge=1, description="Quota of a new mailbox, in MB of 2^20 bytes.")
    ] = 51_200
    largest_mailbox_megabytes: Annotated[
        int, Meta(ge=1, description="Largest quota that the API sets, in MB.", extra=LIVE)
    ] = 51_200
    organizations_per_account: Annotated[
        int, Meta(ge=1, description="Organizations of an account, deleted ones apart.", extra=LIVE)
    ] = 100
    users_per_organization: Annotated[
        int,
        Meta(ge=1, le=10_000_000, description="Users of an organization, disabled ones included."),
    ] = 1_000
    aliases_per_entity: Annotated[
        int, Meta(ge=1, description="Aliases of a user, group or resource.", extra=LIVE)
    ] = 100
    domains_per_organization: Annotated[
        int, Meta(ge=1, description="Mail domains of an organization.", extra=LIVE)
    ] = 1_000
    access_rules: Annotated[
        int,
        Meta(ge=1, le=10, description="Access-control rules of an organization.", extra=LIVE),
    ] = 10
    device_rules: Annotated[
        int,
        Meta(ge=1, le=10, description="Mobile-device rules of an organization.", extra=LIVE),
    ] = 10
    devices_per_mailbox: Annotated[
        int, Meta(ge=1, description="Mobile devices of one mailbox.", extra=LIVE)
    ] = 100
    impersonation_roles: Annotated[
        int,
        Meta(ge=1, le=1_000, description="Impersonation roles of an organization.", extra=LIVE),
    ] = 20
    availability_configurations: Annotated[
        int,
        Meta(ge=1, description="Availability configurations of an organization.", extra=LIVE),
    ] = 100
    flow_patterns_per_rule: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000,
            description="Patterns of senders, and as many of destinations, of one flow rule.",
            extra=LIVE,
        ),
    ] = 250
    flow_patterns: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="The same of all flow rules of an organization together.",
            extra=LIVE,
        ),
    ] = 1_000
    smtp_gateways: Annotated[
        int, Meta(ge=1, le=1_000, description="SMTP gateways of an organization.", extra=LIVE)
    ] = 20
    tags: Annotated[int, Meta(ge=1, le=50, description="Tags of an organization.", extra=LIVE)] = 50
    identity_applications: Annotated[
        int, Meta(ge=1, description="Identity Center applications of an account.", extra=LIVE)
    ] = 100
    tokens_per_user: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000,
            description="Personal access tokens of a user, expired ones apart.",
            extra=LIVE,
        ),
    ] = 20
    exports_running: Annotated[
        int,
        Meta(ge=1, description="Mailbox exports that an organization runs at once.", extra=LIVE),
    ] = 10
    export_hours: Annotated[
        int,
        Meta(
            ge=0,
            le=8760,
            description="Hours before a mailbox is exported again; a failed export does not count.",
            extra=LIVE,
        ),
    ] = 24
    sieve_scripts: Annotated[
        int, Meta(ge=1, le=1_000, description="Sieve scripts of a mailbox.", extra=LIVE)
    ] = 32
    sieve_script_bytes: Annotated[
        int,
        Meta(ge=1024, le=256 * 1024, description="Largest Sieve script.", extra=LIVE),
    ] = 256 * 1024
    sessions: Annotated[
        int,
        Meta(
            ge=1,
            description="Open client connections of one process, all protocols; when all are "
            "taken, clients that have not logged in give way.",
            extra=LIVE,
        ),
    ] = 20_000
    sessions_per_address: Annotated[
        int, Meta(ge=1, description="Open client connections of one IP address.", extra=LIVE)
    ] = 1_000
