"""An order for one certificate, by the library of certbot; blocking, so run it in a thread.

Challenges are HTTP-01 (RFC 8555 8.3). Their answers follow from the token and the account key
alone, so nothing is published for a single challenge: whoever knows the key's thumbprint answers.
The library is loaded with the first order.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from acme import messages
    from acme.client import ClientV2

REQUEST_SECONDS = 30
USER_AGENT = "workpost"
MOST_REASON = 500
"""Characters of an authority's explanation that are passed on."""


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """Where certificates come from; `ca_file` is trusted for it instead of the machine's own."""

    directory: str
    contact: tuple[str, ...] = ()
    ca_file: str = ""


class OrderFailed(Exception):
    """There is no certificate; the message says why, `names` are those that were not proven."""

    def __init__(self, message: str, names: tuple[str, ...] = ()) -> None:
        super().__init__(message[:MOST_REASON])
        self.names = names


class AuthorityAway(OrderFailed):
    """The authority could not be asked, and so counts nothing."""


def new_account_key() -> str:
    """A key of an account (P-256), as a JWK in JSON. It is a secret."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from josepy.jwk import JWKEC

    key = JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
    return json.dumps(key.to_json())


def thumbprint(account_key: str) -> str:
    """The thumbprint of an account key (RFC 7638), base64url; it is public."""
    from josepy.b64 import b64encode

    key = _read_key(account_key)
    return b64encode(key.thumbprint()).decode()


def _read_key(account_key: str) -> Any:
    from josepy.jwk import JWKEC

    return JWKEC.from_json(json.loads(account_key))


def order(authority: Authority, account_key: str, csr: bytes, *, seconds: float) -> str:
    """Order a certificate for the names of a CSR (PEM); returns the chain in PEM, ours first.

    The caller answers the authority's questions on port 80 meanwhile, and has agreed to its terms
    of service. The account is made with the first order of a key. Raises OrderFailed after
    `seconds` at the latest, or a request more.
    """
    import requests
    from acme import errors, messages

    try:
        return _order(authority, account_key, csr, seconds)
    except errors.ValidationError as error:
        raise _not_proven(error.failed_authzrs) from error
    except messages.Error as error:
        names = tuple(sub.identifier.value for sub in error.subproblems or () if sub.identifier)
        raise OrderFailed(f"{error.code or error.typ}: {error.detail}", names) from error
    except errors.TimeoutError as error:
        raise OrderFailed("the authority took too long to decide") from error
    except requests.RequestException as error:
        reason = type(error).__name__
        raise AuthorityAway(f"{authority.directory} cannot be asked: {reason}") from error
    except (errors.Error, ValueError, KeyError, TypeError) as error:
        # What the library raises for answers that are not ACME's.
        raise OrderFailed(f"the authority's answer cannot be used: {error}") from error


def _order(authority: Authority, account_key: str, csr: bytes, seconds: float) -> str:
    from acme import challenges, messages

    deadline = dt.datetime.now() + dt.timedelta(seconds=seconds)  # noqa: DTZ005 - the library's
    client = _connect(authority, account_key)
    placed = client.new_order(csr)
    for authorization in placed.authorizations:
        if authorization.body.status == messages.STATUS_VALID:
            continue
        for challenge in authorization.body.challenges:
            if isinstance(challenge.chall, challenges.HTTP01):
                client.answer_challenge(challenge, challenge.chall.response(client.net.key))
                break
        else:
            name = authorization.body.identifier.value
            raise OrderFailed(f"the authority does not offer HTTP-01 for {name}", (name,))
    done = client.poll_and_finalize(placed, deadline)
    chain: str = done.fullchain_pem
    return chain


def _connect(authority: Authority, account_key: str) -> ClientV2:
    """A client with its account, made at the authority if need be."""
    from acme import client, errors, messages
    from josepy.jwa import ES256

    net = client.ClientNetwork(
        _read_key(account_key),
        alg=ES256,
        # A path to trust, which the library hands on as it is.
        verify_ssl=authority.ca_file or True,  # type: ignore[arg-type]
        user_agent=USER_AGENT,
        timeout=REQUEST_SECONDS,
    )
    directory = client.ClientV2.get_directory(authority.directory, net)
    made = client.ClientV2(directory, net)
    wish = messages.NewRegistration(
        contact=tuple(f"mailto:{address}" for address in authority.contact),
        terms_of_service_agreed=True,
    )
    try:
        made.new_account(wish)
    except errors.ConflictError as error:
        body = messages.Registration()
        net.account = messages.RegistrationResource(body=body, uri=error.location)
    return made


def _not_proven(failed: list[messages.AuthorizationResource]) -> OrderFailed:
    reasons = []
    names = []
    for authorization in failed:
        name = authorization.body.identifier.value
        names.append(name)
        reasons += [
            f"{name}: {challenge.error.detail}"
            for challenge in authorization.body.challenges
            if challenge.error is not None
        ]
    return OrderFailed("; ".join(reasons), tuple(names))
