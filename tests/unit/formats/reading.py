"""A catalog to read with, and what came of a text in short."""

from __future__ import annotations

from typing import Any

import pytest

from jobsched.formats import BadJobs, Jobs, KnownTask, read
from jobsched.formats.kinds import Kind

TASKS = (
    KnownTask(name="backup", parameters=("target", "mode"), argv=("/srv/tasks/backup.sh", "--all"), user="jobs"),
    KnownTask(name="report", parameters=("day",)),
)


def jobs(kind: Kind, text: str | bytes, labels: dict[str, str] | None = None) -> list[dict[str, Any]]:
    return [entry.job for entry in found(kind, text, labels).entries]


def found(kind: Kind, text: str | bytes, labels: dict[str, str] | None = None) -> Jobs:
    return read(kind, text, TASKS, labels)


def refusals(kind: Kind, text: str | bytes, labels: dict[str, str] | None = None) -> dict[str, str]:
    """Place -> all words."""
    with pytest.raises(BadJobs) as caught:
        read(kind, text, TASKS, labels)
    told: dict[str, str] = {}
    for fault in caught.value.all:
        told[fault.pointer] = f"{told[fault.pointer]}; {fault.detail}" if fault.pointer in told else fault.detail
    return told
