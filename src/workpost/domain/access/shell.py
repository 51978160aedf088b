"""Every yes to a person: logging in, staying logged in, opening a mailbox."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from workpost.domain.access.impersonating import impersonate, impersonate_again
from workpost.domain.access.login import (
    Person,
    find_person,
    get_person,
    holds_address,
    owner_of_domain,
)
from workpost.domain.access.permissions import (
    SharedMailbox,
    find_shared,
    get_shared,
    list_shared,
)
from workpost.domain.access.sessions import find_credential
from workpost.domain.access.token_shell import note_use
from workpost.domain.access.token_text import token_digest
from workpost.domain.access.tokens import permits
from workpost.domain.access.verified import verified
from workpost.domain.directory import external, passwords, users
from workpost.domain.organizations.policy import check_grant
from workpost.formats.addresses import fold_domain
from workpost.kernel.errors import (
    AccessDenied,
    AuthenticationFailed,
    DirectoryAuthenticationFailed,
    DirectoryUnavailable,
    MailboxNotFound,
    TryLater,
    WorkpostError,
)
from workpost.kernel.principal import OWNER, Grant, Principal, Right
from workpost.kernel.trail import tell_access_control, tell_login
from workpost.store.core import Core
from workpost.store.tables.access_tokens import TokenRow

__all__ = [
    "check_grant",
    "enter_by_identity",
    "find_credential",
    "impersonate",
    "log_in",
    "open_mailbox",
    "renew",
    "shared_mailboxes",
]

log = logging.getLogger(__name__)

MAX_USERNAME = 512
MAX_PASSWORD = 1024
WEB = "WebMail"
WRONG = "The user name or the password is wrong."


async def log_in(
    core: Core, *, username: str, password: bytes, protocol: str, address: str
) -> Grant:
    """Open the person's own mailbox.

    `username` is any of the person's addresses, not case-sensitive, or the user name where only
    one organization is served; `password` theirs or a personal access token; `protocol` as
    access-control rules spell it (IMAP, SMTP, EWS, ...); `address` the client's IP address. Names
    and tokens that do not exist cost the time of wrong passwords.

    Raises AuthenticationFailed (unknown name, wrong password or token, disabled, passwords that do
    not count here: no telling which), AccessDenied for a right password that the rules do not let
    in and for a token without the protocol's scope, TryLater.
    """
    person: Person | None = None
    possible = len(username) <= MAX_USERNAME and "\0" not in username
    if possible and len(password) <= MAX_PASSWORD:
        digest = token_digest(password)
        person = await core.store.read(find_person, username=username, digest=digest)
    else:
        password = b""
    principal = Principal(actor="", protocol=protocol, address=address)
    token = person.token if person is not None else None
    if person is not None and token is not None and person.may_use(token, core.env.now()):
        return await _enter_by_token(core, person, token, principal, username)
    fits = await _check(core, person, passwords.normalize(password))
    if person is None or not fits or not person.enabled:
        await _tell_failure(core, person, principal, username, fits=fits)
        raise AuthenticationFailed(WRONG)
    tell_login(core.trail, person.organization, principal, username, user_id=person.entity)
    return _grant(core, person, principal)


async def _tell_failure(
    core: Core, person: Person | None, principal: Principal, username: str, *, fits: bool
) -> None:
    """Tell the organization of the person, or of the domain, that somebody did not get in."""
    if person is not None:
        failure = "The user is disabled." if fits else "The password is wrong."
        owner, user = person.organization, person.entity
    else:
        failure, user = "The user does not exist.", ""
        domain = fold_domain(username.rpartition("@")[2])[:MAX_USERNAME]
        owner = ""
        if "\0" not in domain:
            owner = await core.store.read(owner_of_domain, domain=domain)
    tell_login(core.trail, owner, principal, username, user_id=user, failure=failure)


async def _enter_by_token(
    core: Core, person: Person, token: TokenRow, principal: Principal, username: str
) -> Grant:
    """The grant that a token which works opens."""
    failure = "" if person.enabled else "The user is disabled."
    if not failure and not permits(token.scopes, principal.protocol):
        failure = f"The token has no scope for {principal.protocol}."
    tell_login(
        core.trail,
        person.organization,
        principal,
        username,
        user_id=person.entity,
        token=token.id,
        failure=failure,
    )
    if not person.enabled:
        raise AuthenticationFailed(WRONG)
    if failure:
        raise AccessDenied(failure)
    grant = _grant(core, person, msgspec.structs.replace(principal, scope=token.scopes))
    await note_use(core, token)
    return msgspec.structs.replace(grant, token=token.id, expires=token.expires or 0)


async def enter_by_identity(
    core: Core, *, organization: str, entity: str, identity: str, provider: int, address: str
) -> Grant:
    """The grant to the web of who has signed in through the identity provider.

    `provider` is the id of the configuration that was asked: the grant ends with it.
    Raises AuthenticationFailed for who is not enabled or not associated, AccessDenied when the
    rules do not let them in.
    """
    person = await core.store.read(get_person, organization=organization, entity=entity)
    if person is None or not person.enabled or not person.signs_in_as(identity, provider):
        raise AuthenticationFailed("There is no mailbox for who has signed in.")
    grant = _grant(core, person, Principal(actor="", protocol=WEB, address=address))
    return msgspec.structs.replace(grant, identity=identity, provider=provider)


async def _check(core: Core, person: Person | None, password: bytes) -> bool:
    """Whether the password is the person's; takes the same time when there is nobody."""
    cost = core.settings.passwords
    hasher = passwords.hasher()
    if person is None or not person.has_password:
        await hasher.verify_nobody(cost, password)
        return False
    if person.directory:
        return await _check_outside(core, person, password)
    now = core.env.monotonic()
    if verified().knows(person.password, password, now):
        return True
    if not await hasher.verify(person.password, password):
        return False
    verified().add(person.password, password, now)
    if passwords.is_outdated(cost, person.password):
        await _replace_hash(core, person, password)
    return True


