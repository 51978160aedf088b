"""Settings of what the operator's machine shows to the world: certificates, policies, doctor."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta

from workpost.kernel.sections import LIVE, PATH, Section, SettingsError

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)


class Acme(Section, frozen=True, kw_only=True):
    """Certificates of a public authority (RFC 8555), fetched and renewed by the server itself.

    The authority asks on port 80 of every name (`listeners.acme`, HTTP-01).
    """

    enabled: Annotated[
        bool, Meta(description="Fetch a certificate; `tls.certificate` is then to be empty.")
    ] = False
    agree_tos: Annotated[
        bool,
        Meta(description="You agree to the authority's terms of service; needed."),
    ] = False
    directory: Annotated[
        str,
        Meta(
            pattern=r"^https://[^\s?#]+$",
            description="The authority's directory; the default is Let's Encrypt.",
        ),
    ] = "https://acme-v02.api.letsencrypt.org/directory"
    contact: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[^\s@,]+@[^\s@,]+$")], ...],
        Meta(description="Mail addresses at which the authority reaches you."),
    ] = ()
    names: Annotated[
        tuple[str, ...],
        Meta(
            description="Names in the certificate beside `hostname`. `mta-sts.` and "
            "`autodiscover.` of verified domains join by themselves once DNS leads them here.",
            extra=LIVE,
        ),
    ] = ()
    ca_file: Annotated[
        str,
        Meta(
            description="PEM file of certificate authorities to trust where the directory is "
            "not a public one.",
            extra=PATH,
        ),
    ] = ""


class MtaSts(Section, frozen=True, kw_only=True):
    """The policy that other servers read at `mta-sts.<domain>` (RFC 8461), over `listeners.https`.

    It is served for every verified domain. A changed policy has a new id, which is to be published.
    """

    mode: Annotated[
        Literal["none", "testing", "enforce"],
        Meta(
            description="`testing`: failures are reported; `enforce`: others deliver only to a "
            "server with a valid certificate; `none`: there is no policy any more.",
            extra=LIVE,
        ),
    ] = "testing"
    days: Annotated[
        int,
        Meta(ge=1, le=365, description="How long others remember the policy.", extra=LIVE),
    ] = 7


class Doctor(Section, frozen=True, kw_only=True):
    """What `workpost doctor --online` asks."""

    block_lists: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")], ...],
        Meta(description="DNS lists of addresses (RFC 5782) in which the own ones are sought."),
    ] = ("zen.spamhaus.org", "bl.spamcop.net", "b.barracudacentral.org")
    peer: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
            description="A mail domain elsewhere, at whose servers port 25 is tried.",
        ),
    ] = "gmail.com"
    clock_url: Annotated[
        str,
        Meta(
            pattern=r"^https?://[^\s?#]+$",
            description="A web server whose `Date` the clock is compared with.",
        ),
    ] = "https://www.iana.org/"
    backup_hours: Annotated[
        int,
        Meta(ge=1, le=8760, description="Older backups of data and keys are complained of."),
    ] = 48


def check_acme(acme: Acme, hostname: str, certificate: str) -> None:
    """Raise SettingsError for settings with which no authority would give a certificate."""
    if not acme.enabled:
        return
    if not acme.agree_tos:
        raise SettingsError("acme.agree_tos: must be true; the authority asks for it")
    if certificate:
        raise SettingsError("acme.enabled: leave tls.certificate empty, or set this to false")
    for setting, name in (("hostname", hostname), *(("acme.names", each) for each in acme.names)):
        if not is_public_name(name):
            raise SettingsError(f"{setting}: acme needs a whole host name, not '{name}'")


def is_public_name(name: str) -> bool:
    """Whether a name (ASCII) could stand in a certificate of a public authority."""
    labels = name.split(".")
    whole = len(labels) > 1 and len(name) <= 253 and all(map(_LABEL.fullmatch, labels))
    return whole and not labels[-1].isdigit()
