"""Signature Version 4 on the server: what is refused, and as what."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.api import (
    ACCESS_KEY,
    NOW,
    SECRET,
    call,
    presign,
    replace,
    sign,
    unsigned,
)
from workpost.protocols.signing import signature
from workpost.protocols.signing.authorization import parse_authorization
from workpost.protocols.signing.messages import ApiRequest, index_headers
from workpost.protocols.signing.signature import (
    AuthenticationMissing,
    Authorization,
    AuthorizationIncomplete,
    ClientUnknown,
    SignatureInvalid,
    SigningKeys,
)

SCOPE = f"{ACCESS_KEY}/20260101/us-east-1/workmail/aws4_request"
GOOD = f"Credential={SCOPE}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}"


def parse(request: ApiRequest) -> Authorization:
    return parse_authorization(request, index_headers(request.headers))


def verify(request: ApiRequest, *, now: int = NOW, keys: SigningKeys | None = None) -> None:
    claims = parse(request)
    signature.check_scope(claims, service="workmail", region="us-east-1")
    signature.check_clock(claims, now)
    index = index_headers(request.headers)
    signature.verify(
        claims, request, index, SECRET.encode(), SigningKeys() if keys is None else keys
    )


def authorized(value: str, *more: tuple[bytes, bytes]) -> ApiRequest:
    headers = [(b"host", b"h"), (b"authorization", value.encode("utf-8")), *more]
    return ApiRequest(b"POST", b"/", b"", headers)


DATE = (b"x-amz-date", b"20260101T000000Z")


class TestHeaderForm:
    def test_signed_request_verifies(self) -> None:
        verify(call("ListOrganizations"))

    def test_nothing_at_all_is_missing_authentication(self) -> None:
        with pytest.raises(AuthenticationMissing, match="Missing Authentication Token"):
            parse(unsigned("ListOrganizations"))

    def test_each_missing_part_is_named(self) -> None:
        with pytest.raises(AuthorizationIncomplete) as caught:
            parse(authorized("AWS4-HMAC-SHA256 x"))
        for name in ("'Credential'", "'SignedHeaders'", "'Signature'", "'X-Amz-Date'"):
            assert name in caught.value.message

    @pytest.mark.parametrize(
        "value",
        [
            "AWS4-ECDSA-P256-SHA256 " + GOOD,
            "AWS AKID:sig",
            "Bearer abc",
            "AWS4-HMAC-SHA256 " + GOOD + ", Signature=" + "0" * 64,
            "AWS4-HMAC-SHA256 " + GOOD.replace("/workmail", ""),
            "AWS4-HMAC-SHA256 " + GOOD.replace("us-east-1", ""),
            "AWS4-HMAC-SHA256 " + GOOD.replace(ACCESS_KEY, "no spaces"),
            "AWS4-HMAC-SHA256 " + GOOD.replace("0" * 64, "0" * 63),
            "AWS4-HMAC-SHA256 " + GOOD.replace("0" * 64, "G" * 64),
            "AWS4-HMAC-SHA256 " + GOOD + "é",
        ],
    )
    def test_malformed_is_incomplete(self, value: str) -> None:
        with pytest.raises(AuthorizationIncomplete):
            parse(authorized(value, DATE))

    def test_order_of_parts_is_free_and_spaces_are_optional(self) -> None:
        parts = GOOD.split(", ")
        claims = parse(authorized("AWS4-HMAC-SHA256   " + ",".join(reversed(parts)), DATE))
        assert claims.access_key_id == ACCESS_KEY
        assert claims.signed_headers == (b"host", b"x-amz-date")

    def test_two_authorization_headers_are_incomplete(self) -> None:
        request = call("ListOrganizations")
        doubled = replace(request, headers=[*request.headers, request.headers[-1]])
        with pytest.raises(AuthorizationIncomplete):
            parse(doubled)

    def test_header_and_query_together_are_incomplete(self) -> None:
        request = replace(call("ListOrganizations"), query=b"X-Amz-Signature=abc")
        with pytest.raises(AuthorizationIncomplete):
            parse(request)

    def test_two_session_tokens_are_incomplete(self) -> None:
        token = (b"x-amz-security-token", b"t")
        with pytest.raises(AuthorizationIncomplete):
            parse(authorized("AWS4-HMAC-SHA256 " + GOOD, DATE, token, token))

    @pytest.mark.parametrize(
        "names", ["x-amz-date;host", "Host;x-amz-date", "host;host", "", "h h"]
    )
    def test_signed_headers_are_lower_case_sorted_unique(self, names: str) -> None:
        value = "AWS4-HMAC-SHA256 " + GOOD.replace("host;x-amz-date", names or ";")
        with pytest.raises(SignatureInvalid):
            parse(authorized(value, DATE))

    def test_session_token_is_read(self) -> None:
        token = (b"x-amz-security-token", b"abc")
        assert parse(authorized("AWS4-HMAC-SHA256 " + GOOD, DATE, token)).session_token == "abc"


class TestDate:
    def test_x_amz_date_wins_over_date(self) -> None:
        date = (b"date", b"Thu, 01 Jan 2015 00:00:00 GMT")
        claims = parse(authorized("AWS4-HMAC-SHA256 " + GOOD, DATE, date))
        assert claims.timestamp == "20260101T000000Z"
        assert claims.instant == NOW

    def test_rfc_1123_date_alone_is_understood(self) -> None:
        date = (b"date", b"Thu, 01 Jan 2026 01:00:00 +0100")
        claims = parse(authorized("AWS4-HMAC-SHA256 " + GOOD, date))
        assert claims.timestamp == "20260101T000000Z"

    def test_request_signed_with_date_verifies(self) -> None:
        request = unsigned("ListOrganizations")
        dated = [*request.headers, (b"date", b"Thu, 01 Jan 2026 00:00:00 GMT")]
        verify(sign(replace(request, headers=dated)))

    @pytest.mark.parametrize(
        "value",
        [b"", b"20261301T000000Z", b"20260101T000000", b"yesterday", b"01 Jan 2026 00:00", b"\xff",
         b"Thu, 01 Jan 2026 00:00:00 -0000", b"Fri, 31 Dec 9999 23:00:00 -2300"],
    )  # fmt: skip
    def test_unreadable_dates_are_incomplete(self, value: bytes) -> None:
        with pytest.raises(AuthorizationIncomplete):
            parse(authorized("AWS4-HMAC-SHA256 " + GOOD, (b"x-amz-date", value)))

    def test_two_dates_are_incomplete(self) -> None:
        with pytest.raises(AuthorizationIncomplete):
            parse(authorized("AWS4-HMAC-SHA256 " + GOOD, DATE, DATE))


class TestScope:
    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"service": "ses"}, "Credential should be scoped to correct service: 'workmail'."),
            ({"region": "eu-west-1"}, "Credential should be scoped to a valid region"),
            ({"terminator": "aws3"}, "with a valid terminator: 'aws4_request'."),
        ],
    )
    def test_wrong_scope(self, changes: dict[str, Any], text: str) -> None:
        with pytest.raises(SignatureInvalid, match=text):
            verify(sign(unsigned("ListOrganizations"), **changes))

    def test_any_region_when_none_is_configured(self) -> None:
        claims = parse(sign(unsigned("ListOrganizations"), region="ap-south-1"))
        signature.check_scope(claims, service="workmail", region=None)

    def test_scope_date_must_be_the_requests(self) -> None:
        claims = parse(authorized("AWS4-HMAC-SHA256 " + GOOD.replace("20260101", "20260102"), DATE))
        with pytest.raises(SignatureInvalid, match="Date in Credential scope"):
            signature.check_scope(claims, service="workmail", region=None)


class TestClock:
    @pytest.mark.parametrize("minutes", [-15, 0, 15])
    def test_fifteen_minutes_are_allowed(self, minutes: int) -> None:
        verify(call("ListOrganizations"), now=NOW + minutes * 60_000)

    def test_expired(self) -> None:
        with pytest.raises(SignatureInvalid) as caught:
            verify(call("ListOrganizations"), now=NOW + 15 * 60_000 + 1000)
        assert caught.value.message == (
            "Signature expired: 20260101T000000Z is now earlier than 20260101T000001Z "
            "(20260101T001501Z - 15 min.)"
        )

    def test_not_yet_current(self) -> None:
        with pytest.raises(SignatureInvalid) as caught:
            verify(call("ListOrganizations"), now=NOW - 15 * 60_000 - 1000)
        assert caught.value.message == (
            "Signature not yet current: 20260101T000000Z is still later than 20251231T235959Z "
            "(20251231T234459Z + 15 min.)"
        )


class TestTampering:
    def test_host_must_be_signed(self) -> None:
        with pytest.raises(SignatureInvalid, match="'Host'"):
            verify(sign(unsigned("ListOrganizations"), leave_out=(b"host",)))

    def test_target_must_be_signed(self) -> None:
        with pytest.raises(SignatureInvalid, match="'X-Amz-Target'"):
            verify(sign(unsigned("ListOrganizations"), leave_out=(b"x-amz-target",)))

    def test_content_type_need_not_be_signed(self) -> None:
        verify(sign(unsigned("ListOrganizations"), leave_out=(b"content-type",)))

    def test_absent_signed_header(self) -> None:
        request = call("ListOrganizations")
        without = [pair for pair in request.headers if pair[0] != b"content-type"]
        with pytest.raises(SignatureInvalid, match="not in the request"):
            verify(replace(request, headers=without))

    @pytest.mark.parametrize(
        "changes",
        [{"body": b"{ }"}, {"path": b"/x"}, {"query": b"a=b"}, {"method": b"PUT"}],
    )
    def test_any_changed_part_differs(self, changes: dict[str, Any]) -> None:
        with pytest.raises(SignatureInvalid, match="does not match"):
            verify(replace(call("ListOrganizations"), **changes))

    @pytest.mark.parametrize(
        "value",
        [b"UNSIGNED-PAYLOAD", b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", b"0" * 64,
         b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"],
    )  # fmt: skip
    def test_declared_payload_hash_must_be_the_bodys(self, value: bytes) -> None:
        request = unsigned("ListOrganizations")
        declared = [*request.headers, (b"x-amz-content-sha256", value)]
        with pytest.raises(SignatureInvalid, match="x-amz-content-sha256"):
            verify(sign(replace(request, headers=declared)))


class TestPresigned:
    def test_query_form_verifies_with_its_body_hashed(self) -> None:
        request = presign(unsigned("ListOrganizations"), token="t/+=")
        assert parse(request).session_token == "t/+="
        verify(request)
        with pytest.raises(SignatureInvalid):
            verify(replace(request, body=b"[]"))

    def test_lives_as_long_as_it_says(self) -> None:
        request = presign(unsigned("ListOrganizations"), expires=3600)
        verify(request, now=NOW + 3600_000)
        with pytest.raises(SignatureInvalid, match=r"Signature expired: .* - 3600 sec"):
            verify(request, now=NOW + 3601_000)

    @pytest.mark.parametrize("expires", ["0", "604801", "-1", "ten", "1e3", "0000000300"])
    def test_lifetime_is_one_second_to_seven_days(self, expires: str) -> None:
        request = presign(unsigned("ListOrganizations"))
        query = request.query.replace(b"Expires=300", f"Expires={expires}".encode())
        with pytest.raises(AuthorizationIncomplete, match="X-Amz-Expires"):
            parse(replace(request, query=query))

    def test_each_missing_parameter_is_named(self) -> None:
        request = replace(unsigned("ListOrganizations"), query=b"X-Amz-Date=20260101T000000Z")
        with pytest.raises(AuthorizationIncomplete) as caught:
            parse(request)
        for name in ("Algorithm", "Credential", "Signature", "SignedHeaders", "Expires"):
            assert f"'X-Amz-{name}'" in caught.value.message

    def test_other_algorithms_and_doubled_parameters_are_incomplete(self) -> None:
        request = presign(unsigned("ListOrganizations"))
        other = request.query.replace(b"AWS4-HMAC-SHA256", b"AWS4-ECDSA-P256-SHA256")
        for query in (other, request.query + b"&X-Amz-Expires=300"):
            with pytest.raises(AuthorizationIncomplete):
                parse(replace(request, query=query))


class TestSigningKeys:
    def test_a_key_is_derived_once_a_day(self) -> None:
        keys = SigningKeys()
        verify(call("ListOrganizations"), keys=keys)
        verify(call("ListOrganizations"), keys=keys)
        assert len(keys) == 1

    def test_refused_signatures_leave_nothing(self) -> None:
        keys = SigningKeys()
        with pytest.raises(SignatureInvalid):
            verify(replace(call("ListOrganizations"), body=b"[]"), keys=keys)
        assert len(keys) == 0

    def test_bounded_longest_unused_first(self) -> None:
        keys = SigningKeys(size=2)
        places = [(f"key{n}", b"s", "20260101", "r", "workmail") for n in range(3)]
        keys.put(places[0], b"0")
        keys.put(places[1], b"1")
        assert keys.get(places[0]) == b"0"
        keys.put(places[2], b"2")
        assert [keys.get(place) for place in places] == [b"0", None, b"2"]

    def test_a_new_day_and_a_rotated_secret_start_anew(self) -> None:
        keys = SigningKeys()
        keys.put(("key", b"old", "20260101", "r", "workmail"), b"0")
        assert keys.get(("key", b"new", "20260101", "r", "workmail")) is None
        keys.put(("key", b"old", "20260102", "r", "workmail"), b"1")
        assert len(keys) == 1


class TestSessionTokens:
    def test_token_and_key_belong_together(self) -> None:
        signature.check_session(None, None)
        signature.check_session("é", "é")

    @pytest.mark.parametrize(
        ("claimed", "expected"), [("a", None), (None, "a"), ("a", "b"), ("", None)]
    )
    def test_everything_else_is_an_unknown_client(
        self, claimed: str | None, expected: str | None
    ) -> None:
        with pytest.raises(ClientUnknown):
            signature.check_session(claimed, expected)


@given(value=st.text(max_size=200), query=st.binary(max_size=200), date=st.binary(max_size=40))
def test_parsing_raises_only_its_own_errors(value: str, query: bytes, date: bytes) -> None:
    headers = [(b"authorization", f"AWS4-HMAC-SHA256 {value}".encode()), (b"x-amz-date", date)]
    for request in (
        ApiRequest(b"POST", b"/", query, headers),
        ApiRequest(b"POST", b"/", b"X-Amz-Date=" + date + b"&" + query, []),
    ):
        try:
            parse(request)
        except signature.SignatureRefused:
            pass


@given(
    method=st.sampled_from([b"GET", b"POST"]),
    path=st.binary(max_size=60).map(lambda p: b"/" + p.replace(b"?", b"")),
    query=st.binary(max_size=60),
    body=st.binary(max_size=60),
    extra=st.lists(st.tuples(st.sampled_from([b"a", b"b-c"]), st.binary(max_size=20)), max_size=4),
)
def test_what_is_signed_verifies_whatever_the_bytes(
    method: bytes, path: bytes, query: bytes, body: bytes, extra: list[tuple[bytes, bytes]]
) -> None:
    request = ApiRequest(
        method, path, query.replace(b"X-Amz-", b""), [(b"host", b"h"), *extra], body
    )
    verify(sign(request))
