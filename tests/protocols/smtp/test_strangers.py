"""What strangers may do: rates by address, network and sender, tarpit, early talkers."""

import time
from contextlib import ExitStack

import pytest

from tests.protocols.smtp.harness import Client, Running
from workpost.kernel.errors import UnknownRecipient
from workpost.protocols.smtp.session import Role
from workpost.protocols.smtp.strangers import StrangerLimits, Strangers, wide_network

QUICK = {"greeting": 0.0}
ADA, NEAR, FAR = "192.0.2.1", "192.0.2.2", "198.51.100.1"


def strangers(**limits: object) -> Strangers:
    return Strangers(StrangerLimits(**limits), lambda: 1000.0)  # type: ignore[arg-type]


def running(role: Role = Role.MX, **limits: object) -> Running:
    chosen = StrangerLimits(**{**QUICK, **limits})  # type: ignore[arg-type]
    return Running(role=role, strangers=chosen)


def greeted(mx: Running, via: str) -> bytes:
    with Client(mx.address, greeting=False, via=via) as client:
        return client.reply()[:9]


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("::1", "::/48"),
        ("", ""),
    ],
)
def test_networks(host, network):
    assert wide_network(host) == network


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", "fd00::9"])
def test_loopback_and_chosen_networks_are_no_strangers(host):
    all_ = strangers(unlimited=("10.1.0.0/16", "fd00::/8"))
    assert all_.meet(host) is None
    assert all_.meet("192.0.2.1") is not None
    all_.adjust(StrangerLimits(unlimited=("192.0.2.0/24",)))
    assert all_.meet("192.0.2.1") is None
    assert all_.meet("10.1.2.3") is not None


def test_addresses_networks_and_senders_are_counted_apart():
    all_ = strangers(messages_per_address=2, messages_per_network=3, messages_per_sender=1)
    near, far = all_.meet("192.0.2.1"), all_.meet("192.0.2.2")
    assert [near.message(""), near.message("")] == [0, 0]
    assert near.message("") > 0
    assert far.message("ada") == 0
    assert far.message("grace") > 0, "the network is full"
    elsewhere = all_.meet("198.51.100.1")
    assert elsewhere.message("ada") > 0, "so is the sender"
    assert elsewhere.message("grace") == 0


def test_an_address_that_is_not_proved_counts_within_its_network_only():
    all_ = strangers(messages_per_sender=1)
    forger, owner = all_.meet("192.0.2.1"), all_.meet("198.51.100.1")
    assert forger.message(forger.name("Ada@a.test")) == 0
    assert forger.message(forger.name("ada@a.test")) > 0
    assert owner.message(owner.name("ada@a.test")) == 0
    assert forger.name("") == ""


def test_memory_is_bounded_whatever_comes():
    all_ = strangers()
    for number in range(22_000):
        all_.meet(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}").connected()
    assert len(all_.by_address["connections"]) == 20_000
    assert len(all_.by_network["connections"]) == 86


# --- in a session ---------------------------------------------------------------------------------


def test_connections_of_an_address_and_of_a_network():
    with running(connections_per_address=2, connections_per_network=3) as mx:
        assert [greeted(mx, ADA) for _ in range(3)] == [b"220 mail.", b"220 mail.", b"421 4.7.0"]
        assert [greeted(mx, NEAR) for _ in range(2)] == [b"220 mail.", b"421 4.7.0"]
        assert greeted(mx, FAR) == b"220 mail."
        mx.now += 60
        assert greeted(mx, ADA) == b"220 mail."


def test_messages_are_refused_for_a_while_and_the_session_goes_on():
    with running(messages_per_sender=2) as mx, Client(mx.address, via=ADA) as client:
        client.ask(b"EHLO client.test")
        for _ in range(2):
            assert client.ask(b"MAIL FROM:<ada@b.test>").startswith(b"250")
            client.ask(b"RSET")
        assert (
            client.ask(b"MAIL FROM:<ADA@b.test>")
            == b"450 4.7.1 Too many messages at once, try again in 30 seconds"
        )
        assert client.ask(b"MAIL FROM:<grace@b.test>").startswith(b"250")
        client.ask(b"RSET")
        mx.now += 30
        assert client.ask(b"MAIL FROM:<ada@b.test>").startswith(b"250")


def test_recipients_are_refused_for_a_while_and_the_others_get_the_message():
    with running(recipients_per_address=2) as mx, Client(mx.address, via=ADA) as client:
        client.ask(b"EHLO client.test")
        codes = client.ask_all(
            b"MAIL FROM:<>\r\n" + b"".join(b"RCPT TO:<%d@a.test>\r\n" % n for n in range(3)), 4
        )
        assert codes == [b"250", b"250", b"250", b"450"]
        assert client.ask_all(b"DATA\r\n.\r\n", 2) == [b"354", b"250"]
        assert len(mx.mailroom.messages[0][0].recipients) == 2


