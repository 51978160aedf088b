"""DeleteIdentityProviderConfiguration."""

from __future__ import annotations

from tests.support.api_server import refused
from tests.support.identity import UUID, Center

DELETE = "DeleteIdentityProviderConfiguration"


def test_it_is_gone_with_all_tokens_and_a_repeat_changes_nothing(center: Center) -> None:
    center.tenant.user("ada", IdentityProviderUserId=UUID)
    center.put()
    token = center.token("ada").id
    for _ in range(2):
        assert center.tenant(DELETE) == {}
    code, _ = refused(center.tenant, "DescribeIdentityProviderConfiguration")
    assert code == "ResourceNotFoundException"
    code, _ = refused(center.tenant, "GetPersonalAccessTokenMetadata", PersonalAccessTokenId=token)
    assert code == "ResourceNotFoundException"
    center.put()
    assert center.tenant("ListPersonalAccessTokens")["PersonalAccessTokenSummaries"] == []


def test_associations_stay(center: Center) -> None:
    center.tenant.user("ada", IdentityProviderUserId=UUID)
    center.put()
    center.tenant(DELETE)
    assert center.tenant("DescribeUser", UserId="ada")["IdentityProviderUserId"] == UUID
