"""The part of `workpost check` that looks for rows that refer to nothing."""

from __future__ import annotations

from workpost.operations.upkeep.findings import Report
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command
from workpost.store.tables import contents, organizations, recount

PAGE = 500
ORGANIZATIONS = 20
"""Organizations whose users are counted in one snapshot."""


async def check_mailbox(core: Core, mailbox: int, report: Report, *, repair: bool) -> None:
    """Summaries and tags of items that are not there."""
    for table in ("summary", "item_tag"):
        after = 0
        while page := await core.store.read(
            recount.page_strays, table=table, mailbox=mailbox, after=after, limit=PAGE
        ):
            after = page[-1][0]
            items = [item for item, stray in page if stray]
            if items and repair:
                await core.store.write_background(
                    recount.delete_strays, table=table, mailbox=mailbox, items=items
                )
            for item in items:
                detail = f"a row of {table} belongs to no item"
                report.add("stray", f"mailbox {mailbox}, item {item}", detail, repaired=repair)


async def check_rest(core: Core, report: Report, *, repair: bool) -> None:
    """Everything that does not hang from a mailbox."""
    await _mailbox_rows(core, report)
    await _contents(core, report, repair=repair)
    await _inline_bytes(core, report, repair=repair)
    await _queue(core, report, repair=repair)
    await _in_transit(core, report)
    await _addresses(core, report, repair=repair)
    await _users(core, report, repair=repair)


async def _mailbox_rows(core: Core, report: Report) -> None:
    for table in recount.MAILBOX_TABLES:
        after = 0
        while row := await core.store.read(recount.next_mailbox, table=table, after=after):
            after, there = row
            if not there:
                report.add("stray", f"mailbox {after}", f"{table} has rows of it, but it is gone")


@command
def release(tx: Tx, *, content_ids: list[bytes]) -> None:
    """Make contents candidates of the sweeper, which looks again a day later."""
    contents.release_contents(tx, content_ids)


async def _contents(core: Core, report: Report, *, repair: bool) -> None:
    after = b""
    while page := await core.store.read(recount.page_contents, after=after, limit=PAGE):
        after = bytes(page[-1][0])
        report.contents += len(page)
        loose = [bytes(content_id) for content_id, unreferenced in page if unreferenced]
        if loose and repair:
            await core.store.write_background(release, content_ids=loose)
        for content_id in loose:
            detail = "nothing refers to it and nobody will sweep it"
            report.add("content", f"content {content_id.hex()}", detail, repaired=repair)


async def _inline_bytes(core: Core, report: Report, *, repair: bool) -> None:
    after = b""
    while page := await core.store.read(recount.page_stray_bytes, after=after, limit=PAGE):
        after = bytes(page[-1][0])
        ids = [bytes(content_id) for content_id, stray in page if stray]
        if ids and repair:
            await core.store.write_background(recount.delete_stray_bytes, ids=ids)
        for content_id in ids:
            detail = "its bytes are there without its row"
            report.add("stray", f"content {content_id.hex()}", detail, repaired=repair)


@command
def delete_empty_queue(tx: Tx, *, ids: list[int]) -> None:
    """Delete halves of queue entries and release their contents."""
    contents.release_contents(tx, recount.delete_empty_queue(tx, ids=ids))


async def _queue(core: Core, report: Report, *, repair: bool) -> None:
    halves: list[int] = []
    after = 0
    while page := await core.store.read(recount.page_queue, after=after, limit=PAGE):
        after = page[-1][0]
        for queue, recipients, there in page:
            if not there:
                report.add("queue", f"queue {queue}", "its content is not there")
            if not recipients:
                report.add("queue", f"queue {queue}", "it has no recipients", repaired=repair)
                halves.append(queue)
    after = 0
    while page := await core.store.read(recount.page_stray_recipients, after=after, limit=PAGE):
        after = page[-1][0]
        for queue, there in page:
            if not there:
                detail = "recipients without an entry"
                report.add("queue", f"queue {queue}", detail, repaired=repair)
                halves.append(queue)
    if repair:
        for start in range(0, len(halves), PAGE):
            ids = halves[start : start + PAGE]
            await core.store.write_background(delete_empty_queue, ids=ids)


async def _in_transit(core: Core, report: Report) -> None:
    after = ""
    while page := await core.store.read(recount.page_in_transit, after=after, limit=PAGE):
        after = page[-1][0]
        for message, there in page:
            if not there:
                report.add("transit", f"message {message} in transit", "its content is not there")


async def _addresses(core: Core, report: Report, *, repair: bool) -> None:
    after = ""
    while page := await core.store.read(recount.page_addresses, after=after, limit=PAGE):
        after = page[-1][0]
        nobody = [address for address, there in page if not there]
        if nobody and repair:
            await core.store.write_background(recount.delete_addresses, addresses=nobody)
        for _ in nobody:
            report.add("address", "address", "it belongs to nobody", repaired=repair)


@command
def recount_users(tx: Tx, *, organization: str) -> None:
    """Count the users of an organization anew, none coming or going meanwhile."""
    organizations.lock_organization(tx, organization=organization)
    organizations.recount_users(tx, organization=organization)


async def _users(core: Core, report: Report, *, repair: bool) -> None:
    after = ""
    while page := await core.store.read(
        organizations.page_user_counts, after=after, limit=ORGANIZATIONS
    ):
        after = page[-1][0]
        for organization, stated, counted in page:
            if stated == counted:
                continue
            if repair:
                await core.store.write_background(recount_users, organization=organization)
            detail = f"users is {stated}, counted {counted}"
            report.add("sums", f"organization {organization}", detail, repaired=repair)
