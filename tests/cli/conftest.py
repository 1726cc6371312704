"""A daemon for each module, and somebody who types commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.person import Person
from tests.system.caller import Caller
from tests.system.daemon import Daemon, daemon_in

SCRIPTS = {
    "fails": "#!/bin/sh\necho connecting to db\necho 'ERROR: connection refused db:5432'\nexit 3\n",
    "waits": "#!/bin/sh\necho waiting\nexec sleep 600\n",
    "counts": "#!/bin/sh\nfor n in 1 2 3; do echo line $n; done\n",
    "escapes": "#!/bin/sh\nprintf '\\033[31mred\\033[0m \\033]0;title\\007 end\\n'\n",
    "killed": "#!/bin/sh\nkill -KILL $$\n",
    "slowly": "#!/bin/sh\nn=0\nwhile [ $n -lt 600 ]; do n=$((n+1)); echo tick $n; sleep 0.1; done\n",
    "told": '#!/bin/sh\necho "$JOBSCHED_PARAM_WORD"\n',
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One that runs, with tasks of all fates."""
    with daemon_in(tmp_path_factory.mktemp("cli") / "daemon") as one:
        for name, text in SCRIPTS.items():
            one.script(name, text)
        one.section("parameters = word\n")  # of the last one
        yield one.start()


@pytest.fixture
def caller(daemon: Daemon) -> Caller:
    """Asks that daemon by HTTP."""
    return Caller(daemon)


@pytest.fixture
def person(daemon: Daemon, tmp_path: Path) -> Person:
    """Somebody who asks that daemon by the command."""
    return Person(tmp_path / "person", daemon)
