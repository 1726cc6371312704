"""Files that somebody else put in the place of the daemon's own: never followed, never waited for, and said."""

import os

import pytest

from tests.system.caller import Caller
from tests.system.daemon import until

SECRET = "root:hunter22:::"
TELL = "#!/bin/sh\necho told\n"
# A run without a user is the daemon's own, and may do this to its output while it runs.
SWAP = """#!/bin/sh
echo before
until [ -s "$file" ]; do
    sleep 0.02
    file=$(find ../var/output var/output -name "$JOBSCHED_RUN_ID.log" 2>/dev/null)
done
mv "$file" "$file.old"
mkfifo "$file"
echo after
"""


@pytest.fixture
def ask(daemon):
    daemon.script("tell", TELL)
    daemon.script("swap", SWAP)
    return Caller(daemon)


def output_of(ask, run):
    return next((ask.daemon.folder / "var" / "output").glob(f"*/{run.rpartition('/')[2]}.log"))


def test_what_lies_in_the_place_of_an_output_is_not_read(ask):
    daemon = ask.daemon.start()
    secret = daemon.folder / "secret"
    secret.write_text(SECRET)
    run = ask.run(ask.make("tell"))
    ask.ended(run)
    assert ask.text(f"{run}/output") == "told\n"

    path = output_of(ask, run)
    for kind in ("fifo", "link", "folder"):
        path.rmdir() if path.is_dir() else path.unlink()
        {"fifo": lambda: os.mkfifo(path), "link": lambda: path.symlink_to(secret), "folder": path.mkdir}[kind]()
        for more in ("", "?tail=1", "?follow=1"):
            refused = ask.ask("GET", f"{run}/output{more}")  # a FIFO that is opened would take for ever
            assert refused.fault == (503, ""), (kind, more)
            assert "hunter22" not in refused.text + str(refused.headers)
        until(lambda: f"the output {path} cannot be read: is not a plain file" in daemon.log)

    folder = path.parent
    path.rmdir()
    folder.rename(daemon.folder / "elsewhere")
    (daemon.folder / "elsewhere" / path.name).write_text(SECRET)
    folder.symlink_to(daemon.folder / "elsewhere")
    assert ask.ask("GET", f"{run}/output").fault == (503, "")
    until(lambda: f"the output {folder} cannot be read: is not a folder" in daemon.log)

    run = ask.run(ask.make("swap"))
    assert ask.ended(run)["state"] == "succeeded"
    assert ask.ask("GET", f"{run}/output").status == 503
    assert (output_of(ask, run).with_suffix(".log.old")).read_text() == "before\nafter\n"
    assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("jobsched.lock", "the lock {path} cannot be made: is not a plain file"),
        ("jobsched.sqlite", "store: {path} is not a plain file"),
    ],
)
def test_a_start_follows_nothing_put_into_the_state_folder(ask, name, words):
    state = ask.daemon.folder / "var"
    state.mkdir(mode=0o700)
    os.mkfifo(state / name)
    status, said = ask.daemon.run()
    assert (status, said) == (1, f"jobsched: {words.format(path=state / name)}\n")
    assert [path.name for path in state.iterdir() if path.stat().st_size] == []


def test_a_state_folder_that_others_may_write_is_said(ask):
    state = ask.daemon.folder / "var"
    state.mkdir()
    state.chmod(0o777)
    ask.daemon.start()
    ask.daemon.says(f"others may write {state}, and replace the store and what runs printed: chmod it to 0700")
    assert ask.daemon.stop() == 0
    state.chmod(0o700)
    before = len(ask.daemon.log)
    ask.daemon.start()
    assert "others may write" not in ask.daemon.log[before:]
