"""How much a person may send: the settings, what the organization has of its own, and the person.

The narrower one counts: a person's own value, else the organization's, else the setting. 0 stands
for no limit. `operations/mailflow/charging` asks; the operator sets.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from workpost.domain.directory.entities import resolve_existing
from workpost.domain.organizations.state import begin, change_policy, require_active
from workpost.formats import addresses as syntax
from workpost.kernel.errors import InvalidParameter
from workpost.kernel.limit_settings import Limits
from workpost.kernel.principal import Grant
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import domains, organizations, sending
from workpost.store.tables.entities import RESOURCE, USER
from workpost.store.tables.sending import EXTERNAL, TEST

OF_USER = ("outgoing_message_bytes", "recipients", "attachments", "external_recipients_per_day")
OF_ORGANIZATION = (*OF_USER, "account_recipients_per_day", "test_domain_recipients_per_day")
"""Names of limits as `[limits]` of the settings has them, and whose they can be."""


class Standing(msgspec.Struct, frozen=True):
    """What of a sender's is not in the settings; `test` when the mail is of a test domain."""

    account: str
    own: dict[str, int]
    test: bool

    def limit(self, limits: Limits, name: str) -> int:
        """The limit of this name; 0: none."""
        value: int = self.own.get(name, getattr(limits, name))
        return value


@quick
def get_standing(tx: Reader, *, organization: str, entity: str, sender: str) -> Standing:
    """The standing of a person who sends as `sender`."""
    state = organizations.get_state(tx, organization=organization)
    own = sending.get_limits(tx, org=organization, entity="")
    own |= sending.get_limits(tx, org=organization, entity=entity)
    name = syntax.split(syntax.fold(sender))[1]
    domain = domains.get_domain(tx, org=organization, name=name) if name else None
    test = domain is not None and domain.is_test != 0
    return Standing(state[0] if state is not None else "", own, test)


@command
def set_limit(tx: Tx, *, grant: Grant, name: str, value: int | None, identifier: str = "") -> None:
    """Set a limit of the organization or of one person; None goes back to what is above.

    Raises EntityNotFound, EntityStateInvalid for a deleted user, InvalidParameter.
    """
    begin(tx, grant)
    names = OF_USER if identifier else OF_ORGANIZATION
    if name not in names:
        raise InvalidParameter(f"Limits that can be set here are {', '.join(names)}.")
    if value is not None and value < 0:
        raise InvalidParameter("A limit is not negative; 0 stands for none.")
    org = grant.organization
    entity = _resolve(tx, org, identifier)
    if value is None:
        sending.delete_limit(tx, org=org, entity=entity, name=name)
    else:
        sending.put_limit(tx, org=org, entity=entity, name=name, value=value)
    change_policy(tx, org)


class Shown(msgspec.Struct, frozen=True):
    """Limits of an organization or a person: what was set, what counts, what was sent today."""

    own: Mapping[str, int]
    counts: Mapping[str, int]
    sent: Mapping[str, int]


def show_limits(tx: Reader, *, grant: Grant, limits: Limits, identifier: str = "") -> Shown:
    """What counts for the organization or one person, and what was used of it today (UTC)."""
    require_active(tx, grant)
    org = grant.organization
    entity = _resolve(tx, org, identifier)
    standing = get_standing(tx, organization=org, entity=entity, sender="")
    names = OF_USER if identifier else OF_ORGANIZATION
    if identifier:
        count = sending.sent_today(tx, org=org, entity=entity)
        sent = {"external_recipients_per_day": count}
    else:
        kinds = (("account_recipients_per_day", EXTERNAL), ("test_domain_recipients_per_day", TEST))
        sent = {
            name: sending.account_sent_today(tx, account=standing.account, kind=kind)
            for name, kind in kinds
        }
    return Shown(
        sending.get_limits(tx, org=org, entity=entity),
        {name: standing.limit(limits, name) for name in names},
        sent,
    )


def _resolve(tx: Reader, org: str, identifier: str) -> str:
    return resolve_existing(tx, org, identifier, kinds=(USER, RESOURCE)).id if identifier else ""
