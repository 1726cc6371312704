"""Opening a store by its URL: what needs one that is not open yet begins here, and nothing else knows of its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from twisted.internet.interfaces import IReactorThreads

from ..events import Events
from .contract.store import Listener, Snapshot, Store
from .sign_of_life import Sign
from .sql import schema, url, verify
from .sql.listen_notify import Listener as NotifyListener
from .sql.store import THREADS, WAITING
from .sql.store import Store as SqlStore


def open_store(
    reactor: IReactorThreads,
    url: str,
    *,
    threads: int = THREADS,
    everyone: str | None = None,
    waiting: int = WAITING,
    prompt: int | None = None,
    events: Events | None = None,
    sign: Callable[[], Sign | None] = lambda: None,
    tells: Callable[[], bool] = lambda: False,
) -> Store:
    """The store at `url`; nothing is opened before it starts. The options are those of `sql.store.Store`."""
    return SqlStore(
        reactor,
        url,
        threads=threads,
        everyone=everyone,
        waiting=waiting,
        prompt=prompt,
        events=events,
        sign=sign,
        tells=tells,
    )


def migrate(url: str, *, galera_single_writer: bool = False) -> None:
    """Create or upgrade what is stored at `url`. Raises BadStore when that cannot be, or the promise cannot be kept."""
    schema.migrate(url, galera_single_writer=galera_single_writer)


@contextmanager
def snapshot(url: str) -> Iterator[Snapshot]:
    """One state of the store for as long as it takes. Raises BadStore when it cannot be had, or is lost."""
    with verify.view(url) as transaction:
        yield verify.Snapshot(transaction)


def listener(
    url: str, who: Callable[[], str], heard: Callable[[], None], cut: Callable[[str], None], left: Callable[[], None]
) -> Listener:
    """Hears what other nodes tell, where the store `notifies`; `who` says which news are not theirs.

    `heard` is called for news, those that come together being one, and each time that it begins to listen: something
    may have been missed. `cut` is called with the reason when it cannot listen; it tries again until it can. `left` is
    the last that is called. All of them are called in the thread. Raises BadStore.
    """
    return NotifyListener(url, who, heard, cut, left)


def make_url_safe(given: str) -> str:
    """`given` without its password, for messages."""
    return url.make_url_safe(given)


def file_of(given: str) -> Path | None:
    """The file of a store that is one. None: another kind of store, or one in memory."""
    return url.sqlite_file(given)
