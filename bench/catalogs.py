"""Catalogs that several benchmarks use: of a task that does nothing, and of one that says when it began."""

from __future__ import annotations

import shutil

TRUE = """\
[true]
file = runscript.py
class = RunScript
script = /bin/true
"""
PROGRAM = [shutil.which("date") or "/bin/date", "+%s.%N"]
DATE = f"""\
[date]
file = runscript.py
class = RunScript
script = {PROGRAM[0]}
arguments = {PROGRAM[1]}
"""
