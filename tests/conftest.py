"""What every pytest test gets. Imports no Klein: it would install a reactor before pytest-twisted chose one."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.servers import Server, started

HERE = Path(__file__).parent
KINDS = ("unit", "store", "process", "system", "cli", "browser")

# A shared machine may stall for any time: an example that is slow is no failure. Derandomized: the same commit
# gives the same answer; HYPOTHESIS_PROFILE=search looks further, and `fast`, which `./test.sh fast` takes, less far.
settings.register_profile("jobsched", deadline=None, print_blob=True, derandomize=True)
settings.register_profile("fast", settings.get_profile("jobsched"), max_examples=25)
settings.register_profile("search", deadline=None, print_blob=True, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "jobsched"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folder is the kind: `-m unit` selects tests/unit."""
    for item in items:
        kind = item.path.relative_to(HERE).parts[0]
        if kind in KINDS:
            item.add_marker(kind)


@pytest.fixture(scope="session")
def running() -> Iterator[Callable[[str], Server]]:
    """The database server of a kind, started when it is first asked for; one for all tests."""
    servers: dict[str, Server] = {}

    def get(kind: str) -> Server:
        if kind not in servers:
            servers[kind] = started(kind)
        return servers[kind]

    yield get
    for server in servers.values():
        server.close()


@pytest.fixture
def untraced() -> Iterator[None]:
    """Coverage is not measured, for it would be timed with the program."""
    tracer = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracer)


@pytest.fixture(autouse=True)
def no_timer_left() -> Iterator[None]:
    """Fail a test that leaves a timer in the real reactor, where it would fire into another test."""
    from twisted.internet import reactor

    before = set(reactor.getDelayedCalls())
    yield
    left = [call for call in reactor.getDelayedCalls() if call not in before]
    described = "\n".join(map(str, left))
    for call in left:
        call.cancel()
    assert not left, f"timers left behind:\n{described}"
