"""StartMailboxExportJob, DescribeMailboxExportJob, ListMailboxExportJobs, CancelMailboxExportJob.

An export is a row that the API shows and a durable job that works on it (`operations/exports`). The
API decides about the row's state under the organization's lock; whoever works on the job asks for
it in each slice.
"""

from __future__ import annotations

import msgspec

from workpost.domain.directory.entities import resolve
from workpost.domain.organizations.idempotency import ClientToken, read_result, recall, with_token
from workpost.domain.organizations.state import account_of, begin, require_active
from workpost.formats.arn import ArnError, parse_arn
from workpost.kernel.errors import EntityNotFound, InvalidParameter, LimitExceeded
from workpost.kernel.outside import find_bucket, find_key, find_role
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Settings
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import exports, jobs, mailboxes
from workpost.store.tables.entities import RESOURCE, USER
from workpost.store.tables.exports import RUNNING, ExportRow

EXPORT = "mailbox.export"
"""Kind of the job; its dedupe is `export/<organization>/<id>`."""
HOUR_MS = 3_600_000
SHOWN_MS = 7 * 24 * HOUR_MS
"""How long ListMailboxExportJobs names an export."""
KINDS = (USER, RESOURCE)
MAX_PATH = 1023
ID_LENGTH = 36
LOG_SUFFIX = ".json"
OBJECT_SUFFIX = ".zip"
NEWEST = (1 << 62, "")


class NewExport(msgspec.Struct, frozen=True, kw_only=True):
    """What StartMailboxExportJob asks for."""

    entity: str
    description: str | None
    role: str
    kms_key: str
    bucket: str
    prefix: str


class Limits(msgspec.Struct, frozen=True):
    """How many exports an organization runs at once, and the time between two of a mailbox."""

    running: int
    between_ms: int


class Page(msgspec.Struct, frozen=True):
    """Exports, and the position of the last of them when there are more."""

    rows: list[ExportRow]
    following: tuple[int, str] | None


# --- commands and queries -------------------------------------------------------------------------


def _mailbox_of(tx: Reader, org: str, identifier: str) -> tuple[str, int]:
    row = resolve(tx, org, identifier, kinds=KINDS)
    mailbox = mailboxes.get_mailbox(tx, mailbox=row.mailbox) if row.mailbox is not None else None
    if mailbox is None or mailbox.state == mailboxes.PURGING:
        raise EntityNotFound(f"The {row.kind.lower()} {identifier} has no mailbox.")
    return row.id, mailbox.id


@quick
def check_mailbox(tx: Reader, *, grant: Grant, identifier: str) -> None:
    """Raise EntityNotFound unless a user or resource has a mailbox, a disabled one included."""
    require_active(tx, grant)
    _mailbox_of(tx, grant.organization, identifier)


@command
def start_export(
    tx: Tx, *, grant: Grant, new: NewExport, limits: Limits, token: ClientToken | None = None
) -> str:
    """Add a running export with its job; returns its id. Raises EntityNotFound, LimitExceeded."""
    return with_token(tx, token, str, lambda: _start(tx, grant, new, limits))


def _start(tx: Tx, grant: Grant, new: NewExport, limits: Limits) -> str:
    begin(tx, grant)
    org = grant.organization
    entity, mailbox = _mailbox_of(tx, org, new.entity)
    if exports.count_running(tx, org=org) >= limits.running:
        raise LimitExceeded(
            f"The organization runs {limits.running} mailbox export jobs, as many as it may."
        )
    now = tx.env.now()
    last = exports.last_start(tx, org=org, mailbox=mailbox)
    if last is not None and now < last + limits.between_ms:
        hours = limits.between_ms // HOUR_MS
        raise LimitExceeded(f"The mailbox was exported less than {hours} hours ago.")
    id = tx.env.new_uuid()
    row = ExportRow(
        org=org,
        id=id,
        account=account_of(grant),
        entity=entity,
        mailbox=mailbox,
        description=new.description,
        role=new.role,
        kms_key=new.kms_key,
        bucket=new.bucket,
        prefix=new.prefix,
        path=_path(new.prefix, id),
        state=RUNNING,
        progress=0,
        error="",
        started=now,
        ended=None,
        attempts=0,
        upload="",
        finishing=0,
    )
    exports.insert_export(tx, row)
    jobs.insert_job(
        tx, id=tx.env.new_id(), org=org, kind=EXPORT, dedupe=f"export/{org}/{id}", due=now
    )
    return id


@command
def cancel_export(tx: Tx, *, grant: Grant, id: str, token: ClientToken | None = None) -> None:
    """Cancel an export; one that has ended, or is nearly complete, stays as it is.

    Raises EntityNotFound.
    """
    with_token(tx, token, type(None), lambda: _cancel(tx, grant, id))


