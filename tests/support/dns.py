"""A DNS server of ours on a random UDP port of loopback, answering from a zone in memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset


class DnsServer(asyncio.DatagramProtocol):
    """`records`: (type, name) to values as a zone file has them; `rcode` makes all fail.

    Names in `secure`, and below them, are answered with the AD bit, as a validating server would;
    questions about names in `failing` get SERVFAIL.
    """

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.rcode = dns.rcode.NOERROR
        self.silent = False
        self.secure: set[str] = set()
        self.failing: set[str] = set()
        self.asked: list[tuple[str, str]] = []

    async def start(self) -> tuple[str, int]:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        host, port = self._transport.get_extra_info("sockname")
        return host, port

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.silent:
            return
        query = dns.message.from_wire(data)
        (question,) = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((kind, name))
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        response.set_rcode(dns.rcode.SERVFAIL if name in self.failing else self.rcode)
        if any(name == zone or name.endswith(f".{zone}") for zone in self.secure):
            response.flags |= dns.flags.AD
        if response.rcode() == dns.rcode.NOERROR:
            self._fill(response, name, kind)
        self._transport.sendto(response.to_wire(max_size=4096), addr)

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        known = any(owner == name or owner.endswith(f".{name}") for _, owner in self.records)
        if not known:
            response.set_rcode(dns.rcode.NXDOMAIN)
            return
        alias = self.records.get(("CNAME", name))
        if alias and kind != "CNAME":
            response.answer.append(_rrset(name, "CNAME", alias))
            name = alias[0].lower().removesuffix(".")
        values = self.records.get((kind, name))
        if values:
            response.answer.append(_rrset(name, kind, values))


def _rrset(name: str, kind: str, values: list[str]) -> dns.rrset.RRset:
    written = {"TXT": _text, "CNAME": _dotted, "MX": _dotted, "PTR": _dotted}.get(kind, str)
    texts = [written(value) for value in values]
    return dns.rrset.from_text(name + ".", 60, dns.rdataclass.IN, kind, *texts)


def _dotted(value: str) -> str:
    return value if value.endswith(".") else value + "."


def _text(value: str) -> str:
    pieces = [value[at : at + 255] for at in range(0, len(value), 255)] or [""]
    return " ".join(f'"{piece}"' for piece in pieces)


@contextmanager
def dns_beside() -> Iterator[tuple[DnsServer, str]]:
    """A server on a loop of its own, and where it listens."""
    made, loop = DnsServer(), asyncio.new_event_loop()
    host, port = loop.run_until_complete(made.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield made, f"{host}:{port}"
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    made.close()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
