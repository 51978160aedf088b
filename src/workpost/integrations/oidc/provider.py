"""An OpenID Connect provider as we use it: the authorization code flow with PKCE (RFC 7636).

What it publishes (the discovery document and its keys) is kept for an hour. Keys are read anew,
at most every half minute, when a token names one that is not known: providers rotate them without
notice.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from workpost.integrations.oidc.http import Answer, fetch
from workpost.integrations.oidc.id_token import (
    Claims,
    UnknownKey,
    VerifyingKey,
    read_keys,
    refuse,
    verify_id_token,
)
from workpost.kernel.clock import Environment
from workpost.kernel.errors import TryLater
from workpost.kernel.outside_settings import IdentityProvider

T = TypeVar("T")

KEPT_SECONDS = 3600.0
ROTATION_SECONDS = 30.0
BASIC = "client_secret_basic"


class Metadata(msgspec.Struct, frozen=True):
    """What we use of the discovery document (OpenID Connect Discovery 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = (BASIC,)
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    error: str = ""


class SignedIn(msgspec.Struct, frozen=True):
    """Who has signed in: the values of the two claims that the settings name."""

    user_id: str
    user_name: str
    """"" when the provider does not tell."""


class Provider:
    """One provider, with what is known of it by now."""

    def __init__(self, settings: IdentityProvider) -> None:
        self.settings = settings
        self._tls: ssl.SSLContext | None = None
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, list[VerifyingKey]] | None = None

    async def authorization_url(
        self, env: Environment, *, redirect_uri: str, state: str, nonce: str, verifier: str
    ) -> str:
        """Where to send the browser (OpenID Connect Core 3.1.2.1). Raises TryLater."""
        metadata = await self._discover(env)
        challenge = hashlib.sha256(verifier.encode()).digest()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self.settings.client_id,
                "redirect_uri": redirect_uri,
                "scope": self.settings.scope,
                "state": state,
                "nonce": nonce,
                "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
                "code_challenge_method": "S256",
            }
        )
        endpoint = metadata.authorization_endpoint
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{query}"

    async def finish(
        self,
        env: Environment,
        *,
        code: str,
        issuer: str | None,
        redirect_uri: str,
        nonce: str,
        verifier: str,
    ) -> SignedIn:
        """Exchange the code and verify what comes for it.

        `issuer` is the `iss` parameter of the redirect (RFC 9207), None where there was none.
        Raises AuthenticationFailed, TryLater when the provider cannot be reached or does not work.
        """
        metadata = await self._discover(env)
        missing = issuer is None and metadata.authorization_response_iss_parameter_supported
        if missing or issuer not in (None, metadata.issuer):
            raise refuse("another issuer answered")
        tokens = await self._exchange(metadata, code, redirect_uri, verifier)
        claims = await self._verify(env, metadata, tokens.id_token, nonce)
        user_id = claims.text(self.settings.user_id_claim)
        if not user_id:
            raise refuse(f"it has no claim {self.settings.user_id_claim}")
        name = claims.text(self.settings.user_name_claim)
        if not name and metadata.userinfo_endpoint and tokens.access_token:
            name = await self._ask_name(metadata, tokens.access_token, claims.sub)
        return SignedIn(user_id, name)

    # --- what the provider publishes ---

    async def _discover(self, env: Environment) -> Metadata:
        now = env.monotonic()
        if self._metadata is not None and now - self._metadata[0] < KEPT_SECONDS:
            return self._metadata[1]
        # Discovery 4.1: a slash at the end of the issuer goes before the path is added.
        self._tls = None
        url = self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
        metadata = self._decode(await self._get(url), Metadata)
        if metadata.issuer != self.settings.issuer:
            raise self._broken("its discovery document is that of another issuer")
        for endpoint in (
            metadata.authorization_endpoint,
            metadata.token_endpoint,
            metadata.jwks_uri,
            metadata.userinfo_endpoint or self.settings.issuer,
        ):
            if _scheme(endpoint) not in {"https", _scheme(self.settings.issuer)}:
                raise self._broken("its discovery document names an endpoint without TLS")
        self._metadata = (now, metadata)
        return metadata

    async def _load_keys(self, env: Environment, metadata: Metadata) -> list[VerifyingKey]:
        body = (await self._get(metadata.jwks_uri)).body
        try:
            keys = read_keys(body)
        except ValueError:
            raise self._broken("its keys cannot be read") from None
        self._keys = (env.monotonic(), keys)
        return keys

    async def _verify(self, env: Environment, metadata: Metadata, token: str, nonce: str) -> Claims:
        now = env.monotonic()
        known = self._keys
        if known is None or now - known[0] >= KEPT_SECONDS:
            known = (now, await self._load_keys(env, metadata))
            fresh = True
        else:
            fresh = now - known[0] < ROTATION_SECONDS
        expected: dict[str, Any] = {
            "issuer": metadata.issuer,
            "client_id": self.settings.client_id,
            "nonce": nonce,
            "now": env.now() / 1000,
        }
        try:
            return verify_id_token(token, known[1], **expected)
        except UnknownKey:
            if fresh:
                raise refuse("no key of the provider is meant") from None
        try:
            return verify_id_token(token, await self._load_keys(env, metadata), **expected)
        except UnknownKey:
            raise refuse("no key of the provider is meant") from None

    # --- requests ---

    async def _exchange(
        self, metadata: Metadata, code: str, redirect_uri: str, verifier: str
    ) -> _Tokens:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers: dict[str, str] = {}
        client, secret = self.settings.client_id, await self._secret()
        if not secret:
            form["client_id"] = client
        elif BASIC in metadata.token_endpoint_auth_methods_supported:
            # RFC 6749 2.3.1: both are form-encoded before base64.
            pair = f"{quote_plus(client)}:{quote_plus(secret)}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        else:
            form |= {"client_id": client, "client_secret": secret}
        answer = await fetch(
            metadata.token_endpoint,
            tls=await self._context(),
            headers=headers,
            form=urlencode(form).encode(),
        )
        if answer.status == 200:
            return self._decode(answer, _Tokens)
        error = self._error_of(answer)
        if error == "invalid_grant":
            raise refuse("the code is not valid any more")
        raise self._broken(f"its token endpoint answered {answer.status} {error}".rstrip())

    @staticmethod
    def _error_of(answer: Answer) -> str:
        """The error code of RFC 6749 5.2, "" for an answer that is none."""
        try:
            error = msgspec.json.decode(answer.body, type=_Refusal).error
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return ""
        return error if error.isascii() and error.isprintable() and len(error) <= 64 else ""

    async def _ask_name(self, metadata: Metadata, access_token: str, subject: str) -> str:
        """The user's name from the userinfo endpoint (OpenID Connect Core 5.3)."""
        if not access_token.isascii() or not access_token.isprintable():
            raise refuse("its access token is none")
        headers = {"Authorization": f"Bearer {access_token}"}
        told = self._decode(await self._get(metadata.userinfo_endpoint, headers), dict[str, Any])
        if told.get("sub") != subject:
            raise refuse("its userinfo is about somebody else")
        name = told.get(self.settings.user_name_claim)
        return name if isinstance(name, str) else ""

    async def _get(self, url: str, headers: dict[str, str] | None = None) -> Answer:
        answer = await fetch(url, tls=await self._context(), headers=headers)
        if answer.status != 200:
            raise self._broken(f"it answered {answer.status} for {urlsplit(url).path}")
        return answer

    def _decode(self, answer: Answer, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise self._broken("its answer cannot be read") from None

    def _broken(self, why: str) -> TryLater:
        return TryLater(f"The identity provider {self.settings.issuer} does not work: {why}.")

    # --- files ---

    async def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = await self._read(
                lambda: ssl.create_default_context(cafile=self.settings.ca_file or None)
            )
        return self._tls

    async def _secret(self) -> str:
        if not self.settings.client_secret_file:
            return ""
        path = Path(self.settings.client_secret_file)
        secret: str = await self._read(lambda: path.read_text("utf-8").strip())
        return secret

    async def _read(self, work: Any) -> Any:
        try:
            return await asyncio.to_thread(work)
        except (OSError, UnicodeDecodeError) as error:
            reason = f"a file of its settings cannot be read ({type(error).__name__})"
            raise self._broken(reason) from None


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


@cache
def provider_of(settings: IdentityProvider) -> Provider:
    """The process's one `Provider` of these settings."""
    return Provider(settings)
