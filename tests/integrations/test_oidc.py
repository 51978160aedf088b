"""The provider's side of a sign-in: discovery, keys that rotate, the code flow, requests."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwk

from tests.support.oidc import ADA, KEYS, SECRET, OidcProvider, sign
from workpost.integrations.oidc import http
from workpost.integrations.oidc.http import MAX_BODY, fetch
from workpost.integrations.oidc.provider import (
    KEPT_SECONDS,
    ROTATION_SECONDS,
    Provider,
    SignedIn,
    provider_of,
)
from workpost.kernel.clock import FixedEnvironment
from workpost.kernel.errors import AuthenticationFailed, TryLater
from workpost.kernel.outside_settings import IdentityProvider

WEB = "https://mail.example/signed-in"
ACCOUNT = "111122223333"


@pytest.fixture
def server() -> Iterator[OidcProvider]:
    made = OidcProvider()
    yield made
    made.close()


@pytest.fixture
def env() -> FixedEnvironment:
    return FixedEnvironment(int(time.time() * 1000))


def settings_for(server: OidcProvider, folder: Path, **more: Any) -> IdentityProvider:
    secret = folder / "secret"
    secret.write_text(SECRET + "\n")
    given = server.settings(ACCOUNT, client_secret_file=str(secret), **more)
    return msgspec.convert(given, IdentityProvider)


@pytest.fixture
def provider(server: OidcProvider, tmp_path: Path) -> Provider:
    return Provider(settings_for(server, tmp_path))


async def sign_in(
    provider: Provider, server: OidcProvider, env: FixedEnvironment, **changes: Any
) -> SignedIn:
    flow: dict[str, Any] = {"redirect_uri": WEB, "nonce": "the nonce", "verifier": "v" * 43}
    url = await provider.authorization_url(env, state="the state", **flow)
    back = server.sign_in(url)
    assert back["state"] == "the state"
    return await provider.finish(env, **{**flow, "code": back["code"], "issuer": None, **changes})


async def test_the_code_flow_tells_who_signed_in(
    provider: Provider, server: OidcProvider, env: FixedEnvironment
) -> None:
    assert await sign_in(provider, server, env) == SignedIn(ADA, "ada")
    assert await sign_in(provider, server, env, issuer=server.issuer) == SignedIn(ADA, "ada")
    # What it publishes was read once.
    assert server.requests.count("/jwks") == 1
    assert server.requests.count("/.well-known/openid-configuration") == 1


async def test_clients_are_known_by_secret_in_the_form_and_by_pkce_alone(
    server: OidcProvider, tmp_path: Path, env: FixedEnvironment
) -> None:
    server.discovery["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    posted = Provider(settings_for(server, tmp_path))
    assert (await sign_in(posted, server, env)).user_id == ADA
    server.client_secret = ""
    public = msgspec.structs.replace(posted.settings, client_secret_file="")
    assert (await sign_in(Provider(public), server, env)).user_id == ADA


async def test_other_claims_and_a_name_that_only_userinfo_has(
    server: OidcProvider, tmp_path: Path, env: FixedEnvironment
) -> None:
    server.person = {"sub": "someone", "oid": ADA}
    server.userinfo = {"nickname": "ada"}
    provider = Provider(
        settings_for(server, tmp_path, user_id_claim="oid", user_name_claim="nickname")
    )
    assert await sign_in(provider, server, env) == SignedIn(ADA, "ada")
    server.userinfo = {"nickname": 5}
    assert await sign_in(provider, server, env) == SignedIn(ADA, "")
    server.userinfo = {"nickname": "ada", "sub": "another"}
    with pytest.raises(AuthenticationFailed):
        await sign_in(provider, server, env)
    server.person = {"sub": "someone"}
    with pytest.raises(AuthenticationFailed, match="oid"):
        await sign_in(provider, server, env)


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "another"},
        {"verifier": "another"},
        {"redirect_uri": "https://another.example/"},
        {"nonce": "another"},
        {"issuer": "https://another.example"},
    ],
)
async def test_what_does_not_belong_to_the_sign_in_is_refused(
    provider: Provider, server: OidcProvider, env: FixedEnvironment, changes: dict[str, str]
) -> None:
    with pytest.raises(AuthenticationFailed):
        await sign_in(provider, server, env, **changes)


async def test_an_issuer_that_is_promised_has_to_come(
    provider: Provider, server: OidcProvider, env: FixedEnvironment
) -> None:
    server.discovery["authorization_response_iss_parameter_supported"] = True
    with pytest.raises(AuthenticationFailed):
        await sign_in(provider, server, env)
    await sign_in(provider, server, env, issuer=server.issuer)


async def test_rotated_keys_are_read_when_a_token_names_them_but_not_at_every_token(
    provider: Provider, server: OidcProvider, env: FixedEnvironment
) -> None:
    await sign_in(provider, server, env)
    server.key = jwk.ECKey.generate_key("P-256", {"kid": "ec-2"})
    server.algorithm = "ES256"
    server.published = [server.key]
    with pytest.raises(AuthenticationFailed):
        await sign_in(provider, server, env)
    assert server.requests.count("/jwks") == 1
    env.advance(int(ROTATION_SECONDS * 1000))
    assert (await sign_in(provider, server, env)).user_id == ADA
    assert server.requests.count("/jwks") == 2
    env.advance(int(ROTATION_SECONDS * 1000))
    server.key = KEYS["ES256"]
    with pytest.raises(AuthenticationFailed):
        await sign_in(provider, server, env)
    assert server.requests.count("/jwks") == 3


async def test_what_it_publishes_is_read_anew_after_an_hour(
    provider: Provider, server: OidcProvider, env: FixedEnvironment
) -> None:
    await sign_in(provider, server, env)
    env.advance(int(KEPT_SECONDS * 1000))
    server.claims = {"iat": env.now() // 1000, "exp": env.now() // 1000 + 60}
    await sign_in(provider, server, env)
    assert server.requests.count("/jwks") == 2
    assert server.requests.count("/.well-known/openid-configuration") == 2


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://another.example"},
        {"token_endpoint": 5},
        {"token_endpoint": "ftp://127.0.0.1/token"},
        {"token_endpoint": "http://[::1/token"},
        {"token_endpoint": "http://127.0.0.1:99999999/token"},
        {"jwks_uri": None},
    ],
)
async def test_a_discovery_document_that_cannot_be_used(
    provider: Provider, server: OidcProvider, env: FixedEnvironment, discovery: dict[str, Any]
) -> None:
    server.discovery = discovery
    with pytest.raises(TryLater):
        await sign_in(provider, server, env)


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/.well-known/openid-configuration", 404, b"{}"),
        ("/.well-known/openid-configuration", 302, b""),
        ("/jwks", 200, b"{}"),
        ("/jwks", 500, b"{}"),
        ("/token", 200, b"no JSON"),
        ("/token", 200, b'{"access_token": "x"}'),
        ("/token", 401, b'{"error": "invalid_client"}'),
        ("/token", 500, b"\xff"),
        ("/token", 400, b'{"error": "\\u0000"}'),
    ],
)
async def test_a_provider_that_fails_is_no_refusal(
    provider: Provider,
    server: OidcProvider,
    env: FixedEnvironment,
    path: str,
    status: int,
    body: bytes,
) -> None:
    server.status[path] = status
    server.bodies[path] = body
    with pytest.raises(TryLater) as caught:
        await sign_in(provider, server, env)
    assert SECRET not in caught.value.message


async def test_an_access_token_that_could_forge_headers(
    provider: Provider, server: OidcProvider, env: FixedEnvironment
) -> None:
    now = env.now() // 1000
    claims = {"iss": server.issuer, "aud": "workpost", "sub": ADA, "nonce": "the nonce"}
    token = sign({**claims, "iat": now, "exp": now + 60})
    answer = {"id_token": token, "access_token": "x\r\nHost: another.example"}
    server.bodies["/token"] = msgspec.json.encode(answer)
    with pytest.raises(AuthenticationFailed):
        await sign_in(provider, server, env)


async def test_files_that_are_missing(
    server: OidcProvider, tmp_path: Path, env: FixedEnvironment
) -> None:
    settings = settings_for(server, tmp_path)
    gone = msgspec.structs.replace(settings, client_secret_file=str(tmp_path / "gone"))
    with pytest.raises(TryLater, match="FileNotFoundError"):
        await sign_in(Provider(gone), server, env)
    gone = msgspec.structs.replace(settings, ca_file=str(tmp_path / "gone"))
    with pytest.raises(TryLater, match="FileNotFoundError"):
        await sign_in(Provider(gone), server, env)


def test_a_process_has_one_provider_for_its_settings(server: OidcProvider, tmp_path: Path) -> None:
    settings = settings_for(server, tmp_path)
    assert provider_of(settings) is provider_of(settings_for(server, tmp_path))


async def test_over_tls_only_the_configured_authority_is_believed(
    tmp_path: Path, env: FixedEnvironment
) -> None:
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = OidcProvider(tls=context)
    try:
        trusting = Provider(settings_for(server, tmp_path, ca_file=str(certificate)))
        assert (await sign_in(trusting, server, env)).user_id == ADA
        server.discovery["token_endpoint"] = "http://127.0.0.1:1/token"
        plain = Provider(settings_for(server, tmp_path, ca_file=str(certificate)))
        with pytest.raises(TryLater, match="without TLS"):
            await sign_in(plain, server, env)
        with pytest.raises(TryLater, match="SSLCertVerificationError"):
            await sign_in(Provider(settings_for(server, tmp_path)), server, env)
    finally:
        server.close()


def self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "id.example")])
    now = dt.datetime.now(dt.UTC)
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(host, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "tls.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


# --- requests ---


async def raw_server(answer: bytes, *, drip: float = 0.0) -> tuple[asyncio.Server, str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            for at in range(0, len(answer), 1 if drip else len(answer)):
                writer.write(answer[at : at + 1] if drip else answer)
                await writer.drain()
                await asyncio.sleep(drip)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/?a=b"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MAX_BODY + 70_000),
    ],
)
async def test_what_is_no_whole_answer_is_a_fault_of_the_provider(answer: bytes) -> None:
    server, url = await raw_server(answer)
    async with server:
        with pytest.raises(TryLater):
            await fetch(url, tls=ssl.create_default_context())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
    ],
)
async def test_bodies_in_every_framing(answer: bytes) -> None:
    server, url = await raw_server(answer)
    async with server:
        assert await fetch(url, tls=ssl.create_default_context()) == http.Answer(200, b"{}")


async def test_a_provider_that_drips_holds_nobody_up() -> None:
    server, url = await raw_server(b"HTTP/1.1 200 OK\r\n" * 100, drip=0.5)
    async with server:
        started = time.monotonic()
        with pytest.raises(TryLater, match="TimeoutError"):
            await fetch(url, tls=ssl.create_default_context(), seconds=0.2)
        assert time.monotonic() - started < 30


async def test_nobody_there() -> None:
    with pytest.raises(TryLater):
        await fetch("http://127.0.0.1:1/", tls=ssl.create_default_context())
