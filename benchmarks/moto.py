"""moto's server beside us: actions of its services that do what WorkMail's do, it has no WorkMail.

It answers from dictionaries in memory, checks no signature, writes nothing to a disk and hangs up
after each answer, so its clients connect anew for each call (`actions.timed_moto`).
"""

from __future__ import annotations

import itertools
import json
from typing import Any

from benchmarks.clients import Connection, drive, expect, response
from benchmarks.signing import Signer
from tests.support.moto import REGION, MotoServer

TARGETS = {
    "identitystore": "AWSIdentityStore",
    "organizations": "AWSOrganizationsV20161128",
    "kms": "TrentService",
    "cognito-idp": "AWSCognitoIdentityProviderService",
}
"""The prefix of a service's actions by its name in signatures."""

ACTIONS = {
    "DescribeOrganization": ("organizations", "DescribeOrganization"),
    "DescribeUser": ("identitystore", "DescribeUser"),
    "ListUsers": ("identitystore", "ListUsers"),
    "DescribeGroup": ("identitystore", "DescribeGroup"),
    "ListGroupMembers": ("identitystore", "ListGroupMemberships"),
    "UpdateUser": ("cognito-idp", "AdminUpdateUserAttributes"),
    "CreateGroup": ("identitystore", "CreateGroup"),
    "CreateAlias": ("kms", "CreateAlias"),
    "RegisterToWorkMail": ("cognito-idp", "AdminEnableUser"),
    "CreateUser": ("identitystore", "CreateUser"),
}
"""What is compared with each action of WorkMail: service and action."""

STORE = "d-9067012345"


class Moto:
    """One server with so many people in one group."""

    def __init__(self, people: int) -> None:
        self._server = MotoServer()
        self.port = self._server.port
        self._numbers = itertools.count()
        self._users = [
            self._ask("identitystore", "CreateUser", self._new_user())["UserId"]
            for _ in range(people)
        ]
        named = {"IdentityStoreId": STORE, "DisplayName": "team"}
        self._group = self._ask("identitystore", "CreateGroup", named)["GroupId"]
        for user in self._users:
            member = {
                "IdentityStoreId": STORE,
                "GroupId": self._group,
                "MemberId": {"UserId": user},
            }
            self._ask("identitystore", "CreateGroupMembership", member)
        self._ask("organizations", "CreateOrganization", {"FeatureSet": "ALL"})
        self._key = self._ask("kms", "CreateKey", {})["KeyMetadata"]["KeyId"]
        pool = self._ask("cognito-idp", "CreateUserPool", {"PoolName": "people"})
        self._pool = {"UserPoolId": pool["UserPool"]["Id"], "Username": "ada"}
        self._ask("cognito-idp", "AdminCreateUser", self._pool)

    def close(self) -> None:
        """Stop the server."""
        self._server.close()

    def requests(self, action: str, count: int) -> list[bytes]:
        """Signed calls of what is compared with an action of WorkMail."""
        service, name = ACTIONS[action]
        signer = self._signer(service)
        return [signer.call(name, self._document(action, number)) for number in range(count)]

    def _signer(self, service: str) -> Signer:
        environment = self._server.environment
        return Signer(
            f"127.0.0.1:{self.port}",
            REGION,
            environment["AWS_ACCESS_KEY_ID"],
            environment["AWS_SECRET_ACCESS_KEY"],
            service,
            TARGETS[service],
        )

    def _ask(self, service: str, action: str, document: dict[str, Any]) -> Any:
        connection = Connection(self.port)
        answers: list[bytearray] = []

        def script() -> Any:
            answers.append((yield self._signer(service).call(action, document), response))

        drive({connection: script()})
        connection.close()
        expect(answers[0], b"HTTP/1.1 200")
        return json.loads(answers[0].partition(b"\r\n\r\n")[2] or b"{}")

    def _new_user(self) -> dict[str, Any]:
        name = f"person-{next(self._numbers)}"
        names = {"GivenName": "Person", "FamilyName": name}
        return {"IdentityStoreId": STORE, "UserName": name, "DisplayName": name, "Name": names}

    def _document(self, action: str, number: int) -> dict[str, Any]:
        store = {"IdentityStoreId": STORE}
        fresh = f"fresh-{next(self._numbers)}"
        documents: dict[str, dict[str, Any]] = {
            "DescribeUser": {**store, "UserId": self._users[number % len(self._users)]},
            "ListUsers": {**store, "MaxResults": 20},
            "DescribeGroup": {**store, "GroupId": self._group},
            "ListGroupMembers": {**store, "GroupId": self._group},
            "UpdateUser": {**self._pool, "UserAttributes": [{"Name": "name", "Value": fresh}]},
            "CreateGroup": {**store, "DisplayName": fresh},
            "CreateAlias": {"AliasName": f"alias/{fresh}", "TargetKeyId": self._key},
            "RegisterToWorkMail": self._pool,
            "CreateUser": self._new_user() if action == "CreateUser" else {},
        }
        return documents.get(action, {})
