"""A daemon on a server that cannot keep the promise says so and ends; where an operator vouches for it, it works."""

from __future__ import annotations

import contextlib

from tests.servers import started
from tests.system.caller import Caller
from tests.system.daemon import Daemon


def test_a_galera_is_refused_but_with_one_writer(daemon: Daemon) -> None:
    with contextlib.closing(started("galera")) as server:
        daemon.options(f"SCHED_CONFIG = {{'store': {server.create_database('jobs')!r}}}")
        daemon.script("works", "#!/bin/sh\necho done\n")
        status, said = daemon.run()
        assert status == 1
        (line,) = said.splitlines()
        assert line.startswith("jobsched: store: mysql+pymysql://jobsched:***@127.0.0.1:")
        assert "is a member of a Galera cluster" in line
        assert line.endswith("say so by GALERA_SINGLE_WRITER = True in jobsched.cfg")
        daemon.options("GALERA_SINGLE_WRITER = True")
        ask = Caller(daemon.start())
        assert ask.ended(ask.run(ask.make("works")))["state"] == "succeeded"
        assert daemon.stop() == 0
