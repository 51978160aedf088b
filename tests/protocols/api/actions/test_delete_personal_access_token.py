"""DeletePersonalAccessToken."""

from __future__ import annotations

import pytest

from tests.support.api_server import Tenant, refused
from tests.support.identity import UUID, Center, configure
from workpost.domain.access import shell as access
from workpost.kernel.errors import AuthenticationFailed

DELETE = "DeletePersonalAccessToken"


def test_a_deleted_token_is_gone_and_opens_nothing(center: Center) -> None:
    center.tenant.user("ada", IdentityProviderUserId=UUID)
    center.put()
    made = center.token("ada")
    for _ in range(2):
        assert center.tenant(DELETE, PersonalAccessTokenId=made.id) == {}
    code, _ = refused(
        center.tenant, "GetPersonalAccessTokenMetadata", PersonalAccessTokenId=made.id
    )
    assert code == "ResourceNotFoundException"
    with pytest.raises(AuthenticationFailed):
        center.api.run(
            access.log_in(
                center.api.core,
                username="ada@demo.test",
                password=made.token.encode(),
                protocol="IMAP",
                address="127.0.0.1",
            )
        )


def test_anothers_token_stays(center: Center, other: Tenant) -> None:
    center.tenant.user("ada", IdentityProviderUserId=UUID)
    center.put()
    made = center.token("ada")
    configure(center.api.core, other.account)
    Center(center.api, other).put()
    assert other(DELETE, PersonalAccessTokenId=made.id) == {}
    assert center.tenant("GetPersonalAccessTokenMetadata", PersonalAccessTokenId=made.id)
