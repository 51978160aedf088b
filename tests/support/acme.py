"""A certificate authority of ours that speaks ACME (RFC 8555) on a real socket, with TLS.

It checks what an authority checks: nonces, signatures, URLs in them, accounts, and HTTP-01 by a
request to the port that `ports` has for the name. It can be told to misbehave.
"""

from __future__ import annotations

import base64
import datetime as dt
import http.client
import json
import secrets
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jwk, jws

JSON = "application/json"
PROBLEM = "application/problem+json"


class Refused(Exception):
    def __init__(self, kind: str, detail: str, status: int = 400, subproblems: Any = None) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail}
        if subproblems:
            self.body["subproblems"] = subproblems


class AcmeServer:
    """`directory` is its URL, `ca_file` what a client trusts; issued certificates chain to it."""

    def __init__(self, folder: Path) -> None:
        self.ports: dict[str, int] = {}
        """Where port 80 of each name is; a name that is not here has no address."""
        self.lifetime = dt.timedelta(days=90)
        self.bad_nonces = 0
        """So many requests are told that their nonce is not good."""
        self.refused_names: set[str] = set()
        """Names that are refused with the order (CAA, policy)."""
        self.issued: list[x509.Certificate] = []
        self.contacts: list[list[str]] = []
        self.asked: list[str] = []
        """URLs of HTTP-01."""
        self._nonces: set[str] = set()
        self._accounts: dict[str, Any] = {}
        self._orders: dict[str, dict[str, Any]] = {}
        self._authorizations: dict[str, dict[str, Any]] = {}
        self._chains: dict[str, str] = {}
        self._lock = threading.RLock()
        self._make_authority(folder)
        authority = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                authority._serve(self, None)

            def do_GET(self) -> None:
                authority._serve(self, None)

            def do_POST(self) -> None:
                authority._serve(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "acme-server.pem")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_address[1]}"
        self.directory = f"{self.url}/directory"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # --- the authority's own keys ---

    def _make_authority(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self._authority = self._sign(name, name, self._key.public_key(), [], ca=True)
        self.ca_file = folder / "acme-ca.pem"
        self.ca_file.write_bytes(self._authority.public_bytes(serialization.Encoding.PEM))
        key = ec.generate_private_key(ec.SECP256R1())
        own = self._sign(x509.Name([]), name, key.public_key(), ["localhost"])
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (folder / "acme-server.pem").write_bytes(pem + own.public_bytes(serialization.Encoding.PEM))

    def _sign(
        self, subject: x509.Name, issuer: x509.Name, key: Any, names: list[str], ca: bool = False
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=1))
            .not_valid_after(now + self.lifetime)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
        )
        if names:
            san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(san, critical=not list(subject))
        if ca:
            usage = dict.fromkeys(
                [
                    *("digital_signature", "content_commitment", "key_encipherment"),
                    *("data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
                ],
                False,
            )
            builder = builder.add_extension(
                x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True
            )
        return builder.sign(self._key, hashes.SHA256())

    # --- requests ---

    def _serve(self, request: BaseHTTPRequestHandler, body: bytes | None) -> None:
        headers: dict[str, str] = {}
        with self._lock:
            try:
                status, kind, answer, headers = self._route(request.path, body, request.headers)
            except Refused as refused:
                status, kind = refused.status, PROBLEM
                answer = json.dumps(refused.body).encode()
            nonce = secrets.token_urlsafe(12)
            self._nonces.add(nonce)
        request.send_response(status)
        fields = {"Content-Type": kind, "Replay-Nonce": nonce, "Content-Length": str(len(answer))}
        for name, value in {**fields, **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(answer)

    def _route(
        self, path: str, body: bytes | None, headers: Any
    ) -> tuple[int, str, bytes, dict[str, str]]:
        if path == "/directory":
            names = ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange")
            listing = {name: f"{self.url}/{name}" for name in names}
            return 200, JSON, json.dumps(listing).encode(), {}
        if path == "/newNonce":
            return 200, JSON, b"", {}
        if body is None:
            raise Refused("malformed", "POST is needed", 405)
        account, key, payload = self._open(path, body, headers)
        if path == "/newAccount":
            return self._new_account(key, payload)
        kind, _, id = path.lstrip("/").partition("/")
        if kind == "newOrder":
            return self._new_order(account, payload)
        if kind == "order":
            return self._shown(self._orders[id])
        if kind == "authorization":
            return self._shown(self._authorizations[id])
        if kind == "challenge":
            return self._challenge(id, key)
        if kind == "finalize":
            return self._finalize(id, payload)
        if kind == "certificate":
            return 200, "application/pem-certificate-chain", self._chains[id].encode(), {}
        raise Refused("malformed", "no such resource", 404)

    def _open(self, path: str, body: bytes, headers: Any) -> tuple[str, Any, dict[str, Any]]:
        """RFC 8555 6.2 to 6.5."""
        if headers["Content-Type"] != "application/jose+json":
            raise Refused("malformed", "not application/jose+json", 415)
        message = json.loads(body)
        head = json.loads(_decode(message["protected"]))
        if head["url"] != self.url + path:
            raise Refused("unauthorized", "the url is another one", 401)
        if head["nonce"] not in self._nonces or self.bad_nonces:
            self.bad_nonces = max(0, self.bad_nonces - 1)
            raise Refused("badNonce", "that nonce is not good")
        self._nonces.remove(head["nonce"])
        if ("jwk" in head) == ("kid" in head) or ("jwk" in head) != (path == "/newAccount"):
            raise Refused("malformed", "one of jwk and kid is needed")
        account = head.get("kid", "")
        if account and account not in self._accounts:
            raise Refused("accountDoesNotExist", "no such account")
        key = jwk.ECKey.import_key(head["jwk"]) if "jwk" in head else self._accounts[account]
        compact = ".".join((message["protected"], message["payload"], message["signature"]))
        registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
        payload = jws.deserialize_compact(compact, key, registry=registry).payload
        return account, key, json.loads(payload) if payload else {}

    def _new_account(self, key: Any, payload: Any) -> tuple[int, str, bytes, dict[str, str]]:
        if not payload.get("termsOfServiceAgreed"):
            raise Refused("userActionRequired", "the terms are not agreed to", 403)
        place = f"{self.url}/account/{key.thumbprint()}"
        known = place in self._accounts
        self._accounts[place] = key
        if not known:
            self.contacts.append(payload.get("contact", []))
        shown = json.dumps({"status": "valid", "contact": payload.get("contact", [])}).encode()
        return 200 if known else 201, JSON, shown, {"Location": place}

    def _new_order(self, account: str, payload: Any) -> tuple[int, str, bytes, dict[str, str]]:
        names = [each["value"] for each in payload["identifiers"]]
        wrong = [name for name in names if name in self.refused_names]
        if wrong:
            parts = [
                {
                    "type": "urn:ietf:params:acme:error:rejectedIdentifier",
                    "detail": "policy forbids it",
                    "identifier": {"type": "dns", "value": name},
                }
                for name in wrong
            ]
            raise Refused("rejectedIdentifier", "policy forbids names", 400, parts)
        id = secrets.token_hex(4)
        urls = []
        for name in names:
            one = secrets.token_hex(4)
            challenge = {
                "type": "http-01",
                "url": f"{self.url}/challenge/{one}",
                "token": secrets.token_urlsafe(24),
                "status": "pending",
            }
            self._authorizations[one] = {
                "identifier": {"type": "dns", "value": name},
                "status": "pending",
                "challenges": [challenge],
                "order": id,
            }
            urls.append(f"{self.url}/authorization/{one}")
        order = {
            "status": "pending",
            "identifiers": payload["identifiers"],
            "authorizations": urls,
            "finalize": f"{self.url}/finalize/{id}",
        }
        self._orders[id] = order
        _, kind, shown, _ = self._shown(order)
        return 201, kind, shown, {"Location": f"{self.url}/order/{id}"}

    def _shown(self, what: dict[str, Any]) -> tuple[int, str, bytes, dict[str, str]]:
        return 200, JSON, json.dumps(what).encode(), {}

    def _challenge(self, id: str, key: Any) -> tuple[int, str, bytes, dict[str, str]]:
        """Ask at once; what was found is in the authorization (RFC 8555 8.3)."""
        one = self._authorizations[id]
        (challenge,) = one["challenges"]
        name = one["identifier"]["value"]
        expected = f"{challenge['token']}.{key.thumbprint()}"
        found = self._fetch(name, f"/.well-known/acme-challenge/{challenge['token']}")
        state = "valid" if found == expected else "invalid"
        one["status"] = challenge["status"] = state
        if state == "invalid":
            detail = f"{name} answered {found!r}"
            challenge["error"] = {
                "type": "urn:ietf:params:acme:error:unauthorized",
                "detail": detail,
            }
        order = self._orders[one["order"]]
        states = {
            self._authorizations[url.rpartition("/")[2]]["status"]
            for url in order["authorizations"]
        }
        order["status"] = (
            "invalid" if "invalid" in states else "pending" if "pending" in states else "ready"
        )
        up = f'<{self.url}/authorization/{id}>;rel="up"'
        return 200, JSON, json.dumps(challenge).encode(), {"Link": up}

    def _fetch(self, name: str, path: str) -> str:
        self.asked.append(f"http://{name}{path}")
        if name not in self.ports:
            return "nothing: no address"
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.ports[name], timeout=30)
            connection.request("GET", path, headers={"Host": name})
            answer = connection.getresponse()
            body = answer.read(1000).decode()
            connection.close()
        except OSError as error:
            return f"nothing: {error}"
        return body.rstrip() if answer.status == 200 else f"status {answer.status}"

    def _finalize(self, id: str, payload: Any) -> tuple[int, str, bytes, dict[str, str]]:
        order = self._orders[id]
        if order["status"] != "ready":
            raise Refused("orderNotReady", "names are not proven", 403)
        csr = x509.load_der_x509_csr(_decode(payload["csr"]))
        wanted = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = wanted.get_values_for_type(x509.DNSName)
        if not csr.is_signature_valid or set(names) != {
            each["value"] for each in order["identifiers"]
        }:
            raise Refused("badCSR", "the request is of other names")
        made = self._sign(x509.Name([]), self._authority.subject, csr.public_key(), names)
        self.issued.append(made)
        self._chains[id] = "".join(
            one.public_bytes(serialization.Encoding.PEM).decode() for one in (made, self._authority)
        )
        order |= {"status": "valid", "certificate": f"{self.url}/certificate/{id}"}
        return self._shown(order)


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
