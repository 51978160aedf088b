"""`/.well-known/`: MTA-STS policies (RFC 8461), answers to certificate authorities (RFC 8555)."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.support.directories import Directory, bare_core, demo
from tests.support.port80 import Port80Server
from tests.support.stores import Run
from workpost.domain.organizations import domains_shell
from workpost.domain.organizations.mail_policies import mta_sts_id, mta_sts_policy
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Settings
from workpost.operations.certificates.files import AcmeFiles
from workpost.operations.domains.verification import verify_now
from workpost.protocols.web.asgi import host_of
from workpost.protocols.web.wellknown import CHALLENGES, POLICY, Challenges, Policy
from workpost.store.core import Core

__all__ = ["bare_core", "demo"]

HOST = "mail.example.org"
TOKEN = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"


@pytest.fixture(scope="module")
def shared_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(data_dir=str(tmp_path_factory.mktemp("web") / "data"), hostname=HOST)


async def get(app: Any, path: str, host: str, method: str = "GET", **more: Any) -> Any:
    """(status, headers, body) of one request."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", host.encode())] if host else []
    scope = {"type": "http", "path": path, "method": method, "headers": headers, **more}
    await app(scope, None, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


# --- MTA-STS ---


@pytest.fixture
def verified(run: Run[Any], demo: Directory) -> Core:
    core = demo.core
    core.settings = msgspec.structs.replace(core.settings, hostname=HOST)
    grant = Grant.system("test", demo.organization)

    async def make() -> None:
        for name in ("example.org", "waiting.org", "müller.example"):
            await domains_shell.register_domain(core, grant, name)
        for name in ("example.org", "müller.example"):
            await verify_now(core, core.resolver, grant, name, force=True)

    run(make())
    return core


@pytest.mark.parametrize(
    "host",
    [
        "mta-sts.example.org",
        "MTA-STS.Example.org:443",
        "mta-sts.example.org.",
        "mta-sts.xn--mller-kva.example",
    ],
)
async def test_a_verified_domain_has_a_policy(verified: Core, host: str) -> None:
    status, headers, body = await get(Policy(verified), POLICY, host)
    assert (status, headers[b"content-type"]) == (200, b"text/plain")
    assert body == b"version: STSv1\r\nmode: testing\r\nmx: mail.example.org\r\nmax_age: 604800\r\n"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "mta-sts.",
        "example.org",
        "mta-sts.waiting.org",
        "mta-sts.other.org",
        "mta-sts.demo..test",
    ],
)
async def test_nobody_else_has(verified: Core, host: str) -> None:
    status, _, _ = await get(Policy(verified), POLICY, host)
    assert status == 404


async def test_a_policy_is_only_read(verified: Core) -> None:
    status, _, _ = await get(Policy(verified), POLICY, "mta-sts.example.org", method="POST")
    assert status == 404


async def test_the_mode_is_a_setting_and_changes_the_id(verified: Core) -> None:
    """RFC 8461 3.1: a new id tells others to fetch the policy anew."""
    sts = msgspec.structs.replace(verified.settings.mta_sts, mode="enforce", days=30)
    verified.settings = msgspec.structs.replace(verified.settings, mta_sts=sts)
    _, _, body = await get(Policy(verified), POLICY, "mta-sts.example.org")
    assert b"mode: enforce\r\n" in body
    assert b"max_age: 2592000\r\n" in body
    before = mta_sts_policy("testing", HOST, 30)
    assert mta_sts_id(before) != mta_sts_id(body.decode())
    assert mta_sts_id(before).isalnum()
    assert len(mta_sts_id(before)) <= 32


# --- HTTP-01 ---


@pytest.fixture
def acme_core(bare_core: Core) -> Core:
    acme = msgspec.structs.replace(bare_core.settings.acme, enabled=True, agree_tos=True)
    bare_core.settings = msgspec.structs.replace(bare_core.settings, acme=acme)
    AcmeFiles(bare_core.settings.tls_dir).prepare()
    return bare_core


async def test_a_challenge_is_answered_with_token_and_thumbprint(acme_core: Core) -> None:
    """RFC 8555 8.3."""
    status, _, body = await get(Challenges(acme_core), CHALLENGES + TOKEN, HOST)
    assert status == 200
    thumbprint = AcmeFiles(acme_core.settings.tls_dir).thumbprint()
    assert body.decode() == f"{TOKEN}.{thumbprint}"


@pytest.mark.parametrize(
    "token", ["", "short", TOKEN + "/..", TOKEN + "<script>", "x" * 300, "../" * 8, TOKEN + "\n"]
)
async def test_what_is_no_token_is_not_answered(acme_core: Core, token: str) -> None:
    status, _, body = await get(Challenges(acme_core), CHALLENGES + token, HOST)
    assert (status, token.encode() in body[:0]) == (404, token == "")


async def test_without_acme_nobody_answers(acme_core: Core) -> None:
    acme = msgspec.structs.replace(acme_core.settings.acme, enabled=False)
    acme_core.settings = msgspec.structs.replace(acme_core.settings, acme=acme)
    status, _, _ = await get(Challenges(acme_core), CHALLENGES + TOKEN, HOST)
    assert status == 404


# --- port 80 ---


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(30):
        answer = await reader.read(4096)
    writer.close()
    return answer


async def test_port_80_sends_everybody_else_to_https(acme_core: Core) -> None:
    server = await Port80Server.start(acme_core)
    try:
        answer = await ask(
            server.port, b"GET /a%20b?c=d HTTP/1.1\r\nHost: Mail.Example.org:80\r\n\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 308")
        assert b"location: https://mail.example.org/a%20b?c=d\r\n" in answer
        answer = await ask(
            server.port, b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 403")
        answer = await ask(server.port, b"GET / HTTP/1.1\r\nHost: a.test/@evil\r\n\r\n")
        assert b"location" not in answer
        path = (CHALLENGES + TOKEN).encode()
        answer = await ask(server.port, b"GET %b HTTP/1.1\r\nHost: a.test\r\n\r\n" % path)
        assert answer.startswith(b"HTTP/1.1 200")
    finally:
        await server.stop()


def test_the_host_of_a_request() -> None:
    def host(text: str) -> str:
        return host_of({"headers": [(b"host", text.encode())]})

    assert host("A.Test:8080") == "a.test"
    assert host("a.test.") == "a.test"
    assert host("[::1]:80") == "[::1]"
    assert host("[::1]") == "[::1]"
    assert host_of({"headers": []}) == ""
