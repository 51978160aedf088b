"""What is put in front of a message that leaves: whose signature it has, or whose seal."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operations.mailflow.mails import envelope
from tests.operations.outbound.queue_world import THERE, World
from tests.support.directories import Directory, new_directory
from tests.support.mailboxes import house, log_in, mail_core, message
from tests.support.smtp_sink import SmtpSink
from tests.support.stores import Run
from workpost.domain.directory.mail_routing import set_forwarding
from workpost.domain.messages.shell import summary_of
from workpost.kernel.errors import KeyDestroyed
from workpost.operations.mailflow import pipeline, signing
from workpost.operations.mailflow.envelope import Envelope, Forwarded, StoredEnvelope
from workpost.operations.outbound.preparing import prepare
from workpost.operations.outbound.runner import OutboundRunner
from workpost.operations.outbound.transport import Transport
from workpost.store.core import Core

__all__ = ["house", "mail_core"]

# Nothing here depends on the engine.
pytestmark = pytest.mark.parametrize("shared_settings", ["sqlite"], indirect=True)

FIELDS = (
    b"Authentication-Results: friend.example; dmarc=pass header.from=bank.example\r\n"
    b"Authentication-Results: mail.demo.test; spf=pass smtp.mailfrom=bank.example\r\n"
)


class Signers:
    """Says who was asked to sign; the key of an organization in `gone` is destroyed."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.gone: set[str] = set()

    async def __call__(
        self, core: Core, organization: str, raw: bytes, /, *, author_domain: str
    ) -> bytes:
        self.asked.append((organization, author_domain))
        if organization in self.gone:
            raise KeyDestroyed("gone")
        return b"DKIM-Signature: d=%b\r\n" % author_domain.encode()


@pytest.fixture
def world(run: Run[Any], house: Directory, sink: SmtpSink) -> World:
    async def make() -> World:
        return World(house, sink)

    made: World = run(make())
    return made


async def forwarding_neighbour(world: World) -> Directory:
    """Another organization, where Lin has her mail sent on."""
    other = await new_directory(world.core, "other")
    await other.user("lin")
    await other.core.store.write(
        set_forwarding, grant=other.grant, identifier="lin", address=THERE, keep_copy=False
    )
    return other


async def test_mail_written_here_has_its_authors_signature_whoever_forwards_it(
    world: World,
) -> None:
    await forwarding_neighbour(world)
    signers = Signers()
    runner = OutboundRunner(world.core, Transport(world.core), signers)
    await world.submit("lin@other.test")
    await runner.idle()
    assert signers.asked == [(world.house.organization, "demo.test")]
    [got] = world.sink.messages
    assert got.content.startswith(b"DKIM-Signature: d=demo.test\r\n")
    # An author who is gone takes nothing from whoever forwards his mail.
    signers.gone.add(world.house.organization)
    await world.submit("lin@other.test")
    await runner.idle()
    assert len(world.sink.messages) == 2
    assert world.sink.messages[1].content.startswith(b"Delivered-To: lin@other.test\r\n")


async def test_what_only_passes_is_not_signed_though_it_claims_to_be_written_here(
    world: World,
) -> None:
    await forwarding_neighbour(world)
    signers = Signers()
    runner = OutboundRunner(world.core, Transport(world.core), signers)
    mail = Envelope(sender="eve@far.example", recipients=["lin@other.test"], helo="far.example")
    await pipeline.receive(world.core, mail, message("Lunch?"))
    await runner.idle()
    [got] = world.sink.messages
    assert b"From: ada@demo.test" in got.content
    assert signers.asked == []


async def test_a_seal_tells_what_we_found_not_what_others_say(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bytes] = []

    async def seal(core: Core, org: str, domain: str, raw: bytes, results: bytes) -> bytes:
        told.append(results)
        return b""

    monkeypatch.setattr(signing, "seal_arc", seal)
    passing = StoredEnvelope(
        trace="",
        sender="x@far.example",
        smtputf8=False,
        size=0,
        skip=0,
        forwarded=Forwarded("demo.test", "grace@demo.test"),
    )
    for header in (FIELDS, FIELDS.splitlines(keepends=True)[0], b""):
        raw = header + message("Lunch?")
        await prepare(world.core, Signers(), "", passing, raw, await summary_of(raw))
    assert told == [
        FIELDS.splitlines(keepends=True)[1],
        b":mail.demo.test; none\r\n",
        b":mail.demo.test; none\r\n",
    ]


async def test_mail_of_ones_own_is_signed_by_ones_own_organization(world: World) -> None:
    signers = Signers()
    ada = await log_in(world.core, "ada@demo.test")
    await pipeline.submit(world.core, ada, envelope(THERE), message("Lunch?"))
    await OutboundRunner(world.core, Transport(world.core), signers).idle()
    assert signers.asked == [(world.house.organization, "demo.test")]


async def test_our_own_fields_keep_no_message_from_a_server_without_utf8(world: World) -> None:
    world.sink.script.extensions = ()
    await world.submit("bob@bücher.example", smtputf8=True)
    await OutboundRunner(world.core, Transport(world.core), Signers()).idle()
    [got] = world.sink.messages
    assert got.recipients == ["bob@xn--bcher-kva.example"]
    assert b"for <bob@xn--bcher-kva.example>" in got.content
    assert got.content.isascii()
