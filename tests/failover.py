"""What a failover of a database is made of: a standby that can be promoted, and an address that comes to lead to it."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.servers import PATIENCE, USER, PostgreSQL


class Standby(PostgreSQL):
    """Follows a running `primary`, which waits for it at each commit, until it is promoted."""

    def __init__(self, primary: PostgreSQL) -> None:
        self._primary = primary
        super().__init__()
        self.password = primary.password

    @classmethod
    def programs(cls) -> dict[str, str | None]:
        return super().programs() | cls._where("pg_basebackup")

    def _create(self) -> None:
        source = f"host=127.0.0.1 port={self._primary.port} user={USER} password={self._primary.password}"
        program = str(self.programs()["pg_basebackup"])
        folder = str(self.folder / "data")
        self._prepare([program, "-D", folder, "-d", source, "-R", "-X", "stream", "-c", "fast", "--no-sync"])

    def start(self) -> None:
        super().start()
        self._primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self._primary.execute("SELECT pg_reload_conf()")
        following = "SELECT 1 / count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"  # an error, if none does
        _until(lambda: succeeds(lambda: self._primary.execute(following)))

    def promote(self) -> None:
        """Let it take changes; returns when it does."""
        self.execute("SELECT pg_promote()")


def demote(primary: PostgreSQL) -> None:
    """Restart it such that it answers questions and takes no changes."""
    primary.stop()
    (primary.folder / "data" / "standby.signal").touch()
    primary.start()


class Way:
    """A port of 127.0.0.1 that leads to another one; where to, can be changed, and what is connected stays so."""

    def __init__(self, to: int) -> None:
        self.to: int | None = to  # None: nobody is let in
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._waiters, self._rope = socket.socketpair()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def url(self, url: str) -> str:
        """The same database by this way."""
        head, _, tail = url.rpartition(":")
        return f"{head}:{self.port}/{tail.partition('/')[2]}"

    def cut(self) -> None:
        """Break off all that is connected."""
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """Nobody gets through for a while."""
        to, self.to = self.to, None
        self.cut()
        try:
            yield
        finally:
            self.to = to

    def close(self) -> None:
        """There is no way any more."""
        self._rope.close()
        self._thread.join()
        self._waiters.close()
        self._door.close()
        self.cut()

    def _work(self) -> None:
        while True:
            ready, _, _ = select.select([self._door, self._waiters], [], [])
            if self._waiters in ready:
                return
            client, _ = self._door.accept()
            self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            if self.to is None:
                raise ConnectionRefusedError
            server = socket.create_connection(("127.0.0.1", self.to), timeout=5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        self._open |= {client, server}
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        """Hand on what comes from one until there is nothing more; then the other hears that too."""
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._open.discard(one)
        one.close()


def succeeds(call: Callable[[], Any]) -> bool:
    """Whether it does not fail."""
    try:
        call()
    except Exception:  # whatever it is, it is not so yet
        return False
    return True


def _until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)
