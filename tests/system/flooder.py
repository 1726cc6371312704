"""A crowd of bad clients in a process of its own: half of them send a request a byte at a time, half send nonsense.

`python flooder.py PORT CLIENTS PAUSE`: each comes again PAUSE seconds after it was sent away. Every second a line of
JSON says how often each answer was given: a status, "cut" for none; "open" counts the connections there are.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import sys
from collections import Counter
from contextlib import suppress

HEAD = b"GET /jobs HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SLOW = [b"", HEAD, POST + b"Content-Length: 100000\r\n\r\n", POST + b"Transfer-Encoding: chunked\r\n\r\n"]
TRICKLE = [b"G", b"X: a\r\n", b"x", b"1\r\nx\r\n"]
BROKEN = [
    POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    HEAD + b"X: a\r\n b\r\n\r\n",
    HEAD.replace(b"\r\n", b"\n") + b"\n",
    HEAD.replace(b"localhost", b"evil.example") + b"\r\n",
    b"GET /" + b"a" * 20_000,
    HEAD + b"X: a\r\n" * 200 + b"\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
    (HEAD + b"\r\n") * 50,  # well-formed, and nobody reads the answers
    (HEAD.replace(b"/jobs", b"/catalog") + b"\r\n") * 1000,
    POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n",
]

random_bytes = random.Random(1).randbytes


class Flood:
    """All of them."""

    def __init__(self, port: int, pause: float) -> None:
        self.port = port
        self.pause = pause
        self.counts: Counter[str] = Counter()

    async def client(self, number: int) -> None:
        """One, which comes again and again."""
        await asyncio.sleep(self.pause * random.random())
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                self.counts["open"] += 1
                try:
                    await (self.slow if number % 2 else self.broken)(number // 2, reader, writer)
                finally:
                    self.counts["open"] -= 1
                    writer.transport.abort()
            await asyncio.sleep(self.pause)

    async def slow(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Never comes to an end."""
        kind = number % len(SLOW)
        writer.write(SLOW[kind])
        answer = asyncio.ensure_future(reader.read(1000))
        while not (await asyncio.wait([answer], timeout=1))[0]:
            writer.write(TRICKLE[kind])
        self.note(await answer)

    async def broken(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Makes no sense."""
        kind = number % (len(BROKEN) + 1)
        writer.write(BROKEN[kind] if kind < len(BROKEN) else random_bytes(2000) + b"\r\n\r\n")
        with suppress(TimeoutError):
            self.note(await asyncio.wait_for(reader.read(1000), 5))

    def note(self, answer: bytes) -> None:
        """Count an answer."""
        self.counts[answer[9:12].decode("ascii", "replace") if answer.startswith(b"HTTP/1.") else "cut"] += 1


async def main(port: int, clients: int, pause: float) -> None:
    """Until we are ended."""
    flood = Flood(port, pause)
    crowd = [asyncio.ensure_future(flood.client(number)) for number in range(clients)]
    while crowd:
        await asyncio.sleep(1)
        print(json.dumps(flood.counts), flush=True)


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
