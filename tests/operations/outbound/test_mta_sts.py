"""MTA-STS (RFC 8461) with a DNS, an HTTPS server and mail servers of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operations.outbound.conftest import MakeSink, World, report_of, trusting
from tests.support.dns import DnsServer
from tests.support.outside import Authority, OutsideServer, Reply
from workpost.formats.mta_sts import Policy
from workpost.operations.outbound import policy_files
from workpost.operations.outbound.mta_sts import AGAIN, REFRESH
from workpost.operations.outbound.policy_files import Kept, PolicyFiles

HOSTS = ("mx1.example.test", "mx2.example.test")


class StsWorld(World):
    """The same, with a policy host whose policy names mx1."""

    policies: OutsideServer

    def say(self, mode: str = "enforce", *mx: str, id: str = "1", age: int = 86_400 * 30) -> None:
        hosts = "".join(f"mx: {each}\r\n" for each in mx or HOSTS[:1])
        text = f"version: STSv1\r\nmode: {mode}\r\n{hosts}max_age: {age}\r\n"
        self.dns.records["TXT", "_mta-sts.example.test"] = [f"v=STSv1; id={id};"]
        self.answer((200, {"Content-Type": "text/plain; charset=utf-8"}, text.encode()))

    def answer(self, reply: Reply) -> None:
        self.policies.answer = lambda asked: reply

    def restart(self) -> None:
        self.sender.open(smtp_port=self.first.port, sts_port=self.policies.port)

    def later(self, seconds: float) -> None:
        self.sender.env.advance(int(seconds * 1000))


@pytest.fixture
def policy_host(authority: Authority) -> Iterator[OutsideServer]:
    server = OutsideServer(authority.context_for("mta-sts.example.test"))
    yield server
    server.close()


@pytest.fixture
def world(
    dns: DnsServer,
    make_sink: MakeSink,
    authority: Authority,
    policy_host: OutsideServer,
) -> StsWorld:
    made = StsWorld(
        dns,
        make_sink,
        context=authority.context_for(*HOSTS),
        sts_port=policy_host.port,
        **trusting(authority),
    )
    made.policies = policy_host
    dns.records["A", "mta-sts.example.test"] = ["127.0.0.1"]
    made.say()
    return made


async def test_a_host_that_the_policy_names_and_whose_certificate_is_good(
    world: StsWorld,
) -> None:
    (outcome,) = await world.send()
    assert (outcome.state, outcome.host) == ("delivered", "mx1.example.test")
    assert outcome.tls.endswith(" verified")
    (asked,) = world.policies.asked
    assert (asked.method, asked.path) == ("GET", "/.well-known/mta-sts.txt")


async def test_no_other_host_gets_the_mail(world: StsWorld) -> None:
    world.first.down()
    (outcome,) = await world.send()
    assert outcome.state == "deferred"
    assert world.second.sessions == 0


async def test_wildcards(world: StsWorld) -> None:
    world.say("enforce", "*.example.test")
    world.first.down()
    assert (await world.send())[0].host == "mx2.example.test"


@pytest.mark.parametrize("mode", ["enforce", "testing"])
async def test_a_bad_certificate(world: StsWorld, stranger: Authority, mode: str) -> None:
    world.say(mode, *HOSTS)
    world.first.context = stranger.context_for("mx1.example.test")
    world.second.context = stranger.context_for("mx2.example.test")
    (outcome,) = await world.send()
    if mode == "enforce":
        assert (outcome.state, outcome.status) == ("deferred", "4.7.5")
        assert world.first.messages == world.second.messages == []
    else:
        assert outcome.state == "delivered"
        assert world.first.messages[0].tls


@pytest.mark.parametrize("mode", ["enforce", "testing"])
async def test_no_starttls(world: StsWorld, mode: str) -> None:
    world.say(mode)
    world.first.script.starttls = False
    (outcome,) = await world.send()
    assert outcome.state == ("deferred" if mode == "enforce" else "delivered")
    assert len(world.first.messages) == (mode == "testing")


async def test_a_policy_in_testing_refuses_no_host(world: StsWorld) -> None:
    world.say("testing", "other.test")
    assert (await world.send())[0].state == "delivered"
    (policy,) = report_of(world)["policies"]
    assert policy["failure-details"][0]["result-type"] == "validation-failure"


async def test_mode_none_and_no_record_ask_for_nothing(
    world: StsWorld, stranger: Authority
) -> None:
    world.first.context = stranger.context_for("mx1.example.test")
    world.say("none")
    assert (await world.send())[0].state == "delivered"
    del world.dns.records["TXT", "_mta-sts.example.test"]
    assert (await world.send())[0].state == "delivered"
    assert len(world.policies.asked) == 1


async def test_a_policy_is_fetched_once_and_again_when_its_id_changes(world: StsWorld) -> None:
    await world.send()
    await world.send()
    assert len(world.policies.asked) == 1
    world.say("enforce", "mx2.example.test", id="2")
    assert (await world.send())[0].host == "mx2.example.test"
    assert len(world.policies.asked) == 2


async def test_a_policy_stays_when_its_record_or_host_is_gone(world: StsWorld) -> None:
    world.say("enforce", "mx2.example.test", age=1000)
    await world.send()
    del world.dns.records["TXT", "_mta-sts.example.test"]
    assert (await world.send())[0].host == "mx2.example.test"
    world.dns.failing = {"_mta-sts.example.test"}
    assert (await world.send())[0].host == "mx2.example.test"
    world.later(1001)
    assert (await world.send())[0].host == "mx1.example.test"


async def test_an_attacker_cannot_replace_a_policy_that_is_known(world: StsWorld) -> None:
    await world.send()
    world.say("none", id="2")
    world.answer((404, {}, b""))
    world.first.script.starttls = False
    assert (await world.send())[0].state == "deferred"


async def test_a_restart_forgets_no_policy(world: StsWorld) -> None:
    world.say("enforce", "mx2.example.test", age=1000)
    await world.send()
    del world.dns.records["TXT", "_mta-sts.example.test"]
    world.answer((404, {}, b""))
    world.restart()
    assert (await world.send())[0].host == "mx2.example.test"
    world.later(1001)
    world.restart()
    assert (await world.send())[0].host == "mx1.example.test"


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff", b'{"domain":"other.test"}'])
async def test_a_file_that_is_no_policy_is_none(world: StsWorld, damage: bytes) -> None:
    await world.send()
    folder = world.sender.core.settings.policies_dir
    (path,) = folder.iterdir()
    path.write_bytes(damage)
    world.restart()
    assert (await world.send())[0].state == "delivered"
    assert len(world.policies.asked) == 2


async def test_a_folder_that_cannot_be_written_stops_no_mail(world: StsWorld) -> None:
    world.sender.core.settings.policies_dir.write_bytes(b"")
    assert (await world.send())[0].state == "delivered"
    await world.send()
    assert len(world.policies.asked) == 1


async def test_only_so_many_policies_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_files, "FILES", 3)
    kept = Kept("1", Policy("none", (), 60), 100.0, 40.0)
    for number in range(5):
        await PolicyFiles(tmp_path / "p").save(f"{number}.test", kept)
    loaded = [await PolicyFiles(tmp_path / "p").load(f"{number}.test") for number in range(5)]
    assert sum(each == kept for each in loaded) == 3


async def test_a_policy_is_fetched_anew_once_a_day(world: StsWorld) -> None:
    await world.send()
    world.later(REFRESH + 1)
    world.say("enforce", "mx2.example.test")
    assert (await world.send())[0].host == "mx2.example.test"


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ((404, {}, b""), "sts-policy-fetch-error"),
        ((301, {"Location": "https://example.test/"}, b""), "sts-policy-fetch-error"),
        ((200, {"Content-Type": "text/html"}, b"x"), "sts-policy-fetch-error"),
        ((200, {"Content-Type": "text/plain"}, b"mode: enforce"), "sts-policy-invalid"),
        ((200, {"Content-Type": "text/plain"}, b"x" * 70_000), "sts-policy-fetch-error"),
    ],
)
async def test_a_policy_that_cannot_be_had(world: StsWorld, reply: Reply, problem: str) -> None:
    world.answer(reply)
    assert (await world.send())[0].state == "delivered"
    assert (await world.send())[0].state == "delivered"
    assert len(world.policies.asked) == 1
    world.later(AGAIN + 1)
    await world.send()
    assert len(world.policies.asked) == 2
    policies = report_of(world)["policies"]
    kinds = {each["result-type"] for row in policies for each in row["failure-details"]}
    assert kinds == {problem}


async def test_a_policy_host_without_a_good_certificate(
    world: StsWorld, stranger: Authority
) -> None:
    world.sender.set(**trusting(stranger))
    assert (await world.send())[0].state == "delivered"
    assert world.policies.asked == []


async def test_the_policy_host_is_no_way_into_our_networks(world: StsWorld) -> None:
    world.sender.set(allow=("127.0.0.2/32",))
    assert (await world.send())[0].state == "delivered"
    assert world.policies.asked == []


async def test_operators_may_know_better(world: StsWorld) -> None:
    world.first.script.starttls = False
    world.sender.set(tls=("example.test=may",))
    assert (await world.send())[0].state == "delivered"
    world.sender.set(tls=(), mta_sts=False)
    assert (await world.send())[0].state == "delivered"


async def test_senders_may_prefer_delivery(world: StsWorld) -> None:
    world.first.script.starttls = False
    assert (await world.send())[0].state == "deferred"
    (outcome,) = await world.send(content=b"TLS-Required: No\r\n\r\nAnybody may read this.\r\n")
    assert outcome.state == "delivered"
