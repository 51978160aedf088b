"""What names of log groups stand for."""

from __future__ import annotations

from workpost.kernel.log_groups import MappedGroup, find_audit_log, find_log_group
from workpost.kernel.trail import AUTHENTICATION, MAILBOX_ACCESS

ONE, TWO = "111122223333", "444455556666"
ORG = "m-" + "0" * 32
FOLDER = MappedGroup("folder")


def test_a_whole_name_comes_before_the_longest_beginning() -> None:
    entries = (
        f"{ONE} /mail/* logs wide",
        f"{ONE} /mail/legal/* logs",
        f"{ONE} /mail/legal/own folder",
        f"{TWO} * folder",
    )
    assert find_log_group(entries, ONE, "/mail/legal/own") == FOLDER
    assert find_log_group(entries, ONE, "/mail/legal/else") == MappedGroup("logs")
    assert find_log_group(entries, ONE, "/mail/events") == MappedGroup("logs", "wide")
    assert find_log_group(entries, ONE, "/else") is None
    assert find_log_group(entries, TWO, "/else") == FOLDER


def test_an_organization_comes_before_its_account() -> None:
    entries = (
        f"{ONE} {AUTHENTICATION} /logins",
        f"{ORG} {AUTHENTICATION} /own",
        f"{TWO} {MAILBOX_ACCESS} /access",
    )
    assert find_audit_log(entries, ONE, ORG, AUTHENTICATION) == "/own"
    assert find_audit_log(entries, ONE, "m-1", AUTHENTICATION) == "/logins"
    assert find_audit_log(entries, ONE, ORG, MAILBOX_ACCESS) is None
