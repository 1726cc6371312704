"""Debian's promtool, which comes with Prometheus itself and knows what that will accept."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.servers import NEED

NAME = "promtool"


def promtool(*arguments: object, given: str = "") -> str:
    """What it says, where it finds nothing wrong. Without it the test is skipped, or fails if that is asked for."""
    program = shutil.which(NAME)
    if program is None:
        missing = f"{NAME} not found (Debian: apt-get install --no-install-recommends prometheus)"
        if NAME in os.environ.get(NEED, "").split(","):
            pytest.fail(f"{missing}; {NEED} asks for it", pytrace=False)
        pytest.skip(missing)
    command = [program, *map(str, arguments)]
    made = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, check=False)
    said = made.stdout + made.stderr
    assert made.returncode == 0, said
    return said
