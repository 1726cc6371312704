"""What keeps a file from being started, in words."""

import os

import pytest

from jobsched.config import program
from jobsched.config.program import SAVE

MISSING = "the interpreter of its #! line is missing"


@pytest.mark.parametrize(
    ("text", "fault", "early"),
    [
        (b"#!/bin/sh\necho\n", None, ""),
        (b"#! /bin/sh -e\n", None, ""),
        (b"#!\t/bin/sh\t-e", None, ""),
        (b"#!\n", None, ""),
        (b"echo\r\n", None, ""),
        (b"", None, ""),
        (b"\x7fELF\r\n", None, ""),
        (b"#!/bin/sh\necho\r\n", None, ""),
        (b"#!/bin/sh\r\necho\r\n", SAVE, SAVE),
        (b"#!/usr/bin/env python3\r\n", SAVE, SAVE),
        (b"#!/usr/bin/env -S perl -w\r\n", None, SAVE),  # it takes the carriage return for a blank
        (b"#!/usr/bin/perl -w\r\n" if os.access("/usr/bin/perl", os.X_OK) else b"#!/bin/sh -w\r\n", None, SAVE),
        (b"#!/nowhere/sh\n", MISSING, ""),
        (b"#!/nowhere/sh -x\r\n", MISSING, SAVE),
        (b"#!/tmp", None, ""),
    ],
)
def test_scripts(tmp_path, text, fault, early):
    path = tmp_path / "script"
    path.write_bytes(text)
    path.chmod(0o755)

    assert program.fault(str(path)) == fault
    assert program.carriage_return(str(path)) == early


def test_what_is_no_program(tmp_path):
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    (tmp_path / "link").symlink_to("nowhere")

    assert program.fault(str(tmp_path / "gone")) == "no such program"
    words = f"it is a link to {tmp_path / 'nowhere'}, which is not there"
    assert program.fault(str(tmp_path / "link")) == words
    assert program.fault(str(tmp_path)) == "it is a folder"
    assert program.fault(str(tmp_path / "plain")) == "it is not executable"


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o755)

    assert program.fault(str(tmp_path / "fifo")) == "it is no plain file"
    assert program.first_line(str(tmp_path / "fifo")) == b""
    assert program.first_line(str(tmp_path / "gone")) == b""
