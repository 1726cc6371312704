"""What the pages for an operator at night, and for newcomers, have one type is typed here; it shows what they show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.night import Night, night, tutorial
from tests.cli.pages import DOCS, listed, play


@pytest.fixture(scope="module")
def one_night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """Two daemons, after 03:00 of a night in which not all went well."""
    with night(tmp_path_factory.mktemp("night")) as found:
        yield found


@pytest.mark.parametrize("page", listed("night"))
def test_a_page_of_the_night_shows_what_comes(page: str, one_night: Night) -> None:
    text = (DOCS / f"{page}.rst").read_text("utf-8")
    assert play(text, one_night.before(page)) >= 3
    assert "$ jobsched " in text
    assert "curl " in text


@pytest.mark.parametrize("page", listed("from"))
def test_what_other_schedulers_had_becomes_jobs(page: str, one_night: Night) -> None:
    text = (DOCS / f"{page}.rst").read_text("utf-8")
    assert play(text, one_night.before(page)) >= 4
    for word in ("When clocks change", "Misses", "Overlaps", "etries", "imeout"):
        assert word in text


def test_the_tutorial_comes_to_being_told(tmp_path: Path) -> None:
    with tutorial(tmp_path) as place:
        assert play((DOCS / "tutorial.rst").read_text("utf-8"), place) >= 15
