"""A function over HTTP that answers DEFAULT for everyone, in a process of its own.

`python -m benchmarks.answering` prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys

BODY = b'{"actions":[{"action":{"type":"DEFAULT"},"allRecipients":true}]}'
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one connection's requests."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            fields = head.lower().partition(b"content-length:")[2]
            await reader.readexactly(int(fields.partition(b"\r\n")[0]))
            writer.write(REPLY)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def serve() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