def test_people_are_counted_by_login_wherever_they_are(certificate, ca):
    limits = StrangerLimits(messages_per_sender=1)
    with (
        Running(certificate, role=Role.SUBMISSION, strangers=limits) as server,
        ExitStack() as all_,
    ):
        codes = []
        for via, sender in ((ADA, b"ada@a.test"), (FAR, b"other@a.test")):
            client = all_.enter_context(Client(server.address, via=via))
            client.ask(b"EHLO client.test")
            client.ask(b"STARTTLS")
            client.start_tls(ca)
            client.ask(b"EHLO client.test")
            client.ask(b"AUTH PLAIN AGFkYQByaWdodA==")
            codes.append(client.ask(b"MAIL FROM:<%b>" % sender)[:3])
        assert codes == [b"250", b"450"]


def test_too_many_errors_end_the_session_and_keep_the_address_out():
    with running(errors_per_address=3) as mx:
        with Client(mx.address, via=ADA) as client:
            assert client.ask_all(b"WHAT\r\n" * 2, 2) == [b"500", b"500"]
            client.send(b"WHAT\r\n" * 2)
            assert [client.reply()[:3], client.reply()[:3]] == [b"500", b"421"]
            assert client.at_end()
        assert greeted(mx, ADA) == b"421 4.7.0"
        assert greeted(mx, NEAR) == b"220 mail."
        mx.now += 61
        assert greeted(mx, ADA) == b"220 mail."


def test_temporary_refusals_are_no_errors():
    mx = running(errors_per_address=1, recipients_per_address=1)
    with mx, Client(mx.address, via=ADA) as client:
        client.ask(b"EHLO client.test")
        codes = client.ask_all(b"MAIL FROM:<>\r\n" + b"RCPT TO:<a@a.test>\r\n" * 4, 5)
        assert codes == [b"250", b"250", b"450", b"450", b"450"]


def test_loopback_pays_for_nothing():
    with Running(strangers=None) as mx:
        mx.strangers.adjust(StrangerLimits(connections_per_address=1, messages_per_address=1))
        for _ in range(3):
            with Client(mx.address) as client:
                client.ask(b"EHLO client.test")
                assert client.ask(b"MAIL FROM:<>").startswith(b"250")
        assert len(mx.strangers.by_address["connections"]) == 0


# --- tarpit ---------------------------------------------------------------------------------------


def guess(client: Client, count: int) -> list[float]:
    """How long the refusal of each unknown recipient takes."""
    taken = []
    for _ in range(count):
        began = time.monotonic()
        assert client.ask(b"RCPT TO:<nobody@a.test>").startswith(b"550 5.1.1")
        taken.append(time.monotonic() - began)
    return taken


def test_guessers_wait_longer_and_longer():
    with running(tarpit_after=2, tarpit_longest=1.0) as mx, Client(mx.address, via=ADA) as client:
        mx.mailroom.errors["rcpt_to", "nobody"] = UnknownRecipient()
        client.ask(b"EHLO client.test")
        client.ask(b"MAIL FROM:<>")
        taken = guess(client, 4)
        assert min(taken[:2]) < 0.9
        assert min(taken[2:]) >= 1.0
        asked = []
        for _ in range(3):
            began = time.monotonic()
            assert client.ask(b"RCPT TO:<ada@a.test>").startswith(b"250")
            asked.append(time.monotonic() - began)
        assert min(asked) < 0.9
    assert mx.strangers.waiting == 0


@pytest.mark.parametrize(
    ("before", "seconds"),
    [(0, 0.0), (4, 0.0), (5, 1.0), (6, 2.0), (7, 4.0), (8, 8.0), (9, 10.0), (500, 10.0)],
)
def test_the_delay_doubles_up_to_its_longest(before, seconds):
    all_ = strangers()
    guesser = all_.meet(ADA)
    for _ in range(before):
        with guesser.tarpit():
            pass
    with guesser.tarpit() as told:
        assert told == seconds
        assert all_.waiting == (1 if seconds else 0)
    assert all_.waiting == 0


