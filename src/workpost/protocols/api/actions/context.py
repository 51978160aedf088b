"""What every handler is given beside its call: the core, and the page tokens of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from workpost.domain.access.accounts import administer
from workpost.domain.directory.listing import EntityFilter
from workpost.integrations.s3.mapping import Depots
from workpost.kernel.errors import InvalidParameter
from workpost.kernel.principal import Grant
from workpost.protocols.api.call import Call
from workpost.protocols.api.pagination import PageTokens, Position
from workpost.store.core import Core

MAX_RESULTS = 100
_NOT_BOUND = {"OrganizationId", "MaxResults", "NextToken"}

Document = Mapping[str, Any]


class Api(msgspec.Struct, frozen=True):
    """The API of one process."""

    core: Core
    tokens: PageTokens
    depots: Depots = msgspec.field(default_factory=Depots)


def grant_of(call: Call, document: Document) -> Grant:
    """The grant of a call that IAM has allowed; the domain checks who owns the organization."""
    return administer(
        account=call.account,
        caller=call.caller,
        organization=document.get("OrganizationId", ""),
        address=call.peer,
    )


def page_limit(document: Document) -> int:
    """MaxResults, 100 where it is not given."""
    return int(document.get("MaxResults", MAX_RESULTS))


def page_start(api: Api, call: Call, document: Document, parts: int) -> tuple[str, ...]:
    """The position in NextToken, as many texts as `parts`; empty ones where it is not given.

    Raises InvalidParameter for a token that is not of this listing.
    """
    token = document.get("NextToken")
    if token is None:
        return ("",) * parts
    position = api.tokens.open(token, **_listing(call, document))
    return tuple(str(part) for part in position)


def one_filter(document: Document, names: Mapping[str, str]) -> EntityFilter:
    """The one filter of a request; `names` are the fields of `EntityFilter` by the API's names.

    Raises InvalidParameter for more than one.
    """
    given = document.get("Filters", {})
    if len(given) > 1:
        raise InvalidParameter("Only one filter can be used in a request.")
    return EntityFilter(**{names[name]: value for name, value in given.items()})


def next_token(api: Api, call: Call, document: Document, position: Position | None) -> str | None:
    """The token for what follows `position`, None at the end."""
    if position is None:
        return None
    return api.tokens.seal(position, **_listing(call, document))


def _listing(call: Call, document: Document) -> dict[str, Any]:
    return {
        "operation": call.operation.name,
        "account": call.account,
        "organization": document.get("OrganizationId", ""),
        "filters": {name: value for name, value in document.items() if name not in _NOT_BOUND},
    }
