"""The folder tree: RFC 3501 6.3.3 to 6.3.9, on both engines."""

from __future__ import annotations

import pytest

from tests.support.directories import Directory
from tests.support.mailboxes import fill
from workpost.domain.mailboxes import shell as mailboxes
from workpost.kernel.errors import (
    FolderExists,
    FolderHasChildren,
    FolderNotFound,
    FolderProtected,
    InvalidParameter,
)
from workpost.kernel.principal import Grant

STANDARD = ["INBOX", "Archive", "Deleted Items", "Drafts", "Junk E-mail", "Sent Items"]


async def paths(house: Directory, grant: Grant) -> list[str]:
    return [folder.path for folder in await mailboxes.list_folders(house.core, grant)]


async def test_a_new_mailbox_has_the_standard_folders_decision_20(
    house: Directory, ada: Grant
) -> None:
    shown = await mailboxes.list_folders(house.core, ada)
    assert [folder.path for folder in shown] == STANDARD
    assert {folder.path: folder.role for folder in shown}["Deleted Items"] == "trash"


async def test_create_makes_the_parents_it_lacks(house: Directory, ada: Grant) -> None:
    await mailboxes.create_folder(house.core, ada, "Work/2026/Plans")
    await mailboxes.create_folder(house.core, ada, "Work/2027")
    assert [p for p in await paths(house, ada) if p.startswith("Work")] == [
        "Work",
        "Work/2026",
        "Work/2026/Plans",
        "Work/2027",
    ]
    with pytest.raises(FolderExists):
        await mailboxes.create_folder(house.core, ada, "Work/2026")


async def test_inbox_is_found_in_any_spelling_and_other_names_are_not(
    house: Directory, ada: Grant
) -> None:
    assert (await mailboxes.find_folder(house.core, ada, "iNbOx")).path == "INBOX"
    with pytest.raises(FolderNotFound):
        await mailboxes.find_folder(house.core, ada, "archive")
    with pytest.raises(FolderExists):
        await mailboxes.create_folder(house.core, ada, "inbox")


@pytest.mark.parametrize("path", ["", "a//b", "/a", "a/", "a*b", "a%", "a\x00b", "x" * 300])
async def test_impossible_names_are_refused(house: Directory, ada: Grant, path: str) -> None:
    with pytest.raises(InvalidParameter):
        await mailboxes.create_folder(house.core, ada, path)


async def test_rename_takes_what_is_below_along(house: Directory, ada: Grant) -> None:
    plans = await mailboxes.create_folder(house.core, ada, "Work/Plans")
    await fill(house.core, ada, 2, plans.id)
    await mailboxes.rename_folder(house.core, ada, "Work", "Old/Work")
    moved = await mailboxes.find_folder(house.core, ada, "Old/Work/Plans")
    assert (moved.id, moved.total) == (plans.id, 2)
    with pytest.raises(FolderNotFound):
        await mailboxes.find_folder(house.core, ada, "Work/Plans")


async def test_rename_refuses_taken_names_standard_folders_and_its_own_inside(
    house: Directory, ada: Grant
) -> None:
    await mailboxes.create_folder(house.core, ada, "A/B")
    with pytest.raises(FolderExists):
        await mailboxes.rename_folder(house.core, ada, "A", "Archive")
    with pytest.raises(FolderProtected):
        await mailboxes.rename_folder(house.core, ada, "Sent Items", "Sent")
    with pytest.raises(FolderExists):
        await mailboxes.rename_folder(house.core, ada, "A", "A/B/C")
    assert "A/B" in await paths(house, ada)


async def test_delete_refuses_standard_folders_and_those_with_children(
    house: Directory, ada: Grant
) -> None:
    await mailboxes.create_folder(house.core, ada, "A/B")
    with pytest.raises(FolderHasChildren):
        await mailboxes.hide_folder(house.core, ada, "A")
    with pytest.raises(FolderProtected):
        await mailboxes.hide_folder(house.core, ada, "INBOX")
    await mailboxes.hide_folder(house.core, ada, "A/B")
    assert "A/B" not in await paths(house, ada)
    again = await mailboxes.create_folder(house.core, ada, "A/B")
    assert again.total == 0


async def test_a_folder_made_again_has_another_uidvalidity(house: Directory, ada: Grant) -> None:
    first = await mailboxes.create_folder(house.core, ada, "Again")
    await mailboxes.hide_folder(house.core, ada, "Again")
    second = await mailboxes.create_folder(house.core, ada, "Again")
    assert second.uidvalidity > first.uidvalidity


async def test_folders_made_together_never_share_a_uidvalidity_rfc3501_2_3_1_1(
    house: Directory, ada: Grant
) -> None:
    await mailboxes.create_folder(house.core, ada, "a/b")
    first = await mailboxes.find_folder(house.core, ada, "a")
    await mailboxes.rename_folder(house.core, ada, "a", "c/d/e")
    await mailboxes.rename_folder(house.core, ada, "c/d/e/b", "a")
    assert (await mailboxes.find_folder(house.core, ada, "a")).uidvalidity != first.uidvalidity
    made = [folder for folder in await mailboxes.list_folders(house.core, ada) if not folder.role]
    assert len({folder.uidvalidity for folder in made}) == len(made) == 4


async def test_subscriptions_outlive_folders_rfc3501_6_3_6(house: Directory, ada: Grant) -> None:
    await mailboxes.subscribe(house.core, ada, "INBOX")
    await mailboxes.subscribe(house.core, ada, "Not/There")
    await mailboxes.subscribe(house.core, ada, "Not/There")
    assert await mailboxes.list_subscriptions(house.core, ada) == ["INBOX", "Not/There"]
    await mailboxes.unsubscribe(house.core, ada, "Not/There")
    with pytest.raises(FolderNotFound):
        await mailboxes.unsubscribe(house.core, ada, "Not/There")
    shown = await mailboxes.list_folders(house.core, ada)
    assert [folder.path for folder in shown if folder.subscribed] == ["INBOX"]


async def test_recent_belongs_to_one_session_rfc3501_2_3_2(house: Directory, ada: Grant) -> None:
    uids = await fill(house.core, ada, 2)
    folder = await mailboxes.find_folder(house.core, ada, "INBOX")
    assert await mailboxes.claim_recent(house.core, ada, folder) == uids[0]
    folder = await mailboxes.find_folder(house.core, ada, "INBOX")
    assert await mailboxes.claim_recent(house.core, ada, folder) == uids[1] + 1


async def test_names_are_nowhere_in_clear_in_the_rows(house: Directory, ada: Grant) -> None:
    await mailboxes.create_folder(house.core, ada, "Secret-Plans")
    await mailboxes.subscribe(house.core, ada, "Secret-Plans")
    rows = await house.run("SELECT name_tag, sealed FROM folder")
    rows += await house.run("SELECT name_tag, sealed FROM subscription")
    assert not any(b"Secret" in bytes(value) for row in rows for value in row)
