"""docs/formats.rst: its examples are read as it says, and its tables hold what the program knows."""

from __future__ import annotations

import csv
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from jobsched.config import catalog
from jobsched.config.commands import known_task
from jobsched.formats import BY_MEDIA_TYPE, READ, WRITTEN, BadJobs, KnownTask, crontab, kubernetes, media_type, read
from jobsched.formats import systemd_timers as systemd
from jobsched.formats.on_calendar import fields
from jobsched.model.errors import Invalid
from tests.present import present

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/formats.rst").read_text("utf-8")
BLOCK = re.compile(r"\.\. code-block:: \S+\n   :class: (\S+)\n\n((?:   .*\n|\n)+)")
BLOCKS = [(kind, re.sub("(?m)^   ", "", text)) for kind, text in BLOCK.findall(PAGE)]
PAIRS = [(*block, then) for block, (then_kind, then) in pairwise(BLOCKS) if then_kind == "becomes"]


def rows(name: str) -> list[list[str]]:
    table = present(re.search(rf"\n   :name: {name}\n(?:   :.*\n)*\n((?:   .*\n)+)", PAGE))
    return [[cell.strip() for cell in row] for row in csv.reader(table[1].splitlines(), skipinitialspace=True)]


def literals(cell: str) -> list[str]:
    return re.findall("``(.*?)``", cell)


@pytest.fixture
def tasks(tmp_path: Path) -> list[KnownTask]:
    [text] = [text for kind, text in BLOCKS if kind == "catalog"]
    (tmp_path / "catalog.cfg").write_text(text)
    (tmp_path / "runscript.py").write_bytes((ROOT / "tasks/runscript.py").read_bytes())
    for name in ("backup.sh", "report.sh"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    return [known_task(task) for task in catalog.load(tmp_path / "catalog.cfg", tmp_path).tasks.values()]


@pytest.mark.parametrize(("kind", "text", "becomes"), PAIRS, ids=[kind for kind, _, _ in PAIRS])
def test_an_example_becomes_what_is_shown(kind: Any, text: str, becomes: str, tasks: list[KnownTask]) -> None:
    assert [entry.job for entry in read(kind, text, tasks).entries] == json.loads(becomes)


def test_every_kind_has_an_example(tasks: list[KnownTask]) -> None:
    assert {kind for kind, _, _ in PAIRS} == set(READ) - {"json", "system-crontab"}
    [text] = [text for kind, text in BLOCKS if kind == "json"]
    assert [entry.job["id"] for entry in read("json", text, tasks).entries] == ["nightly"]


def test_the_kinds() -> None:
    told = {literals(row[0])[0]: (literals(row[1])[0], row[2]) for row in rows("kinds")}
    assert list(told) == list(READ)
    for kind, (content_type, written) in told.items():
        assert media_type(content_type) == kind
        assert (written == "yes") == (kind in WRITTEN)
    assert [name for name in BY_MEDIA_TYPE if f"``{name}``" not in PAGE] == []


@pytest.mark.parametrize(("line", "becomes"), rows("crontab-lines"))
def test_lines_of_a_crontab(line: str, becomes: str, tasks: list[KnownTask]) -> None:
    [text] = literals(line)
    setting = re.match("[A-Z_]+=", text)
    whole = f"{text}\n@daily report\n" if setting else text
    if becomes.startswith("refused"):
        with pytest.raises(BadJobs) as caught:
            read("crontab", whole, tasks)
        assert [fault.pointer for fault in caught.value.all] == ["line 1"]
        assert ("with the section" in becomes) == ("class = RunScript" in caught.value.all[0].detail)
        return
    found = read("crontab", whole, tasks)
    assert bool(found.notes) == becomes.startswith("left aside")
    if not found.notes:
        assert literals(becomes)[0] in found.entries[0].job


def test_every_variable_of_cron_is_told() -> None:
    told = " ".join(cell for row in rows("crontab-lines") for cell in row)
    assert [name for name in crontab.LEFT_ASIDE if name not in told] == ["CONTENT_TRANSFER_ENCODING"]


def told_in(table: str) -> dict[str, str]:
    return {name: row[1] for row in rows(table) for name in literals(row[0])}


@pytest.mark.parametrize(
    ("table", "module", "unsaid"),
    [
        ("kubernetes-fields", kubernetes, {"spec.jobTemplate", "job.template", "pod.containers"}),
        ("systemd-settings", systemd, set[str]()),
    ],
)
def test_every_field_that_is_known_is_told(table: str, module: Any, unsaid: set[str]) -> None:
    told = told_in(table)
    assert module.MAPPED - told.keys() - unsaid == set()
    for name, becomes in told.items():
        if becomes.startswith("left aside"):
            assert name in module.LEFT_ASIDE
        elif becomes.startswith("refused"):
            assert name in module.REFUSED or name in module.HARMLESS
        else:
            assert name in module.MAPPED or name in module.LEFT_ASIDE


@pytest.mark.parametrize(("text", "becomes"), rows("on-calendar"))
def test_calendar_rows(text: str, becomes: str) -> None:
    [expression] = literals(text)
    if becomes.startswith("refused"):
        with pytest.raises(Invalid):
            fields(expression)
    elif becomes.startswith("``at``"):
        assert fields(expression) == {"at": becomes.partition(" ")[2]}
    else:
        assert fields(expression) == {"cron": literals(becomes)[0]}


def test_it_works_without_a_daemon(capsys: pytest.CaptureFixture[str]) -> None:
    [text] = [text for kind, text in BLOCKS if kind == "pure"]
    exec(text, {})
    assert '- cron: "30 2 * * *"\n  id: nightly\n' in capsys.readouterr().out
