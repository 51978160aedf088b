"""Received and Return-Path, RFC 5321 4.4."""

from __future__ import annotations

import email
import email.policy

from hypothesis import given, settings
from hypothesis import strategies as st

from workpost.formats.trace import received_header, return_path

KNOWN = {
    "helo": "client.demo.test",
    "client_name": "host.demo.test",
    "client_ip": "192.0.2.1",
    "by": "mx.demo.test",
    "protocol": "ESMTPSA",
    "queue_id": "4c9f3b2a",
    "epoch": 1_000_000_000,
}


def test_received_names_client_server_protocol_id_and_recipient():
    assert received_header(
        **KNOWN, recipient="ada@demo.test", tls="TLSv1.3 TLS_AES_256_GCM_SHA384"
    ) == (
        b"Received: from client.demo.test (host.demo.test [192.0.2.1])\r\n"
        b"\tby mx.demo.test with ESMTPSA id 4c9f3b2a\r\n"
        b"\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
        b"\tfor <ada@demo.test>;\r\n"
        b"\tSun, 09 Sep 2001 01:46:40 +0000\r\n"
    )


def test_received_without_what_is_not_known():
    assert received_header(
        **{**KNOWN, "client_name": "", "client_ip": "2001:db8::1", "helo": ""}
    ) == (
        b"Received: from unknown ([IPv6:2001:db8::1])\r\n"
        b"\tby mx.demo.test with ESMTPSA id 4c9f3b2a;\r\n"
        b"\tSun, 09 Sep 2001 01:46:40 +0000\r\n"
    )


def test_return_path_and_null_reverse_path():
    assert return_path("ada@demo.test") == b"Return-Path: <ada@demo.test>\r\n"
    assert return_path("") == b"Return-Path: <>\r\n"
    assert return_path("ädä@demo.test") == "Return-Path: <ädä@demo.test>\r\n".encode()


TEXT = st.text(max_size=40)


@given(TEXT, TEXT, TEXT, TEXT, TEXT, TEXT)
@settings(max_examples=150)
def test_no_value_can_leave_its_place(helo, name, ip, protocol, recipient, tls):
    raw = received_header(
        helo=helo, client_name=name, client_ip=ip, by="mx.test", protocol=protocol,
        queue_id="1", epoch=0, recipient=recipient, tls=tls,
    )  # fmt: skip
    lines = raw.split(b"\r\n")
    assert lines[-1] == b""
    assert lines[0].startswith(b"Received: ")
    assert all(line.startswith(b"\t") for line in lines[1:-1])
    assert all(len(line) < 998 for line in lines)
    assert not any(c in b"\r\n\0" for line in lines for c in line)
    assert raw.count(b";") == 1
    assert raw.count(b"(") == raw.count(b")")
    assert len(email.message_from_bytes(raw + b"\r\n", policy=email.policy.compat32).items()) == 1


@given(st.text(max_size=400))
def test_return_path_is_one_line(address):
    raw = return_path(address)
    assert raw.index(b"\r\n") == len(raw) - 2
    assert raw.count(b">") == 1


def test_a_client_without_an_address_has_no_tcp_info():
    raw = received_header(
        helo="relay.test",
        client_name="",
        client_ip="",
        by="mail.demo.test",
        protocol="LMTP",
        queue_id="7",
        epoch=0,
    )
    assert raw.startswith(b"Received: from relay.test\r\n\tby mail.demo.test with LMTP id 7;")
