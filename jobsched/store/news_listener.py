"""A listener's thread: it listens again after each fault, and ends when it is asked to, whichever the database."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import threading
from collections.abc import Callable

from ..clock import elapsed
from .contract.store import Listener

FIRST, LONGEST = 0.1, 5.0  # seconds before it is tried to listen again, and at most


class NewsListener(Listener):
    """What `store.opening.listener` gives; a kind of database says how to listen."""

    def __init__(
        self, who: Callable[[], str], heard: Callable[[], None], cut: Callable[[str], None],
        left: Callable[[], None], chance: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        self._who = who
        self._heard = heard
        self._cut = cut
        self._left = left
        self._chance = chance
        self._pause = FIRST
        self._since = elapsed()
        self._waiters, self._rope = socket.socketpair()  # the bell can be read once the rope is closed
        self._thread: threading.Thread

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="store-news", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the listener to end. It does so at once, or within the time that a connection under way may take."""
        self._rope.close()

    def renew(self) -> None:
        self._rope.send(b"!")

    def join(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _listen(self) -> None:
        """Listen until that is not possible any more: call `_heard` first and for news, `_wait` and `_holds` often."""
        raise NotImplementedError

    def _words(self, why: Exception) -> str:
        """A failure in one line, without a password."""
        raise NotImplementedError

    def _close(self) -> None:
        """Close all connections."""
        raise NotImplementedError

    def _work(self) -> None:
        with contextlib.suppress(_Over):
            while True:
                self._try()
                with contextlib.suppress(_Anew):
                    self._wait(self._pause * (1 + self._chance() / 4))
                self._pause = min(self._pause * 2, LONGEST)
        self._close()
        self._waiters.close()
        self._left()

    def _try(self) -> None:
        self._since = elapsed()
        try:
            self._listen()
        except _Over:
            raise
        except _Anew:
            self._pause = FIRST
        except Exception as why:  # whatever it is, nobody else would try again
            self._cut(self._words(why))

    def _holds(self) -> None:
        """It is listening. Once it has held for some time, what cuts it next is something else."""
        if elapsed() - self._since > LONGEST:
            self._pause = FIRST

    def _wait(self, seconds: float, other: int | None = None) -> bool:
        """Wait until something can be read from `other`; false if nothing came. Raises _Over when the listener is to
        end, _Anew when it is to use a new connection."""
        poll = select.poll()
        for each in (self._waiters.fileno(), other):
            if each is not None:
                poll.register(each, select.POLLIN)
        ready = [number for number, _ in poll.poll(seconds * 1000)]
        if self._waiters.fileno() in ready:
            raise _Anew if self._waiters.recv(1000) else _Over
        return bool(ready)


class _Over(Exception):
    """The listener is to end."""


class _Anew(Exception):
    """The listener is to have another connection."""
