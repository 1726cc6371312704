"""What is from before there was a limit: it goes on, and is refused when it is changed."""

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from jobsched.http import from_json
from jobsched.http.from_json import Defaults
from jobsched.http.schemas.jobs import PatchIn
from jobsched.model.definition import MOST_PARAMETERS
from jobsched.model.draft import Draft
from jobsched.model.errors import Invalid
from jobsched.model.job import Policy

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULTS = Defaults(policy=Policy(), timezone="UTC")
MUCH = {"text": "x" * MOST_PARAMETERS, "more": "a\0b"}
ODD = "night\x9bly\u202e"
OLD = attrs.evolve(
    Draft(task="task", name="name", every=timedelta(hours=1)).job("id", NOW),
    name=ODD,
    task="ta\u2028sk",
    parameters=MUCH,
)


def changed(**patch):
    return from_json.merged(OLD, PatchIn(**patch), DEFAULTS)


@pytest.mark.parametrize(
    "patch", [{}, {"retries": 2}, {"name": ODD}, {"parameters": {}}, {"parameters": MUCH}, {"task": OLD.task}]
)
def test_what_stays_as_it_was_is_not_looked_at(patch):
    found = changed(**patch)
    assert (found.name, found.task, found.parameters) == (ODD, OLD.task, MUCH)


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"name": ODD + "x"}, "/name"),
        ({"task": OLD.task + "x"}, "/task"),
        ({"parameters": {"one": 1}}, "/parameters/more"),
        ({"parameters": {"more": None, "one": 1}}, "/parameters"),
        ({"parameters": {"more": "a\0c"}}, "/parameters/more"),
        ({"parameters": {"more": "\ud800"}}, "/parameters/more"),
    ],
)
def test_what_is_changed_must_keep_the_limit(patch, pointer):
    with pytest.raises(Invalid) as refused:
        changed(**patch)
    assert refused.value.pointer == pointer


def test_it_can_be_mended_part_by_part():
    assert changed(name="nightly").name == "nightly"
    assert changed(parameters={"text": "x", "more": None}).parameters == {"text": "x"}
    assert changed(parameters=None).parameters == {}
