"""What must hold in every directory, whatever was done to it in whatever order."""

from __future__ import annotations

from tests.support.directories import Directory

ORPHANS = {
    "an address whose holder is not enabled": (
        "SELECT a.addr_fold FROM address a LEFT JOIN entity e ON e.org = a.org AND e.id = a.entity"
        " WHERE e.id IS NULL OR e.state <> 'ENABLED'"
    ),
    "an enabled entity without its primary address": (
        "SELECT e.id FROM entity e LEFT JOIN address a ON a.addr_fold = e.primary_fold"
        " AND a.org = e.org AND a.entity = e.id AND a.is_primary = 1"
        " WHERE e.state = 'ENABLED' AND a.addr_fold IS NULL"
    ),
    "more than one primary address": (
        "SELECT entity FROM address WHERE is_primary = 1 GROUP BY org, entity HAVING COUNT(*) > 1"
    ),
    "a member that is deleted or in a deleted group": (
        "SELECT m.member FROM member m LEFT JOIN entity e ON e.org = m.org AND e.id = m.member"
        " LEFT JOIN entity g ON g.org = m.org AND g.id = m.grp WHERE e.id IS NULL"
        " OR g.id IS NULL OR e.state = 'DELETED' OR g.state = 'DELETED' OR g.kind <> 'GROUP'"
    ),
    "a delegate that is deleted or of a deleted resource": (
        "SELECT d.delegate FROM delegate d"
        " LEFT JOIN entity e ON e.org = d.org AND e.id = d.delegate"
        " LEFT JOIN entity r ON r.org = d.org AND r.id = d.resource WHERE e.id IS NULL"
        " OR r.id IS NULL OR e.state = 'DELETED' OR r.state = 'DELETED' OR r.kind <> 'RESOURCE'"
    ),
    "a permission of or for what is deleted": (
        "SELECT p.owner FROM permission p LEFT JOIN entity e ON e.org = p.org AND e.id = p.owner"
        " LEFT JOIN entity g ON g.org = p.org AND g.id = p.grantee WHERE e.id IS NULL"
        " OR g.id IS NULL OR e.state = 'DELETED' OR g.state = 'DELETED'"
    ),
    "an override for the device of who is deleted": (
        "SELECT o.entity FROM device_override o"
        " LEFT JOIN entity e ON e.org = o.org AND e.id = o.entity"
        " WHERE e.id IS NULL OR e.state = 'DELETED' OR e.kind <> 'USER'"
    ),
    "an active mailbox whose owner is not enabled with it": (
        "SELECT m.id FROM mailbox m LEFT JOIN entity e ON e.org = m.org AND e.id = m.owner"
        " WHERE m.state = 'ACTIVE' AND (e.id IS NULL OR e.state <> 'ENABLED' OR e.mailbox <> m.id)"
    ),
    "an enabled entity whose mailbox is not active": (
        "SELECT e.id FROM entity e LEFT JOIN mailbox m ON m.id = e.mailbox AND m.org = e.org"
        " WHERE e.state = 'ENABLED' AND e.mailbox IS NOT NULL"
        " AND (m.id IS NULL OR m.state <> 'ACTIVE')"
    ),
    "a mailbox that waits without a date": (
        "SELECT id FROM mailbox WHERE (state = 'ACTIVE') <> (purge_at IS NULL)"
    ),
    "two live entities of one name": (
        "SELECT name_fold FROM entity WHERE state <> 'DELETED'"
        " GROUP BY org, name_fold HAVING COUNT(*) > 1"
    ),
    "a wrong number of users": (
        "SELECT o.id FROM organization o WHERE o.users <> (SELECT COUNT(*) FROM entity e"
        " WHERE e.org = o.id AND e.kind = 'USER' AND e.state <> 'DELETED')"
    ),
}


async def assert_no_orphans(directory: Directory) -> None:
    """Nothing refers to what is not there, and every number is true."""
    for what, statement in ORPHANS.items():
        assert await directory.run(statement) == [], what
