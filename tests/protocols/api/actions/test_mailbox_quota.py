"""GetMailboxDetails and UpdateMailboxQuota; the effect is tested over SMTP and IMAP elsewhere."""

from tests.support.api_server import Tenant, refused


def test_a_new_mailbox_is_empty_and_has_the_default_quota(demo: Tenant) -> None:
    demo.user("ada")
    assert demo("GetMailboxDetails", UserId="ada") == {"MailboxQuota": 51_200, "MailboxSize": 0.0}


def test_quotas_in_megabytes(demo: Tenant) -> None:
    ada = demo.user("ada")
    for identifier, quota in ((ada, 1), ("ada", 51_200), ("ADA@demo.test", 5)):
        assert demo("UpdateMailboxQuota", UserId=identifier, MailboxQuota=quota) == {}
        assert demo("GetMailboxDetails", UserId=ada)["MailboxQuota"] == quota


def test_what_is_refused(demo: Tenant) -> None:
    ada = demo.user("ada")
    disabled = demo.user("disabled", enabled=False)
    demo.group("everyone")

    def update(user: str, quota: int = 10) -> str:
        return refused(demo, "UpdateMailboxQuota", UserId=user, MailboxQuota=quota)[0]

    assert update(ada, 51_201) == "InvalidParameterException"
    assert update(disabled) == "EntityStateException"
    assert update("everyone") == "EntityNotFoundException"
    for identifier in (disabled, "everyone", "nobody"):
        code, _ = refused(demo, "GetMailboxDetails", UserId=identifier)
        assert code == "EntityNotFoundException"


def test_a_quota_survives_deregistration(demo: Tenant) -> None:
    ada = demo.user("ada")
    demo("UpdateMailboxQuota", UserId=ada, MailboxQuota=7)
    demo("DeregisterFromWorkMail", EntityId=ada)
    demo("RegisterToWorkMail", EntityId=ada, Email="ada@demo.test")
    assert demo("GetMailboxDetails", UserId=ada)["MailboxQuota"] == 7
