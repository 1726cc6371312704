"""A wall clock that is wrong by as much as a test says, for one program and while it runs: libfaketime."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.servers import NEED

PLACES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


class WrongClock:
    """The clock of a program that was started with `environment`."""

    def __init__(self, folder: Path) -> None:
        found = [path for place in PLACES for path in Path("/").glob(place.lstrip("/"))]
        if not found:
            if "faketime" in os.environ.get(NEED, "").split(","):
                pytest.fail(f"libfaketime is not there; {NEED} asks for it", pytrace=False)
            pytest.skip("libfaketime is not there (Debian: apt-get install faketime)")
        self._file = folder / "wrong-by"
        self.set("+0")
        self._file.chmod(0o644)
        self.environment = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # nobody can set that clock
        }

    def set(self, wrong_by: str) -> None:
        """As in `+400d`; from the next look at the clock on."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(wrong_by)
        fresh.chmod(0o644)
        fresh.replace(self._file)
