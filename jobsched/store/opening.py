"""Opening a store by its URL. Whatever needs a store that is not open yet begins here; no other module knows the kind
of the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..events import Events
from ..model.errors import BadStore
from ..reactor_types import WithTimers
from .contract.store import Listener, Snapshot, Store
from .mongo import url as mongo_url
from .sign_of_life import Sign
from .sql import backup, db_errors, schema, verify
from .sql.listen_notify import Listener as NotifyListener
from .sql.store import THREADS, WAITING
from .sql.store import Store as SqlStore


def open_store(
    reactor: WithTimers,
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
    """The store at `url`; nothing is opened before the store starts. The options are those of `sql.store.Store`."""
    if mongo_url.is_mongo(url):
        with _mongo_driver(url):
            from .mongo.store import Store as MongoStore
        return MongoStore(
            reactor, url, threads=threads, everyone=everyone, waiting=waiting, prompt=prompt, events=events, tells=tells
        )
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
    """Create or upgrade what is stored at `url`. Raises BadStore if this is not possible, or if the store cannot keep
    the promise."""
    if mongo_url.is_mongo(url):
        with _mongo_driver(url):
            from .mongo import schema as mongo_schema
        mongo_schema.migrate(url)
        return
    schema.migrate(url, galera_single_writer=galera_single_writer)


@contextmanager
def snapshot(url: str) -> Iterator[Snapshot]:
    """One state of the store, for as long as the block takes. Raises BadStore if it cannot be read, or is lost."""
    with _mongo_view(url) if mongo_url.is_mongo(url) else _sql_view(url) as found:
        yield found


@contextmanager
def _sql_view(url: str) -> Iterator[Snapshot]:
    with verify.view(url) as transaction:
        yield verify.Snapshot(transaction)


@contextmanager
def _mongo_view(url: str) -> Iterator[Snapshot]:
    with _mongo_driver(url):
        from .mongo import verify as mongo_verify
    with mongo_verify.view(url) as transaction:
        yield mongo_verify.Snapshot(transaction)


@contextmanager
def _mongo_driver(url: str) -> Iterator[None]:
    """Around what imports MongoDB's driver, which few need: it may not be installed."""
    try:
        yield
    except ImportError as why:
        safe = mongo_url.make_url_safe(url)
        raise BadStore(f"store: {safe} needs a driver: pip install 'jobsched[mongodb]' ({why})") from why


def listener(
    url: str, who: Callable[[], str], heard: Callable[[], None], cut: Callable[[str], None], left: Callable[[], None]
) -> Listener:
    """A listener that hears what other nodes tell, for a store that `notifies`. `who` says which news come from this
    node and do not count.

    `heard` is called for news, at least once for news that come together, and each time that the listener begins to
    listen: news may have been missed. `cut` is called with the reason when the listener cannot listen; the listener
    tries again until it can. `left` is the last function that is called. All of them are called in the listener's
    thread. Raises BadStore.
    """
    if mongo_url.is_mongo(url):
        from .mongo.change_stream import Listener as StreamListener  # its driver may not be installed

        return StreamListener(url, who, heard, cut, left)
    return NotifyListener(url, who, heard, cut, left)


def make_url_safe(given: str) -> str:
    """`given` without its password, for messages."""
    return mongo_url.make_url_safe(given) if mongo_url.is_mongo(given) else db_errors.make_url_safe(given)


def file_of(given: str) -> Path | None:
    """The file of a store that is a file. None: another kind of store, or a store in memory."""
    return None if mongo_url.is_mongo(given) else backup.sqlite_file(given)


def copy(source: Path, target: Path) -> None:
    """Make `target`, one state of a store that is a file; daemons may write meanwhile. Raises BadStore."""
    backup.copy(source, target)


def check(file: Path) -> None:
    """Raises BadStore if a file is no sound store."""
    backup.check(file)
