"""What every pytest test gets. Imports no Klein: it would install a reactor before pytest-twisted chose one."""

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

from tests.servers import Server, started

HERE = Path(__file__).parent
LONG = "JOBSCHED_TESTS_LONG"  # set by `.ci/long`
KINDS = ("unit", "store", "process", "system", "cli", "browser")
# Files that take more than a minute, those that take longest first.
LONG_FILES = (
    "test_schemathesis.py", "test_state_machine.py", "test_same_answers.py", "test_page.py", "test_overdue.py",
    "test_upgrade.py", "test_run_plans.py", "test_wrong_clock.py", "test_clients.py", "test_isolation.py",
    "test_failover.py", "test_refusals.py",
)  # fmt: skip

# A shared machine may stall for any time: an example that is slow is no failure. Derandomized: the same commit
# gives the same answer; HYPOTHESIS_PROFILE=search looks further, and `fast`, which `./test.sh fast` takes, less far.
settings.register_profile("jobsched", deadline=None, print_blob=True, derandomize=True)
settings.register_profile("fast", settings.get_profile("jobsched"), max_examples=25)
settings.register_profile("search", deadline=None, print_blob=True, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "jobsched"))


_PLACES = {name: place for place, name in enumerate(LONG_FILES)}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The folder is the kind: `-m unit` selects tests/unit. What is marked `long` is for `.ci/long`."""
    if LONG not in os.environ and (left := [item for item in items if item.get_closest_marker("long")]):
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
    for item in items:
        kind = item.path.relative_to(HERE).parts[0]
        if kind in KINDS:
            item.add_marker(kind)
    # `test.sh` runs some files at a time, and one that began last would be alone in the end.
    items.sort(key=lambda item: _PLACES.get(item.path.name, len(_PLACES)))


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


@pytest.fixture(scope="session", autouse=True)
def no_executor_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An executor outlives the daemon that started it, but no test."""
    yield
    ours = str(tmp_path_factory.getbasetemp()) + os.sep  # `pytest-1` is another's where this is `pytest-11`

    def left() -> list[list[str]]:
        found = [each.info["cmdline"] or [] for each in psutil.process_iter(["cmdline"])]
        return [words for words in found if "jobsched.executor" in words and any(ours in word for word in words)]

    end = time.monotonic() + 30
    while found := left():
        assert time.monotonic() < end, found
        time.sleep(0.05)


@pytest.fixture
def untraced() -> Iterator[None]:
    """Neither is coverage measured nor garbage of other tests collected, for that would be timed with the program."""
    tracer = sys.gettrace()
    sys.settrace(None)
    gc.disable()
    yield
    gc.enable()
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
