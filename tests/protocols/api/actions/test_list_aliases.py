"""ListAliases."""

from tests.support.api_server import Tenant, refused


def test_aliases_as_they_were_given_without_the_primary_address(demo: Tenant) -> None:
    ada = demo.user("ada")
    for alias in ("Countess@demo.test", "byron@demo.test", "analyst@demo.test"):
        demo("CreateAlias", EntityId=ada, Alias=alias)
    expected = ["analyst@demo.test", "byron@demo.test", "Countess@demo.test"]
    assert demo("ListAliases", EntityId=ada) == {"Aliases": expected}
    pages = demo.client.get_paginator("list_aliases").paginate(
        OrganizationId=demo.organization, EntityId=ada, PaginationConfig={"PageSize": 2}
    )
    assert [page["Aliases"] for page in pages] == [expected[:2], expected[2:]]


def test_a_disabled_entity_has_none(demo: Tenant) -> None:
    group = demo.group("everyone")
    demo("CreateAlias", EntityId=group, Alias="all@demo.test")
    demo("DeregisterFromWorkMail", EntityId=group)
    assert demo("ListAliases", EntityId=group) == {"Aliases": []}
    demo("DeleteGroup", GroupId=group)
    assert refused(demo, "ListAliases", EntityId=group)[0] == "EntityStateException"
    assert refused(demo, "ListAliases", EntityId="nobody-at-all")[0] == "EntityNotFoundException"
