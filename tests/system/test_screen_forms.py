"""What is done on the page without scripts: each action once, by a form and a redirect."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from jobsched.http.schemas.jobs import JobIn
from jobsched.http.schemas.watch import NotifyIn
from tests.system.caller import Caller
from tests.system.daemon import daemon_in, until
from tests.system.screens import Browser, filled

DEAF = "#!/bin/sh\ntrap '' TERM\necho deaf\nwhile :; do sleep 0.05; done\n"
GATE = "#!/bin/sh\nwhile [ ! -e open ]; do sleep 0.05; done\n"


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with daemon_in(tmp_path_factory.mktemp("forms") / "daemon") as daemon:
        daemon.script("gate", GATE)
        daemon.script("deaf", DEAF)
        daemon.script("says", GATE)
        daemon.section("parameters = depth, password\n")
        daemon.options("NOTIFY_HOSTS = ['hooks.example']\nKILL_GRACE = 6")
        daemon.start()
        yield Caller(daemon)


@pytest.fixture
def browser(ask: Caller) -> Browser:
    return Browser(ask.daemon)


def test_a_first_job_is_made_by_the_form(browser: Browser, ask: Caller) -> None:
    screen = browser.open(browser.open("/ui/jobs").link("New job"))
    assert screen.title == "New job"
    shown = browser.send(screen, "Show the next dues", name="first", task="example", interval="5m")
    assert len(shown.main.one("div", id="preview").every("li")) == 5
    after = browser.send(shown, "Save")
    assert after.title == "first"
    assert "The job was made." in after.main.text
    job = ask.get(after.path.partition("?")[0].removeprefix("/ui"))
    assert (job["interval_seconds"], job["task"], job["retries"]) == (300, "example", 0)


EVERYTHING: dict[str, Any] = {
    "id": "everything", "name": "All of it", "task": "says", "kind": "cron", "cron": "30 2 * * *",
    "timezone": "Europe/Berlin", "start": "2030-01-01T00:00", "end": "2031-01-01T00:00:00Z", "max_runs": "7",
    "jitter": "90", "overlap": "queue", "misfire_grace": "none", "catch_up": "all", "retries": "3",
    "retry_delay": "1m30s", "timeout": "2h", "parameters": 'depth=3\npassword="007"', "placement": "every",
    "on_isolation": "keep", "require": "disk=fast", "max_late": "10m", "must_succeed_every": "2d", "notify": "own",
    "notify.url": "https://hooks.example/x", "notify.on": ["failed", "recovered"], "notify.after": "2",
    "notify.format": "slack", "labels": "team=data\ntier=", "description": "One.\nTwo.", "owner": "alice",
    "runbook": "https://wiki.example/backup",
}  # fmt: skip


def test_a_form_says_all_that_a_request_can_say(browser: Browser, ask: Caller) -> None:
    screen = browser.open("/ui/new")
    form = screen.form("Save")
    fields = {each.attributes.get("name") for tag in ("input", "select", "textarea") for each in form.every(tag)}
    assert {each for each in JobIn.__struct_fields__ if each not in fields} == set()
    assert {each for each in NotifyIn.__struct_fields__ if f"notify.{each}" not in fields} == set()

    assert browser.send(screen, "Save", **EVERYTHING).title == "All of it"
    job = ask.get("/jobs?as=request&name=All+of+it")["values"][0]
    assert job == {
        "id": "everything", "name": "All of it", "task": "says", "cron": "30 2 * * *", "timezone": "Europe/Berlin",
        "start": "2029-12-31T23:00:00Z", "end": "2031-01-01T00:00:00Z", "max_runs": 7, "jitter": 90, "overlap": "queue",
        "misfire_grace": None, "catch_up": "all", "retries": 3, "retry_delay": 90, "timeout": 7200,
        "parameters": {"depth": 3, "password": "***"}, "placement": "every",
        "on_isolation": "keep", "require": {"disk": "fast"},
        "max_late": 600, "must_succeed_every": 172800,
        "notify": {"url": "https://hooks.example/x", "on": ["failed", "recovered"], "after": 2, "format": "slack"},
        "labels": {"team": "data", "tier": ""}, "description": "One.\nTwo.", "owner": "alice",
        "runbook": "https://wiki.example/backup",
    }  # fmt: skip
    before = ask.get("/jobs/everything")
    browser.send(browser.open("/ui/jobs/everything/edit"), "Save")
    assert ask.get("/jobs/everything") == before, "what is saved as it was stays as it was, secrets too"


def test_what_is_wrong_is_told_beside_its_field(browser: Browser) -> None:
    screen = browser.send(
        browser.open("/ui/new"), "Save", 400, name="", task="example", interval="soon", labels="x", retries="-1"
    )
    wrong = {each.attributes["id"]: each.text for each in screen.main.every("p", class_="fault")}
    assert wrong["fault-interval"] == "is a length of time such as 90s, 5m, 1h30m or 2d"
    assert wrong.keys() == {"fault-interval", "fault-labels", "fault-retries"}
    field = screen.main.one("input", id="f-interval")
    assert (field.attributes["value"], field.attributes["aria-invalid"]) == ("soon", "true")
    again = browser.send(screen, "Save", 400, kind="cron", cron="61 * * * *", labels="", retries="0", name="x")
    assert "fault-cron" in {each.attributes["id"] for each in again.main.every("p", class_="fault")}


def test_two_who_edit_one_job_do_not_undo_each_other(browser: Browser, ask: Caller) -> None:
    job = ask.make("example", name="two people", retries=0)
    screen = browser.open(f"/ui{job}/edit")
    ask.patch(job, retries=2)
    clash = browser.send(screen, "Save", 409, owner="bob")
    assert "retries from 0 to 2" in clash.main.text
    assert ask.get(job)["owner"] is None
    assert browser.send(clash, "Overwrite").title == "two people"
    found = ask.get(job)
    assert (found["owner"], found["retries"]) == ("bob", 0)


def test_a_job_is_copied(browser: Browser, ask: Caller) -> None:
    job = ask.make("example", name="original", labels={"team": "data"})
    after = browser.send(browser.open(browser.open(f"/ui{job}").link("Duplicate")), "Save")
    assert after.title == "original (copy)"
    assert "team=data" in after.main.text


def test_a_run_is_ordered_cancelled_and_ordered_again(browser: Browser, ask: Caller) -> None:
    job = ask.make("gate", name="going")
    screen = browser.send(browser.open(f"/ui{job}"), "Run now")
    assert screen.title == "Run of going"
    path = screen.path.partition("?")[0]
    until(lambda: ask.get(path.removeprefix("/ui"))["state"] == "running")
    cancelled = browser.send(browser.open(path), "Cancel")
    assert "The run was told to end." in cancelled.main.text
    assert ask.ended(path.removeprefix("/ui"))["state"] == "cancelled"
    again = browser.send(browser.open(path), "Run again")
    assert again.path != screen.path
    assert again.main.one("dl").every("a")[0].attributes["href"] == path
    browser.send(browser.open(again.path), "Cancel")


def test_a_run_that_is_told_to_end_says_when_it_is_killed(browser: Browser, ask: Caller) -> None:
    run = ask.run(ask.make("deaf", name="deaf"))
    until(lambda: ask.text(f"{run}/output") == "deaf\n")
    browser.send(browser.open(f"/ui{run}"), "Cancel")
    until(lambda: ask.get(run)["state"] == "stopping")
    assert "TERM was sent; what has not ended 6 s after it is ended by KILL." in browser.open(f"/ui{run}").main.text
    assert ask.ended(run)["signal"] == "SIGKILL"
    assert "Signal SIGKILL" in browser.open(f"/ui{run}").main.one("dl").text


def test_a_run_says_for_what_it_waited(browser: Browser, ask: Caller) -> None:
    job = ask.make("gate", name="queues", overlap="queue")
    first, second = ask.run(job), ask.run(job)
    assert "waits for the active run to end" in browser.open(f"/ui{second}").main.one("ol", class_="life").text
    time.sleep(0.1)  # a shorter wait is not told
    ask.ask("POST", f"{first}/cancel")
    until(lambda: ask.get(second)["state"] == "running")
    assert ask.get(second)["waited_for"] == "waits for the active run to end"
    told = browser.open(f"/ui{second}").main.one("ol", class_="life").text
    assert re.search(r"waited [\d.]+ s \(for the active run to end\)", told)
    ask.ask("POST", f"{second}/cancel")
    ask.ended(second)


def test_a_run_may_have_parameters_of_its_own(browser: Browser, ask: Caller) -> None:
    job = ask.make("says", name="with", parameters={"depth": 1})
    screen = browser.open(browser.open(f"/ui{job}").link("Run with…"))
    assert "depth=1" in screen.main.text
    refused = browser.send(screen, "Run now", 409, parameters="width=3")
    assert "Width: " in refused.main.one("p", id="fault").text
    after = browser.send(refused, "Run now", parameters="depth=2")
    assert "Parameter depth 2" in after.main.one("dl").text
    browser.send(after, "Cancel")


def test_a_job_is_paused_and_goes_on(browser: Browser, ask: Caller) -> None:
    job = ask.make("example", name="rests")
    screen = browser.open(browser.open(f"/ui{job}").link("Pause…"))
    late = browser.send(screen, "Pause", 400, until="yore")
    assert "Is no instant" in late.main.one("p", id="fault").text
    after = browser.send(late, "Pause", until="2040-01-01T00:00", reason="moves house")
    assert "paused until Sun 1 Jan 2040 00:00:00: moves house" in after.main.text
    browser.send(after, "Resume")
    assert ask.get(job)["paused"] is False
    period: dict[str, Any] = {"for": "1h"}
    hour = browser.send(browser.open(f"/ui{job}/pause"), "Pause", **period)
    assert "The job is paused." in hour.main.text
    assert ask.get(job)["paused_until"] is not None


def test_a_job_is_deleted_once_that_was_said_twice(browser: Browser, ask: Caller) -> None:
    job = ask.make("example", name="goes")
    screen = browser.open(browser.open(f"/ui{job}").link("Delete…"))
    assert "The job was deleted." in browser.send(screen, "Delete").main.text
    assert ask.ask("GET", job).status == 404


def test_a_job_that_is_gone_leads_to_what_is_known_of_it(browser: Browser, ask: Caller) -> None:
    job = ask.make("example", name="was here")
    run = ask.run(job)
    ask.ended(run)
    ask.ask("DELETE", job)
    gone = browser.open(browser.open(f"/ui{run}").link("was here"), 404)
    assert gone.title == "was here"
    assert "This job was deleted by somebody without a token" in gone.main.text
    assert len(browser.open(gone.link("its runs")).rows()) == 1
    assert browser.open(gone.link("who changed it")).rows()[0][2] == "job.delete"


def test_everything_is_held_and_released(browser: Browser, ask: Caller) -> None:
    screen = browser.open(browser.open("/ui/").link("Hold everything…"))
    held = browser.send(screen, "Hold", reason="upgrade")
    assert "On hold: upgrade." in held.root.one("section", id="banners").text
    assert ask.get("/hold")["reason"] == "upgrade"
    assert "Release" not in browser.send(held, "Release").buttons
    assert ask.ask("GET", "/hold").status == 404


@pytest.mark.parametrize("path", ["/ui/jobs/nothing/run", "/ui/jobs/nothing/pause", "/ui/runs/nothing/cancel"])
def test_what_is_not_there_cannot_be_changed(browser: Browser, path: str) -> None:
    assert browser.post(path, {"csrf": ""}).status == 404


def test_only_a_form_may_write(browser: Browser, ask: Caller) -> None:
    job = ask.make("example", name="stays")
    assert browser.ask("POST", f"/ui{job}/delete", b"{}", Content_Type="application/json").status == 400
    assert browser.post(f"/ui{job}/delete", {}, Origin="null").status == 403
    assert browser.ask("GET", f"/ui{job}/resume").status == 405
    assert ask.get(job)["name"] == "stays"


def test_many_jobs_are_paused_and_deleted_together(browser: Browser, ask: Caller) -> None:
    ids = [ask.make("example", name=f"batch {number}").rpartition("/")[2] for number in range(12)]
    screen = browser.open("/ui/jobs?q=batch")
    plan = browser.send(screen, "Pause…", job=ids)
    assert plan.title == "Pause 12 jobs"
    assert len(plan.main.one("ul", id="plan").every("li")) == 10
    assert "And 2 more." in plan.main.text
    assert not ask.get(f"/jobs/{ids[0]}")["paused"], "nothing is done before one agreed"
    assert browser.send(plan, "Do it", reason="upgrade").title == "12 of 12 paused"
    assert {ask.get(f"/jobs/{job_id}")["pause_reason"] for job_id in ids} == {"upgrade"}
    plan = browser.send(browser.open("/ui/jobs?q=batch"), "Delete…", job=ids)
    refused = browser.send(plan, "Do it", 400, count="11")
    assert "type the number of jobs, 12" in refused.main.one("p", id="fault").text
    assert browser.send(refused, "Do it", count="12").title == "12 of 12 deleted"
    assert ask.get("/jobs?q=batch")["values"] == []


def test_no_job_selected_is_said(browser: Browser, ask: Caller) -> None:
    ask.make("example", name="not selected")
    screen = browser.open("/ui/jobs?q=selected")
    assert "Select 1 to 1,000 jobs in the list" in browser.send(screen, "Resume…", 400).main.text


def test_a_second_hold_is_told(browser: Browser, ask: Caller) -> None:
    screen = browser.open("/ui/hold")
    browser.send(screen, "Hold", reason="one")
    assert "Something is on hold already." in browser.send(screen, "Hold", reason="two").main.text
    browser.send(browser.open("/ui/"), "Release")


def test_all_jobs_that_match_are_selected_at_once(browser: Browser, ask: Caller) -> None:
    ids = {ask.make("example", name=f"every-{number:03}").rpartition("/")[2] for number in range(203)}
    ask.make("example", name="not every")
    screen = browser.open("/ui/jobs?q=name:every-*")
    assert len(screen.rows()) == 200
    assert "All that match, on every page" in screen.main.text
    plan = browser.send(screen, "Pause…", every="yes")
    assert plan.title == "Pause 203 jobs"
    assert browser.send(plan, "Do it").title == "203 of 203 paused"
    assert {job["id"] for job in ask.get("/jobs?q=every&state=paused&limit=1000")["values"]} == ids
    plan = browser.send(browser.open("/ui/jobs?q=name:every-*"), "Delete…", every="yes")
    assert browser.send(plan, "Do it", count="203").title == "203 of 203 deleted"


def test_many_jobs_are_changed_after_one_saw_how(browser: Browser, ask: Caller) -> None:
    jobs = [ask.make("example", name=f"alter {number}", labels={"team": "data"}) for number in range(2)]
    ids = [job.rpartition("/")[2] for job in jobs]
    form = browser.send(browser.open("/ui/jobs?q=alter"), "Change…", job=ids)
    refused = browser.send(form, "Do it", 400, timeout="soon")
    assert "timeout: is a length of time" in refused.main.one("p", id="fault").text.lower()
    assert "Say what is to be changed" in browser.send(form, "Do it", 400).main.one("p", id="fault").text
    wrong = browser.send(form, "Do it", 400, patch="[]")
    assert "is a JSON object" in wrong.main.one("p", id="fault").text
    plan = browser.send(form, "Show what changes", timeout="2h", labels="tier=1", patch='{"misfire_grace": 600}')
    shown = plan.main.one("ul", id="plan").text
    assert "timeout" in shown
    assert "7200" in shown
    assert ask.get(jobs[0])["timeout"] is None, "nothing is done before one agreed"
    assert browser.send(plan, "Do it").title == "2 of 2 changed"
    for job in map(ask.get, jobs):
        assert (job["timeout"], job["misfire_grace"], job["labels"]) == (7200, 600, {"team": "data", "tier": "1"})


def test_what_somebody_changed_meanwhile_is_left_as_it_is(browser: Browser, ask: Caller) -> None:
    jobs = [ask.make("example", name=f"meanwhile {number}") for number in range(3)]
    gone = ask.make("example", name="meanwhile gone")
    ids = [job.rpartition("/")[2] for job in [*jobs, gone]]
    plan = browser.send(browser.open("/ui/jobs?q=meanwhile"), "Pause…", job=ids)
    ask.patch(jobs[1], retries=1)
    ask.ask("DELETE", gone)
    done = browser.send(plan, "Do it", reason="upgrade")
    assert done.title == "2 of 4 paused"
    assert "meanwhile 1: somebody without a token changed it meanwhile" in done.main.text
    assert not ask.get(jobs[1])["paused"]
    again = browser.send(done, "Try these again")
    assert browser.send(again, "Do it").title == "1 of 2 paused"
    assert ask.get(jobs[1])["paused"]


def test_jobs_are_exported_as_files_that_can_be_applied(browser: Browser, ask: Caller) -> None:
    job = ask.make("example", None, name="to be kept", cron="30 2 * * *", id="to-be-kept")
    other = ask.make("example", 60, name="no line").rpartition("/")[2]
    form = browser.send(browser.open("/ui/jobs?q=kept"), "Export…", job=["to-be-kept"])
    action = form.form("Download")
    sent = [*filled(action, "Download", {"format": "json"})]
    answer = browser.post("/ui/many", sent)
    assert answer.headers["content-disposition"] == 'attachment; filename="jobs.json"'
    asked = json.loads(answer.text)
    assert ask.ask("PUT", "/jobs?plan=1", asked).json["values"][0]["what"] == "keep"
    assert "to-be-kept" in job
    refused = browser.send(form, "Download", 409, format="crontab", job=[other])
    assert "interval has no place in a crontab" in refused.main.one("p", id="fault").text


def test_an_export_withholds_what_is_secret(browser: Browser, ask: Caller) -> None:
    job = ask.make("says", name="knows", parameters={"password": "open sesame"}).rpartition("/")[2]
    form = browser.send(browser.open("/ui/jobs?q=knows"), "Export…", job=[job])
    text = browser.post("/ui/many", filled(form.form("Download"), "Download", {"format": "toml"})).text
    assert "open sesame" not in text
    assert "withheld" in text
