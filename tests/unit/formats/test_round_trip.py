"""What is written is read as the same jobs, in every format, and the same jobs are the same text."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from jobsched.formats import KnownTask, Unsayable, read, write
from jobsched.formats.kinds import Written
from jobsched.model.ids import is_word

ids = st.from_regex("[a-z][a-z0-9._-]{0,20}", fullmatch=True).filter(is_word)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
plain = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=30)
names = st.from_regex("[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)
numbers = st.floats(0, 1e9) | st.integers(0, 2**31)
crons = st.sampled_from(["@daily", "30 2 * * *", "*/5 8-18 1,15 JAN-MAR MON-FRI", "0 0 * * 7"])
signs = st.sampled_from(["%", "\\%", "'", '"', "\\", "***", "a b", "~", "#", "$x", ">/dev/null"])
zones = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Tokyo"])

jobs: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"id": ids, "task": texts.filter(bool)},
    optional={
        "name": texts, "interval": st.dictionaries(st.sampled_from(["seconds", "days"]), numbers, min_size=1),
        "cron": crons, "at": st.just("2030-01-31T12:00:00+00:00"), "timezone": zones, "jitter": numbers,
        "overlap": st.sampled_from(["skip", "queue"]), "misfire_grace": st.none() | numbers,
        "parameters": st.dictionaries(names | texts, texts | st.booleans() | numbers | st.integers(), max_size=3),
        "labels": st.dictionaries(texts, texts, max_size=3), "require": st.dictionaries(texts, texts, max_size=2),
        "description": texts,
        "notify": st.fixed_dictionaries(
            {}, optional={"on": st.lists(st.sampled_from(["failed", "missed"])), "url": texts}
        ),
    },
)  # fmt: skip
lines: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"id": ids, "task": plain.filter(lambda text: bool(text.strip())), "cron": crons},
    optional={
        "timezone": zones, "jitter": st.integers(1, 1440).map(lambda minutes: 60 * minutes),
        "parameters": st.dictionaries(names, plain | signs, min_size=1),
    },
)  # fmt: skip
some = st.lists(jobs, max_size=4, unique_by=lambda job: job["id"])
some_lines = st.lists(lines, max_size=4, unique_by=lambda job: job["id"])


@given(some)
def test_json_is_read_as_it_was_written(wanted: list[dict[str, Any]]) -> None:
    check("json", wanted)


@given(some)
def test_toml_is_read_as_it_was_written(wanted: list[dict[str, Any]]) -> None:
    check("toml", wanted)


@given(some)
def test_yaml_is_read_as_it_was_written(wanted: list[dict[str, Any]]) -> None:
    check("yaml", wanted)


@given(some_lines)
def test_crontabs_are_read_as_they_were_written(wanted: list[dict[str, Any]]) -> None:
    check("crontab", wanted)


@given(some)
def test_a_crontab_says_a_job_whole_or_not_at_all(wanted: list[dict[str, Any]]) -> None:
    try:
        write("crontab", wanted)
    except Unsayable as why:
        event("refused")
        told = {fault.pointer.split("/")[1] for fault in why.all}
        wanted = [job for job in wanted if job["id"] not in told]
    check("crontab", wanted)


def check(kind: Written, wanted: list[dict[str, Any]]) -> None:
    tasks: dict[str, set[str]] = {}
    for job in wanted:
        tasks.setdefault(job["task"], set()).update(job.get("parameters", {}))
    known = [KnownTask(name=name, parameters=tuple(parameters)) for name, parameters in tasks.items()]
    text = write(kind, wanted)
    ordered = sorted(wanted, key=lambda job: job["id"])
    for given_as in (text, text.encode()):
        assert exact([entry.job for entry in read(kind, given_as, known).entries]) == exact(ordered)
    turned = [dict(reversed(job.items())) for job in reversed(wanted)]
    assert write(kind, turned) == text


@given(some_lines)
def test_a_crontab_says_whatever_has_a_place_in_it(wanted: list[dict[str, Any]]) -> None:
    assert write("crontab", wanted).count("# id: ") == len(wanted)


def exact(value: object) -> object:
    """The value, with its kind: 1, 1.0 and True are equal."""
    if isinstance(value, dict):
        return {name: exact(each) for name, each in sorted(value.items())}
    if isinstance(value, list):
        return [exact(each) for each in value]
    return type(value), str(value) if isinstance(value, float) and math.copysign(1, value) < 0 else value
