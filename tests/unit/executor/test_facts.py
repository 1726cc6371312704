"""The end of a run goes into a frame and comes out the same, but for secrets."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.clock import elapsed
from jobsched.config.confinement import Confinement
from jobsched.executor.facts import (
    ended_at,
    ended_of,
    exit_of,
    moment,
    printed_of,
    redact_of,
    script_of,
    sent_of,
    start_of,
    stop_of,
    success_of,
    why_of,
)
from jobsched.executor.frames import Ended, Moment, Start, daemons_inbox, packed
from jobsched.model.rlimits import ResourceLimits
from jobsched.model.success import PLAIN
from jobsched.runner.deadline import Stop
from jobsched.runner.outcome import ProcessExit
from jobsched.runner.output_file import Printed
from jobsched.runner.procfs import Stat
from jobsched.runner.scripts import Script
from jobsched.runner.session import Usage
from jobsched.task import Info

AT = Moment(elapsed=1.5, wall=2.5)
text, number = st.text(max_size=9), st.integers(0, 2**31)
seconds = st.floats(0, 1e6)
stops = st.builds(
    Stop, state=st.sampled_from(["cancelled", "timed_out", "lost"]), reason=text, abandon=st.booleans(),
    grace=st.none() | seconds,
)  # fmt: skip
stats = st.builds(Stat, pid=number, name=text, state=text, group=number, session=number, began=number)
several = st.lists(stats, max_size=2).map(tuple)
exits = st.builds(
    ProcessExit,
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | text,
    error=st.none() | text,
    stopped=st.none() | stops,
    launchers=st.lists(text, max_size=2).map(tuple),
    left=st.none() | several,
    fate=st.sampled_from(["ended", "awaited", "kept"]),
    given_up=several,
    refused=several,
    busy=st.booleans(),
    hint=text,
    usage=st.none() | st.builds(Usage, cpu_seconds=seconds, max_rss=st.none() | number),
)
prints = st.builds(Printed, total=number, kept=number, cut=text, last_line=text, fault=text)


@given(exits, prints)
def test_an_end_comes_out_of_its_frame_as_it_went_in(process_exit, printed):
    (ended,) = daemons_inbox().take(packed([ended_of("r", AT, process_exit, printed)]))
    assert isinstance(ended, Ended)
    assert (exit_of(ended), printed_of(ended), ended.at) == (process_exit, printed, AT)


@given(stops)
def test_a_stop_comes_out_of_its_frame_as_it_went_in(stop):
    assert stop_of(why_of(stop)) == stop


def start(**more):
    return Start(run_id="r", job_name="j", argv=[b"/x", b"\xff"], env={b"A": b"\xfe"}, grace=2, **more)


def test_words_that_are_not_utf8_reach_the_script():
    script = script_of(start(path=b"/\xfd", owner=(1, 2), chain=["/usr/bin/nice", "-n", "5"], starters=["nice"]))
    assert (script.argv, dict(script.env), script.path) == (["/x", "\udcff"], {b"A": b"\xfe"}, "/\udcfd")
    assert script.confinement == Confinement(owner=(1, 2), chain=("/usr/bin/nice", "-n", "5"))
    assert script.confinement.launchers == ("nice",)
    assert script_of(start(task_file=b"/t")).env == {"A": "\udcfe"}, "to be loaded by Python"


def test_limits_of_all_processes_reach_the_executor():
    limits = ResourceLimits(nice=1, memory_total=2**30, pids=5, cpu_share=20)
    script = Script(run_id="r", argv=["x"], env={}, grace=1, confinement=Confinement(resource_limits=limits))
    info = Info("job", 1.0, "run", "name", datetime(2030, 1, 1, tzinfo=UTC))
    told = script_of(start_of(script, info, PLAIN, {})).confinement.resource_limits
    assert told == ResourceLimits(memory_total=2**30, pids=5, cpu_share=20), "nice is of the words in front"


def test_secrets_of_a_run_stand_in_no_end():
    redact = redact_of(start(secrets={"password": "hunter22", "pin": 123456}))
    left = Stat(pid=1, name="hunter22", state="S", group=1, session=1, began=1)
    facts = ProcessExit(error="no hunter22", hint="see 123456", left=(left,), given_up=(left,), refused=(left,))
    data = packed([ended_of("r", AT, facts, Printed(), redact)])
    assert b"hunter22" not in data
    assert b"123456" not in data


def test_patterns_look_at_the_output():
    check = success_of(start(expect="done", forbid="bad")).check()
    assert check is not None
    check.write(b"a bad end\n")
    assert "forbid_output" in check.fault(lambda line: line.decode(), 100)
    assert success_of(start()).check() is None


def test_a_pattern_that_is_none_is_said():
    with pytest.raises(ValueError, match="regular expression"):
        success_of(start(forbid="("))


def test_an_end_before_the_host_was_started_is_by_the_clock():
    now = moment()
    at = Moment(elapsed=now.elapsed - 10, wall=now.wall - 20)
    assert ended_at(Ended(run_id="r", at=at), "this") == at.elapsed
    assert ended_at(Ended(run_id="r", at=at, boot="this"), "this") == at.elapsed
    assert ended_at(Ended(run_id="r", at=at, boot="before"), "this") == pytest.approx(now.elapsed - 20, abs=1)
    ahead = Moment(elapsed=now.elapsed + 1000, wall=now.wall + 1000)
    for boot in ("this", "before"):
        assert now.elapsed <= ended_at(Ended(run_id="r", at=ahead, boot=boot), "this") <= elapsed()


def test_what_was_sent_comes_with_the_end():
    now = moment()
    term, kill = (Moment(elapsed=now.elapsed - ago, wall=now.wall - 100) for ago in (10, 5))
    ended = ended_of("r", now, ProcessExit(signal="SIGKILL"), Printed(), sent={"TERM": term, "KILL": kill})
    assert sent_of(ended, ended.boot) == [("TERM", term.elapsed), ("KILL", kill.elapsed)]
    assert sent_of(ended_of("r", now, ProcessExit(exit_code=0), Printed()), "") == []


def test_words_that_are_not_utf8_do_not_spoil_the_frame():
    left = Stat(pid=1, name="a\udcff", state="S", group=1, session=1, began=1)
    process_exit = ProcessExit(error="/x\udcff: no such file", hint="\udcfe", left=(left,))
    (ended,) = daemons_inbox().take(packed([ended_of("r", AT, process_exit, Printed())]))
    assert isinstance(ended, Ended)
    assert ended.left is not None
    assert (ended.error, ended.hint, ended.left[0].name) == ("/x\\udcff: no such file", "\\udcfe", "a\\udcff")
