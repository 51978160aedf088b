"""A client of ManageSieve that speaks bytes: what it sends is what the test says."""

from __future__ import annotations

import base64
import re
import socket
import ssl

from tests.support.directories import PASSWORD


class Wire:
    """A client: what it sends is what the test says."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket: socket.socket = socket.create_connection(address, timeout=30)
        self._file = self.socket.makefile("rb")
        self.greeting = self.answer()

    def line(self) -> bytes:
        """One line, its literals included."""
        found = self._file.readline()
        while (mark := re.search(rb"\{(\d+)\}\r\n\Z", found)) is not None:
            found += self._file.read(int(mark[1])) + self._file.readline()
        return found.removesuffix(b"\r\n")

    def answer(self) -> list[bytes]:
        """Lines up to the response, which is the last."""
        lines = [self.line()]
        while lines[-1] and not re.match(rb"(OK|NO|BYE)\b", lines[-1]):
            lines.append(self.line())
        return lines

    def do(self, command: str | bytes) -> list[bytes]:
        data = command.encode() if isinstance(command, str) else command
        self.socket.sendall(data + b"\r\n")
        return self.answer()

    def ok(self, command: str | bytes) -> list[bytes]:
        """As `do`, and it must succeed; returns the lines before the response."""
        *lines, last = self.do(command)
        assert last.startswith(b"OK"), last
        return lines

    def no(self, command: str | bytes) -> bytes:
        *_, last = self.do(command)
        assert last.startswith(b"NO"), last
        return last

    def put(self, name: str, source: str | bytes) -> list[bytes]:
        octets = source.encode() if isinstance(source, str) else source
        return self.do(f'PUTSCRIPT "{name}" {{{len(octets)}+}}\r\n'.encode() + octets)

    def start_tls(self, context: ssl.SSLContext) -> list[bytes]:
        self.ok("STARTTLS")
        self._file.close()
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self._file = self.socket.makefile("rb")
        return self.answer()

    def at_end(self) -> bool:
        return self._file.readline() == b""

    def close(self) -> None:
        self._file.close()
        self.socket.close()


def plain(user: str, password: str = PASSWORD, authorization: str = "") -> str:
    """The initial response of PLAIN."""
    return base64.b64encode(f"{authorization}\0{user}\0{password}".encode()).decode()
