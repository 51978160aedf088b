"""GetCallerIdentity, AssumeRole, GetSessionToken: temporary credentials end to end."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.api_server import ApiServer, Tenant
from workpost.domain.access import iam
from workpost.domain.access.accounts import create_access_key

Documents = dict[str, Any]


def statement(action: str | list[str], effect: str = "Allow", **more: Any) -> Documents:
    return {"Effect": effect, "Action": action, "Resource": "*", **more}


def policy(*statements: Documents) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trusts(principal: str, action: str | list[str] = "sts:AssumeRole", **more: Any) -> str:
    content = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, **more}
    return policy(content)


def pairs(**tags: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


class Account:
    """An account whose users and roles are made without the command line."""

    def __init__(self, api: ApiServer, tenant: Tenant) -> None:
        self.api = api
        self.id = tenant.account
        self.tenant = tenant

    def user(self, name: str, *policies: str) -> tuple[str, str]:
        core, env = self.api.core, self.api.core.env
        user_id = iam.fresh_id(env, "AIDA")
        self.api.run(core.store.write(iam.create_user, account=self.id, name=name, user_id=user_id))
        self.put("user", name, *policies)
        key = self.api.run(create_access_key(core, self.id, user=name, known_user=True))
        return key.access_key_id, key.secret_access_key

    def role(self, name: str, trust: str, *policies: str, longest: int = 3600) -> str:
        write, env = self.api.core.store.write, self.api.core.env
        self.api.run(
            write(
                iam.create_role,
                account=self.id,
                name=name,
                role_id=iam.fresh_id(env, "AROA"),
                trust=trust,
                max_session=longest,
            )
        )
        self.put("role", name, *policies)
        return iam.role_arn(self.id, name)

    def put(self, kind: str, owner: str, *policies: str) -> None:
        for number, document in enumerate(policies):
            self.api.run(
                self.api.core.store.write(
                    iam.put_policy,
                    account=self.id,
                    kind=kind,
                    owner=owner,
                    name=f"p{number}",
                    document=document,
                )
            )

    def sts(self, key: tuple[str | None, ...]) -> Any:
        token = key[2] if len(key) > 2 else None
        return self.api.signed_by(key[0], key[1], token, "sts")

    def workmail(self, key: tuple[str | None, ...]) -> Any:
        token = key[2] if len(key) > 2 else None
        return self.api.signed_by(key[0], key[1], token)


@pytest.fixture
def account(api: ApiServer, demo: Tenant) -> Account:
    return Account(api, demo)


@pytest.fixture
def root(account: Account) -> tuple[str, str]:
    key = account.api.run(create_access_key(account.api.core, account.id))
    return key.access_key_id, key.secret_access_key


def keys_of(answer: dict[str, Any]) -> tuple[str, str, str]:
    given = answer["Credentials"]
    return given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]


def refusal(call: Callable[..., Any], **parameters: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    return (
        response["ResponseMetadata"]["HTTPStatusCode"],
        response["Error"]["Code"],
        response["Error"]["Message"],
    )


READ = policy(statement(["workmail:Describe*", "workmail:List*"]))


class TestGetCallerIdentity:
    def test_root(self, account: Account, root: tuple[str, str]) -> None:
        told = account.sts(root).get_caller_identity()
        assert told["Account"] == told["UserId"] == account.id
        assert told["Arn"] == f"arn:aws:iam::{account.id}:root"
        assert told["ResponseMetadata"]["RequestId"]

    def test_a_user_without_any_permission(self, account: Account) -> None:
        told = account.sts(account.user("ada")).get_caller_identity()
        assert told["Arn"] == f"arn:aws:iam::{account.id}:user/ada"
        assert told["UserId"].startswith("AIDA")

    def test_presigned(self, account: Account, root: tuple[str, str]) -> None:
        import urllib.request

        url = account.sts(root).generate_presigned_url("get_caller_identity", HttpMethod="GET")
        with urllib.request.urlopen(url) as response:
            assert account.id.encode() in response.read()
            assert response.headers["Content-Type"] == "text/xml"


class TestAssumeRole:
    def test_the_session_may_do_what_the_role_may(self, account: Account) -> None:
        ada = account.user("ada", policy(statement("sts:AssumeRole")))
        arn = account.role("reader", trusts(account.id), READ)
        answer = account.sts(ada).assume_role(RoleArn=arn, RoleSessionName="monday")
        user = answer["AssumedRoleUser"]
        assert user["Arn"] == f"arn:aws:sts::{account.id}:assumed-role/reader/monday"
        assert user["AssumedRoleId"].startswith("AROA")
        assert user["AssumedRoleId"].endswith(":monday")
        session = keys_of(answer)
        assert session[0].startswith("ASIA")
        assert account.sts(session).get_caller_identity()["Arn"] == user["Arn"]
        client = account.workmail(session)
        assert client.list_organizations()["OrganizationSummaries"]
        code, text = refusal(client.create_organization, Alias="more")[1:]
        assert code == "AccessDeniedException"
        assert f"User: {user['Arn']} is not authorized to perform" in text

    def test_a_session_policy_can_only_take_away(self, account: Account) -> None:
        ada = account.user("ada", policy(statement("sts:AssumeRole")))
        arn = account.role("reader", trusts(account.id), READ)
        limit = policy(statement(["workmail:ListOrganizations", "workmail:CreateOrganization"]))
        answer = account.sts(ada).assume_role(RoleArn=arn, RoleSessionName="few", Policy=limit)
        assert answer["PackedPolicySize"] > 0
        client = account.workmail(keys_of(answer))
        assert client.list_organizations()["OrganizationSummaries"]
        code, text = refusal(
            client.describe_organization, OrganizationId=account.tenant.organization
        )[1:]
        assert code == "AccessDeniedException"
        assert "no session policy" in text
        assert refusal(client.create_organization, Alias="x1")[1] == "AccessDeniedException"

    @pytest.mark.parametrize(
        ("own", "principal", "allowed"),
        [
            ((), "account", False),
            ((policy(statement("sts:AssumeRole")),), "account", True),
            ((), "user", True),
            ((policy(statement("sts:*", "Deny")),), "user", False),
            ((policy(statement("sts:AssumeRole")),), "other", False),
            ((policy(statement("sts:AssumeRole")),), "*", True),
        ],
    )
    def test_trust_and_permission(
        self, account: Account, own: tuple[str, ...], principal: str, allowed: bool
    ) -> None:
        ada = account.user("ada", *own)
        named = {
            "account": account.id,
            "user": iam.user_arn(account.id, "ada"),
            "other": iam.user_arn(account.id, "grace"),
        }
        arn = account.role("reader", trusts(named.get(principal, principal)), READ)
        assume = account.sts(ada).assume_role
        if allowed:
            assert assume(RoleArn=arn, RoleSessionName="it")["Credentials"]
        else:
            status, code, text = refusal(assume, RoleArn=arn, RoleSessionName="it")
            assert (status, code) == (403, "AccessDenied")
            assert "is not authorized to perform: sts:AssumeRole" in text

    def test_across_accounts_both_must_agree(
        self, account: Account, api: ApiServer, other: Tenant
    ) -> None:
        stranger = Account(api, other)
        grace = stranger.user("grace", policy(statement("sts:AssumeRole")))
        poor = stranger.user("poor")
        arn = account.role("reader", trusts(stranger.id), READ)
        named = account.role("named", trusts(iam.user_arn(stranger.id, "poor")), READ)
        session = keys_of(stranger.sts(grace).assume_role(RoleArn=arn, RoleSessionName="it"))
        seen = account.workmail(session).list_organizations()["OrganizationSummaries"]
        assert [one["OrganizationId"] for one in seen] == [account.tenant.organization]
        assert refusal(stranger.sts(poor).assume_role, RoleArn=named, RoleSessionName="it")[1] == (
            "AccessDenied"
        )

    def test_external_ids_and_tags(self, account: Account, root: tuple[str, str]) -> None:
        condition = {"StringEquals": {"sts:ExternalId": "secret-word"}}
        trust = trusts(account.id, ["sts:AssumeRole", "sts:TagSession"], Condition=condition)
        allow = statement(
            "workmail:ListOrganizations",
            Condition={"StringEquals": {"aws:PrincipalTag/team": "mail"}},
        )
        arn = account.role("reader", trust, policy(allow))
        assume = account.sts(root).assume_role
        values = {"RoleArn": arn, "RoleSessionName": "it"}
        assert refusal(assume, **values)[1] == "AccessDenied"
        values["ExternalId"] = "secret-word"
        plain = account.workmail(keys_of(assume(**values)))
        assert refusal(plain.list_organizations)[1] == "AccessDeniedException"
        tags = [{"Key": "team", "Value": "mail"}]
        tagged = account.workmail(keys_of(assume(**values, Tags=tags)))
        assert tagged.list_organizations()["OrganizationSummaries"]

    def test_what_is_refused(self, account: Account, root: tuple[str, str]) -> None:
        arn = account.role("reader", trusts(account.id), READ)
        assume = account.sts(root).assume_role
        values = {"RoleArn": arn, "RoleSessionName": "it"}
        for more, code in (
            ({"RoleArn": arn + "x"}, "AccessDenied"),
            ({"RoleArn": arn.replace("reader", "Reader")}, "AccessDenied"),
            ({"RoleArn": "arn:aws:iam::nobody:role/x"}, "ValidationError"),
            ({"RoleSessionName": "a b"}, "ValidationError"),
            ({"DurationSeconds": 3601}, "ValidationError"),
            ({"DurationSeconds": 43201}, "ValidationError"),
            ({"Policy": "{}"}, "MalformedPolicyDocument"),
            ({"Policy": policy(statement("workmail:*")) + " " * 2048}, "PackedPolicyTooLarge"),
            ({"TokenCode": "123456"}, "ValidationError"),
            ({"Tags": pairs(team="a", Team="b")}, "ValidationError"),
            ({"Tags": [*pairs(team="a"), *pairs(team="a")]}, "ValidationError"),
            ({"Tags": pairs(**dict.fromkeys("abcdefgh", "\u4e2d" * 250))}, "PackedPolicyTooLarge"),
        ):
            assert refusal(assume, **{**values, **more})[1] == code, more

    def test_chained_sessions_last_an_hour(self, account: Account, root: tuple[str, str]) -> None:
        first = account.role(
            "first", trusts(account.id), policy(statement("sts:AssumeRole")), longest=43_200
        )
        second = account.role("second", trusts(first), READ, longest=43_200)
        values = {"RoleSessionName": "it", "DurationSeconds": 7200}
        session = keys_of(account.sts(root).assume_role(RoleArn=first, **values))
        assume = account.sts(session).assume_role
        code, text = refusal(assume, RoleArn=second, **values)[1:]
        assert code == "ValidationError"
        assert "chaining" in text
        assert assume(RoleArn=second, RoleSessionName="it")["Credentials"]

    def test_a_session_ends_with_its_role(self, account: Account, root: tuple[str, str]) -> None:
        arn = account.role("reader", trusts(account.id), READ)
        session = keys_of(account.sts(root).assume_role(RoleArn=arn, RoleSessionName="it"))
        store = account.api.core.store
        account.api.run(store.write(iam.delete_role, account=account.id, name="reader"))
        assert refusal(account.workmail(session).list_organizations)[1] == (
            "UnrecognizedClientException"
        )

    def test_the_largest_token_can_be_used(self, account: Account, root: tuple[str, str]) -> None:
        trust = trusts(account.id, ["sts:AssumeRole", "sts:TagSession"])
        arn = account.role("reader", trust, READ)
        dice = random.Random(1)
        words = ["".join(chr(dice.randrange(0x4E00, 0x9FFF)) for _ in range(250)) for _ in range(7)]
        answer = account.sts(root).assume_role(
            RoleArn=arn,
            RoleSessionName="it",
            Tags=pairs(**{f"k{n}": text for n, text in enumerate(words)}),
            Policy=policy(statement("workmail:*")),
        )
        client = account.workmail(keys_of(answer))
        assert client.list_organizations()["OrganizationSummaries"]


class TestGetSessionToken:
    def test_it_may_do_what_the_key_may(self, account: Account) -> None:
        ada = account.user("ada", READ)
        session = keys_of(account.sts(ada).get_session_token(DurationSeconds=900))
        told = account.sts(session).get_caller_identity()
        assert told["Arn"] == iam.user_arn(account.id, "ada")
        client = account.workmail(session)
        assert client.list_organizations()["OrganizationSummaries"]
        assert refusal(client.create_organization, Alias="x1")[1] == "AccessDeniedException"
        assert refusal(account.sts(session).get_session_token)[1] == "AccessDenied"

    def test_it_ends_with_the_key(self, account: Account) -> None:
        ada = account.user("ada", READ)
        session = keys_of(account.sts(ada).get_session_token())
        store = account.api.core.store
        account.api.run(
            store.write(iam.set_key_state, account=account.id, access_key=ada[0], state="Inactive")
        )
        assert refusal(account.workmail(session).list_organizations)[1] == (
            "UnrecognizedClientException"
        )


class TestTokens:
    def test_missing_foreign_and_altered_ones(
        self, account: Account, root: tuple[str, str]
    ) -> None:
        sts = account.sts(root)
        first, second = keys_of(sts.get_session_token()), keys_of(sts.get_session_token())
        middle = len(first[2]) // 2
        altered = first[2][:middle] + ("A" if first[2][middle] != "A" else "B")
        altered += first[2][middle + 1 :]
        for wrong in (
            (first[0], first[1], None),
            (first[0], first[1], second[2]),
            (first[0], first[1], altered),
            (first[0], first[1], "x"),
            (*root, first[2]),
        ):
            call = account.workmail(wrong).list_organizations
            assert refusal(call)[:2] == (400, "UnrecognizedClientException")
            status, code, _ = refusal(account.sts(wrong).get_caller_identity)
            assert (status, code) == (403, "InvalidClientTokenId")

    def test_the_secret_must_fit(self, account: Account, root: tuple[str, str]) -> None:
        key, _, token = keys_of(account.sts(root).get_session_token())
        assert refusal(account.sts((key, "wrong" * 8, token)).get_caller_identity)[:2] == (
            403,
            "SignatureDoesNotMatch",
        )


def test_a_profile_with_role_arn_and_source_profile(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = account.user("ada", policy(statement("sts:AssumeRole")))
    arn = account.role("reader", trusts(account.id), READ)
    config = tmp_path / "config"
    config.write_text(
        "[profile ada]\nregion = us-east-1\n"
        f"aws_access_key_id = {ada[0]}\naws_secret_access_key = {ada[1]}\n"
        f"[profile reader]\nregion = us-east-1\nrole_arn = {arn}\nsource_profile = ada\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.api.url)
    session = boto3.Session(profile_name="reader")
    arn = session.client("sts").get_caller_identity()["Arn"]
    assert arn.startswith(f"arn:aws:sts::{account.id}:assumed-role/reader/")
    assert session.client("workmail").list_organizations()["OrganizationSummaries"]
