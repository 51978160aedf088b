"""Settings of the LDAP and Active Directory servers that organizations may be made of."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from workpost.kernel.sections import PATH, Section

NEEDED = frozenset({"id", "name", "group_name", "member", "changed"})
"""What an attribute has to be named for."""
ATTRIBUTES = NEEDED | {
    "sid", "display", "common_name", "mail", "addresses", "password_changed", "control",
    "recipient", "first_name", "last_name", "initials", "telephone", "street", "job_title",
    "city", "company", "zip_code", "department", "country", "office",
}  # fmt: skip
"""What `attributes` may name others for."""


class Directory(Section, frozen=True, kw_only=True):
    """An LDAP or Active Directory server of an account, `d-` and ten hexadecimal digits.

    CreateOrganization names it as its DirectoryId. Variables spell the id with `_`:
    `WORKPOST_DIRECTORIES__D_0123456789__URLS`.
    """

    account: Annotated[
        str,
        Meta(pattern=r"^[0-9]{12}$|^$", description="The account whose organization may use it."),
    ] = ""
    alias: Annotated[
        str,
        Meta(description="The alias that an organization with it must have; empty: any."),
    ] = ""
    kind: Annotated[
        Literal["openldap", "active-directory"],
        Meta(description="Which filters and attributes are the usual ones."),
    ] = "openldap"
    urls: Annotated[
        tuple[str, ...],
        Meta(
            description="`ldaps://host:636`, or `ldap://host:389` with STARTTLS; the first that "
            "answers is asked."
        ),
    ] = ()
    without_tls: Annotated[
        bool, Meta(description="No STARTTLS at `ldap://` of this machine (loopback only).")
    ] = False
    ca_file: Annotated[
        str,
        Meta(
            description="PEM file of the authorities of the server's certificate; empty: those of "
            "the system.",
            extra=PATH,
        ),
    ] = ""
    bind_dn: Annotated[
        str, Meta(description="Who searches: a distinguished name that may read all of it.")
    ] = ""
    password_file: Annotated[
        str, Meta(description="File with the password of `bind_dn`.", extra=PATH)
    ] = ""
    base_dn: Annotated[str, Meta(description="Where users and groups are searched.")] = ""
    user_base_dn: Annotated[str, Meta(description="Users only; empty: `base_dn`.")] = ""
    group_base_dn: Annotated[str, Meta(description="Groups only; empty: `base_dn`.")] = ""
    user_filter: Annotated[
        str, Meta(description="Which entries are users; empty: as usual for the kind.")
    ] = ""
    group_filter: Annotated[
        str, Meta(description="Which entries are groups; empty: as usual for the kind.")
    ] = ""
    attributes: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[a-z_]+=[A-Za-z0-9.;-]*$")], ...],
        Meta(
            description="Other attributes than those usual for the kind, `name=uid`; none, "
            "`city=`, leaves a value out. See the operator's guide."
        ),
    ] = ()
    sync_seconds: Annotated[
        int, Meta(ge=1, le=604_800, description="From one synchronization to the next.")
    ] = 14_400
    full_sync_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=2_592_000,
            description="From one that reads everything, and so finds what was removed, to the "
            "next; the others read what was changed.",
        ),
    ] = 14_400
    removals_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="If more of its entries than this, and more than ten, are gone at once, "
            "none is taken away and the synchronization fails. So it does below 100 if all of "
            "several users, or of several groups, are gone.",
        ),
    ] = 20
    page_size: Annotated[
        int, Meta(ge=10, le=1000, description="Entries of one page of a search (RFC 2696).")
    ] = 500
    connections: Annotated[
        int, Meta(ge=1, le=32, description="Connections of each process; logins beyond wait.")
    ] = 4
    connect_seconds: Annotated[int, Meta(ge=1, le=10, description="Time to connect, with TLS.")] = 5
    operation_seconds: Annotated[
        int, Meta(ge=1, le=15, description="Time for an answer of the server.")
    ] = 10
    cache_seconds: Annotated[
        int,
        Meta(
            ge=0,
            le=300,
            description="How long a password that was right is not asked again; the old one may "
            "work so long after a change.",
        ),
    ] = 60
