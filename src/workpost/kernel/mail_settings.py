"""Settings of mail authentication: who is believed, what follows from DMARC, our signatures."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from workpost.kernel.sections import LIVE, Section


class Authentication(Section, frozen=True, kw_only=True):
    """Authentication of mail from other servers: SPF, DKIM, ARC and DMARC."""

    server_name: Annotated[
        str,
        Meta(
            pattern=r"^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)?$",
            description="Name that Authentication-Results fields begin with; the same on all "
            "nodes, as each takes out what strangers wrote under it. Empty: `hostname`.",
        ),
    ] = ""
    trusted_networks: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks of our own relays, whose mail is taken as authenticated already "
            "and keeps their Authentication-Results.",
            extra=LIVE,
        ),
    ] = ("127.0.0.0/8", "::1/128")
    trusted_authserv_ids: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")], ...],
        Meta(
            description="Names of our own relays in Authentication-Results: what they say of SPF, "
            "DKIM and DMARC counts on mail over LMTP and from `trusted_networks`. They have to "
            "take out such fields of strangers, as we do.",
            extra=LIVE,
        ),
    ] = ()
    trusted_arc: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[a-z0-9.-]+$")], ...],
        Meta(
            description="Domains of forwarders and mailing lists whose ARC seals are believed: "
            "where they saw the author's DMARC pass, a failure here has no effect.",
            extra=LIVE,
        ),
    ] = ()


class Dmarc(Section, frozen=True, kw_only=True):
    """What enforcing organizations do with mail that fails DMARC (PutInboundDmarcSettings)."""

    reject: Annotated[
        Literal["refuse", "drop"],
        Meta(
            description="Where the author's domain asks for `reject`: `refuse` tells the sending "
            "server 550, `drop` takes the message and delivers it to nobody, as WorkMail does.",
            extra=LIVE,
        ),
    ] = "refuse"
    reports: Annotated[
        str,
        Meta(
            pattern=r"^([^@\s]+@[^@\s]+)?$",
            description="Address of a person or group here that signs the daily reports to domains "
            "that ask for them by `rua` (RFC 9990); empty: none are sent, nothing is counted.",
            extra=LIVE,
        ),
    ] = ""


class Dkim(Section, frozen=True, kw_only=True):
    """The keys by which mail of our domains is signed."""

    rotate_days: Annotated[
        int,
        Meta(
            ge=0,
            le=3650,
            description="Make a new key this many days after one began to sign; it is used once "
            "the DNS shows it (`workpost domain dkim show`). 0: only by `workpost domain dkim "
            "rotate`.",
            extra=LIVE,
        ),
    ] = 0
