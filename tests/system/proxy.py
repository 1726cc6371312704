"""Stands before a PostgreSQL, and is gone when told so, or the moment after a commit has been answered; or before a
MongoDB, and is gone with that answer."""

from __future__ import annotations

import contextlib
import re
import selectors
import socket
import threading
from collections.abc import Iterator

import attrs

COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
PIECE = 65536
SESSION = re.compile(rb"\x05id\0\x10\0\0\0\x04(.{16})", re.DOTALL)  # as MongoDB's driver names one, in BSON


@attrs.define(eq=False)
class _Wire:
    """One connection of a client, and that to the server which belongs to it."""

    client: socket.socket
    server: socket.socket
    named: bool = False  # the statement that is waited for was sent here
    tail: bytes = b""  # of what the server has said

    def close(self) -> None:
        self.client.close()
        self.server.close()


class Proxy:
    """Passes on what is said, in a thread. `strike` says when to go, `back` to come again."""

    _loses = False  # the answer after which it goes

    def __init__(self, server: int) -> None:
        self.port = 0
        self.struck = threading.Event()
        self._server = server
        self._statement = b""
        self._refusing = False
        self._wires: dict[socket.socket, _Wire] = {}
        self._lock = threading.Lock()
        self._over = False
        self._door = self._open()
        self._thread = threading.Thread(target=self._work, name="proxy", daemon=True)

    def strike(self, statement: str) -> None:
        """After the commit of the first transaction in which this is sent, cut everybody off and let nobody in."""
        self.struck.clear()
        with self._lock:
            for wire in self._wires.values():
                wire.named = False
            self._statement = statement.encode()

    def go(self) -> None:
        """Cut everybody off now, and let nobody in."""
        with self._lock:
            self._refusing = True

    def back(self) -> None:
        """Let everybody in."""
        with self._lock:
            self._statement = b""
            self._refusing = False

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._over = True
        self._thread.join(30)

    def _open(self) -> socket.socket:
        door = socket.create_server(("127.0.0.1", self.port))
        self.port = door.getsockname()[1]
        return door

    def _work(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._door, selectors.EVENT_READ)
            while not self._over:
                for key, _ in selector.select(0.05):
                    with self._lock:
                        self._serve(selector, key.fileobj)
                if self._refusing:
                    self._cut(selector)
            self._cut(selector)
            self._door.close()

    def _serve(self, selector: selectors.BaseSelector, ready: object) -> None:
        assert isinstance(ready, socket.socket)
        if ready is self._door:
            client, _ = self._door.accept()
            if self._refusing:
                client.close()
                return
            try:
                wire = _Wire(client, socket.create_connection(("127.0.0.1", self._server)))
            except OSError:  # the server is away
                client.close()
                return
            for end in (wire.client, wire.server):
                self._wires[end] = wire
                selector.register(end, selectors.EVENT_READ)
        elif ready in self._wires:
            self._pass_on(selector, self._wires[ready], ready)

    def _pass_on(self, selector: selectors.BaseSelector, wire: _Wire, ready: socket.socket) -> None:
        other = wire.server if ready is wire.client else wire.client
        try:
            data = ready.recv(PIECE)
            if ready is wire.server and self._is_the_end(wire, data):
                self._refusing = True
                self.struck.set()
            if not (self._refusing and self._loses):
                other.sendall(data)
        except OSError:
            data = b""
        if not data:
            self._forget(selector, wire)
        elif self._refusing:
            self._cut(selector)  # before anything more is passed on
        elif ready is wire.client:
            self._see(wire, data)

    def _see(self, wire: _Wire, data: bytes) -> None:
        """What was passed on to the server."""
        wire.named = wire.named or bool(self._statement and self._statement in data)

    def _is_the_end(self, wire: _Wire, data: bytes) -> bool:
        said, wire.tail = wire.tail + data, data[-len(COMMITTED) :]
        return wire.named and COMMITTED in said

    def _cut(self, selector: selectors.BaseSelector) -> None:
        for wire in set(self._wires.values()):
            self._forget(selector, wire)

    def _forget(self, selector: selectors.BaseSelector, wire: _Wire) -> None:
        for end in (wire.client, wire.server):
            if self._wires.pop(end, None) is not None:
                selector.unregister(end)
        wire.close()


class LosingProxy(Proxy):
    """Stands before a MongoDB: the commit is made, and its answer is lost. A transaction may take several connections.
    The client must ask for a direct connection, or it goes to where the server says that it is."""

    _loses = True

    def __init__(self, server: int) -> None:
        super().__init__(server)
        self._session: bytes | None = None

    def _see(self, wire: _Wire, data: bytes) -> None:
        session = SESSION.search(data)
        if session is not None and self._statement and self._statement in data:
            self._session = session[1]
        wire.named = session is not None and session[1] == self._session and b"commitTransaction" in data

    def _is_the_end(self, wire: _Wire, data: bytes) -> bool:
        return wire.named and bool(data)


@contextlib.contextmanager
def proxy_to(server: int, kind: type[Proxy] = Proxy) -> Iterator[Proxy]:
    """One before that port of this machine; gone afterwards."""
    proxy = kind(server)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.close()
