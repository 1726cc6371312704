"""The package as a stranger gets it: the plugin is found, the files come along, every version is pinned."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import jobsched
from tests.present import present

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"([\w.-]+)(\[\w+\])?==[\w.]+")


def python(code: str) -> Any:
    """What `code`, run by a fresh Python in the checkout, prints as JSON."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def distribution() -> dict[str, Any]:
    """What setup.py tells setuptools."""
    found: dict[str, Any] = python(
        "import json, setuptools\n"
        "from distutils.core import run_setup\n"
        "found = run_setup('setup.py', stop_after='init')\n"
        "print(json.dumps({'version': found.metadata.version, 'packages': found.packages,\n"
        "    'package_data': found.package_data, 'data_files': found.data_files,\n"
        "    'requires': found.install_requires, 'extras': found.extras_require}))"
    )
    return found


def pins(name: str) -> dict[str, str]:
    """Canonical name -> line of a requirements file; comments and `-r` left out."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith(("#", "-r "))]
    found = {line: PINNED.fullmatch(line) for line in lines}
    assert [line for line, match in found.items() if match is None] == []
    return {canonical(match[1]): line for line, match in found.items() if match}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", present(re.match(r"[\w.-]+", name))[0]).lower()


def test_a_twisted_that_nobody_has_looked_at_is_not_asked_for(distribution: dict[str, Any]) -> None:
    """Names of Twisted are used that it does not promise: see jobsched/twisted_private.py."""
    [twisted] = [Requirement(text) for text in distribution["requires"] if canonical(text) == "twisted"]
    assert twisted.specifier.contains("26.10.0")
    assert not twisted.specifier.contains("27.1.0")


def test_nothing_of_ours_hides_twisted() -> None:
    assert list((ROOT / "twisted").rglob("__init__.py")) == []


def test_plugin_is_found_without_importing_what_it_stands_for() -> None:
    names, loaded = python(
        "import json, sys\n"
        "from twisted.application.service import IServiceMaker\n"
        "from twisted.plugin import getPlugins\n"
        "makers = {maker.tapname: maker.module for maker in getPlugins(IServiceMaker)}\n"
        "print(json.dumps([makers, [name for name in ('klein', 'sqlalchemy', 'jobsched.tap') if name in sys.modules]]))"
    )
    assert names["jobsched"] == "jobsched.tap"
    assert loaded == []


def test_conf_and_tasks_come_along(distribution: dict[str, Any]) -> None:
    there = {folder: {Path(file).name for file in files} for folder, files in distribution["data_files"]}
    assert {"catalog.cfg", "jobsched.cfg", "logging.cfg"} <= there["share/jobsched/conf"]
    assert {"runscript.py", "httprequest.py", "example.py", "timeout.py", "foo.bash"} == there["share/jobsched/tasks"]
    assert there["share/jobsched/packaging"] == {"jobsched.service"}
    assert there["share/jobsched/docs"] == {"alerts.yml", "grafana.json"}
    assert there["share/man/man1"] == {"jobsched.1", "jobsched-command.1", "twistd-jobsched.1"}


def test_every_module_and_migration_is_packaged(distribution: dict[str, Any]) -> None:
    packaged = set()
    for package in distribution["packages"]:
        folder = ROOT / package.replace(".", "/")
        for pattern in ("*.py", *distribution["package_data"].get(package, [])):
            packaged |= set(folder.glob(pattern))
    there = {file for file in (ROOT / "jobsched").rglob("*") if file.is_file() and file.suffix != ".pyc"}
    assert there - packaged == set()
    assert "twisted.plugins" in distribution["packages"]


def test_the_image_has_no_root_one_volume_and_a_health_check() -> None:
    lines = (ROOT / "Containerfile").read_text().splitlines()
    last = lines[max(number for number, line in enumerate(lines) if line.startswith("FROM ")) :]
    words = dict(line.split(" ", 1) for line in last if re.match(r"[A-Z]+ ", line))
    assert int(words["USER"]) >= 1000
    assert [line for line in lines if line.startswith("VOLUME")] == [f"VOLUME {words['WORKDIR']}"]
    assert words["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(words["ENTRYPOINT"]) == ["tini", "--", "jobsched"]
    assert json.loads(words["CMD"])[0] == "serve"
    assert "/health'" in "".join(last)


def test_the_image_is_built_from_all_that_is_packaged(distribution: dict[str, Any]) -> None:
    kept = {line[1:] for line in (ROOT / ".containerignore").read_text().splitlines() if line.startswith("!")}
    needed = {"setup.py", "pyproject.toml", "README.rst", "requirements.txt", "jobsched", "twisted"}
    needed |= {file for _, files in distribution["data_files"] for file in files}
    assert [name for name in sorted(needed) if not {name, name.partition("/")[0]} & kept] == []


def test_version_has_one_source(distribution: dict[str, Any]) -> None:
    assert distribution["version"] == jobsched.__version__
    for name in ("setup.py", "pyproject.toml"):
        assert f'"{jobsched.__version__}"' not in (ROOT / name).read_text()
    assert f"\n{jobsched.__version__}\n---" in (ROOT / "CHANGELOG.rst").read_text()


def test_everything_required_is_pinned(distribution: dict[str, Any]) -> None:
    runtime, tests = pins("requirements.txt"), pins("requirements-test.txt")
    assert {canonical(name) for name in distribution["requires"]} - set(runtime) == set()
    extras = {canonical(name) for names in distribution["extras"].values() for name in names}
    assert extras - set(tests) == set()
    assert set(runtime) & set(tests) == set()


def test_what_is_pinned_is_what_is_tested_and_all_that_it_needs() -> None:
    """A version that was withdrawn, or has a known hole, cannot be seen from here: that takes a connection."""
    pinned = pins("requirements.txt") | pins("requirements-test.txt")
    versions = {name: line.partition("==")[2] for name, line in pinned.items()}
    assert {name: metadata.version(name) for name in pinned} == versions
    assert needed_by("requirements.txt") - set(pins("requirements.txt")) == set()
    assert needed_by("requirements-test.txt") - set(pinned) == set()


def needed_by(file: str) -> set[str]:
    """What the pinned packages of that file themselves ask for, here and with the extras they are pinned with."""
    found = set()
    for name, line in pins(file).items():
        extras = ["", *Requirement(line).extras]
        for text in metadata.requires(name) or ():
            asked = Requirement(text)
            if asked.marker is None or any(asked.marker.evaluate({"extra": extra}) for extra in extras):
                found.add(canonical(asked.name))
    return found


def test_pre_commit_runs_what_ci_runs() -> None:
    ci = [line.partition(" >")[0] for line in (ROOT / ".ci/run").read_text().splitlines()]
    hooks = re.findall(r"^ +entry: (.+)$", (ROOT / ".pre-commit-config.yaml").read_text(), re.MULTILINE)
    assert len(hooks) == 5
    assert [entry for entry in hooks if entry not in ci] == []


@pytest.mark.parametrize(
    ("stand_in", "message"),
    [
        (None, "Python 3.11 or newer is needed, as python3.11 or python3 on the PATH"),
        ("exit 127", "Python 3.11 or newer is needed, as python3.11 or python3 on the PATH"),
        (
            'case "$2" in *ensurepip*) exit 1 ;; esac',
            "python3 has no venv; on Debian and Ubuntu: apt-get install python3-venv",
        ),
    ],
    ids=["no python", "a shim for no python", "no venv"],
)
def test_start_without_a_python_for_it_is_refused_in_one_line(
    tmp_path: Path, stand_in: str | None, message: str
) -> None:
    (tmp_path / ".ci").mkdir()
    for name in ("debug.sh", ".ci/venv.sh", "requirements.txt", "setup.py"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("dirname", "cat", "cksum"):
        (programs / name).symlink_to(present(shutil.which(name)))
    if stand_in:
        (programs / "python3").write_text(f"#!/bin/sh\n{stand_in}\n")
        (programs / "python3").chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", tmp_path / "debug.sh"], env={"PATH": str(programs)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"debug.sh: {message}\n"
