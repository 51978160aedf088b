"""ResetPassword."""

import pytest

from tests.support.api_server import ApiServer, Tenant, refused
from tests.support.directories import PASSWORD
from workpost.domain.access import shell as access
from workpost.kernel.errors import AuthenticationFailed
from workpost.kernel.principal import Grant


def log_in(api: ApiServer, password: str) -> Grant:
    return api.run(
        access.log_in(
            api.core,
            username="ada@demo.test",
            password=password.encode(),
            protocol="IMAP",
            address="127.0.0.1",
        )
    )


def test_the_new_password_works_and_the_old_one_does_not(api: ApiServer, demo: Tenant) -> None:
    user = demo.user("ada")
    grant = log_in(api, PASSWORD)
    assert demo("ResetPassword", UserId=user, Password="Another-Horse8") == {}
    log_in(api, "Another-Horse8")
    with pytest.raises(AuthenticationFailed):
        log_in(api, PASSWORD)
    with pytest.raises(AuthenticationFailed):
        api.run(access.renew(api.core, grant))


def test_what_is_refused(demo: Tenant) -> None:
    user = demo.user("ada")
    code, message = refused(demo, "ResetPassword", UserId=user, Password="weak")
    assert (code, "weak" in message) == ("InvalidPasswordException", False)
    code, _ = refused(demo, "ResetPassword", UserId="nobody-at-all", Password=PASSWORD)
    assert code == "EntityNotFoundException"
