"""LDAP, against a real OpenLDAP."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.processes import free_port
from tests.support.slapd import Slapd, Tree
from workpost.integrations.ldap.real import LdapServer
from workpost.kernel.directory_settings import Directory
from workpost.kernel.errors import DirectoryAuthenticationFailed, DirectoryUnavailable

pytestmark = pytest.mark.peer("slapd")
ALL = "(objectClass=inetOrgPerson)"


def server_of(slapd: Slapd, **more: object) -> LdapServer:
    return LdapServer("d-0123456789", slapd.settings("open", "111122223333", **more))


def test_pages_beyond_the_server_limit(slapd: Slapd) -> None:
    tree = Tree(slapd, "open")
    for number in range(25):
        tree.person(f"person{number}")
    server = server_of(slapd)
    pages = list(server.search(tree.base, ALL, ["uid", "entryUUID"]))
    assert [len(page) for page in pages] == [10, 10, 5]
    names = {found.values["uid"][0] for page in pages for found in page}
    assert len(names) == 25
    assert all(found.values["entryuuid"] for found in pages[0])
    half_read = server.search(tree.base, ALL, ["uid"])
    assert len(next(half_read)) == 10
    half_read.close()
    assert sum(map(len, server.search(tree.base, ALL, ["uid"]))) == 25
    server.close()


@pytest.mark.parametrize("transport", ["starttls", "ldaps", "plain"])
def test_transports(slapd: Slapd, transport: str) -> None:
    plain = f"ldap://127.0.0.1:{slapd.port}"
    more: dict[str, object] = {} if transport == "ldaps" else {"urls": (plain,)}
    server = server_of(slapd, without_tls=transport == "plain", **more)
    assert server.root(["supportedLDAPVersion"])["supportedldapversion"] == [b"3"]
    server.close()


@pytest.mark.parametrize("url", ["ldap://127.0.0.1:{port}", "ldaps://127.0.0.1:{tls}"])
def test_a_certificate_of_strangers_is_not_taken(slapd: Slapd, url: str) -> None:
    there = url.format(port=slapd.port, tls=slapd.tls_port)
    with pytest.raises(DirectoryUnavailable):
        server_of(slapd, ca_file="", urls=(there,)).root(["supportedLDAPVersion"])


def test_passwords(slapd: Slapd) -> None:
    dn = Tree(slapd, "open").person("ada", "Enchantress-1")
    server = server_of(slapd)
    assert server.is_password(dn, b"Enchantress-1")
    for wrong in (b"enchantress-1", b"", b"\0", "ü".encode()):
        assert not server.is_password(dn, wrong)
    assert not server.is_password("uid=nobody,dc=open,dc=test", b"Enchantress-1")
    assert not server.is_password("", b"Enchantress-1")
    assert not server.is_password("no name", b"Enchantress-1")


def test_our_own_credentials(slapd: Slapd, tmp_path: Path) -> None:
    wrong = tmp_path / "password"
    for password in ("wrong", "", "\n"):
        wrong.write_text(password)
        with pytest.raises(DirectoryAuthenticationFailed):
            server_of(slapd, password_file=str(wrong)).root(["supportedLDAPVersion"])
    with pytest.raises(DirectoryAuthenticationFailed):
        server_of(slapd, password_file=str(tmp_path / "none")).root(["supportedLDAPVersion"])
    with pytest.raises(DirectoryAuthenticationFailed):
        server_of(slapd, bind_dn="cn=nobody,dc=open,dc=test").root(["supportedLDAPVersion"])


def test_a_search_that_fails_is_never_an_empty_one(slapd: Slapd) -> None:
    server = server_of(slapd)
    for base, wanted in (("dc=elsewhere,dc=test", ALL), ("dc=open,dc=test", "(uid=*")):
        with pytest.raises(DirectoryUnavailable):
            list(server.search(base, wanted, ["uid"]))


def test_outage_and_return(slapd: Slapd) -> None:
    dn = Tree(slapd, "open").person("ada", "Enchantress-1")
    server = server_of(slapd)
    assert server.root(["supportedLDAPVersion"])
    slapd.stop()
    with pytest.raises(DirectoryUnavailable):
        server.root(["supportedLDAPVersion"])
    with pytest.raises(DirectoryUnavailable):
        server.is_password(dn, b"Enchantress-1")
    slapd.start()
    assert server.root(["supportedLDAPVersion"])
    slapd.stop()
    slapd.start()
    assert server.is_password(dn, b"Enchantress-1")
    assert server.root(["supportedLDAPVersion"]), "a kept connection that broke is replaced"


def test_the_next_server_is_asked_when_the_first_does_not_answer(slapd: Slapd) -> None:
    settings = slapd.settings("open", "111122223333")
    urls = (f"ldaps://127.0.0.1:{free_port()}", *settings.urls)
    server = LdapServer("d-0123456789", msgspec.structs.replace(settings, urls=urls))
    assert server.root(["supportedLDAPVersion"])
    server.close()


def test_closing_ends_the_wait_for_a_server_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ldap://127.0.0.1:{silent.getsockname()[1]}"
        settings = Directory(urls=(url,), without_tls=True, operation_seconds=15)
        server = LdapServer("d-0123456789", settings)
        ends: list[BaseException] = []

        def ask() -> None:
            try:
                server.is_password("cn=a", b"x")
            except DirectoryUnavailable as error:
                ends.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        there, _ = silent.accept()
        with there:
            assert there.recv(100), "the bind was sent"
            server.close()
            asking.join(30)
        assert len(ends) == 1


Answer = Callable[[bytes], bytes]


class Babbler:
    """A server that answers with whatever it is told to make of the number of the message."""

    def __init__(self) -> None:
        self.answer: Answer = bytes
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"ldap://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._babble)
        self._thread.start()

    def _babble(self) -> None:
        while True:
            try:
                there, _ = self._socket.accept()
            except OSError:
                return
            with there, contextlib.suppress(OSError):
                request = there.recv(1000)
                there.sendall(self.answer(request[2 : 4 + request[3]]))

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture(scope="module")
def babbler() -> Iterator[Babbler]:
    made = Babbler()
    yield made
    made.close()


def bind_response(number: bytes, code: int = 0) -> bytes:
    body = number + bytes([0x61, 7, 10, 1, code, 4, 0, 4, 0])
    return bytes([0x30, len(body)]) + body


def with_a_byte_changed(at: int, byte: int) -> Answer:
    def answer(number: bytes) -> bytes:
        right = bytearray(bind_response(number))
        right[at % len(right)] = byte
        return bytes(right)

    return answer


@given(
    st.binary(max_size=60).map(lambda answer: lambda _: answer)
    | st.builds(with_a_byte_changed, st.integers(0, 40), st.integers(0, 255))
)
def test_any_answer_is_a_yes_a_no_or_no_answer(
    babbler: Babbler, password_file: Path, answer: Answer
) -> None:
    babbler.answer = answer
    settings = Directory(
        urls=(babbler.url,),
        without_tls=True,
        operation_seconds=1,
        bind_dn="cn=reader",
        password_file=str(password_file),
    )
    server = LdapServer("d-0123456789", settings)
    with contextlib.suppress(DirectoryUnavailable):
        assert server.is_password("cn=a", b"x") in {True, False}
    with pytest.raises((DirectoryUnavailable, DirectoryAuthenticationFailed)):
        server.root(["supportedLDAPVersion"])
    server.close()


@pytest.mark.parametrize(("code", "outcome"), [(0, True), (49, False), (53, False), (51, None)])
def test_results_of_a_bind(babbler: Babbler, code: int, outcome: bool | None) -> None:
    babbler.answer = partial(bind_response, code=code)
    settings = Directory(urls=(babbler.url,), without_tls=True, operation_seconds=1)
    server = LdapServer("d-0123456789", settings)
    if outcome is None:
        with pytest.raises(DirectoryUnavailable):
            server.is_password("cn=a", b"x")
    else:
        assert server.is_password("cn=a", b"x") is outcome


@pytest.fixture(scope="module")
def password_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ldap") / "password"
    path.write_text("x")
    return path
