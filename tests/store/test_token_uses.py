"""The last use of each token, as several nodes write it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from jobsched.store import opening
from tests.store.samples import Desk, at

YEARS = 2 * 366 * 86400


def uses(desk: Desk) -> dict[str, datetime]:
    return desk.ask(desk.store.token_uses.every())


def test_a_use_is_written_once_a_minute_on_all_nodes(open_desk: Callable[[], Desk]) -> None:
    a, b = open_desk(), open_desk()
    a.ask(a.store.token_uses.note({"x": at(0), "y": at(1)}))
    b.ask(b.store.token_uses.note({"x": at(59)}))
    assert uses(a) == {"x": at(0), "y": at(1)}
    b.ask(b.store.token_uses.note({"x": at(60), "y": at(60)}))
    assert uses(a) == uses(b) == {"x": at(60), "y": at(1)}
    a.ask(a.store.token_uses.note({"x": at(30)}))
    assert uses(a)["x"] == at(60), "a clock that is behind takes nothing back"


def test_tokens_of_long_ago_are_forgotten(desk: Desk) -> None:
    desk.ask(desk.store.token_uses.note({"x": at(0), "y": at(YEARS)}))
    assert uses(desk) == {"y": at(YEARS)}
    desk.ask(desk.store.token_uses.note({"y": at(2 * YEARS)}))
    assert uses(desk) == {"y": at(2 * YEARS)}


def test_the_snapshot_of_a_store_has_them_too(desk: Desk, store_url: str) -> None:
    desk.ask(desk.store.token_uses.note({"x": at(0)}))
    with opening.snapshot(store_url) as view:
        assert view.token_uses() == {"x": at(0)}
