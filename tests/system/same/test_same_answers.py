"""The same requests, the same answers: on SQLite, PostgreSQL, MariaDB and MongoDB."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers import Server
from tests.system.caller import Caller
from tests.system.daemon import Daemon, daemon_in, until
from tests.system.same.player import Player, Said
from tests.system.same.sequence import LENGTH, play, prepare

pytestmark = pytest.mark.mongodb

STORES = ("sqlite", "postgresql", "mysql", "mongodb")
SHOWN = 12  # differences that are told


def played(daemon: Daemon) -> list[Said]:
    until(daemon.answers)
    until(lambda: Caller(daemon).ask("GET", "/health/ready").status == 200)
    player = Player(daemon)
    play(player)
    return player.said


def differences(stores: dict[str, list[Said]]) -> list[str]:
    """Each request with an answer that is not that of the first store."""
    first, *others = stores
    found = []
    for number, ours in enumerate(stores[first]):
        for name in others:
            theirs = stores[name][number] if number < len(stores[name]) else Said("nothing", None)
            if theirs != ours:
                found.append(f"{number}: {_shown(first, ours)}\n{_shown(name, theirs)}")
    return found


def _shown(name: str, said: Said) -> str:
    return f"{name}: {said.request[:300]}\n    {json.dumps(said.answer, ensure_ascii=False)[:3000]}"


def test_all_stores_give_the_same_answers(tmp_path: Path, running: Callable[[str], Server]) -> None:
    with ExitStack() as stack:
        daemons = {name: stack.enter_context(daemon_in(tmp_path / name)) for name in STORES}
        for name, daemon in daemons.items():
            prepare(daemon)
            if name != "sqlite":
                daemon.options(f"SCHED_CONFIG['store'] = {running(name).create_database('same')!r}")
            daemon.launch()
        with ThreadPoolExecutor(len(daemons)) as pool:
            stores = dict(zip(daemons, pool.map(played, daemons.values()), strict=True))
    assert len(stores["sqlite"]) >= LENGTH
    found = differences(stores)
    assert not found, f"{len(found)} differ:\n" + "\n\n".join(found[:SHOWN])
