"""Every system test gets a daemon of its own."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.servers import Server
from tests.system.daemon import Daemon, daemon_in, until
from tests.system.pair import Pair, pair_in
from tests.system.receiver import Receiver, receiver_at

LONGEST = ("test_wrong_clock.py", "test_schemathesis.py")  # two minutes each


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: `test.sh` runs two at a time, and one that began last would be alone in the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session", autouse=True)
def no_executor_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An executor outlives the daemon that started it, but no test."""
    yield
    ours = str(tmp_path_factory.getbasetemp()) + os.sep  # `pytest-1` is another's where this is `pytest-11`

    def left() -> list[list[str]]:
        found = [each.info["cmdline"] or [] for each in psutil.process_iter(["cmdline"])]
        return [words for words in found if "jobsched.executor" in words and any(ours in word for word in words)]

    until(lambda: not left())


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
