"""The C programs that start processes and do nothing else: what this machine gives at most."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def compiled(name: str, folder: Path) -> Path | None:
    """One of the C files of this folder as a program in `folder`; None: there is no C compiler, which is said."""
    compiler = shutil.which("cc")
    if compiler is None:
        print("  no cc: no C loop to compare with")
        return None
    program = folder / name
    subprocess.run([compiler, "-O2", "-o", str(program), str(Path(__file__).with_name(f"{name}.c"))], check=True)
    return program
