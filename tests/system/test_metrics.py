"""What a real daemon tells Prometheus, and that dashboard and alerts ask for nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.system.caller import Caller
from tests.system.daemon import ROOT, daemon_in, until
from tests.system.promtool import promtool
from tests.system.samples import samples
from tests.system.secured import SecuredDaemon, token

DASHBOARD = ROOT / "docs" / "grafana.json"
ALERTS = ROOT / "docs" / "alerts.yml"
RULE_TESTS = ROOT / "tests" / "prometheus" / "alerts_test.yml"
NAME = re.compile(r"\b(?:jobsched|process)_[a-z_]+\b")
# Where several daemons share a database: test_health.py
SHARED = {"jobsched_lease_seconds", "jobsched_lease_remaining_seconds"}
LABELS = {"task", "state", "outcome", "kind", "error", "method", "route", "status", "le", "version", "python"}


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A daemon that ran some jobs, and was asked for what is there and for what is not."""
    with daemon_in(tmp_path_factory.mktemp("metrics") / "daemon") as daemon:
        daemon.script("bad", "#!/bin/sh\necho 123456789; exit 3\n")
        daemon.script("gate", "#!/bin/sh\nwhile [ ! -e open ]; do sleep 0.05; done\n")
        daemon.start()
        ask = Caller(daemon)
        ask.ended(ask.run(ask.make("bad")))
        ask.run_in(ask.make("runfoo", 1), "succeeded", at_least=2)
        ask.run_in(ask.make("gate", 1), "skipped")
        ask.ask("POST", f"{ask.make('runfoo')}/pause")
        for path in ("/jobs/nosuch", "/runs/01a20840-5f25-7789-a586-53fa4a101b39", "/no/such/path?with=query"):
            assert ask.ask("GET", path).status == 404
        yield ask


@pytest.fixture(scope="module")
def page(ask: Caller) -> str:
    answer = ask.ask("GET", "/metrics")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return answer.text


def test_it_is_as_prometheus_wants_it(page: str) -> None:
    assert promtool("check", "metrics", given=page) == ""


def test_what_happened_was_counted(page: str) -> None:
    found = samples(page)
    assert found["jobsched_runs_total", "failed", "bad"] == 1
    assert found["jobsched_runs_total", "succeeded", "runfoo"] >= 2
    assert found["jobsched_dues_total", "ran"] >= 2
    assert found["jobsched_dues_total", "skipped"] >= 1
    assert found["jobsched_runs_running",] >= 1
    assert found["jobsched_run_duration_seconds_count", "runfoo"] == found["jobsched_runs_total", "succeeded", "runfoo"]
    assert found["jobsched_start_lateness_seconds_count", "gate"] == 1
    assert ("jobsched_start_lateness_seconds_count", "bad") not in found  # a caller ran it
    assert found["jobsched_output_bytes_total",] >= 10
    assert found["jobsched_http_requests_total", "POST", "/jobs", "202"] == 4
    assert found["jobsched_http_requests_total", "GET", "/jobs/{job_id}", "404"] == 1
    assert found["jobsched_http_requests_total", "other", "other", "404"] == 1
    assert found["jobsched_store_duration_seconds_count", "write"] > 5
    assert found["jobsched_sweep_duration_seconds_count",] >= 1
    assert found["jobsched_claims_won_total",] >= 3
    assert (found["jobsched_ready",], found["jobsched_store_up",], found["jobsched_fenced",]) == (1, 1, 0)


def test_jobs_are_counted_when_the_last_count_is_old(ask: Caller) -> None:
    until(lambda: (found := samples(ask.text("/metrics")))["jobsched_jobs", "scheduled"] == 3
          and found["jobsched_jobs", "paused"] == 1)  # fmt: skip


def test_no_label_is_an_id_or_a_path_that_was_asked_for(ask: Caller, page: str) -> None:
    jobs = ask.get("/jobs")["values"]
    runs, nodes = ask.get("/runs")["values"], ask.get("/nodes")["values"]
    ids = {each["id"] for each in (*jobs, *runs, *nodes)}
    assert len(ids) > 6
    assert not any(found in page for found in ids)
    assert "/no/such/path" not in page
    assert {name for family in text_string_to_metric_families(page) for sample in family.samples
            for name in sample.labels} == LABELS  # fmt: skip


def test_what_is_refused_before_it_is_a_request_is_counted_too(ask: Caller) -> None:
    before = samples(ask.text("/metrics"))
    assert ask.ask("POST", "/jobs", b"x" * (1024 * 1024 + 1)).status == 413
    key = ("jobsched_http_requests_total", "other", "other", "413")
    until(lambda: samples(ask.text("/metrics")).get(key, 0) == before.get(key, 0) + 1)


# What asks for them.


def targets() -> list[str]:
    """The questions of the dashboard."""
    return [
        target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel.get("targets", [])
    ]


