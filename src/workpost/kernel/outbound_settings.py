"""Settings of mail on its way out."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from workpost.kernel.sections import LIVE, PATH, SECRET, Section

DOMAIN = r"(\*|[^=\s]{1,255})"


class Outbound(Section, frozen=True, kw_only=True):
    """Sending to other servers: straight to them, or through a relay (smart host)."""

    helo: Annotated[
        str,
        Meta(description="Name in EHLO; empty: `hostname`. Its address should lead back to it."),
    ] = ""
    source_ipv4: Annotated[
        str, Meta(description="IPv4 address that connections come from; empty: any.", extra=LIVE)
    ] = ""
    source_ipv6: Annotated[
        str, Meta(description="IPv6 address that connections come from; empty: any.", extra=LIVE)
    ] = ""
    relay: Annotated[
        str,
        Meta(
            description="`host:port` of the server that takes all mail for outside, such as "
            "`email-smtp.us-east-1.amazonaws.com:587`; empty: mail goes to the servers that the "
            "DNS names.",
            extra=LIVE,
        ),
    ] = ""
    relay_tls: Annotated[
        Literal["starttls", "implicit", "none"],
        Meta(
            description="How the relay is spoken to; its certificate must be good. `none`: a relay "
            "on loopback, or one without a password.",
            extra=LIVE,
        ),
    ] = "starttls"
    relay_user: Annotated[
        str, Meta(description="User name at the relay; empty: none is needed.", extra=LIVE)
    ] = ""
    relay_password_file: Annotated[
        str, Meta(description="File of the password at the relay.", extra=PATH | LIVE)
    ] = ""
    relay_password: Annotated[
        str,
        Meta(
            description="That password itself, for the environment; the file is better.",
            extra=SECRET | LIVE,
        ),
    ] = ""
    routes: Annotated[
        tuple[Annotated[str, Meta(pattern=rf"^{DOMAIN}=[^=\s]+:[0-9]{{1,5}}$")], ...],
        Meta(
            description="`DOMAIN=HOST:PORT`: the server of a domain, whatever the DNS says; `*` "
            "for all others. A route may lead to private addresses.",
            extra=LIVE,
        ),
    ] = ()
    tls: Annotated[
        tuple[
            Annotated[str, Meta(pattern=rf"^{DOMAIN}=(none|may|encrypt|verify)$")],
            ...,
        ],
        Meta(
            description="`DOMAIN=LEVEL`: TLS towards a domain, instead of what its MTA-STS policy "
            "or TLSA records say: `none`, `may` (where offered), `encrypt` (any certificate), "
            "`verify` (a good one for the server's name); `*` for all others.",
            extra=LIVE,
        ),
    ] = ()
    mta_sts: Annotated[
        bool, Meta(description="Keep to the MTA-STS policies of domains (RFC 8461).", extra=LIVE)
    ] = True
    dane: Annotated[
        bool,
        Meta(
            description="Keep to TLSA records (RFC 7672); needs a validating resolver that is "
            "reached over a trusted path.",
            extra=LIVE,
        ),
    ] = True
    tls_reports: Annotated[
        str,
        Meta(
            pattern=r"^([^@\s]+@[^@\s]+)?$",
            description="Address of a person or group here that signs TLS reports to domains that "
            "want them (RFC 8460); empty: none are sent.",
            extra=LIVE,
        ),
    ] = ""
    ca_file: Annotated[
        str,
        Meta(
            description="PEM file of authorities that are trusted beside the machine's own: for "
            "the relay, `verify` and MTA-STS.",
            extra=PATH | LIVE,
        ),
    ] = ""
    allow: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks beside the public internet that the DNS may send mail to: "
            "`10.1.0.0/16`.",
            extra=LIVE,
        ),
    ] = ()
    idle_seconds: Annotated[
        int,
        Meta(
            ge=0, le=60, description="How long a session is kept for the next message.", extra=LIVE
        ),
    ] = 5
