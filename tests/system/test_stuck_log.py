"""A log that takes nothing any more: the daemon works on, and ends all the same."""

import fcntl
import os
import sys
from pathlib import Path

import pytest

from tests.system.caller import Caller
from tests.system.daemon import TWISTD

LOUD = "#!/bin/sh\nseq 20000\necho end\n"
STDOUT = "class = StreamHandler\nargs = (sys.stdout,)\n"
FILE = "class = FileHandler\nargs = ('fifo', 'w')\n"
INTO_PIPE = """\
import os, sys
pipe = os.open("fifo", os.O_WRONLY)
for number in map(int, sys.argv[1].split()):
    os.dup2(pipe, number)
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def pipe(daemon):
    """A small pipe, as `fifo` in the daemon's folder, that somebody holds open and nobody empties."""
    path = daemon.folder / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    yield path
    os.close(reader)


def into_pipe(*numbers):
    """The command that starts a daemon of which these file descriptors are the pipe."""
    twistd = str(Path(sys.executable).with_name(TWISTD[0]))
    return ("python", "-c", INTO_PIPE, " ".join(map(str, numbers)), twistd, *TWISTD[1:])


@pytest.mark.usefixtures("pipe")
@pytest.mark.parametrize(
    ("handler", "command", "told"),
    [
        pytest.param(FILE, TWISTD, True, id="a file"),
        pytest.param(STDOUT, into_pipe(1, 2), False, id="stdout and stderr"),  # there is nowhere to tell it
    ],
)
def test_runs_go_on_and_the_end_comes_soon(daemon, handler, command, told):
    logging = daemon.folder / "conf" / "logging.cfg"
    assert STDOUT in logging.read_text()
    logging.write_text(logging.read_text().replace(STDOUT, handler))
    daemon.script("loud", LOUD)
    ask = Caller(daemon)
    daemon.start(command=command)
    run = ask.run(ask.make("loud"))
    assert ask.ended(run)["state"] == "succeeded"
    assert ask.text(f"{run}/output").endswith("20000\nend\n")

    assert daemon.stop() == 1
    assert ("jobsched: a log handler is stuck, the last lines are lost: <" in daemon.log) is told
    assert "Traceback" not in daemon.log
    assert "Fatal" not in daemon.log