def test_who_goes_on_guessing_gains_nothing_by_the_time_that_it_waits():
    now = 0.0
    all_ = Strangers(StrangerLimits(), lambda: now)
    guesser = all_.meet(ADA)
    waits = []
    for _ in range(40):
        with guesser.tarpit() as seconds:
            assert seconds is not None
            waits.append(seconds)
            now += seconds
    assert waits[:5] == [0.0] * 5
    assert waits == sorted(waits)
    assert waits[-25:] == [10.0] * 25
    # Somebody who mistyped is forgotten in minutes.
    now += 600
    with guesser.tarpit() as seconds:
        assert seconds == 0.0


def test_a_full_tarpit_sends_guessers_away():
    with running(tarpit_after=0, tarpit_sessions=1, tarpit_longest=60.0) as mx, ExitStack() as all_:
        mx.mailroom.errors["rcpt_to", "nobody"] = UnknownRecipient()
        first, second = (all_.enter_context(Client(mx.address, via=via)) for via in (ADA, FAR))
        for client in (first, second):
            client.ask(b"EHLO client.test")
            client.ask(b"MAIL FROM:<>")
        first.send(b"RCPT TO:<nobody@a.test>\r\n")
        while not mx.strangers.waiting:
            time.sleep(0.005)
        assert second.ask(b"RCPT TO:<nobody@a.test>").startswith(b"421 4.7.1")
        assert second.at_end()
        first.socket.close()
        until = time.monotonic() + 30
        while mx.strangers.waiting and time.monotonic() < until:
            time.sleep(0.005)
        assert mx.strangers.waiting == 0, "whoever hangs up gives its place back"


def test_the_tarpit_ends_when_the_service_stops():
    mx = running(tarpit_after=0, tarpit_longest=5.0)
    mx.mailroom.errors["rcpt_to", "nobody"] = UnknownRecipient()
    with mx, Client(mx.address, via=ADA) as client:
        client.ask(b"EHLO client.test")
        client.ask(b"MAIL FROM:<>")
        client.send(b"RCPT TO:<nobody@a.test>\r\n")
        while not mx.strangers.waiting:
            time.sleep(0.005)
        mx.call(mx.server.stop(1))
        assert client.reply().startswith(b"421 4.3.2")
    assert mx.strangers.waiting == 0


def test_people_who_logged_in_may_mistype(certificate, ca):
    limits = StrangerLimits(tarpit_after=0, tarpit_sessions=0)
    with Running(certificate, role=Role.SUBMISSION, strangers=limits) as server:
        server.mailroom.errors["rcpt_to", "nobody"] = UnknownRecipient()
        with Client(server.address, via=ADA) as client:
            client.ask(b"EHLO client.test")
            client.ask(b"STARTTLS")
            client.start_tls(ca)
            client.ask(b"EHLO client.test")
            client.ask(b"AUTH PLAIN AGFkYQByaWdodA==")
            client.ask(b"MAIL FROM:<ada@a.test>")
            assert client.ask(b"RCPT TO:<nobody@a.test>").startswith(b"550 5.1.1")
            assert client.ask(b"RCPT TO:<grace@a.test>").startswith(b"250")


# --- early talkers --------------------------------------------------------------------------------


def test_rfc_5321_section_4_3_1_who_speaks_before_the_greeting_is_sent_away():
    with Running(strangers=StrangerLimits(greeting=60.0)) as mx:
        for early in (b"EHLO client.test\r\n", b"E"):
            with Client(mx.address, greeting=False, via=ADA) as client:
                client.send(early)
                assert client.reply() == b"554 5.5.1 You spoke before the greeting"
                assert client.at_end()


def test_who_waits_is_greeted_and_the_others_need_not():
    with Running(strangers=StrangerLimits(greeting=0.2)) as mx:
        began = time.monotonic()
        with Client(mx.address, via=ADA) as client:
            assert time.monotonic() - began >= 0.2
            assert client.ask(b"EHLO client.test").startswith(b"250")
        mx.strangers.adjust(StrangerLimits(greeting=60.0, unlimited=(f"{FAR}/32",)))
        with Client(mx.address, via=FAR) as client:
            assert time.monotonic() - began < 50


def test_people_are_greeted_at_once():
    with Running(role=Role.SUBMISSION, strangers=StrangerLimits(greeting=60.0)) as server:
        began = time.monotonic()
        with Client(server.address, via=ADA):
            assert time.monotonic() - began < 50


def test_who_goes_before_the_greeting_costs_nothing():
    mx = Running(strangers=StrangerLimits(greeting=60.0))
    with mx, Client(mx.address, greeting=False, via=ADA) as client:
        client.socket.close()
        until = time.monotonic() + 30
        while mx.shared.peers.open and time.monotonic() < until:
            time.sleep(0.005)
        assert mx.shared.peers.open == 0