def _cancel(tx: Tx, grant: Grant, id: str) -> None:
    begin(tx, grant)
    org = grant.organization
    _existing(tx, org, id)
    if exports.cancel_export(tx, org=org, id=id, ended=tx.env.now()):
        # A job that waits for its next attempt may still have an upload to throw away.
        jobs.hasten_job(tx, dedupe=f"export/{org}/{id}", due=tx.env.now())


def _existing(tx: Reader, org: str, id: str) -> ExportRow:
    row = exports.get_export(tx, org=org, id=id)
    if row is None:
        raise EntityNotFound(f"The organization has no mailbox export job {id}.")
    return row


@quick
def read_export(tx: Reader, *, grant: Grant, id: str) -> ExportRow:
    """One export. Raises EntityNotFound."""
    require_active(tx, grant)
    return _existing(tx, grant.organization, id)


def read_exports(tx: Reader, *, grant: Grant, before: tuple[int, str], limit: int) -> Page:
    """The exports of the last seven days, the newest first, below a position."""
    require_active(tx, grant)
    since = tx.env.now() - SHOWN_MS
    org = grant.organization
    rows = exports.list_exports(tx, org=org, since=since, before=before, limit=limit + 1)
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(shown, (shown[-1].started, shown[-1].id) if more else None)


# --- names ----------------------------------------------------------------------------------------


def _path(prefix: str, id: str) -> str:
    slash = "" if prefix.endswith("/") else "/"
    return f"{prefix}{slash}{id}{OBJECT_SUFFIX}"


def log_path(path: str) -> str:
    """The name of the output log beside an export's object."""
    return path.removesuffix(OBJECT_SUFFIX) + LOG_SUFFIX


def check_prefix(prefix: str) -> None:
    """Raise InvalidParameter for a prefix under which no object may lie.

    Empty parts, `.` and `..` mean another place in a folder than in a bucket.
    """
    parts = prefix.removesuffix("/").split("/")
    if any(part in {"", ".", ".."} or "\0" in part or "\\" in part for part in parts):
        raise InvalidParameter(
            "The S3Prefix is made of names joined by slashes; '.' and '..' are none."
        )
    if len(_path(prefix, "0" * ID_LENGTH)) > MAX_PATH:
        raise InvalidParameter(f"The S3Prefix leads to names of more than {MAX_PATH} characters.")


def check_names(settings: Settings, account: str, new: NewExport) -> None:
    """Raise InvalidParameter unless role, key and bucket are mapped for the account.

    The role has to be of the account, the key of the organization's region.
    """
    check_prefix(new.prefix)
    try:
        role, key = parse_arn(new.role), parse_arn(new.kms_key)
    except ArnError as error:
        raise InvalidParameter(f"RoleArn or KmsKeyArn is malformed: {error}.") from None
    outside = settings.outside
    if role.account != account or role.resource_type != "role":
        raise InvalidParameter(f"{new.role} is no role of the account {account}.")
    if find_role(outside, account, new.role) is None:
        raise InvalidParameter(f"The role {new.role} does not exist.")
    if key.region != settings.api.region:
        raise InvalidParameter(f"The KMS key {new.kms_key} is not in {settings.api.region}.")
    if key.resource_type not in {"key", "alias"} or (
        find_key(outside, account, new.kms_key) is None
    ):
        raise InvalidParameter(f"The KMS key {new.kms_key} does not exist.")
    if find_bucket(outside, account, new.bucket) is None:
        raise InvalidParameter(f"The bucket {new.bucket} does not exist.")


# --- shell ----------------------------------------------------------------------------------------


async def start_mailbox_export(
    core: Core, grant: Grant, new: NewExport, token: ClientToken | None = None
) -> str:
    """Start an export and return its id; a repeated token has the answer of the first call.

    Raises EntityNotFound, InvalidParameter for names that are not mapped and for a prefix that
    leads elsewhere, LimitExceeded, OrganizationNotFound, OrganizationStateInvalid.
    """
    recalled = await core.store.read(recall, token=token)
    if recalled is not None:
        return read_result(recalled, str)
    await core.store.read(check_mailbox, grant=grant, identifier=new.entity)
    check_names(core.settings, account_of(grant), new)
    limits = Limits(
        core.settings.limits.exports_running, core.settings.limits.export_hours * HOUR_MS
    )
    return await core.store.write(start_export, grant=grant, new=new, limits=limits, token=token)


async def cancel_mailbox_export(
    core: Core, grant: Grant, id: str, token: ClientToken | None = None
) -> None:
    """Cancel an export, if it is not complete already. Raises EntityNotFound."""
    await core.store.write(cancel_export, grant=grant, id=id, token=token)


async def describe_mailbox_export(core: Core, grant: Grant, id: str) -> ExportRow:
    """One export. Raises EntityNotFound."""
    return await core.store.read(read_export, grant=grant, id=id)


async def list_mailbox_exports(
    core: Core, grant: Grant, before: tuple[int, str] = NEWEST, limit: int = 100
) -> Page:
    """The exports of the last seven days, the newest first."""
    return await core.store.read(read_exports, grant=grant, before=before, limit=limit)
