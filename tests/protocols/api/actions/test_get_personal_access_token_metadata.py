"""GetPersonalAccessTokenMetadata."""

from __future__ import annotations

from tests.support.api_server import Tenant, refused
from tests.support.identity import UUID, Center, configure
from workpost.domain.access import shell as access

GET = "GetPersonalAccessTokenMetadata"
NOT_FOUND = "ResourceNotFoundException"


def test_everything_but_the_token_itself(center: Center) -> None:
    user = center.tenant.user("ada", IdentityProviderUserId=UUID)
    center.put()
    made = center.token("ada", name="Caf\u00e9 phone", scopes=["imap", "smtp"])
    shown = center.tenant(GET, PersonalAccessTokenId=made.id)
    created = shown.pop("DateCreated")
    assert shown == {
        "PersonalAccessTokenId": made.id,
        "UserId": user,
        "Name": "Caf\u00e9 phone",
        "Scopes": ["imap", "smtp"],
    }
    login = access.log_in(
        center.api.core,
        username="ada@demo.test",
        password=made.token.encode(),
        protocol="IMAP",
        address="127.0.0.1",
    )
    center.api.run(login)
    used = center.tenant(GET, PersonalAccessTokenId=made.id)["DateLastUsed"]
    assert 0 <= (used - created).total_seconds() < 10


def test_anothers_token_is_not_found(center: Center, other: Tenant) -> None:
    center.tenant.user("ada", IdentityProviderUserId=UUID)
    center.put()
    made = center.token("ada")
    configure(center.api.core, other.account)
    Center(center.api, other).put()
    assert refused(other, GET, PersonalAccessTokenId=made.id)[0] == NOT_FOUND
    assert refused(center.tenant, GET, PersonalAccessTokenId="unknown")[0] == NOT_FOUND
