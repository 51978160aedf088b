"""Senders of forwarded mail: made for the way out, and opened when a bounce comes back.

The addresses (`formats.srs`) hold all that is needed, so nothing is kept for them. Their key is the
installation's and is never replaced, so each node opens what another has made.
"""

from __future__ import annotations

from workpost.domain.directory.walking import Return
from workpost.formats import addresses as syntax
from workpost.formats import srs
from workpost.kernel.errors import UnknownRecipient
from workpost.store.core import Core
from workpost.store.database.unit import Reader, quick
from workpost.store.tables import addresses, domains, organizations

PURPOSE = "srs"
DAY_MS = 86_400_000


def _day(core: Core) -> int:
    return core.env.now() // DAY_MS


@quick
def forwarding_domain(tx: Reader, *, organization: str, by: str) -> str:
    """The domain that an organization forwards under: of the forwarder's address, or the default.

    "" when none of them is verified.
    """
    row = organizations.get_organization(tx, organization=organization)
    default = (row.default_domain or "") if row is not None else ""
    for name in (syntax.fold_domain(syntax.split(by)[1]), default):
        domain = domains.get_verified(tx, name=name) if name else None
        if domain is not None and domain.org == organization:
            return name
    return ""


@quick
def is_ours(tx: Reader, *, sender: str) -> bool:
    """Whether a sender may leave as it is: it is the null sender, or of a domain of ours."""
    name = syntax.split(syntax.fold(sender))[1]
    return not name or domains.get_verified(tx, name=name) is not None


async def forwarding_sender(core: Core, sender: str, *, domain: str, by: str) -> str:
    """The sender under which mail of `sender` is forwarded by an organization with `domain`.

    Senders of ours stay, as bounces reach them anyway. An address that grows longer than a local
    part should (RFC 5321 4.5.3.1.1) is that of the forwarder instead (`by`, where it has a
    mailbox), who then gets the bounces; where nobody would, it may be longer. The null sender when
    even that does not fit. Raises TryLater.
    """
    if not domain or await core.store.read(is_ours, sender=sender):
        return sender
    key = await core.keys.token_key(PURPOSE)
    try:
        made = srs.rewrite(key, sender, domain, _day(core))
    except srs.SrsError:
        return by
    fits = len(syntax.split(made)[0].encode()) <= syntax.MAX_LOCAL
    return made if fits or not by else by


@quick
def _find_organization(tx: Reader, *, addr_fold: str) -> str | None:
    """The organization of an address's domain, None when that is not ours or somebody holds it."""
    if addresses.get_address(tx, addr_fold=addr_fold) is not None:
        return None
    domain = domains.get_verified(tx, name=syntax.split(addr_fold)[1])
    return domain.org if domain is not None else None


async def open_return(core: Core, address: str) -> Return | None:
    """The original sender that one of our addresses (as written) stands for; None for all others.

    Raises UnknownRecipient for one that has the form but was not made here, or has expired;
    TryLater.
    """
    if not srs.is_srs(address):
        return None
    organization = await core.store.read(_find_organization, addr_fold=syntax.fold(address))
    if organization is None:
        return None
    key = await core.keys.token_key(PURPOSE)
    try:
        return Return(organization, srs.reverse(key, address, _day(core)))
    except srs.SrsError as error:
        raise UnknownRecipient(f"Nobody here receives mail as <{address}>: {error}.") from None
