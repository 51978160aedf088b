"""An account's IAM as one file: read strictly, compared with what is there, applied at once.

The file names users and roles with their inline policies; whatever it does not name is deleted.
Access keys are never in a file: those of a user stay as long as the user does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from workpost.domain.access.iam import (
    MIN_SESSION,
    ROLE,
    USER,
    check_max_session,
    check_name,
    check_policy,
    check_policy_name,
    check_trust,
    fresh_id,
    require_account,
)
from workpost.kernel.clock import Environment
from workpost.kernel.errors import InvalidParameter
from workpost.store.database.unit import Reader, Tx, command
from workpost.store.tables import accounts, iam
from workpost.store.tables.iam import RoleRow, UserRow

MAX_ENTRIES = 500
"""Users and roles of a file: one transaction applies it."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A user or role of the file; `trust` is empty for users."""

    kind: str
    name: str
    fresh_id: str
    policies: dict[str, str]
    trust: str = ""
    max_session: int = MIN_SESSION


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference between the file and the account."""

    action: str
    """`create`, `update` or `delete`."""
    kind: str
    """`user`, `role` or `policy`."""
    name: str
    owner: str = ""
    """`user/NAME` or `role/NAME`, of a policy."""


class Step(msgspec.Struct, frozen=True):
    """A change with what it needs: the one it is about, or the id of the one that is there."""

    change: Change
    wanted: Wanted | None = None
    id: str = ""
    document: str = ""


# --- the file ------------------------------------------------------------------------------------


def read_wanted(env: Environment, content: Mapping[str, Any]) -> list[Wanted]:
    """The users and roles of a parsed file. Raises InvalidParameter, one line."""
    unknown = content.keys() - {"account", "users", "roles"}
    if unknown:
        raise InvalidParameter(f"{min(unknown)} is not known here: account, users, roles are.")
    wanted = []
    for name, entry in _table(content.get("users", {}), "users").items():
        wanted.append(_user(env, name, _table(entry, f"users.{name}")))
    for name, entry in _table(content.get("roles", {}), "roles").items():
        wanted.append(_role(env, name, _table(entry, f"roles.{name}")))
    if len(wanted) > MAX_ENTRIES:
        raise InvalidParameter(f"A file has at most {MAX_ENTRIES} users and roles.")
    folded = [(one.kind, one.name.lower()) for one in wanted]
    for place in folded:
        if folded.count(place) > 1:
            raise InvalidParameter(f"The {place[0]} {place[1]} is in the file twice.")
    return wanted


def _user(env: Environment, name: str, entry: Mapping[str, Any]) -> Wanted:
    where = f"users.{name}"
    _known(entry, where, {"policies"})
    policies = _policies(entry, where)
    return Wanted(
        kind=USER, name=check_name(name), fresh_id=fresh_id(env, "AIDA"), policies=policies
    )


def _role(env: Environment, name: str, entry: Mapping[str, Any]) -> Wanted:
    where = f"roles.{name}"
    _known(entry, where, {"policies", "trust", "max_session"})
    if "trust" not in entry:
        raise InvalidParameter(f"{where}.trust is missing: who may assume the role.")
    longest = entry.get("max_session", MIN_SESSION)
    if type(longest) is not int:
        raise InvalidParameter(f"{where}.max_session must be a number of seconds.")
    return Wanted(
        kind=ROLE,
        name=check_name(name),
        fresh_id=fresh_id(env, "AROA"),
        policies=_policies(entry, where),
        trust=_told(f"{where}.trust", check_trust, entry["trust"]),
        max_session=_told(f"{where}.max_session", check_max_session, longest, pack=False),
    )


def _policies(entry: Mapping[str, Any], where: str) -> dict[str, str]:
    documents = _table(entry.get("policies", {}), f"{where}.policies")
    return {
        check_policy_name(name): _told(f"{where}.policies.{name}", check_policy, document)
        for name, document in documents.items()
    }


def _told(where: str, check: Any, value: Any, *, pack: bool = True) -> Any:
    """The checked value; what is wrong is told with its place in the file."""
    try:
        return check(orjson.dumps(value, default=str).decode() if pack else value)
    except InvalidParameter as error:
        raise InvalidParameter(f"{where}: {error.message}") from None


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidParameter(f"{where} must be a table.")
    return value


def _known(entry: Mapping[str, Any], where: str, known: set[str]) -> None:
    unknown = entry.keys() - known
    if unknown:
        raise InvalidParameter(f"{where}.{min(unknown)} is not known here.")


# --- the difference ------------------------------------------------------------------------------


def plan_iam(tx: Reader, *, account: str, wanted: list[Wanted]) -> list[Step]:
    """What has to change for the account to be as wanted. Raises ResourceNotFound."""
    require_account(tx, account)
    steps: list[Step] = []
    for kind, rows in (
        (USER, iam.list_users(tx, account=account)),
        (ROLE, iam.list_roles(tx, account=account)),
    ):
        there = {row.name.lower(): row for row in rows}
        for one in (one for one in wanted if one.kind == kind):
            row = there.pop(one.name.lower(), None)
            steps += _compare(tx, one, row)
        for row in there.values():
            steps.append(Step(Change(action="delete", kind=kind, name=row.name), id=row.id))
    return steps


def _compare(tx: Reader, one: Wanted, row: UserRow | RoleRow | None) -> list[Step]:
    steps = []
    owner = f"{one.kind}/{one.name}"
    has: dict[str, str] = {}
    if row is None:
        steps.append(Step(Change(action="create", kind=one.kind, name=one.name), one, one.fresh_id))
    else:
        has = iam.get_policies(tx, owner=row.id)
        if isinstance(row, RoleRow) and (
            not _same(row.trust, one.trust) or row.max_session != one.max_session
        ):
            steps.append(Step(Change(action="update", kind=ROLE, name=row.name), one, row.id))
    owner_id = one.fresh_id if row is None else row.id
    for name, document in one.policies.items():
        if name not in has or not _same(has[name], document):
            action = "update" if name in has else "create"
            change = Change(action=action, kind="policy", name=name, owner=owner)
            steps.append(Step(change, id=owner_id, document=document))
    for name in has.keys() - one.policies.keys():
        change = Change(action="delete", kind="policy", name=name, owner=owner)
        steps.append(Step(change, id=owner_id))
    return steps


def _same(one: str, other: str) -> bool:
    return bool(orjson.loads(one) == orjson.loads(other))


@command
def apply_iam(tx: Tx, *, account: str, wanted: list[Wanted]) -> list[Change]:
    """Make the account's users, roles and policies those wanted; returns what was changed."""
    iam.lock_account(tx, account=account)
    steps = plan_iam(tx, account=account, wanted=wanted)
    for step in steps:
        _apply(tx, account, step)
    return [step.change for step in steps]


def _apply(tx: Tx, account: str, step: Step) -> None:
    change, one = step.change, step.wanted
    if change.kind == "policy":
        if change.action == "delete":
            iam.delete_policy(tx, owner=step.id, name=change.name)
        else:
            iam.put_policy(tx, owner=step.id, name=change.name, document=step.document)
    elif change.action == "delete":
        iam.delete_policies(tx, owner=step.id)
        if change.kind == USER:
            accounts.delete_user_keys(tx, user_id=step.id)
            iam.delete_user(tx, user_id=step.id)
        else:
            iam.delete_role(tx, role_id=step.id)
    elif one is not None and change.action == "update":
        iam.set_role(tx, role_id=step.id, trust=one.trust, max_session=one.max_session)
    elif one is not None and change.kind == USER:
        iam.insert_user(tx, UserRow(step.id, account, one.name, tx.env.now()))
    elif one is not None:
        role = RoleRow(step.id, account, one.name, one.trust, one.max_session, tx.env.now())
        iam.insert_role(tx, role)
