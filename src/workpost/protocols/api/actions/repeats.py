"""ClientToken as the domain takes it."""

from __future__ import annotations

import hashlib

import orjson

from workpost.domain.organizations.idempotency import ClientToken
from workpost.protocols.api.actions.context import Api, Document
from workpost.protocols.api.call import Call


async def client_token(api: Api, call: Call, document: Document) -> ClientToken | None:
    """The call's token with a fingerprint of all other parameters, None where it has none.

    The fingerprint is keyed: parameters may be passwords. Raises TryLater.
    """
    token = document.get(call.operation.token) if call.operation.token else None
    if not token:
        return None
    rest = {name: value for name, value in document.items() if name != call.operation.token}
    key = await api.core.keys.token_key("client tokens")
    packed = orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)
    return ClientToken(
        account=call.account,
        operation=call.operation.name,
        token=token,
        fingerprint=hashlib.blake2b(packed, digest_size=16, key=key).digest(),
    )
