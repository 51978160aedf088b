"""TLS towards other servers (RFC 3207, 7435): where it is offered, and where it must be."""

from __future__ import annotations

import ssl

import pytest

from tests.operations.outbound.conftest import MakeSink, Sender, trusting
from tests.support.outside import Authority
from tests.support.smtp_sink import Script, SmtpSink

INSIDE = "localhost"


def sender_to(sink: SmtpSink, level: str = "", **settings: object) -> Sender:
    tls = (f"*={level}",) if level else ()
    routes = (f"*={INSIDE}:{sink.port}",)
    return Sender(routes=routes, tls=tls, idle_seconds=0, **settings).open()


def broken_context() -> ssl.SSLContext:
    """Of a server that has no certificate: every handshake fails."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


async def test_tls_is_used_where_it_is_offered(stranger: Authority, make_sink: MakeSink) -> None:
    sink = make_sink(context=stranger.context_for("whoever.test"))
    (outcome,) = await sender_to(sink).send()
    assert outcome.state == "delivered"
    assert outcome.tls.startswith("TLSv1.3 ")
    assert "verified" not in outcome.tls
    assert sink.messages[0].tls
    assert [line.split()[0] for line in sink.commands[:4]] == ["EHLO", "STARTTLS", "EHLO", "MAIL"]


async def test_without_offer_mail_goes_in_clear(sink: SmtpSink) -> None:
    (outcome,) = await sender_to(sink).send()
    assert (outcome.state, outcome.tls) == ("delivered", "")


@pytest.mark.parametrize("reply", ["454 4.7.0 Not now", "502 5.5.1 What?"])
async def test_a_server_that_takes_its_offer_back(
    stranger: Authority, make_sink: MakeSink, reply: str
) -> None:
    sink = make_sink(context=stranger.context_for("whoever.test"))
    sink.script.always = {"STARTTLS": reply}
    assert (await sender_to(sink).send())[0].state == "delivered"
    (outcome,) = await sender_to(sink, "encrypt").send()
    assert (outcome.state, outcome.status, outcome.text) == ("deferred", "4.7.4", reply)


async def test_a_handshake_that_fails_is_followed_by_mail_in_clear(make_sink: MakeSink) -> None:
    sink = make_sink(context=broken_context())
    (outcome,) = await sender_to(sink).send()
    assert (outcome.state, outcome.tls) == ("delivered", "")
    (outcome,) = await sender_to(sink, "encrypt").send()
    assert (outcome.state, outcome.status) == ("deferred", "4.7.5")


async def test_none_leaves_the_offer_alone(stranger: Authority, make_sink: MakeSink) -> None:
    sink = make_sink(context=stranger.context_for("whoever.test"))
    assert (await sender_to(sink, "none").send())[0].tls == ""


async def test_encrypt_takes_any_certificate_but_nothing_in_clear(
    stranger: Authority, make_sink: MakeSink
) -> None:
    sink = make_sink(context=stranger.context_for("whoever.test"))
    assert (await sender_to(sink, "encrypt").send())[0].state == "delivered"
    sink.script.starttls = False
    (outcome,) = await sender_to(sink, "encrypt").send()
    assert (outcome.state, outcome.status) == ("deferred", "4.7.4")
    assert len(sink.messages) == 1


async def test_verify_takes_a_good_certificate_of_the_right_name(
    authority: Authority, stranger: Authority, make_sink: MakeSink
) -> None:
    good = make_sink(context=authority.context_for(INSIDE))
    (outcome,) = await sender_to(good, "verify", **trusting(authority)).send()
    assert outcome.state == "delivered"
    assert outcome.tls.endswith(" verified")
    for bad, word in (
        (authority.context_for("other.test"), "certificate"),
        (stranger.context_for(INSIDE), "certificate"),
        (broken_context(), "TLS"),
    ):
        sink = make_sink(context=bad)
        (outcome,) = await sender_to(sink, "verify", **trusting(authority)).send()
        assert (outcome.state, outcome.status) == ("deferred", "4.7.5")
        assert word in outcome.text
        assert sink.messages == []


async def test_authorities_that_cannot_be_read_are_for_later(
    authority: Authority, make_sink: MakeSink
) -> None:
    sink = make_sink(context=authority.context_for(INSIDE))
    (outcome,) = await sender_to(sink, "verify", ca_file="/nowhere.pem").send()
    assert (outcome.state, outcome.status) == ("deferred", "4.3.5")


async def test_what_is_injected_before_the_handshake_never_counts(
    authority: Authority, make_sink: MakeSink
) -> None:
    sink = make_sink(context=authority.context_for(INSIDE))
    sink.script.injected = b"250-sink\r\n250 SIZE 1\r\n250 2.1.0 ok\r\n250 2.1.0 ok\r\n"
    (outcome,) = await sender_to(sink, "verify", **trusting(authority)).send()
    assert outcome.state == "deferred"
    assert sink.messages == []


async def test_what_was_offered_in_clear_is_forgotten(
    authority: Authority, make_sink: MakeSink
) -> None:
    sink = make_sink(context=authority.context_for(INSIDE))
    sink.script.replies = {"EHLO": ["250-sink\r\n250-SIZE 1\r\n250 STARTTLS"]}
    assert (await sender_to(sink, "encrypt").send())[0].state == "delivered"


async def test_levels_by_domain(make_sink: MakeSink, stranger: Authority) -> None:
    sink = make_sink(context=stranger.context_for("whoever.test"))
    sender = Sender(
        routes=(f"*={sink.place}",),
        tls=("Bank.test=verify", "old.test=none", "*=encrypt"),
        idle_seconds=0,
    ).open()
    states = {
        domain: (await sender.send(route=domain))[0] for domain in ("bank.test", "old.test", "a.b")
    }
    assert states["bank.test"].state == "deferred"
    assert states["old.test"].tls == ""
    assert states["a.b"].tls != ""


# --- the relay ---

RELAY = {"relay_user": "workpost", "relay_password": "s3cret é"}


@pytest.fixture
def relay(authority: Authority, make_sink: MakeSink) -> SmtpSink:
    """A relay that wants a password."""
    script = Script(login=("workpost", "s3cret é"))
    return make_sink(context=authority.context_for(INSIDE), script=script)


def through(relay: SmtpSink, authority: Authority, **settings: object) -> Sender:
    place = f"{INSIDE}:{relay.port}"
    return Sender(relay=place, **{**trusting(authority), **RELAY, **settings}).open()


async def test_a_relay_takes_all_mail_after_a_login(relay: SmtpSink, authority: Authority) -> None:
    sender = through(relay, authority)
    for route in ("one.test", "two.test"):
        (outcome,) = await sender.send(route=route)
        assert outcome.state == "delivered"
        assert outcome.tls.endswith(" verified")
    assert [each.user for each in relay.messages] == ["workpost"] * 2
    assert relay.sessions == 1
    assert sender.resolver.asked == []
    await sender.transport.close()


async def test_a_relay_that_knows_login_only(relay: SmtpSink, authority: Authority) -> None:
    relay.script.replies = {
        "EHLO": ["250-sink\r\n250 STARTTLS", "250-sink\r\n250-AUTH=LOGIN\r\n250 8BITMIME"]
    }
    sender = through(relay, authority, idle_seconds=0)
    assert (await sender.send())[0].state == "delivered"
    assert relay.commands[3] == "AUTH LOGIN"


async def test_a_relay_with_tls_from_the_start(authority: Authority, make_sink: MakeSink) -> None:
    script = Script(login=("workpost", "s3cret é"), tls_first=True)
    relay = make_sink(context=authority.context_for(INSIDE), script=script)
    sender = through(relay, authority, relay_tls="implicit", idle_seconds=0)
    (outcome,) = await sender.send()
    assert (outcome.state, outcome.tls.endswith(" verified")) == ("delivered", True)
    other = through(relay, authority, relay_tls="implicit", ca_file="")
    assert (await other.send())[0].status == "4.7.5"


async def test_a_password_from_a_file(
    relay: SmtpSink, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("relay") / "password"
    file.write_text("s3cret é\n", encoding="utf-8")
    sender = through(
        relay, authority, relay_password="", relay_password_file=str(file), idle_seconds=0
    )
    assert (await sender.send())[0].state == "delivered"
    file.unlink()
    (outcome,) = await sender.send()
    assert (outcome.state, outcome.status) == ("deferred", "4.3.5")


async def test_a_wrong_password_is_the_operators_trouble_and_returns_no_mail(
    relay: SmtpSink, authority: Authority
) -> None:
    (outcome,) = await through(relay, authority, relay_password="wrong").send()
    assert (outcome.state, outcome.status) == ("deferred", "4.7.8")
    assert outcome.text == "535 5.7.8 No"
    assert "wrong" not in repr(outcome)


async def test_a_password_is_never_sent_to_a_server_of_another_name_or_in_clear(
    relay: SmtpSink, authority: Authority
) -> None:
    by_address = Sender(relay=relay.place, **trusting(authority), **RELAY).open()
    assert (await by_address.send())[0].state == "deferred"
    relay.script.starttls = False
    assert (await through(relay, authority).send())[0].state == "deferred"
    assert not any(line.startswith("AUTH") for line in relay.commands)


async def test_a_relay_that_takes_no_password(sink: SmtpSink) -> None:
    sender = Sender(relay=sink.place, relay_tls="none", idle_seconds=0).open()
    assert (await sender.send())[0].state == "delivered"
    sender.set(**RELAY)
    (outcome,) = await sender.send()
    assert (outcome.state, outcome.status) == ("deferred", "4.7.0")


async def test_a_relay_whose_name_is_unknown_is_for_later() -> None:
    (outcome,) = await Sender(relay="relay.invalid:25").open().send()
    assert (outcome.state, outcome.status, outcome.reached) == ("deferred", "4.4.3", False)
