"""What one run carries to the next: a task and what was given for it, never one without the other."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobsched.model.retry import OTHER_TASK
from tests.system.caller import Caller
from tests.system.daemon import daemon_in, until
from tests.system.receiver import receiver_at

SECRET = "S3CRET-of-one-task"
GATE = '#!/bin/sh\necho begun\nuntil [ -e "open-$JOBSCHED_JOB_NAME" ]; do sleep 0.02; done\nexit 1\n'
GIVEN = {"token": SECRET, "text": "x"}
WHO = "#!/bin/sh\nid -un; env | grep ^JOBSCHED_PARAM | sort; true\n"


@pytest.fixture(scope="module")
def receiver():
    with receiver_at() as one:
        yield one


@pytest.fixture(scope="module")
def daemon(receiver):
    """In a folder that other users may look into."""
    with tempfile.TemporaryDirectory(prefix="jobsched-") as folder, daemon_in(Path(folder, "daemon")) as daemon:
        Path(folder).chmod(0o755)
        daemon.options(f"NOTIFY_URL = {receiver.url()!r}\nNOTIFY_PRIVATE = True\nKILL_GRACE = 0.5")
        for name, text, takes in (
            ("secretive", GATE, "parameters = token, text\n"),
            ("showenv", "#!/bin/sh\nenv\n", "parameters = token, text\n"),
            ("bare", "#!/bin/sh\nenv\n", ""),
            ("who", WHO, "parameters = token, text\n"),
        ):
            daemon.script(name, text)
            daemon.section(takes)
        yield daemon.start()


@pytest.fixture
def ask(daemon):
    return Caller(daemon)


@contextmanager
def catalog(ask, old, new):
    """Another one is in force for a while."""
    path = ask.daemon.folder / "conf" / "catalog.cfg"
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))
    assert ask.ask("POST", "/catalog/reload").status == 200
    yield
    path.write_text(before)
    assert ask.ask("POST", "/catalog/reload").status == 200


def told(receiver, run):
    """What was told of a run, once it has come."""
    return until(lambda: [each.json for each in receiver.came if each.json["run"]["id"] == run.rpartition("/")[2]])


def opened(ask, name):
    (ask.daemon.folder / f"open-{name}").touch()


@pytest.mark.parametrize(
    ("name", "task", "parameters"),
    [("taken", "showenv", {"token": None}), ("other", "showenv", {"token": "other"}), ("none", "bare", None)],
)
def test_a_run_whose_job_has_a_new_task_is_not_tried_again(ask, receiver, name, task, parameters):
    job = ask.make("secretive", name=name, parameters=GIVEN, retries=1, retry_delay=0)
    run = ask.run(job)
    until(lambda: ask.text(f"{run}/output"))
    assert ask.patch(job, task=task, parameters=parameters)["task"] == task
    opened(ask, name)

    ended = ask.ended(run)
    assert (ended["state"], ended["task"], ended["attempt"]) == ("failed", "secretive", 1)
    assert ended["reason"] == f"exit code 1, last line: begun; {OTHER_TASK}"
    [event] = told(receiver, run)
    assert (event["event"], event["retry"], event["reason"]) == ("failed", False, ended["reason"])
    assert [each["id"] for each in ask.runs(job)] == [ended["id"]]

    later = ask.run(job)  # as its job is now
    assert ask.ended(later)["task"] == task
    said = ask.text(f"{later}/output")
    assert SECRET not in said + ask.daemon.log
    assert ("JOBSCHED_PARAM_TEXT=x" in said) == (task == "showenv")


def test_a_change_ends_a_waiting_retry_and_no_queued_run(ask, receiver):
    job = ask.make("secretive", name="waits", parameters=GIVEN, retries=1, retry_delay=3600, overlap="queue")
    opened(ask, "waits")
    first = ask.run(job)
    ask.ended(first)
    assert told(receiver, first)[0]["retry"] is True
    retry = ask.run_in(job, "waiting")
    assert retry["cause"] == "retry"

    (ask.daemon.folder / "open-waits").unlink()
    active = ask.run(job)
    until(lambda: ask.text(f"{active}/output"))
    queued = ask.run(job)
    assert ask.get(queued)["state"] == "waiting"
    ask.patch(job, task="who", parameters={"token": None})
    found = ask.get(f"/runs/{retry['id']}")
    assert (found["state"], found["reason"]) == ("cancelled", OTHER_TASK)
    opened(ask, "waits")
    for run in (active, queued):
        ended = ask.ended(run)
        assert (ended["task"], ended["state"]) == ("secretive", "failed")
        assert told(receiver, run)[0]["retry"] is False
    assert [run["task"] for run in ask.runs(job)] == ["secretive"] * 4


def test_a_catalog_read_again_says_what_a_run_may_be_given(ask):
    """The name of a task is what the catalog of now says: its class, its user, its limits and its parameters."""
    job = ask.make("who", name="reloaded", parameters=GIVEN)
    assert ask.ended(ask.run(job))["state"] == "succeeded"
    section = "script = who.sh\n\nparameters = token, text"
    with catalog(ask, section, section.replace("token, ", "")):
        run = ask.run(job)
        ended = ask.ended(run)
        words = "could not start: task who takes no parameter token any more"
        assert (ended["state"], ended["reason"]) == ("failed", words)
        assert ask.text(f"{run}/output") == ""
        assert ask.patch(job, parameters={"token": None})["parameters"] == {"text": "x"}
        run = ask.run(job)
        assert ask.ended(run)["state"] == "succeeded"
        assert ask.text(f"{run}/output").splitlines()[1:] == ["JOBSCHED_PARAM_TEXT=x"]


def test_a_task_gone_for_a_while_keeps_what_was_given_for_it(ask):
    job = ask.make("who", name="gone", parameters=GIVEN)
    with catalog(ask, "[who]", "[whose]"):
        ended = ask.ended(ask.run(job))
        assert ended["reason"] == "could not start: task who is not in the catalog"
    run = ask.run(job)
    ask.ended(run)
    assert f"JOBSCHED_PARAM_TOKEN={SECRET}" in ask.text(f"{run}/output")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of another user")
def test_a_retry_after_a_reload_is_confined_as_is_said_by_then(ask):
    job = ask.make("secretive", name="confined", retries=1, retry_delay=0)
    first = ask.run(job)
    until(lambda: ask.text(f"{first}/output"))  # it has begun, as was said before
    section = "script = secretive.sh\n\nparameters = token, text\n"
    moved = "script = who.sh\nparameters = token, text\nuser = nobody\n"
    with catalog(ask, section, moved):
        opened(ask, "confined")
        assert ask.ended(first)["state"] == "failed"
        retry = ask.run_in(job, "succeeded", "failed", at_least=2)
        assert (retry["cause"], retry["state"]) == ("retry", "succeeded")
        assert ask.text(f"/runs/{retry['id']}/output") == "nobody\n"
