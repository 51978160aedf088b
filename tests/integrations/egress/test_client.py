"""The way out: it connects to what was checked, with the name that was asked for."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.outside import Asked, Authority, OutsideServer, Reply
from workpost.integrations.egress.client import (
    Bounds,
    EgressFailed,
    Problem,
    Response,
    post,
    resolve,
)
from workpost.kernel.errors import TryLater

LOOPBACK = ("127.0.0.0/8",)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def secure(authority: Authority) -> Iterator[OutsideServer]:
    server = OutsideServer(authority.context_for("mail.partner.example"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def plain() -> Iterator[OutsideServer]:
    server = OutsideServer()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _forget(secure: OutsideServer, plain: OutsideServer) -> None:
    for server in (secure, plain):
        server.asked.clear()
        server.answer = lambda asked: (200, {}, b"done")


class Names:
    """A resolver that says what it is told, another thing each time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def send(url: str, *, names: Names | None = None, **options: Any) -> Response:
    authorization = options.pop("authorization", "Basic YTpi")
    names = names or Names(["127.0.0.1"])
    bounds = Bounds(**{"allow": LOOPBACK, "seconds": 5, **options})
    headers = {"Content-Type": "text/xml"}
    return asyncio.run(
        post(bounds, url, headers, b"<a/>", authorization=authorization, resolver=names)
    )


def problem(url: str, **options: Any) -> Problem:
    with pytest.raises(EgressFailed) as caught:
        send(url, **options)
    return caught.value.problem


def test_a_post_over_tls_with_the_name_of_the_url(
    secure: OutsideServer, authority: Authority
) -> None:
    url = f"https://mail.partner.example:{secure.port}/EWS/Exchange.asmx"
    response = send(url, ca_file=str(authority.file))
    assert (response.status, response.body) == (200, b"done")
    [asked] = secure.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/EWS/Exchange.asmx", b"<a/>")
    assert asked.headers["host"] == f"mail.partner.example:{secure.port}"
    assert asked.headers["authorization"] == "Basic YTpi"


def test_certificates_are_verified(secure: OutsideServer, authority: Authority) -> None:
    known = f"https://mail.partner.example:{secure.port}/"
    assert problem(known) is Problem.CERTIFICATE
    other = f"https://other.example:{secure.port}/"
    assert problem(other, ca_file=str(authority.file)) is Problem.CERTIFICATE
    assert secure.asked == []


def test_a_missing_file_of_authorities_is_the_operators_fault(tmp_path: Path) -> None:
    with pytest.raises(TryLater):
        send("https://mail.partner.example/", ca_file=str(tmp_path / "none.pem"))


def test_plain_http_needs_a_setting(plain: OutsideServer) -> None:
    url = f"http://mail.partner.example:{plain.port}/"
    assert problem(url) is Problem.SCHEME
    assert send(url, plain_http=True).status == 200


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.0.0.1", "::1"], ["169.254.169.254"], ["::ffff:127.0.0.1"], ["fe80::1%lo"]],
)
def test_addresses_of_ones_own_are_refused(plain: OutsideServer, addresses: list[str]) -> None:
    url = f"http://mail.partner.example:{plain.port}/"
    told = problem(url, names=Names(addresses), allow=(), plain_http=True)
    assert told is Problem.ADDRESS
    assert plain.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "localhost"])
def test_however_they_are_written(plain: OutsideServer, host: str) -> None:
    bounds = Bounds(plain_http=True, seconds=5)
    with pytest.raises(EgressFailed) as caught:
        asyncio.run(post(bounds, f"http://{host}:{plain.port}/", {}, b""))
    assert caught.value.problem in {Problem.ADDRESS, Problem.NAME}
    assert plain.asked == []


def test_a_name_is_resolved_once_for_check_and_connection(plain: OutsideServer) -> None:
    # Whoever rebinds the name after the check is not asked again.
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    url = f"http://rebinding.example:{plain.port}/"
    assert send(url, names=names, allow=("127.0.0.1/32",), plain_http=True).status == 200
    assert names.asked == ["rebinding.example"]


def test_every_redirect_is_checked_anew(plain: OutsideServer) -> None:
    plain.answer = lambda asked: (307, {"Location": "http://inside.example/"}, b"")
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    url = f"http://mail.partner.example:{plain.port}/"
    assert problem(url, names=names, plain_http=True) is Problem.ADDRESS
    assert names.asked == ["mail.partner.example", "inside.example"]


