"""The two records for task authors."""

import copy
import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobsched.task import Command, Info

DUE = datetime(2026, 3, 1, 12, tzinfo=UTC)


def an_info(**changes):
    common: dict[str, Any] = {"job_id": "j", "timeout": 60, "run_id": "r", "name": "n", "due": DUE}
    return Info(**common | changes)


def test_an_info_tells_of_the_run():
    info = an_info(attempt=2, parameters={"day": "monday"})

    assert (info.job_id, info.timeout, info.run_id, info.name, info.due) == ("j", 60, "r", "n", DUE)
    assert (info.attempt, info.parameters) == (2, {"day": "monday"})


def test_an_info_keeps_its_own_parameters():
    parameters = {"a": 1}
    info = an_info(parameters=parameters)
    parameters["a"] = 2

    assert info.parameters == {"a": 1}


def test_a_due_without_zone_is_refused():
    with pytest.raises(ValueError, match="zone"):
        an_info(due=datetime(2026, 3, 1))


@pytest.mark.parametrize("record", [an_info(), Command(["true"])])
def test_records_cannot_be_changed_yet_copied_and_pickled(record):
    name = next(iter(vars(record)))
    with pytest.raises(AttributeError):
        setattr(record, name, "other")
    with pytest.raises(AttributeError):
        delattr(record, name)
    with pytest.raises(AttributeError):
        record.new = 1

    assert copy.deepcopy(record) == record
    assert pickle.loads(pickle.dumps(record)) == record
    assert record != "another thing"
    assert repr(getattr(record, name)) in repr(record)


def test_a_command_keeps_words_variables_and_directory():
    command = Command(["ls", "-l", ""], {"A": "1"}, Path("/tmp"))

    assert command.argv == ("ls", "-l", "")
    assert command.env == {"A": "1"}
    assert command.directory == "/tmp"
    assert Command(("ls",)) == Command(["ls"])
    assert (Command(["ls"]).env, Command(["ls"]).directory) == ({}, None)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("ls -l",), TypeError, "argv must be a list of words"),
        ((iter(["ls"]),), TypeError, "argv must be a list"),
        (([],), ValueError, "begin with a program"),
        (([""],), ValueError, "begin with a program"),
        ((["ls", 1],), TypeError, "argv: must be text, not int"),
        ((["ls", b"x"],), TypeError, "argv: must be text"),
        (([Path("/bin/ls")],), TypeError, "argv: must be text"),
        ((["ls", "a\0b"],), ValueError, "NUL"),
        ((["ls"], {"A": 1}), TypeError, "env A: must be text, not int"),
        ((["ls"], {"A": "\0"}), ValueError, "NUL"),
        ((["ls"], {1: "A"}), TypeError, "env: must be text"),
        ((["ls"], {"": "A"}), ValueError, "no name for a variable"),
        ((["ls"], {"A=B": "A"}), ValueError, "no name for a variable"),
        ((["ls"], None, 3), TypeError, "str"),
        ((["ls"], None, b"/tmp"), TypeError, "directory: must be text"),
        ((["ls"], None, "a\0"), ValueError, "NUL"),
    ],
)
def test_a_command_that_cannot_be_run_is_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        Command(*arguments)
