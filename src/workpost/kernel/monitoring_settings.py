"""Settings of what is told to log groups."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from workpost.kernel.sections import LIVE, Section

GROUP = r"[.\-_/#A-Za-z0-9]{1,512}"


class Monitoring(Section, frozen=True, kw_only=True):
    """Mail events and audit logs on their way to log groups (`outside.log_groups`)."""

    audit_logs: Annotated[
        tuple[
            Annotated[
                str,
                Meta(
                    pattern=r"^([0-9]{12}|m-[0-9a-f]{32}) +(ACCESS_CONTROL_LOGS|AUTHENTICATION_LOGS"
                    r"|WORKMAIL_AVAILABILITY_PROVIDER_LOGS|WORKMAIL_MAILBOX_ACCESS_LOGS"
                    rf"|WORKMAIL_PERSONAL_ACCESS_TOKEN_LOGS) +{GROUP}$"
                ),
            ],
            ...,
        ],
        Meta(
            description="`ACCOUNT TYPE GROUP` or `ORGANIZATION TYPE GROUP`: audit logs of this "
            "type go to the log group of the account. Types: `ACCESS_CONTROL_LOGS`, "
            "`AUTHENTICATION_LOGS`, `WORKMAIL_AVAILABILITY_PROVIDER_LOGS`, "
            "`WORKMAIL_MAILBOX_ACCESS_LOGS`, `WORKMAIL_PERSONAL_ACCESS_TOKEN_LOGS`.",
            extra=LIVE,
        ),
    ] = ()
    every_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=3_600,
            description="How often is looked for events that are not in their log group yet.",
        ),
    ] = 5
    retention_days: Annotated[
        int,
        Meta(
            ge=1,
            le=3_653,
            description="How long a log group of the default name "
            "(`/aws/workmail/emailevents/ALIAS`) keeps what it holds. CloudWatch Logs takes 1, 3, "
            "5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731 and some more.",
            extra=LIVE,
        ),
    ] = 30