def questions() -> list[str]:
    """Those of the alerts, the comments aside."""
    text = re.sub("(?m)^ *(?:#|description:|summary:).*$", "", ALERTS.read_text())
    return re.findall(r"expr: (?:\|\n)?((?:.*\n)+?) +(?:for|labels):", text)


def test_dashboard_and_alerts_ask_for_what_there_is(page: str) -> None:
    asked = {name for question in (*targets(), *questions()) for name in NAME.findall(question)}
    there = {name for name, *_ in samples(page)} | SHARED
    assert len(questions()) == ALERTS.read_text().count("- alert:")
    assert len(asked) > 25
    assert asked - there == set()


def test_every_metric_is_on_the_dashboard_or_in_an_alert(page: str) -> None:
    asked = " ".join((*targets(), *questions()))
    families = {family.name for family in text_string_to_metric_families(page) if family.name.startswith("jobsched")}
    assert {name for name in families if name not in asked} == set()


def test_every_metric_is_explained(page: str) -> None:
    told = (ROOT / "docs" / "watching.rst").read_text()
    names = {name for name, *_ in samples(page)} | SHARED
    for name in {re.sub("_(?:bucket|sum|count)$", "", name) for name in names if name.startswith("jobsched")}:
        assert f"``{name}``" in told, name


def test_the_alerts_are_sound_and_fire_when_they_should() -> None:
    assert "SUCCESS" in promtool("check", "rules", ALERTS)
    assert "SUCCESS" in promtool("test", "rules", RULE_TESTS)


def test_every_alert_has_a_test_and_is_explained() -> None:
    alerts = re.findall(r"- alert: (\w+)", ALERTS.read_text())
    assert len(alerts) == len(set(alerts)) > 10
    assert set(re.findall(r"- alertname: (\w+)", RULE_TESTS.read_text())) == set(alerts)
    told = (ROOT / "docs" / "watching.rst").read_text()
    assert [alert for alert in alerts if f"``{alert}``" not in told] == []


def test_prometheus_understands_what_the_dashboard_asks(tmp_path: Path) -> None:
    plain = [re.sub(r"\$__rate_interval", "5m", target).replace("$job", "a").replace("$instance", "b")
             for target in targets()]  # fmt: skip
    rules = [{"record": f"question:{number}", "expr": expr} for number, expr in enumerate(plain)]
    (tmp_path / "rules.json").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", tmp_path / "rules.json")


def test_the_dashboard_imports_as_it_is() -> None:
    board: dict[str, Any] = json.loads(DASHBOARD.read_text())
    variables = {variable["name"] for variable in board["templating"]["list"]}
    ids = [panel["id"] for panel in board["panels"]]
    places = [panel["gridPos"] for panel in board["panels"]]
    assert (board["title"], variables) == ("Jobsched", {"datasource", "job", "instance"})
    assert len(ids) == len(set(ids))
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
    cells = [(x, y) for place in places for x in range(place["x"], place["x"] + place["w"])
             for y in range(place["y"], place["y"] + place["h"])]  # fmt: skip
    assert len(cells) == len(set(cells))  # no panel lies on another
    asked = {name for target in targets() for name in re.findall(r"\$(\w+)", target)}
    assert asked == {"job", "instance", "__rate_interval"}
    for panel in board["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"


def test_who_sees_some_tasks_only_does_not_see_what_shows_all(tmp_path: Path) -> None:
    with daemon_in(tmp_path / "daemon") as daemon:
        tokens = {"all": token(daemon, "all", "--scope", "read")}
        tokens["narrow"] = token(daemon, "narrow", "--scope", "read", "--tasks", "run*")
        tokens["run"] = token(daemon, "run", "--scope", "run")
        daemon.start()
        secured = SecuredDaemon(daemon, tokens)
        assert [secured.ask("GET", "/metrics", who).status for who in ("", "all", "narrow", "run")] == [
            401, 200, 403, 403
        ]  # fmt: skip
        assert "runfoo" in secured.ask("GET", "/metrics", "all").text
        assert secured.ask("GET", "/metrics", "narrow").json["detail"] == (
            "this shows all tasks, and the token 'narrow' is for some only"
        )


def test_a_file_that_is_bad_is_seen(ask: Caller) -> None:
    path = ask.daemon.folder / "conf" / "catalog.cfg"
    before = path.read_text()
    ask.daemon.section("[broken]\nfile = nosuch.py\nclass = X\n")
    try:
        assert ask.ask("POST", "/catalog/reload").status == 409
        until(lambda: samples(ask.text("/metrics"))["jobsched_catalog_sound",] == 0)
    finally:
        path.write_text(before)
    assert ask.ask("POST", "/catalog/reload").status == 200
    until(lambda: samples(ask.text("/metrics"))["jobsched_catalog_sound",] == 1)
