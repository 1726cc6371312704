"""The servers of the tests themselves: absent is a skip or a failure, and nothing of them stays."""

from __future__ import annotations

import psutil
import pytest

from tests import servers


@pytest.mark.parametrize("kind", ["postgresql", "mysql", "galera"])
def test_programs_that_are_missing_are_a_skip_that_says_which(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers.KINDS[kind], "programs", classmethod(lambda cls: {"theserver": None}))
    monkeypatch.delenv(servers.NEED, raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"{kind}: theserver not found .*apt-get install"):
        servers.started(kind)


@pytest.mark.parametrize("kind", ["postgresql", "mysql", "galera"])
def test_missing_programs_are_a_failure_where_they_are_needed(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers.KINDS[kind], "programs", classmethod(lambda cls: {"theserver": None}))
    monkeypatch.setenv(servers.NEED, "postgresql,mysql")
    with pytest.raises(pytest.fail.Exception, match="theserver not found"):
        servers.started(kind)


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_closed_server_leaves_no_process_and_no_folder(kind: str) -> None:
    server = servers.started(kind)
    family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    server.close()
    psutil.wait_procs(family, 10)
    assert not any(process.is_running() for process in family)
    assert not server.folder.exists()