async def _check_outside(core: Core, person: Person, password: bytes) -> bool:
    """Whether the password is the person's in a directory outside.

    Raises TryLater when the directory cannot be asked: nobody may take that for a wrong password.
    """
    now = core.env.monotonic()
    mark = f"{person.directory}/{person.entity}/{person.password_version}"
    if verified().knows(mark, password, now):
        return True
    try:
        # Wrong passwords cost what those of names cost that do not exist.
        fits, _ = await asyncio.gather(
            external.is_password(core, person.directory, person.guid, password),
            passwords.hasher().verify_nobody(core.settings.passwords, password),
        )
    except (DirectoryUnavailable, DirectoryAuthenticationFailed) as error:
        log.warning("a password could not be checked: %s", error)
        raise TryLater("The password cannot be checked at the moment; try again later.") from error
    settings = core.settings.directories.get(person.directory)
    if fits and settings is not None and settings.cache_seconds:
        # Another password of before is worth nothing any more.
        verified().add(mark, password, now, seconds=settings.cache_seconds, only=True)
    return fits


async def _replace_hash(core: Core, person: Person, password: bytes) -> None:
    """Hash the same password at the cost of the settings; a login never fails for it."""
    try:
        fresh = await passwords.hasher().hash(core.settings.passwords, core.env, password)
        await core.store.write(
            users.replace_hash,
            org=person.organization,
            entity=person.entity,
            old=person.password,
            new=fresh,
        )
    except WorkpostError as error:
        log.warning("a password's hash was not renewed: %s", error)


def _grant(core: Core, person: Person, principal: Principal) -> Grant:
    verdict = person.verdict(protocol=principal.protocol, address=principal.address)
    tell_access_control(
        core.trail,
        person.organization,
        principal,
        user_id=person.entity,
        rules=verdict.matched,
        granted=verdict.allowed,
    )
    if not verdict.allowed:
        raise AccessDenied("The organization's access-control rules do not allow this.")
    return Grant(
        principal=msgspec.structs.replace(
            principal, actor=person.entity, organization=person.organization
        ),
        organization=person.organization,
        entity=person.entity,
        mailbox=person.mailbox,
        rights=int(OWNER),
        policy_version=person.policy_version,
        password_version=person.password_version,
    )


async def renew(core: Core, grant: Grant) -> Grant:
    """The same person's grant to the same mailbox under the organization's policy of now.

    To be asked after StaleGrant or a policy hint. Raises AuthenticationFailed when the person or
    the mailbox is gone or disabled, or what opened it does not count any more: a password that
    was changed or is not asked for now, a token that was deleted or has expired, an association
    with somebody else; AccessDenied when the rules say no now; MailboxNotFound when another's
    mailbox is not shared any more. A grant that an impersonation role has given is decided as
    `impersonate` does.
    """
    foreign = grant.principal.on_behalf_of
    if foreign == grant.entity:
        foreign = ""
    if grant.principal.role:
        own = await impersonate_again(core, grant)
    else:
        own = await _renew_own(core, grant, foreign)
    if not foreign:
        return own
    return _open(own, await core.store.read(get_shared, grant=own, owner=foreign))


async def _renew_own(core: Core, grant: Grant, foreign: str) -> Grant:
    person = await core.store.read(
        get_person, organization=grant.organization, entity=grant.entity, token=grant.token
    )
    if (
        person is None
        or not person.enabled
        or (person.mailbox != grant.mailbox and not foreign)
        or not _is_still_open(person, grant, core.env.now())
    ):
        raise AuthenticationFailed("The login is not valid any more.")
    own = _grant(core, person, msgspec.structs.replace(grant.principal, on_behalf_of=""))
    return msgspec.structs.replace(
        own,
        token=grant.token,
        identity=grant.identity,
        provider=grant.provider,
        expires=grant.expires,
    )


def _is_still_open(person: Person, grant: Grant, now: int) -> bool:
    if grant.token:
        return person.may_use(person.token, now)
    if grant.identity:
        return person.signs_in_as(grant.identity, grant.provider)
    return person.has_password and person.password_version == grant.password_version


async def open_mailbox(core: Core, grant: Grant, owner_address: str) -> Grant:
    """The grant to a mailbox by an address of its owner: one's own, or one with full access.

    The principal goes on being the login, acting on behalf of the owner; sending is not part of
    it. Raises MailboxNotFound for any other, which tells nobody what exists.
    """
    own = await core.store.read(
        holds_address,
        organization=grant.organization,
        entity=grant.entity,
        address=owner_address,
    )
    if own:
        return grant
    shared = await core.store.read(find_shared, grant=grant, address=owner_address)
    return _open(grant, shared)


def _open(grant: Grant, shared: SharedMailbox | None) -> Grant:
    if shared is None:
        raise MailboxNotFound("There is no such mailbox, or it is not shared with you.")
    return msgspec.structs.replace(
        grant,
        principal=msgspec.structs.replace(grant.principal, on_behalf_of=shared.owner),
        mailbox=shared.mailbox,
        rights=grant.rights & int(Right.READ | Right.WRITE),
    )


async def shared_mailboxes(core: Core, grant: Grant) -> list[SharedMailbox]:
    """The mailboxes of others that the grant's person may open, by address."""
    return await core.store.read(list_shared, grant=grant)
