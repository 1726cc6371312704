"""What strangers make of the description of the API: generated clients that work with a real daemon, and no finding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import node
from tests.system.daemon import daemon_in
from tests.system.secured import SecuredDaemon, token


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredDaemon]:
    with daemon_in(tmp_path_factory.mktemp("clients") / "daemon") as daemon:
        scopes = [part for scope in ("read", "run", "write") for part in ("--scope", scope)]
        tokens = {"all": token(daemon, "all", *scopes)}
        daemon.start()
        yield SecuredDaemon(daemon, tokens)


@pytest.fixture(scope="module")
def description(secured: SecuredDaemon, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("description") / "api.json"
    path.write_bytes(secured.ask("GET", "/openapi.json", "all").content)
    return path


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory, description: Path) -> Path:
    """A folder with what npm installs, and the description as `api.json`."""
    folder = tmp_path_factory.mktemp("node")
    node.install(folder)
    (folder / "api.json").write_bytes(description.read_bytes())
    return folder


def arguments(secured: SecuredDaemon) -> tuple[str, str]:
    return f"http://127.0.0.1:{secured.daemon.port}", secured.tokens["all"]


def test_a_python_client_makes_runs_and_deletes_a_job(
    secured: SecuredDaemon, description: Path, tmp_path: Path
) -> None:
    programs = str(Path(sys.executable).parent)
    env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(tmp_path)}

    def python(*command: str | Path) -> str:
        made = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert made.returncode == 0, made.stdout + made.stderr
        return made.stdout + made.stderr

    generator = Path(programs, "openapi-python-client")
    asked = ("--path", description, "--config", node.CLIENTS / "openapi-python-client.yaml", "--meta", "none")
    said = python(generator, "generate", *asked, "--output-path", "jobsched_client")
    assert "Warning" not in said, said
    assert python(sys.executable, node.CLIENTS / "use.py", *arguments(secured)).endswith("done\n")


def test_a_typescript_client_does_so_too(secured: SecuredDaemon, packages: Path) -> None:
    node.run(packages, "openapi-typescript", "api.json", "--output", "api.d.ts")
    node.run(packages, "tsc", "--project", "tsconfig.json")
    assert node.run(packages, "node", "use.js", *arguments(secured)) == "done\n"


def test_spectral_finds_nothing(packages: Path) -> None:
    said = node.run(packages, "spectral", "lint", "--ruleset", "spectral.yaml", "--fail-severity", "hint", "api.json")
    assert "No results" in said
    assert "warning" not in said


def test_spectral_would_find_something(packages: Path) -> None:
    described = json.loads((packages / "api.json").read_text())
    del described["paths"]["/jobs"]["get"]["operationId"]
    (packages / "worse.json").write_text(json.dumps(described))
    with pytest.raises(AssertionError, match="operation-operationId"):
        node.run(packages, "spectral", "lint", "--ruleset", "spectral.yaml", "--fail-severity", "hint", "worse.json")
