"""What the directory knows of a person at login, read in one snapshot."""

from __future__ import annotations

import msgspec

from workpost.domain.access.identity import passwords_work
from workpost.domain.access.rules import Verdict, decide, read_rule
from workpost.domain.access.tokens import works
from workpost.domain.directory.entities import REMOTE_USER, fold_name, read_props
from workpost.domain.directory.external import find_entry
from workpost.domain.directory.identities import identity_key
from workpost.formats import addresses as syntax
from workpost.store.database.unit import Reader, quick
from workpost.store.tables import (
    access_tokens,
    addresses,
    domains,
    entities,
    identities,
    mailboxes,
    organizations,
)
from workpost.store.tables.access_tokens import TokenRow
from workpost.store.tables.entities import ENABLED, USER, EntityRow
from workpost.store.tables.identities import ProviderRow
from workpost.store.tables.rules import RuleRow, list_access_rules


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A user of an active organization; `enabled` when the mailbox may be used."""

    organization: str
    entity: str
    mailbox: int
    enabled: bool
    password: str
    password_version: int
    policy_version: int
    rules: list[RuleRow]
    user_id: str
    """Who they are at the identity provider; empty before the first sign-in."""
    provider: ProviderRow | None
    token: TokenRow | None = None
    """The personal access token that was asked for, whoever's it is."""
    directory: str = ""
    """The directory outside that knows the password, "" for passwords that are kept here."""
    guid: str = ""
    """The person's entry there."""

    def verdict(self, *, protocol: str, address: str, role: str = "") -> Verdict:
        """What the organization's access-control rules say to this protocol from this address.

        `role` is the impersonation role that acts for the person, if one does.
        """
        rules = [(row.key, read_rule(row.rule)) for row in self.rules]
        return decide(rules, action=protocol, address=address, user=self.entity, role=role)

    @property
    def has_password(self) -> bool:
        """Whether there is a password that opens the mailbox."""
        return bool(self.password or self.directory) and passwords_work(self.provider)

    def may_use(self, token: TokenRow | None, now: int) -> bool:
        """Whether a personal access token is one of theirs that works now."""
        return works(
            token,
            self.provider,
            org=self.organization,
            entity=self.entity,
            user_id=self.user_id,
            now=now,
        )

    def signs_in_as(self, identity: str, provider: int) -> bool:
        """Whether they are still who the identity provider said, by the same configuration."""
        known = self.provider is not None and self.provider.id == provider
        return known and identity == identity_key(self.user_id) != ""


@quick
def find_person(tx: Reader, *, username: str, digest: bytes | None = None) -> Person | None:
    """The user of a login name: any address of theirs, not case-sensitive.

    Where only one organization is served, the user name does, too (decisions 18). `digest` asks
    for the token that has it.
    """
    person = _find(tx, username)
    if person is None or digest is None:
        return person
    token = access_tokens.find_token(tx, digest=digest)
    return msgspec.structs.replace(person, token=token)


def _find(tx: Reader, username: str) -> Person | None:
    held = addresses.get_address(tx, addr_fold=syntax.fold(username)) if "@" in username else None
    if held is not None:
        return person_of(tx, entities.get_entity(tx, org=held.org, entity=held.entity))
    only = organizations.only_organization(tx)
    if only is None:
        return None
    return person_of(tx, entities.get_by_name(tx, org=only, name_fold=fold_name(username)))


@quick
def get_person(tx: Reader, *, organization: str, entity: str, token: str = "") -> Person | None:
    """The user by id, as they are now, and the token of this id."""
    person = person_of(tx, entities.get_entity(tx, org=organization, entity=entity))
    if person is None or not token:
        return person
    row = access_tokens.get_token(tx, org=organization, token=token)
    return msgspec.structs.replace(person, token=row)


def person_of(
    tx: Reader, row: EntityRow | None, *, kinds: tuple[str, ...] = (USER,)
) -> Person | None:
    """The person of a row; None for other kinds, and while the organization is not active."""
    if row is None or row.kind not in kinds:
        return None
    version = organizations.get_policy_version(tx, organization=row.org)
    if version is None:
        return None
    props = read_props(row)
    outside = find_entry(tx, org=row.org, entity=row.id) if row.password is None else None
    locked = outside is not None and bool(outside[1].locked)
    return Person(
        organization=row.org,
        entity=row.id,
        mailbox=row.mailbox or 0,
        enabled=row.state == ENABLED
        and props.user_role != REMOTE_USER
        and not locked
        and _is_active(tx, row),
        password=row.password or "",
        password_version=props.password_version,
        policy_version=version,
        rules=list_access_rules(tx, org=row.org),
        user_id=props.identity_provider_user_id,
        provider=identities.get_provider(tx, org=row.org),
        directory=outside[0] if outside is not None else "",
        guid=outside[1].guid if outside is not None else "",
    )


def _is_active(tx: Reader, row: EntityRow) -> bool:
    if row.mailbox is None:
        return False
    mailbox = mailboxes.get_mailbox(tx, mailbox=row.mailbox)
    return mailbox is not None and mailbox.state == mailboxes.ACTIVE


@quick
def owner_of_domain(tx: Reader, *, domain: str) -> str:
    """The organization that has a (folded) domain verified, "" when nobody has."""
    row = domains.get_verified(tx, name=domain)
    return row.org if row is not None else ""


@quick
def holds_address(tx: Reader, *, organization: str, entity: str, address: str) -> bool:
    """True when the address, primary or alias, is the entity's own."""
    held = addresses.get_address(tx, addr_fold=syntax.fold(address))
    return held is not None and (held.org, held.entity) == (organization, entity)