def test_redirects_keep_method_and_body_and_drop_the_password_elsewhere(
    plain: OutsideServer,
) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path == "/one":
            return 302, {"Location": "/two"}, b""
        if asked.path == "/two":
            return 308, {"Location": f"http://else.example:{plain.port}/three"}, b""
        return 401, {}, b""

    plain.answer = answer
    response = send(f"http://mail.partner.example:{plain.port}/one", plain_http=True)
    assert (response.status, response.moved, response.host) == (401, True, "else.example")
    assert [(each.method, each.body) for each in plain.asked] == [("POST", b"<a/>")] * 3
    assert ["authorization" in each.headers for each in plain.asked] == [True, True, False]


def test_redirects_come_to_an_end(plain: OutsideServer) -> None:
    plain.answer = lambda asked: (302, {"Location": "/again"}, b"")
    assert problem(f"http://a.example:{plain.port}/", plain_http=True) is Problem.REDIRECTS
    assert len(plain.asked) == 6
    plain.answer = lambda asked: (302, {}, b"")
    assert problem(f"http://a.example:{plain.port}/", plain_http=True) is Problem.PROTOCOL
    for nowhere in ("file:///etc/passwd", "http://[::1", "http://a.example:x/", "http://.../"):
        plain.answer = lambda asked, nowhere=nowhere: (302, {"Location": nowhere}, b"")  # type: ignore[misc]
        assert problem(f"http://a.example:{plain.port}/", plain_http=True) is Problem.URL


def test_a_redirect_from_tls_to_plain_http(secure: OutsideServer, authority: Authority) -> None:
    secure.answer = lambda asked: (302, {"Location": "http://mail.partner.example/"}, b"")
    url = f"https://mail.partner.example:{secure.port}/"
    assert problem(url, ca_file=str(authority.file)) is Problem.SCHEME


def test_answers_are_bounded_in_size_and_time(plain: OutsideServer) -> None:
    url = f"http://a.example:{plain.port}/"
    plain.answer = lambda asked: (200, {}, b"x" * 1001)
    assert problem(url, plain_http=True, response_bytes=1000) is Problem.SIZE

    heard = threading.Event()

    def slow(asked: Asked) -> Reply:
        heard.wait(60)
        return 200, {}, b""

    plain.answer = slow
    assert problem(url, plain_http=True, seconds=0.2) is Problem.TIME
    assert not heard.is_set()
    heard.set()


def test_nobody_there_and_no_such_name(plain: OutsideServer) -> None:
    assert problem("http://a.example:1/", plain_http=True) is Problem.CONNECTION
    assert problem("http://a.example/", plain_http=True, names=Names([])) is Problem.NAME

    async def unknown(host: str, port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(EgressFailed) as caught:
        asyncio.run(post(Bounds(seconds=5), "https://a.example/", {}, b"", resolver=unknown))
    assert caught.value.problem is Problem.NAME


def test_the_next_address_is_tried(plain: OutsideServer) -> None:
    names = Names(["127.0.0.9", "127.0.0.1"])
    assert send(f"http://a.example:{plain.port}/", names=names, plain_http=True).status == 200


def test_proxies_of_the_environment_are_not_used(
    plain: OutsideServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert send(f"http://a.example:{plain.port}/", plain_http=True).status == 200


def test_urls_of_the_operator_may_lead_anywhere(plain: OutsideServer) -> None:
    response = send(f"http://127.0.0.1:{plain.port}/", allow=(), anywhere=True)
    assert response.status == 200


async def test_names_whose_servers_are_silent_keep_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, heard = socket.getaddrinfo, threading.Event()

    def silent(host: str, *args: Any, **options: Any) -> Any:
        if host.startswith("silent"):
            heard.wait(30)
            raise socket.gaierror
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    for number in range(32):
        with pytest.raises(TimeoutError):
            # Given up at once, as a request is after its seconds; the thread waits on.
            await asyncio.wait_for(resolve(f"silent{number}.example", 443), 0.001)
    try:
        assert await asyncio.wait_for(resolve("127.0.0.1", 443), 30) == ["127.0.0.1"]
    finally:
        heard.set()
