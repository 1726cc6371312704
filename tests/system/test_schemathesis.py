"""The description of the API, held against a real daemon by schemathesis: every check, every phase, links included."""

import re
import subprocess
import sys
from pathlib import Path

from jobsched.config import tokens
from tests.system.caller import Caller

HERE = Path(__file__).parent


def test_the_api_keeps_to_its_description(daemon):
    keeps(daemon)


def test_it_does_so_for_token_holders_and_keeps_others_out(daemon):
    made = tokens.make()
    path = daemon.folder / "conf" / tokens.FILE
    path.write_text(f"[one]\nscopes = read run write admin\nhash = {tokens.hashed(made.encode())}\n")
    path.chmod(0o600)
    keeps(daemon, "--header", f"Authorization: Bearer {made}")


def keeps(daemon, *more):
    """Whether it stands every check of schemathesis."""
    daemon.options("SCHED_CONFIG['max_running'] = 4")
    daemon.start()
    program = Path(sys.executable).with_name("schemathesis")
    told = subprocess.run(
        [program, "--config-file", HERE / "schemathesis.toml", "run", daemon.url("/openapi.json"), "--no-color", *more],
        cwd=daemon.folder,
        env={"PATH": "", "PYTHONPATH": str(HERE), "LANG": "C.UTF-8", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )

    assert told.returncode == 0, told.stdout + told.stderr
    covered = re.search(r"API Links: +(\d+) covered", told.stdout)
    assert covered is not None
    assert int(covered[1]) >= 10, told.stdout
    assert "Traceback" not in daemon.log
    assert daemon.answers()


def test_everything_in_the_description_is_described(daemon):
    daemon.start()
    described = Caller(daemon).get("/openapi.json")
    for record, schema in described["components"]["schemas"].items():
        assert schema["description"], record
        for name, field in schema["properties"].items():
            assert field["description"], (record, name)
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert {"400", "500", "503"} < operation["responses"].keys()
        assert all(parameter["description"] for parameter in operation["parameters"])
    linked = [link for path in described["paths"].values() for link in links(path)]
    assert {link["operationId"] for link in linked} <= {operation["operationId"] for operation in operations}


def links(path):
    for operation in path.values():
        for response in operation["responses"].values():
            yield from response.get("links", {}).values()
