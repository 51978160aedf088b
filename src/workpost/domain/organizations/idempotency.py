"""ClientToken: a call that is repeated within a day has the answer of the first, and no effect.

The token is taken by the first statement of the transaction that has the effect, so that of two
calls at the same moment one waits, and then answers as the other did. A failed call leaves nothing
behind: its token is free again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from workpost.kernel.errors import Fault, InvalidParameter, TryLater
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import client_tokens

R = TypeVar("R")

LIFETIME_MS = 24 * 60 * 60 * 1000
EXPIRE_SLICE = 500


class ClientToken(msgspec.Struct, frozen=True):
    """A token of a call: whose, for which action, and what was asked."""

    account: str
    operation: str
    token: str
    fingerprint: bytes
    """A keyed hash of the other parameters."""


class Recalled(msgspec.Struct, frozen=True):
    """The answer of the first call, still packed."""

    result: bytes


def with_token(tx: Tx, token: ClientToken | None, kind: type[R], work: Callable[[], R]) -> R:
    """Run `work` unless the token has run it before, and return its result, plain data of `kind`.

    Call it before any other statement of the command. Raises InvalidParameter when the token came
    with other parameters, and whatever `work` raises.
    """
    if token is None:
        return work()
    taken = client_tokens.claim_client_token(
        tx,
        account=token.account,
        op=token.operation,
        token=token.token,
        fingerprint=token.fingerprint,
        expires=tx.env.now() + LIFETIME_MS,
    )
    if not taken:
        recalled = recall(tx, token=token)
        if recalled is None:
            raise TryLater("The ClientToken expired at this moment.")
        return read_result(recalled, kind)
    result = work()
    client_tokens.set_token_result(
        tx,
        account=token.account,
        op=token.operation,
        token=token.token,
        result=msgspec.msgpack.encode(result),
    )
    return result


@quick
def recall(tx: Reader, *, token: ClientToken | None) -> Recalled | None:
    """What the first call with this token has answered, None before there was one.

    For shells that have work to do, or to refuse, before their command. Raises InvalidParameter
    when the token came with other parameters.
    """
    if token is None:
        return None
    found = client_tokens.get_client_token(
        tx, account=token.account, op=token.operation, token=token.token
    )
    if found is None:
        return None
    fingerprint, result = found
    if fingerprint != token.fingerprint:
        raise InvalidParameter("The ClientToken was used before, with other parameters.")
    if result is None:
        raise Fault(f"the token of {token.operation} has no result")
    return Recalled(result)


def read_result(recalled: Recalled, kind: type[R]) -> R:
    """The result of the first call."""
    return msgspec.msgpack.decode(recalled.result, type=kind)


@command
def expire_tokens(tx: Tx) -> int:
    """Forget up to 500 expired tokens; returns how many there were."""
    return client_tokens.delete_expired_tokens(tx, limit=EXPIRE_SLICE)
