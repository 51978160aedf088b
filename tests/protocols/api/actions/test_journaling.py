"""GetJournalingRules and SetJournalingRules; the reports are in tests of mail flow."""

from __future__ import annotations

import pytest

from tests.support.api_server import Tenant, refused

BOTH = {"JournalRecipient": "journal@archive.example", "ReportRecipient": "ada@demo.test"}


def test_journaling_begins_changes_and_ends(demo: Tenant) -> None:
    assert demo("GetJournalingRules") == {}
    demo("SetJournalingRules", **BOTH)
    assert demo("GetJournalingRules") == BOTH
    changed = {**BOTH, "ReportRecipient": "grace@demo.test"}
    demo("SetJournalingRules", **changed)
    assert demo("GetJournalingRules") == changed
    demo("SetJournalingRules")
    assert demo("GetJournalingRules") == {}


@pytest.mark.parametrize(
    "given",
    [
        {"ReportRecipient": "ada@demo.test"},
        {**BOTH, "JournalRecipient": "journal"},
        {**BOTH, "JournalRecipient": "ADA@demo.test"},
    ],
)
def test_what_is_refused_changes_nothing(demo: Tenant, given: dict[str, str]) -> None:
    demo("SetJournalingRules", **BOTH)
    code, _ = refused(demo, "SetJournalingRules", **given)
    assert code == "InvalidParameterException"
    assert demo("GetJournalingRules") == BOTH


def test_nobody_gets_the_address_of_the_reports_author(demo: Tenant) -> None:
    user = demo.user("ada")
    for alias in ("amazonjournaling@demo.test", "AmazonJournaling@demo.test"):
        code, _ = refused(demo, "CreateAlias", EntityId=user, Alias=alias)
        assert code == "EmailAddressInUseException"
