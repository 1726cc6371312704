"""Every system test gets a daemon of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers import Server
from tests.system.daemon import Daemon, daemon_in
from tests.system.pair import Pair, pair_in
from tests.system.receiver import Receiver, receiver_at


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Not started yet; gone after the test, whatever it came to."""
    with daemon_in(tmp_path / "daemon") as daemon:
        yield daemon


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Somebody who is told of jobs."""
    with receiver_at() as one:
        yield one


@pytest.fixture(scope="module", params=["postgresql", "mysql"])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, running: Callable[[str], Server]
) -> Iterator[Pair]:
    """Two nodes on one database, of each kind; a module may have a pair of its own."""
    with pair_in(tmp_path_factory.mktemp("pair"), running(request.param)) as one:
        one.start()
        yield one
