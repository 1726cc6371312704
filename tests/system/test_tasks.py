"""What a task is said to be before anything runs: what would keep it from being started, how long it may run."""

import pytest

from tests.system.caller import Caller
from tests.system.daemon import Daemon, until

BEHIND = "#!/bin/bash\nsleep 1000 </dev/null >/dev/null 2>&1 &\necho $!\n"


@pytest.fixture
def ask(daemon: Daemon) -> Caller:
    daemon.options("JOB_LIVETIME = 7200")
    daemon.script("sound", "#!/bin/sh\necho sound\n")
    daemon.script("behind", BEHIND)
    daemon.script("broken", "#!/bin/sh\r\necho never\r\n")
    daemon.section("leftovers = wait\n")
    daemon.script("late", "#!/bin/sh\n")
    (daemon.folder / "tasks" / "late.sh").unlink()
    daemon.start()
    return Caller(daemon)


def test_a_task_that_cannot_start_is_told_at_start_and_reading(daemon, ask):
    tasks = daemon.folder / "tasks"
    crlf = (
        f"{tasks}/broken.sh: its #! line ends with a carriage return (CRLF); save it with LF at the ends of its lines"
    )
    gone = f"{tasks}/late.sh: no such program"
    said = "WARNING jobsched.daemon.reload.CatalogHolder: catalog.cfg: [{}] {}; its runs will fail until that is mended"
    assert [task for task in ("sound", "behind", "broken", "late") if ask.get(f"/catalog/{task}")["problem"]] == [
        "broken", "late",
    ]  # fmt: skip
    assert [ask.get(f"/catalog/{task}")["problem"] for task in ("broken", "late")] == [crlf, gone]
    until(lambda: said.format("broken", crlf) in daemon.log and said.format("late", gone) in daemon.log)
    assert ask.get("/catalog/broken")["leftovers"] == "wait"

    late = ask.ended(ask.run(ask.make("late")))
    assert (late["state"], late["reason"]) == ("failed", f"could not start: {gone}")
    daemon.script("later", "#!/bin/sh\n")  # and the catalog changes too
    (tasks / "late.sh").write_text("#!/bin/sh\necho there\n")
    (tasks / "late.sh").chmod(0o755)
    (tasks / "sound.sh").chmod(0o644)
    assert "later" in ask.ask("POST", "/catalog/reload").json["tasks"]

    assert ask.get("/catalog/late")["problem"] is None
    assert ask.ended(ask.run(ask.make("late")))["state"] == "succeeded"
    until(lambda: said.format("sound", f"{tasks}/sound.sh: it is not executable") in daemon.log)
    assert daemon.log.count(said.format("late", gone)) == 1


PRINTS = """#!/bin/sh
printf '%s\\n' "$JOBSCHED_PARAM_SAYS"
exit "${JOBSCHED_PARAM_CODE:-0}"
"""


def test_a_task_says_what_counts_as_a_success(daemon):
    daemon.options("SECRET_PARAMETERS = ['says']\nOUTPUT_LIMIT = 50000")
    daemon.script("sync", PRINTS)
    daemon.section("parameters = says, code\nsuccess_codes = 0, 20-24")
    daemon.section("expect_output = ^sent [0-9]+ bytes$\nforbid_output = (?i)error")
    daemon.script("plain", "#!/bin/sh\n")
    daemon.start()
    ask = Caller(daemon)
    task = ask.get("/catalog/sync")
    shown = ("0, 20-24", "^sent [0-9]+ bytes$", "(?i)error")
    assert (task["success_codes"], task["expect_output"], task["forbid_output"]) == shown
    assert ask.get("/catalog/plain")["success_codes"] == "0"

    def ran(says, code="0"):
        run = ask.ended(ask.run(ask.make("sync", parameters={"says": says, "code": code})))
        return run["state"], run["reason"], run["exit_code"]

    lacks = "no line that was kept of its output matches expect_output (^sent [0-9]+ bytes$)"
    assert ran("hello\nsent 12 bytes\nbye") == ("succeeded", "finished", 0)
    assert ran("sent 12 bytes", "24") == ("succeeded", "finished: exit code 24 counts as a success", 24)
    assert ran("sent 12 bytes", "25") == ("failed", "exit code 25, last line: ***", 25)
    assert ran("sent no bytes") == ("failed", lacks, 0)
    # the line is a secret here: the whole of it is the parameter
    assert ran("ERROR: disk full") == ("failed", 'it printed "***", which forbid_output ((?i)error) is for', 0)
    assert ran("x" * 60_000 + "\nsent 12 bytes") == (
        "failed", f"{lacks}; output beyond 50000 bytes is not kept", 0,
    )  # fmt: skip


def test_the_timeout_in_force_is_shown_with_where_it_stands(ask):
    def shown(task, **more):
        return ask.get(ask.make(task, **more))["effective"]

    hours = {"timeout": 7200.0, "source": "JOB_LIVETIME"}
    assert shown("sound") == hours
    assert shown("sound", timeout=5) == {"timeout": 5.0, "source": "job"}
    assert shown("timeout") == {"timeout": 1.0, "source": "task"}
    assert shown("example") == {"timeout": None, "source": None}  # in a thread
    assert [ask.get(f"/catalog/{task}")["effective"] for task in ("sound", "timeout", "example")] == [
        hours, {"timeout": 1.0, "source": "task"}, {"timeout": None, "source": None},
    ]  # fmt: skip


def test_what_a_script_left_behind_is_told(daemon, ask):
    found = ask.ended(ask.run(ask.make("behind")))

    assert (found["state"], found["left_behind"]) == ("succeeded", 1)
    assert found["reason"] == "finished; 1 process that it left behind was ended"
    [line] = until(lambda: [line for line in daemon.log.splitlines() if "left behind was ended:" in line])
    pid = ask.ask("GET", f"/runs/{found['id']}/output").text.strip()
    assert "WARNING" in line
    assert line.endswith(
        f"run {found['id']} of {found['job_name']}: 1 process that it left behind was ended: {pid} (sleep)"
    )
