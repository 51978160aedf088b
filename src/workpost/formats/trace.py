"""The trace fields that a receiving server writes: Received and Return-Path (RFC 5321 4.4)."""

from __future__ import annotations

import re
from functools import lru_cache

from workpost.formats.addresses import with_a_labels
from workpost.formats.dates import format_date

_NOT_TOKEN = re.compile(r"[^A-Za-z0-9!#$%&'*+./:=?^_`{|}~\[\]-]")
_NOT_ADDRESS = re.compile(r'[\x00-\x20\x7f-\x9f<>()",;\\\u2028\u2029]')
_NOT_COMMENT = re.compile(r"[^A-Za-z0-9 _.,:/=+-]")

REMEMBERED = 256
"""Clients whose part of a Received field is kept: those who send many messages, one by one."""
KNOWN_ADDRESSES = 1_024
"""Addresses that are kept cleaned."""


def _token(value: str, limit: int = 255) -> str:
    if value.isalnum() and value.isascii() and len(value) <= limit:
        return value
    return _NOT_TOKEN.sub("?", value[:limit]) or "unknown"


@lru_cache(KNOWN_ADDRESSES)
def _address(value: str) -> str:
    # Quoted local parts are kept readable, never able to end the angle brackets. With A-labels, so
    # that a message in ASCII stays one that every server takes (RFC 6531 3.7.3).
    return _NOT_ADDRESS.sub("?", with_a_labels(value[:320]))


def received_header(
    *,
    helo: str,
    client_name: str,
    client_ip: str,
    by: str,
    protocol: str,
    queue_id: str,
    epoch: float,
    recipient: str = "",
    tls: str = "",
) -> bytes:
    """Return a folded Received field with its final CRLF.

    `helo` is what the client called itself, `client_name` its name by reverse DNS ("" if it has
    none), `client_ip` its address ("" if it came over no network), `protocol` one of RFC 3848 and
    6531 (ESMTPSA, UTF8SMTPS, ...), `tls` such as "TLSv1.3 TLS_AES_256_GCM_SHA384" (RFC 8314 4.3
    asks for it), `recipient` the address when there is exactly one, so that no recipient sees
    another. Every value is cleaned, none can end the line or leave its place.
    """
    text = f"{_origin(helo, client_name, client_ip, by, protocol)}{_token(queue_id, 80)}"
    if tls:
        text += f"\r\n\t({_NOT_COMMENT.sub('?', tls[:120])})"
    if recipient:
        text += f"\r\n\tfor <{_address(recipient)}>"
    return f"{text};\r\n\t{format_date(epoch)}\r\n".encode("utf-8", "replace")


@lru_cache(REMEMBERED)
def _origin(helo: str, client_name: str, client_ip: str, by: str, protocol: str) -> str:
    """What all messages of a connection have in common, up to the id."""
    ip = f"IPv6:{client_ip}" if ":" in client_ip else client_ip
    name = f"{_token(client_name)} " if client_name else ""
    # RFC 5321 4.4: TCP-info may be missing, and is where there was no TCP.
    info = f" ({name}[{_token(ip, 60)}])" if ip else ""
    return (
        f"Received: from {_token(helo)}{info}\r\n\tby {_token(by)} with {_token(protocol, 20)} id "
    )


def return_path(address: str) -> bytes:
    """Return a Return-Path field with its CRLF; "" is the null reverse-path of bounces."""
    return f"Return-Path: <{_address(address)}>\r\n".encode("utf-8", "replace")
