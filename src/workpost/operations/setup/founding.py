"""The first account, organization, domain and person; each step looks before it makes anything.

What was made is told in DIR/quickstart.json. The secrets are in DIR/quickstart.secrets, mode 0600,
from before their first use until the operator has them: a run that is cut short loses none.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec

from workpost.domain.access.accounts import create_access_key, create_account
from workpost.domain.directory import shell as directory
from workpost.domain.mailboxes.registration import register_to_workmail
from workpost.domain.organizations import domains_shell, mail_domains
from workpost.domain.organizations import shell as organizations
from workpost.domain.organizations.shell import NewOrganization
from workpost.formats.addresses import fold_domain
from workpost.kernel.errors import (
    EmailAddressInUse,
    EntityNotFound,
    MailDomainNotFound,
    NameUnavailable,
)
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.tables.organizations import find_alias, get_state

STATE = "quickstart.json"
SECRETS = "quickstart.secrets"
JOB = "quickstart"
ROLES = ("postmaster", "abuse")
"""Addresses that every mail domain has (RFC 5321 4.5.1, RFC 2142)."""
MOST_ALIAS = 62

Write = Callable[[Path, object], None]
"""Replaces a JSON file of mode 0600 durably."""


class Founded(msgspec.Struct, kw_only=True):
    """What there is; no secrets."""

    account: str = ""
    access_key_id: str = ""
    organization: str = ""
    alias: str = ""
    domain: str = ""
    user: str = ""
    address: str = ""
    done: bool = False


class Secrets(msgspec.Struct, kw_only=True):
    """What is shown once."""

    password: str
    access_key_id: str = ""
    secret_access_key: str = ""


def read_founded(data: Path) -> Founded:
    """What earlier runs made. Raises OSError, ValueError for a file that is not ours."""
    try:
        return msgspec.json.decode((data / STATE).read_bytes(), type=Founded)
    except FileNotFoundError:
        return Founded()


def read_secrets(data: Path) -> Secrets | None:
    """Secrets that nobody was told yet. Raises OSError, ValueError."""
    try:
        return msgspec.json.decode((data / SECRETS).read_bytes(), type=Secrets)
    except FileNotFoundError:
        return None


def alias_of(domain: str) -> str:
    """An alias for the organization of a domain: its first label."""
    label = re.sub(r"[^a-z0-9-]", "-", domain.lower().partition(".")[0]).strip("-")
    return label[:MOST_ALIAS] or "mail"


def new_password() -> str:
    """A password of about 120 bits that meets the directory's policy.

    It begins with a letter: command lines (`swaks --auth-password`) take `-...` for an option.
    """
    return f"A1a-{secrets.token_urlsafe(15)}"


async def found(
    core: Core, address: str, *, alias: str, display: str, write: Write
) -> tuple[Founded, Secrets]:
    """Make what is missing; a second run over what is complete must not come here.

    The domain counts as verified: who runs the server says so. Raises NameUnavailable for an alias
    of somebody else's organization, and what creating organization, domain and person raises.
    """
    data = core.settings.data
    state, kept = read_founded(data), read_secrets(data)
    hidden = kept or Secrets(password=new_password())
    write(data / SECRETS, msgspec.to_builtins(hidden))

    def keep() -> None:
        write(data / STATE, msgspec.to_builtins(state))

    if not state.account:
        state.account = await create_account(core, name=JOB)
        keep()
    state.organization = await _organization(core, state.account, alias)
    state.alias = alias
    keep()
    grant = Grant.system(JOB, state.organization)
    state.domain = fold_domain(address.rpartition("@")[2])
    await _domain(core, grant, state.domain)
    state.address = address
    state.user = await _person(core, grant, address, display, hidden.password)
    keep()
    if not state.access_key_id:
        key = await create_access_key(core, state.account)
        hidden.access_key_id = state.access_key_id = key.access_key_id
        hidden.secret_access_key = key.secret_access_key
        write(data / SECRETS, msgspec.to_builtins(hidden))
    state.done = True
    keep()
    return state, hidden


async def _organization(core: Core, account: str, alias: str) -> str:
    there = await core.store.read(find_alias, alias=alias)
    if there is None:
        new = NewOrganization(alias=alias)
        return await organizations.create_organization(core, Grant.system(JOB, ""), account, new)
    owner = await core.store.read(get_state, organization=there)
    if owner is None or owner[0] != account:
        raise NameUnavailable(f"There is an organization {alias} already; choose an --alias.")
    return there


async def _domain(core: Core, grant: Grant, domain: str) -> None:
    try:
        await domains_shell.get_domain(core, grant, domain)
    except MailDomainNotFound:
        await domains_shell.register_domain(core, grant, domain)
    await core.store.write(mail_domains.take_as_owned, grant=grant, name=domain)
    await domains_shell.set_default_domain(core, grant, domain)


async def _person(core: Core, grant: Grant, address: str, display: str, password: str) -> str:
    name, _, domain = address.rpartition("@")
    try:
        user = (await directory.describe_user(core, grant, name)).row.id
    except EntityNotFound:
        user = await directory.create_user(
            core, grant, name=name, display=display or name, password=password
        )
    await register_to_workmail(core, grant, user, address)
    for role in ROLES:
        with contextlib.suppress(EmailAddressInUse):
            await directory.create_alias(core, grant, user, f"{role}@{domain}")
    return user
