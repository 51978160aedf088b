"""GetRawMessageContent over HTTP: who may read which message in transit, and its bytes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.protocols.api.actions.test_audit import records
from tests.support.api_server import ApiServer, Tenant
from tests.support.message_flow import Flow, refused
from tests.support.transit import FUNCTION, RAW
from workpost.domain.access.credentials import Credential
from workpost.domain.messages.transit import LIFETIME_MS
from workpost.operations.transit import reading
from workpost.protocols.api.build import AccessKeys
from workpost.store.database.unit import Tx, command

NOT_FOUND = "ResourceNotFoundException"
UNKNOWN = "0f0e0d0c-0b0a-4908-8706-050403020100"
LARGE = RAW + (b"x" * 70 + b"\r\n") * 50_000


@command
def pass_time(tx: Tx, *, milliseconds: int) -> None:
    tx.run("UPDATE in_transit SET expires = expires - ?", milliseconds)


def policy(flow: Flow, place: str, action: str = "*", effect: str = "Allow") -> str:
    resource = f"arn:aws:workmailmessageflow:us-east-1:{flow.demo.account}:message/{place}"
    allow = {
        "Effect": effect,
        "Action": f"workmailmessageflow:{action}",
        "Resource": resource,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


def test_the_message_is_read_without_the_return_path_of_its_way_here(flow: Flow) -> None:
    id = flow.begin()
    answer = flow.client.get_raw_message_content(messageId=id)
    assert answer["messageContent"].read() == RAW
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["content-length"] == str(len(RAW))
    assert headers["content-type"] == "application/octet-stream"


def test_large_messages_come_in_pieces(flow: Flow) -> None:
    assert len(LARGE) > 3 * reading.PIECE
    id = flow.begin(LARGE)
    body = flow.client.get_raw_message_content(messageId=id)["messageContent"]
    assert b"".join(body.iter_chunks(100_000)) == LARGE
    # The connection serves the next call.
    assert flow.get(id) == LARGE
    assert flow.get(flow.begin(b"\r\n")) == b"\r\n"


def test_it_can_be_read_for_a_day_after_its_function_ended(flow: Flow, api: ApiServer) -> None:
    id = flow.begin()
    flow.finish(id)
    api.run(api.core.store.write(pass_time, milliseconds=LIFETIME_MS - 60_000))
    assert flow.get(id) == RAW
    api.run(api.core.store.write(pass_time, milliseconds=60_000))
    code, text = refused(lambda: flow.get(id), 404)
    assert (code, id in text) == (NOT_FOUND, True)


def test_unknown_messages_and_those_of_others_are_not_found(flow: Flow, other: Tenant) -> None:
    id = flow.begin()
    stranger = flow.signed(account=other.account)
    theirs = refused(lambda: flow.get(id, stranger), 404)
    unknown = refused(lambda: flow.get(UNKNOWN, stranger), 404)
    assert theirs[0] == unknown[0] == NOT_FOUND
    assert theirs[1].replace(id, "") == unknown[1].replace(UNKNOWN, "")


def test_messages_of_deleted_organizations_are_not_found(flow: Flow) -> None:
    id = flow.begin()
    flow.demo("DeleteOrganization", DeleteDirectory=True, ForceDelete=True)
    assert refused(lambda: flow.get(id), 404)[0] == NOT_FOUND


# --- policies ------------------------------------------------------------------------------------


def test_policies_name_organizations_and_directions(flow: Flow) -> None:
    second = flow.demo.client.create_organization(Alias="second")["OrganizationId"]
    organization = flow.demo.organization
    coming, going = flow.begin(), flow.begin(direction="outgoing")
    for place, ids in (
        ("*", (coming, going)),
        (f"{organization}/*", (coming, going)),
        (f"{organization}/incoming/*", (coming,)),
        (f"{organization}/outgoing/*", (going,)),
        (f"{organization}/incoming/{coming}", (coming,)),
        (f"{second}/*", ()),
    ):
        client = flow.signed(policy(flow, place, "GetRawMessageContent"))
        for id in (coming, going):
            if id in ids:
                assert flow.get(id, client) == RAW
            else:
                code, text = refused(lambda id=id, client=client: flow.get(id, client), 403)
                assert code == "AccessDeniedException"
                assert "workmailmessageflow:GetRawMessageContent" in text
        # It does not tell which messages there are.
        code = "AccessDeniedException" if place != "*" else NOT_FOUND
        status = 403 if place != "*" else 404
        assert refused(lambda client=client: flow.get(UNKNOWN, client), status)[0] == code


def test_reading_is_another_action_than_writing(flow: Flow) -> None:
    id = flow.begin()
    client = flow.signed(policy(flow, "*", "PutRawMessageContent"))
    assert refused(lambda: flow.get(id, client), 403)[0] == "AccessDeniedException"
    flow.put(id, RAW, client)
    reader = flow.signed(policy(flow, "*", "GetRawMessageContent"))
    code, text = refused(lambda: flow.put(id, RAW, reader), 403)
    where = f"message/{flow.demo.organization}/incoming/{id}"
    assert (code, where in text) == ("AccessDeniedException", True)


def test_an_explicit_deny_of_one_organization_wins(flow: Flow) -> None:
    id = flow.begin()
    place = f"{flow.demo.organization}/incoming/*"
    allow, deny = (
        json.loads(policy(flow, *each))["Statement"][0] for each in (("*",), (place, "*", "Deny"))
    )
    both = json.dumps({"Version": "2012-10-17", "Statement": [allow, deny]})
    client = flow.signed(both)
    assert "explicit deny" in refused(lambda: flow.get(id, client), 403)[1]
    assert flow.get(flow.begin(direction="outgoing"), client) == RAW


# --- functions -----------------------------------------------------------------------------------


@contextmanager
def called_by(api: ApiServer, function: str) -> Iterator[None]:
    """All keys are of sessions of a function, as its worker process has them."""
    lookup = AccessKeys.lookup

    async def of_function(
        self: AccessKeys, access_key_id: str, session_token: str | None = None
    ) -> Credential | None:
        found = await lookup(self, access_key_id, session_token)
        return None if found is None else msgspec.structs.replace(found, function=function)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AccessKeys, "lookup", of_function)
        yield


@pytest.mark.parametrize("restricted", [False, True])
def test_a_function_sees_the_messages_on_which_it_runs(
    flow: Flow, api: ApiServer, restricted: bool
) -> None:
    id, another = flow.begin(), flow.begin(function=f"{FUNCTION}-2")
    # What its session may call otherwise has no say here.
    nothing = '{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}'
    client = flow.signed(nothing if restricted else None)
    with called_by(api, FUNCTION):
        assert flow.get(id, client) == RAW
        flow.put(id, RAW + b"A disclaimer.\r\n", client)
        assert flow.get(id, client) == RAW + b"A disclaimer.\r\n"
        assert refused(lambda: flow.get(another, client), 404)[0] == NOT_FOUND
        assert refused(lambda: flow.put(another, RAW, client), 404)[0] == NOT_FOUND
    flow.finish(id)
    with called_by(api, FUNCTION):
        assert refused(lambda: flow.get(id, client), 404)[0] == NOT_FOUND
        assert refused(lambda: flow.put(id, RAW, client), 404)[0] == NOT_FOUND


# --- HTTP and audit ------------------------------------------------------------------------------


def test_an_unsigned_request_learns_nothing(flow: Flow, api: ApiServer) -> None:
    connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=30)
    for id in (flow.begin(), UNKNOWN):
        connection.request("GET", f"/messages/{id}")
        response = connection.getresponse()
        answer = json.loads(response.read())
        assert (response.status, answer["__type"]) == (403, "MissingAuthenticationTokenException")
    connection.close()


def test_malformed_ids_are_told(flow: Flow) -> None:
    for id in ("A", "a b", "x" * 121):
        code, text = refused(lambda id=id: flow.get(id))
        assert (code, "messageId" in text) == ("ValidationException", True)


def test_the_audit_log_names_the_service_and_the_message(flow: Flow, api: ApiServer) -> None:
    id = flow.begin()
    flow.get(id)
    (record,) = records(api, flow.demo, "GetRawMessageContent")
    assert record["eventSource"] == "workmailMessageFlow.amazonaws.com"
    assert record["requestParameters"] == {"messageId": id}
    assert (record["responseElements"], record["readOnly"]) == (None, True)
