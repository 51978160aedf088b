"""ID tokens: OpenID Connect Core 3.1.3.7, with real signatures."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwk, jws

from tests.support.oidc import KEYS, sign
from workpost.integrations.oidc.id_token import (
    MAX_TOKEN,
    Claims,
    UnknownKey,
    read_keys,
    verify_id_token,
)
from workpost.kernel.errors import AuthenticationFailed

NOW = 1_800_000_000
GOOD: dict[str, Any] = {
    "iss": "https://id.example",
    "sub": "someone",
    "aud": "workpost",
    "iat": NOW - 5,
    "exp": NOW + 300,
    "nonce": "the nonce",
    "preferred_username": "ada",
}
JWKS = json.dumps({"keys": [key.as_dict(private=False) for key in KEYS.values()]}).encode()
PUBLIC = read_keys(JWKS)


def verify(token: str, keys: Any = PUBLIC, **changes: Any) -> Claims:
    expected: dict[str, Any] = {
        "issuer": "https://id.example",
        "client_id": "workpost",
        "nonce": "the nonce",
        "now": NOW,
    }
    return verify_id_token(token, keys, **{**expected, **changes})


def claims(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**GOOD, **changes}.items() if value is not None}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_good_token_tells_its_claims(algorithm: str) -> None:
    told = verify(sign(GOOD, algorithm))
    assert (told.sub, told.text("preferred_username"), told.text("none")) == ("someone", "ada", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://id.example/"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": ["workpost", "another"]},
        {"aud": ["workpost", "another"], "azp": "another"},
        {"azp": "another"},
        {"aud": 5},
        {"exp": NOW - 60},
        {"exp": None},
        {"exp": "9999999999"},
        {"iat": NOW + 61},
        {"iat": NOW - 601},
        {"iat": None},
        {"nbf": NOW + 61},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": None},
        {"sub": 5},
    ],
)
@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_claims_that_refuse_a_token(algorithm: str, changes: dict[str, Any]) -> None:
    with pytest.raises(AuthenticationFailed):
        verify(sign(claims(**changes), algorithm))


def test_an_authorized_party_and_clocks_that_differ_are_taken() -> None:
    several = claims(aud=["another", "workpost"], azp="workpost", exp=NOW - 59, nbf=NOW + 59)
    assert verify(sign(several)).azp == "workpost"


TOKENS = {algorithm: sign(GOOD, algorithm) for algorithm in KEYS}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(TOKENS)), st.data())
def test_tampering_with_any_character_refuses(algorithm: str, data: st.DataObject) -> None:
    token = TOKENS[algorithm]
    at = data.draw(st.integers(0, len(token) - 1))
    to = data.draw(st.characters(min_codepoint=0, max_codepoint=0x17F).filter(token[at].__ne__))
    with pytest.raises((AuthenticationFailed, UnknownKey)):
        verify(token[:at] + to + token[at + 1 :])


@pytest.mark.parametrize("algorithm", sorted(TOKENS))
def test_the_last_character_of_a_signature_has_one_form(algorithm: str) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = TOKENS[algorithm]
    for other in alphabet.replace(token[-1], ""):
        with pytest.raises(AuthenticationFailed):
            verify(token[:-1] + other)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80) | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises((AuthenticationFailed, UnknownKey)):
        verify(text)


def unsigned(header: dict[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(GOOD).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.mark.parametrize("algorithm", ["none", "None", "", "HS256", "RSA1_5", "dir", "EdDSA"])
def test_algorithms_that_are_never_taken(algorithm: str) -> None:
    with pytest.raises(AuthenticationFailed):
        verify(unsigned({"alg": algorithm, "kid": "rsa-1"}))


def test_a_public_key_is_never_the_secret_of_an_hmac() -> None:
    pem = KEYS["RS256"].as_pem(private=False)
    head = {"alg": "HS256", "kid": "rsa-1"}
    key = jwk.OctKey.import_key(base64.urlsafe_b64encode(pem).decode())
    token = jws.serialize_compact(head, json.dumps(GOOD).encode(), key, algorithms=["HS256"])
    with pytest.raises(AuthenticationFailed):
        verify(token)


def test_a_key_signs_with_its_own_algorithm_only() -> None:
    with pytest.raises(UnknownKey):
        verify(sign(GOOD, "ES256", kid="rsa-1"))
    stated = json.dumps({"keys": [{**KEYS["RS256"].as_dict(private=False), "alg": "RS512"}]})
    with pytest.raises(UnknownKey):
        verify(sign(GOOD), read_keys(stated.encode()))


def test_extensions_that_must_be_understood_are_refused() -> None:
    for more in ({"crit": ["exp"], "exp": 1}, {"b64": False}):
        with pytest.raises(AuthenticationFailed):
            verify(unsigned({"alg": "RS256", "kid": "rsa-1", **more}, b"x" * 256))


def test_a_token_without_a_key_id_is_tried_with_all_keys() -> None:
    head = {"alg": "RS256"}
    payload = json.dumps(GOOD).encode()
    token = jws.serialize_compact(head, payload, KEYS["RS256"], algorithms=["RS256"])
    assert verify(token).sub == "someone"


def test_a_strangers_key_under_a_known_id_is_refused() -> None:
    stranger = jwk.RSAKey.generate_key(2048, {"kid": "rsa-1"})
    with pytest.raises(AuthenticationFailed):
        verify(sign(GOOD, "RS256", stranger))


def test_a_token_that_is_too_long() -> None:
    with pytest.raises(AuthenticationFailed):
        verify(sign(claims(extra="x" * MAX_TOKEN)))


def test_keys_that_cannot_verify_are_left_out() -> None:
    rsa = KEYS["RS256"].as_dict(private=False)
    keys = [
        rsa,
        {**rsa, "use": "enc"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "new"},
        {},
        "text",
    ]
    assert [key.kid for key in read_keys(json.dumps({"keys": keys}).encode())] == ["rsa-1"]


@given(st.binary(max_size=60))
def test_any_document_is_a_set_of_keys_or_refused(document: bytes) -> None:
    with pytest.raises(ValueError):
        read_keys(document)
