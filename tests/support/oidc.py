"""A small OpenID Connect provider on a real socket, that can be told to misbehave."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from joserfc import jwk, jws

CLIENT = "workpost"
SECRET = "s3cret of the client&+"
INSTANCE = "arn:aws:sso:::instance/ssoins-1234567890abcdef"
ADA = "9f2d3c4b-1111-2222-3333-0123456789ab"

KEYS: dict[str, Any] = {
    "RS256": jwk.RSAKey.generate_key(2048, {"kid": "rsa-1"}),
    "ES256": jwk.ECKey.generate_key("P-256", {"kid": "ec-1"}),
}
"""Made once: an RSA key costs a tenth of a second."""


def sign(claims: dict[str, Any], algorithm: str = "RS256", key: Any = None, **header: Any) -> str:
    """A token with these claims."""
    key = key or KEYS[algorithm]
    head = {"alg": algorithm, "kid": key.kid, **header}
    payload = json.dumps(claims).encode()
    return jws.serialize_compact(head, payload, key, algorithms=[algorithm])


class OidcProvider:
    """Signs in whoever `person` is; the other attributes change how it behaves."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, client_secret: str = SECRET) -> None:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                provider.answer(self, b"")

            def do_POST(self) -> None:
                provider.answer(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.issuer = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        self.client_secret = client_secret
        self.person: dict[str, Any] = {"sub": ADA, "preferred_username": "ada"}
        self.userinfo: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        """Replace claims of ID tokens; None leaves one out."""
        self.discovery: dict[str, Any] = {}
        self.algorithm = "RS256"
        self.key = KEYS["RS256"]
        self.published: list[Any] = [KEYS["RS256"], KEYS["ES256"]]
        self.status: dict[str, int] = {}
        self.bodies: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.codes: dict[str, dict[str, str]] = {}
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def settings(self, account: str, **more: Any) -> dict[str, Any]:
        """The keys of `[[identity.providers]]` for it."""
        base = {"account": account, "instance_arn": INSTANCE, "issuer": self.issuer}
        return {**base, "client_id": CLIENT, **more}

    def sign_in(self, url: str) -> dict[str, str]:
        """What a browser does at `url`: returns the parameters of the redirect back."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return {"code": code, "state": query["state"]}

    # --- answers ---

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        path = urlsplit(handler.path).path
        self.requests.append(path)
        status, document = self._document(path, handler, body)
        status = self.status.get(path, status)
        content = self.bodies.get(path, json.dumps(document).encode())
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def _document(
        self, path: str, handler: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[int, dict[str, Any]]:
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                **self.discovery,
            }
        if path == "/jwks":
            return 200, {"keys": [key.as_dict(private=False) for key in self.published]}
        if path == "/userinfo":
            assert handler.headers["Authorization"] == "Bearer an access token"
            return 200, {"sub": self.person["sub"], **self.userinfo}
        if path == "/token":
            return self._token(handler, parse_qs(body.decode()))
        return 404, {}

    def _token(
        self, handler: BaseHTTPRequestHandler, form: dict[str, list[str]]
    ) -> tuple[int, dict[str, Any]]:
        if not self._knows_client(handler.headers.get("Authorization", ""), form):
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form["code"][0], None)
        verifier = form["code_verifier"][0].encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=")
        if (
            asked is None
            or form["grant_type"] != ["authorization_code"]
            or form["redirect_uri"][0] != asked["redirect_uri"]
            or challenge.decode() != asked["code_challenge"]
        ):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.person,
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        token = sign(claims, self.algorithm, self.key)
        return 200, {"id_token": token, "access_token": "an access token", "token_type": "Bearer"}

    def _knows_client(self, authorization: str, form: dict[str, list[str]]) -> bool:
        if not self.client_secret:
            return form.get("client_id") == [CLIENT] and not authorization
        if "client_secret" in form:
            return form["client_secret"] == [self.client_secret]
        pair = f"{quote(CLIENT, safe='')}:{urlencode({'': self.client_secret})[1:]}"
        return authorization == "Basic " + base64.b64encode(pair.encode()).decode()
