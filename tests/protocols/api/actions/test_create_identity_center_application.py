"""CreateIdentityCenterApplication."""

from __future__ import annotations

import re

import msgspec
import pytest

from tests.support.api_server import ApiServer, Tenant, refused
from tests.support.identity import Center
from tests.support.oidc import INSTANCE

ARN = re.compile(r"arn:aws:sso::(\d{12}):application/ssoins-1234567890abcdef/apl-[a-zA-Z0-9]{16}")
INVALID = "InvalidParameterException"


def test_an_application_has_an_arn_of_the_account_and_the_instance(center: Center) -> None:
    first, second = center.application(), center.application()
    assert first != second
    for arn in (first, second):
        match = ARN.fullmatch(arn)
        assert match is not None
        assert match[1] == center.tenant.account


def test_instances_that_are_not_configured_do_not_exist(center: Center, other: Tenant) -> None:
    create = center.tenant.client.create_identity_center_application
    unknown = INSTANCE[:-1] + "0"
    assert refused(create, Name="mail", InstanceArn=unknown)[0] == INVALID
    # The instance of one account is none of another.
    create = other.client.create_identity_center_application
    code, message = refused(create, Name="mail", InstanceArn=INSTANCE)
    assert code == INVALID
    assert INSTANCE in message


def test_a_repeated_token_tells_the_same_application(center: Center) -> None:
    first = center.application(ClientToken="one-call")
    assert center.application(ClientToken="one-call") == first
    create = center.tenant.client.create_identity_center_application
    again = {"Name": "other", "InstanceArn": INSTANCE, "ClientToken": "one-call"}
    assert refused(create, **again)[0] == INVALID


def test_an_account_has_so_many_applications(center: Center) -> None:
    core = center.api.core
    limits = msgspec.structs.replace(core.settings.limits, identity_applications=2)
    core.settings = msgspec.structs.replace(core.settings, limits=limits)
    center.application()
    center.application(ClientToken="second")
    create = center.tenant.client.create_identity_center_application
    assert refused(create, Name="mail", InstanceArn=INSTANCE)[0] == INVALID
    center.application(ClientToken="second")


@pytest.mark.parametrize(
    ("name", "instance"), [("a b", INSTANCE), ("mail", INSTANCE + "0"), ("mail", "arn:aws:sso")]
)
def test_malformed_names_and_arns(center: Center, name: str, instance: str) -> None:
    create = center.tenant.client.create_identity_center_application
    assert refused(create, Name=name, InstanceArn=instance)[0] == "ValidationException"


def test_policies_speak_of_it_without_a_resource(center: Center, api: ApiServer) -> None:
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"workmail:*",'
        f'"Resource":"arn:aws:workmail:*:{center.tenant.account}:organization/*"}}]}}'
    )
    client = api.client(center.tenant.account, policy)
    create = client.create_identity_center_application
    code, message = refused(create, Name="mail", InstanceArn=INSTANCE)
    assert code == "AccessDeniedException"
    assert "on resource: *" in message
