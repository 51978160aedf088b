"""Flow rules as strangers meet them over SMTP and people see them over IMAP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.operations.mailflow.rulings import add_rule
from tests.support.directories import Directory, bare_core
from tests.support.mailboxes import house, mail_core
from tests.support.post_office import JUNK, PostOffice, post_office
from tests.support.stores import Run
from workpost.domain.organizations import flow_rule_shell as flow_rules_shell
from workpost.domain.organizations import flow_rules
from workpost.domain.organizations.flow_rules import INBOUND
from workpost.operations.mailflow.listing import list_queue

__all__ = ["bare_core", "house", "mail_core"]

MAIL = b"From: Bob <bob@author.example>\r\nSubject: Engines\r\n\r\nHello\r\n"
BOTH = ("grace@demo.test", "ada@demo.test")


@pytest.fixture
def office(run: Run[Any], house: Directory) -> Iterator[PostOffice]:
    with post_office(run, house) as office:
        yield office


async def test_rules_act_after_the_message_is_taken(office: PostOffice) -> None:
    office.dns.records = {("TXT", "author.example"): ["v=spf1 ip4:127.0.0.0/8 -all"]}
    await add_rule(office.house, INBOUND, flow_rules.DROP, "author.example", "grace@demo.test")
    junk = await add_rule(office.house, INBOUND, flow_rules.JUNK, "*.example", "ada@demo.test")
    assert (await office.send(MAIL, *BOTH))[0] == 250
    assert await office.read() == []
    assert await office.read(JUNK) == []
    assert len(await office.read(JUNK, "ada@demo.test")) == 1
    core, grant = office.core, office.house.grant
    await flow_rules_shell.delete(core, grant, INBOUND, junk)
    await add_rule(office.house, INBOUND, flow_rules.BOUNCE, "*", "demo.test")
    assert (await office.send(MAIL, *BOTH))[0] == 250
    assert await office.read() == await office.read("INBOX", "ada@demo.test") == []
    (report,) = await list_queue(core)
    assert (report["sender"], report["recipient"]) == ("", "bob@author.example")
