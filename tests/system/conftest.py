"""Every system test gets a daemon of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.daemon import Daemon, daemon_in
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
