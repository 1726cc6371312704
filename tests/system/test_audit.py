"""Who changed what, at a real daemon that asks for tokens, and at two that share a store."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from jobsched.config.tokens import FILE
from tests.servers import Server
from tests.system.caller import Caller
from tests.system.daemon import Daemon, daemon_in, until
from tests.system.pair import Pair, pair_in
from tests.system.secured import SecuredDaemon, token

SLEEPER = "#!/bin/sh\nexec sleep 600\n"
HOUR = {"hours": 1}
SECRET, OTHER = "hunter22-and-more", "a-new-password-1"
LINE = re.compile(r"jobsched\.audit: (\S+) (\S+) (\S+) (\S+) (.+)")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredDaemon]:
    with daemon_in(tmp_path_factory.mktemp("audit") / "daemon") as daemon:
        daemon.options("NODE_NAME = 'alpha'\nJOB_LIVETIME = 600")
        daemon.script("sleeper", SLEEPER)
        daemon.section("parameters = target, password\n")
        tokens = {scope: token(daemon, f"the-{scope}", "--scope", scope) for scope in ("read", "run", "write", "admin")}
        tokens["narrow"] = token(daemon, "narrow", "--scope", "write", "--tasks", "example")
        daemon.start()
        yield SecuredDaemon(daemon, tokens)


def audit_log(secured: SecuredDaemon, query: str = "") -> list[Any]:
    """Oldest first."""
    answer = secured.ask("GET", f"/audit{query}", "admin")
    assert answer.status == 200, answer
    return list(reversed(answer.json["values"]))


def of(secured: SecuredDaemon, path: str) -> list[Any]:
    """What was done to a job and its runs, or to a run."""
    return audit_log(secured, f"?target={path.rpartition('/')[2]}")


def good(secured: SecuredDaemon, *asked: Any) -> Any:
    answer = secured.ask(*asked)
    assert answer.status in {200, 202}, answer
    return answer


def test_what_became_a_secret_since_is_shown_no_more(daemon: Daemon) -> None:
    daemon.script("sleeper", SLEEPER)
    daemon.section("parameters = pin\n")
    daemon.start()
    ask = Caller(daemon)
    job = ask.make("sleeper", parameters={"pin": SECRET})
    ask.patch(job, parameters={"pin": OTHER})
    assert SECRET in ask.text("/audit")
    daemon.stop()
    daemon.options("SECRET_PARAMETERS = ['pin']")
    daemon.start()
    changed, made = ask.get("/audit")["values"]
    assert (changed["before"], changed["after"]) == ({"parameters": {"pin": "***"}},) * 2
    assert made["after"]["parameters"] == {"pin": "***"}


def test_each_change_tells_who_from_where_what_before_and_after(secured: SecuredDaemon) -> None:
    job = secured.make("sleeper", "write", name="a sleeper", interval=HOUR)
    good(secured, "PATCH", job, "admin", {"interval": None, "cron": "@daily", "timeout": 9})
    good(secured, "POST", f"{job}/pause", "write")
    good(secured, "POST", f"{job}/resume", "write")
    run = urlsplit(good(secured, "POST", f"{job}/run", "run").headers["location"]).path
    until(lambda: secured.ask("GET", run, "read").json["state"] == "running")
    good(secured, "POST", f"{run}/cancel", "run")
    assert secured.ask("GET", f"{run}?wait=30", "read").json["state"] == "cancelled"
    good(secured, "DELETE", job, "write")

    found = of(secured, job)
    assert [(entry["action"], entry["who"]) for entry in found] == [
        ("job.create", "the-write"), ("job.change", "the-admin"), ("job.pause", "the-write"),
        ("job.resume", "the-write"), ("run.start", "the-run"), ("run.cancel", "the-run"), ("job.delete", "the-write"),
    ]  # fmt: skip
    addresses = [entry["address"] for entry in found]
    assert all(address.startswith("127.9.") for address in addresses)
    assert len(set(addresses)) == len(addresses)  # each request came from one of its own
    assert {(entry["node"], entry["name"], entry["task"]) for entry in found} == {("alpha", "a sleeper", "sleeper")}
    made, changed, _, _, started, cancelled, deleted = found
    assert (made["before"], made["after"]["interval"]) == (None, {"seconds": 3600.0})
    assert changed["before"] == {"interval": {"seconds": 3600.0}, "timeout": None}
    assert changed["after"] == {"cron": "@daily", "timeout": 9.0}
    assert (started["target"], started["after"]["state"]) == (run.rpartition("/")[2], "waiting")
    assert (cancelled["before"], cancelled["after"]) == ({"state": "running"}, {"state": "stopping"})
    assert (deleted["before"]["cron"], deleted["after"]) == ("@daily", None)
    assert of(secured, run) == [started, cancelled]


def test_no_secret_is_told(secured: SecuredDaemon) -> None:
    job = secured.make("sleeper", "write", parameters={"password": SECRET, "target": "nas"})
    good(secured, "PATCH", job, "write", {"parameters": {"password": OTHER}})
    good(secured, "POST", "/catalog/reload", "admin")

    text = secured.ask("GET", "/audit", "admin").text
    shown = {"parameters": {"password": "***", "target": "nas"}}
    made, changed = of(secured, job)
    assert made["after"]["parameters"] == shown["parameters"]
    assert (changed["before"], changed["after"]) == (shown, shown)
    hashes = re.findall("hash = (.*)", (secured.daemon.folder / "conf" / FILE).read_text())
    assert len(hashes) == len(secured.tokens)
    for secret in (SECRET, OTHER, *secured.tokens.values(), *hashes):
        assert secret not in text
        assert secret not in secured.daemon.log


def test_what_is_refused_leaves_nothing(secured: SecuredDaemon) -> None:
    job = secured.make("sleeper", "write")
    before = audit_log(secured, "?limit=1000")
    body = {"task": "sleeper", "name": "n", "interval": HOUR}
    refused = [
        secured.ask("POST", "/jobs", "read", body),
        secured.ask("POST", "/jobs", "", body),
        secured.ask("POST", "/jobs", "narrow", body),
        secured.ask("POST", "/jobs", "write", body | {"timezone": "Mars/Base"}),
        secured.ask("PATCH", job, "narrow", {"name": "x"}),
        secured.ask("PATCH", job, "write", {"name": "x"}, if_match='"7"'),
        secured.ask("DELETE", job, "run"),
        secured.ask("POST", f"{job}/run", "write"),
        secured.ask("POST", "/catalog/reload", "write"),
    ]
    assert [answer.status for answer in refused] == [403, 401, 404, 400, 404, 412, 403, 403, 403]
    good(secured, "POST", f"{job}/resume", "write")
    assert audit_log(secured, "?limit=1000") == before


def test_the_trail_is_for_admin_alone(secured: SecuredDaemon) -> None:
    assert [secured.ask("GET", "/audit", who).status for who in ("read", "run", "write", "narrow", "", "admin")] == [
        403, 403, 403, 403, 401, 200
    ]  # fmt: skip


def test_the_log_has_a_line_for_each_entry_and_no_other(secured: SecuredDaemon) -> None:
    job = secured.make("example", "narrow", name="it's \N{LATIN SMALL LETTER E WITH ACUTE}")
    good(secured, "DELETE", job, "admin")
    told = [
        (entry["who"] or "-", entry["address"], entry["action"], entry["target"] or "-", ascii(entry["name"]))
        for entry in audit_log(secured, "?limit=1000")
    ]
    until(lambda: len(LINE.findall(secured.daemon.log)) >= len(told))
    lines = [(*line[:4], "None" if line[4] == "-" else line[4]) for line in LINE.findall(secured.daemon.log)]
    assert sorted(lines) == sorted(told)
    assert ("narrow", "job.create", '"it\'s \\xe9"') in [(who, action, name) for who, _, action, _, name in lines]


def test_files_read_again_are_told_by_signal_and_by_order(daemon: Daemon) -> None:
    conf = daemon.folder / "conf"
    whole = (conf / "catalog.cfg").read_text()
    secured = SecuredDaemon(daemon, {"admin": token(daemon, "one", "--scope", "admin")})
    daemon.start()
    tasks = secured.ask("GET", "/catalog", "admin").json["tasks"]

    token(daemon, "two", "--scope", "read")
    daemon.script("later", SLEEPER)
    daemon.signal(signal.SIGHUP)
    [entry] = until(lambda: audit_log(secured))
    assert (entry["action"], entry["who"], entry["address"], entry["target"]) == (
        "catalog.reload",
        None,
        "signal",
        None,
    )
    assert entry["before"] == {"tasks": tasks, "tokens": ["one"]}
    assert entry["after"] == {"tasks": [*tasks, "later"], "tokens": ["one", "two"], "tokens_changed": []}

    token(daemon, "--revoke", "two")
    daemon.section("[bad]\n")
    assert secured.ask("POST", "/catalog/reload", "admin").status == 409
    _, entry = audit_log(secured)  # the tokens are in force already
    assert (entry["who"], entry["before"]["tokens"], entry["after"]["tokens"]) == ("one", ["one", "two"], ["one"])
    assert entry["before"]["tasks"] == entry["after"]["tasks"] == [*tasks, "later"]

    (conf / FILE).chmod(0o644)
    assert secured.ask("POST", "/catalog/reload", "admin").status == 409
    before = len(daemon.log)
    daemon.signal(signal.SIGHUP)
    for words in ("the old catalog stays in force", "the old tokens stay in force"):
        daemon.says(words, before)
    assert len(audit_log(secured)) == 2
    (conf / "catalog.cfg").write_text(whole)
    daemon.signal(signal.SIGHUP)
    until(lambda: len(audit_log(secured)) == 3)


def test_the_log_of_it_can_go_elsewhere(daemon: Daemon) -> None:
    path = daemon.folder / "conf" / "logging.cfg"
    text = path.read_text()
    text = text.replace("keys = stdout\n", "keys = stdout, changes\n", 1)
    text = text.replace("qualname = jobsched.audit\nlevel = INFO\nhandlers =\npropagate = 1",
                        "qualname = jobsched.audit\nlevel = INFO\nhandlers = changes\npropagate = 0")  # fmt: skip
    path.write_text(f"{text}\n[handler_changes]\nclass = FileHandler\nargs = ('changes',)\nformatter = line\n")
    daemon.start()
    job = Caller(daemon).make("example").removeprefix("/jobs/")
    audit_log = daemon.folder / "changes"
    until(lambda: audit_log.exists() and audit_log.read_text().endswith("\n"))
    assert LINE.findall(audit_log.read_text()) == [("-", "127.0.0.1", "job.create", job, "'a example'")]
    assert "jobsched.audit" not in daemon.log


def test_what_was_answered_is_in_the_trail_after_a_power_cut(daemon: Daemon) -> None:
    daemon.start()
    ask = Caller(daemon)
    jobs = [ask.make("example").removeprefix("/jobs/") for _ in range(10)]
    daemon.kill()
    daemon.start()
    found = [entry["target"] for entry in ask.get("/audit")["values"]]
    assert found == jobs[::-1]
    assert {entry["who"] for entry in ask.get("/audit")["values"]} == {None}


@pytest.fixture(params=["postgresql", "mysql"])
def pair(request: pytest.FixtureRequest, tmp_path: Path, running: Callable[[str], Server]) -> Iterator[Pair]:
    with pair_in(tmp_path, running(request.param)) as one:
        one.start()
        yield one


def test_two_nodes_share_the_trail(pair: Pair) -> None:
    front, worker = pair.ask, Caller(pair.worker)
    job = front.make("few")
    worker.patch(job, name="other")
    run = worker.run(job)
    front.ended(run)
    worker.ask("DELETE", job)

    found = front.get("/audit")["values"]
    assert found == worker.get("/audit")["values"]
    assert [(entry["action"], entry["node"]) for entry in reversed(found)] == [
        ("job.create", "front"), ("job.change", "worker"), ("run.start", "worker"), ("job.delete", "worker")
    ]  # fmt: skip
