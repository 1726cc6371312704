"""Node.js with what tests/clients/package.json pins, for what strangers' programs are made with."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers import NEED

CLIENTS = Path(__file__).parents[1] / "clients"
NAME = "node"


def missing() -> str:
    """What is not there, in words; "": nothing."""
    lacking = [name for name in ("node", "npm") if shutil.which(name) is None]
    return f"{' and '.join(lacking)} not found (Debian: apt-get install nodejs npm)" if lacking else ""


def install(folder: Path) -> None:
    """Put the pinned packages into the folder. Without Node the test is skipped, or fails if that is asked for."""
    if lack := missing():
        if NAME in os.environ.get(NEED, "").split(","):
            pytest.fail(f"{lack}; {NEED} asks for it", pytrace=False)
        pytest.skip(lack)
    for file in CLIENTS.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    run(folder, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--loglevel=error")


def run(folder: Path, *command: str | Path) -> str:
    """What a program says that must do well; one that npm has installed is found by its name."""
    path = f"{folder / 'node_modules' / '.bin'}:{os.environ['PATH']}"
    made = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "SCARF_ANALYTICS": "false"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return made.stdout + made.stderr
