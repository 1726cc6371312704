"""Chromium as a test drives it: pieces of JavaScript for playwright, one after the other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.servers import NEED
from tests.system import node

HERE = Path(__file__).parent
NAME = "chromium"


def program() -> str:
    """Where Chromium is. Without it the tests are skipped, or fail if they are asked for."""
    found = shutil.which("chromium")
    lack = node.missing() or ("" if found else "chromium not found (Debian: apt-get install chromium)")
    if lack:
        if NAME in os.environ.get(NEED, "").split(","):
            pytest.fail(f"{lack}; {NEED} asks for it", pytrace=False)
        pytest.skip(lack)
    assert found is not None
    return found


def install(folder: Path) -> None:
    """Put what drives it into the folder."""
    for file in HERE.glob("package*.json"):
        shutil.copy(file, folder)
    node.run(folder, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--loglevel=error")


@attrs.frozen
class Chrome:
    """One browser, with one page at a time."""

    process: subprocess.Popen[str]
    origin: str

    def do(self, code: str, **names: object) -> Any:
        """What the code returns; `page` is the page, and `origin` and `names` are there too."""
        given = {"origin": self.origin} | names
        head = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in given.items())
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(head + code) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def fresh(self, **options: object) -> None:
        """A new profile."""
        self.do("await fresh(options)", options=options)

    def open(self, path: str) -> None:
        """Go to a screen."""
        self.do("await page.goto(origin + path, { waitUntil: 'load' })", path=path)

    def wait(self, condition: str, **names: object) -> None:
        """Wait until this is true on the page."""
        self.do(f"await page.waitForFunction((given) => {{ {condition} }}, given, {{ timeout: 30000 }})", given=names)

    @property
    def findings(self) -> Any:
        """What axe finds."""
        return self.do("return await findings()")

    @property
    def errors(self) -> Any:
        """What the console said."""
        return self.do("return [...errors]")


@contextmanager
def chrome_at(folder: Path, origin: str) -> Iterator[Chrome]:
    """A browser that is certainly gone afterwards."""
    command = ["node", str(HERE / "drive.mjs"), str(folder), program()]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Chrome(process, origin)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()
