"""The description of the API, held against a real daemon by schemathesis: every check, every phase, links included."""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_the_api_keeps_to_its_description(daemon):
    daemon.options("SCHED_CONFIG['max_running'] = 4")
    daemon.start()
    program = Path(sys.executable).with_name("schemathesis")
    told = subprocess.run(
        [program, "--config-file", HERE / "schemathesis.toml", "run", daemon.url("/openapi.json"), "--no-color"],
        cwd=daemon.folder,
        env={"PATH": "", "PYTHONPATH": str(HERE), "LANG": "C.UTF-8", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert told.returncode == 0, told.stdout + told.stderr
    covered = re.search(r"API Links: +(\d+) covered", told.stdout)
    assert covered is not None
    assert int(covered[1]) >= 10, told.stdout
    assert "Traceback" not in daemon.log
    assert daemon.answers()
