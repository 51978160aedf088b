"""DANE for SMTP (RFC 7672) with a DNS of ours, which says that its answers are signed."""

from __future__ import annotations

import datetime as dt
import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.operations.outbound.conftest import MakeSink, World
from tests.support.dns import DnsServer
from tests.support.outside import Authority
from workpost.integrations.dns.base import Tlsa
from workpost.integrations.smtp.security import fits_dane, usable

HOSTS = ("mx1.example.test", "mx2.example.test")
Record = Callable[[int, int, int], str]


class Chain:
    """A certificate for the hosts, with that of its authority behind it."""

    def __init__(self, authority: Authority, *names: str, whole: bool = True) -> None:
        plain = authority.context_for(*names)
        pem = (authority.file.parent / f"{names[0]}.pem").read_bytes()
        ca = authority.file.read_bytes()
        self.leaf = x509.load_pem_x509_certificate(pem)
        self.ca = x509.load_pem_x509_certificate(ca)
        path = authority.file.parent / f"{names[0]}-chain.pem"
        path.write_bytes(pem + ca)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if whole else plain
        if whole:
            self.context.load_cert_chain(path)

    def record(self, usage: int, selector: int, matching: int) -> str:
        certificate = self.ca if usage in {0, 2} else self.leaf
        data = certificate.public_bytes(Encoding.DER)
        if selector:
            data = certificate.public_key().public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            )
        data = [data, hashlib.sha256(data).digest(), hashlib.sha512(data).digest()][matching]
        return f"{usage} {selector} {matching} {data.hex()}"


class DaneWorld(World):
    """Everything is signed, and mx1 has TLSA records."""

    def say(self, *records: str) -> None:
        for host in HOSTS:
            self.dns.records["TLSA", f"_{self.first.port}._tcp.{host}"] = list(records)


@pytest.fixture(scope="module")
def chain(stranger: Authority) -> Chain:
    return Chain(stranger, *HOSTS)


@pytest.fixture
def world(dns: DnsServer, make_sink: MakeSink, chain: Chain) -> DaneWorld:
    made = DaneWorld(dns, make_sink, context=chain.context)
    dns.secure = {"example.test"}
    return made


WRONG = "3 1 1 " + "ab" * 32


@pytest.mark.parametrize("usage", [2, 3])
@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
async def test_a_certificate_that_the_records_name(
    world: DaneWorld, chain: Chain, usage: int, selector: int, matching: int
) -> None:
    world.say(WRONG, chain.record(usage, selector, matching))
    (outcome,) = await world.send()
    assert outcome.state == "delivered"
    assert outcome.tls.endswith(" DANE")


async def test_a_certificate_that_they_do_not_name(world: DaneWorld) -> None:
    world.say(WRONG)
    (outcome,) = await world.send()
    assert (outcome.state, outcome.status) == ("deferred", "4.7.5")
    assert world.first.messages == world.second.messages == []


async def test_no_starttls_where_there_are_records(world: DaneWorld, chain: Chain) -> None:
    world.say(chain.record(3, 1, 1))
    world.first.script.starttls = world.second.script.starttls = False
    (outcome,) = await world.send()
    assert (outcome.state, outcome.status) == ("deferred", "4.7.4")


async def test_the_next_host_may_be_better(world: DaneWorld, chain: Chain) -> None:
    world.say(chain.record(3, 1, 1))
    world.dns.records["TLSA", f"_{world.first.port}._tcp.mx1.example.test"] = [WRONG]
    assert (await world.send())[0].host == "mx2.example.test"


async def test_records_that_mail_cannot_use_ask_for_tls_alone(
    world: DaneWorld, chain: Chain
) -> None:
    world.say(chain.record(0, 0, 1), chain.record(1, 0, 1), "3 7 1 " + "ab" * 32)
    (outcome,) = await world.send()
    assert (outcome.state, outcome.tls.endswith("DANE")) == ("delivered", False)
    world.first.script.starttls = world.second.script.starttls = False
    assert (await world.send())[0].state == "deferred"


@pytest.mark.parametrize(
    "secure",
    [
        set(),
        {"mx1.example.test", "_tcp.mx1.example.test"},
        {"example.test.", "nowhere.test"},
    ],
)
async def test_records_that_are_not_signed_are_no_records(
    world: DaneWorld, secure: set[str]
) -> None:
    world.say(WRONG)
    world.dns.secure = secure
    (outcome,) = await world.send()
    assert outcome.state == "delivered"
    assert not any(kind == "TLSA" for kind, _ in world.dns.asked)


async def test_a_host_whose_records_cannot_be_had_is_not_used(world: DaneWorld) -> None:
    world.dns.failing = {f"_{world.first.port}._tcp.mx1.example.test"}
    assert (await world.send())[0].host == "mx2.example.test"
    world.dns.failing.add(f"_{world.first.port}._tcp.mx2.example.test")
    (outcome,) = await world.send()
    assert (outcome.state, outcome.status) == ("deferred", "4.7.5")
    assert world.first.messages == []


async def test_records_of_the_name_behind_an_alias(world: DaneWorld, chain: Chain) -> None:
    del world.dns.records["A", "mx1.example.test"]
    world.dns.records["CNAME", "mx1.example.test"] = ["real.example.test"]
    world.dns.records["A", "real.example.test"] = ["127.0.0.2"]
    world.dns.records["TLSA", f"_{world.first.port}._tcp.real.example.test"] = [
        chain.record(3, 1, 1)
    ]
    (outcome,) = await world.send()
    assert (outcome.host, outcome.tls.endswith(" DANE")) == ("mx1.example.test", True)


async def test_operators_may_switch_it_off(world: DaneWorld) -> None:
    world.say(WRONG)
    world.sender.set(dane=False)
    assert (await world.send())[0].state == "delivered"


# --- the decision alone ---

NOW = dt.datetime.now(dt.UTC)


def tlsa(text: str) -> Tlsa:
    usage, selector, matching, data = text.split()
    return Tlsa(int(usage), int(selector), int(matching), bytes.fromhex(data))


def der(*certificates: x509.Certificate) -> list[bytes]:
    return [each.public_bytes(Encoding.DER) for each in certificates]


def test_dane_ee_asks_for_neither_name_nor_date(chain: Chain) -> None:
    records = [tlsa(chain.record(3, 1, 1))]
    late = NOW + dt.timedelta(days=1000)
    assert fits_dane(records, der(chain.leaf), ["other.test"], late)


def test_dane_ta_asks_for_both(chain: Chain) -> None:
    records = [tlsa(chain.record(2, 1, 1))]
    whole = der(chain.leaf, chain.ca)
    assert fits_dane(records, whole, ["mx1.example.test"], NOW)
    assert not fits_dane(records, whole, ["other.test"], NOW)
    assert not fits_dane(records, whole, ["mx1.example.test"], NOW + dt.timedelta(days=1000))
    assert not fits_dane(records, der(chain.leaf), ["mx1.example.test"], NOW)


def test_a_whole_certificate_in_the_dns_need_not_be_sent(chain: Chain) -> None:
    records = [tlsa(chain.record(2, 0, 0))]
    assert fits_dane(records, der(chain.leaf), ["mx1.example.test"], NOW)


def test_an_authority_of_the_same_name_is_not_the_same(chain: Chain, tmp_path: Path) -> None:
    other = Chain(Authority(tmp_path), *HOSTS)
    records = [tlsa(other.record(2, 0, 1))]
    assert not fits_dane(records, der(chain.leaf, other.ca), ["mx1.example.test"], NOW)


def test_a_host_is_no_authority(chain: Chain) -> None:
    leaf = tlsa(f"2 0 1 {hashlib.sha256(der(chain.leaf)[0]).hexdigest()}")
    assert not fits_dane([leaf], der(chain.ca, chain.leaf), ["mx1.example.test"], NOW)


@given(
    st.builds(
        Tlsa, st.integers(0, 4), st.integers(0, 2), st.integers(0, 3), st.binary(max_size=64)
    ),
    st.lists(st.binary(max_size=200), max_size=3),
)
def test_rubbish_fits_nothing(record: Tlsa, chain: list[bytes]) -> None:
    assert not fits_dane([record], chain, ["a.test"], NOW)
    assert all(each.usage in {2, 3} for each in usable([record]))
