"""The live page without scripts: every screen over HTTP, read as a browser reads it."""

from __future__ import annotations

import gzip
import json
import shlex
from collections.abc import Iterator

import pytest

from tests.system.caller import Caller, instant
from tests.system.daemon import daemon_in, until
from tests.system.receiver import FAILS
from tests.system.screens import Browser, Element, Screen

PRINTS = r"""#!/bin/sh
seq 1 1200
printf '\033[1;31mred <b>\033[0m plain\033]0;title\007\n'
head -c 1048576 /dev/zero | tr '\0' x
printf '\nneedle in it\nbegun\rdone\n\001\n<script>alert(1)</script>'
exit 3
"""
EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with daemon_in(tmp_path_factory.mktemp("screens") / "daemon") as daemon:
        daemon.script("bad", FAILS)
        daemon.script("prints", PRINTS)
        daemon.script("gate", "#!/bin/sh\nwhile [ ! -e open ]; do sleep 0.05; done\n")
        daemon.start()
        yield Caller(daemon)


@pytest.fixture(scope="module")
def first(ask: Caller) -> str:
    """The list before there was any job."""
    return Browser(ask.daemon).open("/ui/jobs").main.text


@pytest.fixture(scope="module")
def made(ask: Caller, first: str) -> dict[str, str]:
    """Paths by name."""
    jobs = {
        "zebra": ask.make("bad", 7200, name="zebra", description="Copies the herd."),
        "ant": ask.make("example", 3600, name="ant", labels={"team": "insects"}),
        "busy": ask.make("gate", 9000, name="busy"),
        "night": ask.make("example", None, name="night", cron="30 2 * * *", timezone="Asia/Kolkata"),
        EVIL: ask.make("example", 60, name=EVIL, description=f"{EVIL}&amp;"),
    }
    ask.ended(ask.run(jobs["zebra"]))
    ask.ended(ask.run(jobs["ant"]))
    run = ask.run(jobs["busy"])
    until(lambda: ask.get(run)["state"] == "running")
    paused = {"reason": "moves house", "until": "2040-01-01T00:00:00Z"}
    assert ask.ask("POST", f"{jobs[EVIL]}/pause", paused).status == 200
    return jobs


@pytest.fixture
def browser(ask: Caller, made: dict[str, str]) -> Browser:
    return Browser(ask.daemon)


def names(browser: Browser, query: str) -> list[str]:
    return [each.every("a")[0].text for each in browser.open(f"/ui/jobs{query}").main.every("th", scope="row")]


def test_the_first_start_says_what_to_do(first: str) -> None:
    assert "No jobs yet. Tasks that can be scheduled: " in first
    assert "curl -X POST" in first


def by_due(ask: Caller) -> list[str]:
    """Their names. Which of them comes first depends on the time of day."""
    jobs = ask.get("/jobs?fields=name,next_due")["values"]
    return [job["name"] for job in sorted(jobs, key=lambda job: instant(job["next_due"]))]


def test_jobs_are_listed_by_what_needs_attention(browser: Browser, ask: Caller) -> None:
    screen = browser.open("/ui/jobs")
    rows = {row[1].split(" ")[0]: row for row in screen.rows()}
    assert list(rows) == ["zebra", *(name for name in by_due(ask) if name != "zebra")]
    assert rows["zebra"][0] == "failed"
    assert rows["busy"][0] == "running"
    assert rows["ant"][0] == "scheduled"
    assert rows["ant"][2] == "every 1 h"
    assert rows["night"][2] == "02:30 daily, Asia/Kolkata"
    assert "paused until Sun 1 Jan 2040 00:00:00: moves house" in rows[EVIL][1]
    mark = screen.main.every("a", class_="mark")[0]
    assert mark.text == "✕"
    assert mark.attributes["aria-label"] == mark.attributes["title"]
    assert mark.attributes["title"].startswith("failed, ")
    assert screen.root.one("title").text == "Jobs - Jobsched"


def test_a_name_is_never_markup(browser: Browser) -> None:
    screen = browser.open("/ui/jobs")
    assert EVIL.encode() not in screen.answer.content
    assert f"{EVIL} {EVIL}&amp; paused" in screen.main.text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?sort=name", [EVIL, "ant", "busy", "night", "zebra"]),
        ("?sort=-name", ["zebra", "night", "busy", "ant", EVIL]),
        ("?sort=when", [EVIL, "ant", "zebra", "busy", "night"]),
        ("?sort=task&q=a", ["zebra", EVIL, "ant", "night", "busy"]),
        ("?sort=-took&q=task:example+ant", ["ant"]),
        ("?q=state:failing", ["zebra"]),
        ("?q=state:paused", [EVIL]),
        ("?q=HERD", ["zebra"]),
        ("?q=label:team%3Dinsects", ["ant"]),
        ("?q=task:example+state:scheduled&sort=name", ["ant", "night"]),
        ("?q=name:busy", ["busy"]),
        ("?q=name:*us*", ["busy"]),
        ("?q=name:?nt", ["ant"]),
        ("?q=name:*US*", []),
    ],
)
def test_jobs_are_sorted_and_found(browser: Browser, query: str, expected: list[str]) -> None:
    assert names(browser, query) == expected


def test_jobs_are_sorted_by_their_next_dues(browser: Browser, ask: Caller) -> None:
    assert names(browser, "?sort=next_due") == by_due(ask)


def test_every_header_sorts_and_turns_round(browser: Browser) -> None:
    count = len(browser.open("/ui/jobs").main.every("th", scope="col"))
    assert count == 7
    for column in range(count):
        screen, seen = browser.open("/ui/jobs"), set()
        for _ in range(2):
            screen = browser.open(screen.main.every("th", scope="col")[column].every("a")[0].attributes["href"])
            seen.add(screen.main.every("th", scope="col")[column].attributes["aria-sort"])
        assert seen == {"ascending", "descending"}


def test_a_filter_is_shown_and_taken_away(browser: Browser) -> None:
    screen = browser.open("/ui/jobs?q=state:failing+herd&sort=name")
    assert screen.link("state:failing \N{MULTIPLICATION SIGN}: take it away") == "/ui/jobs?sort=name&q=herd"
    assert screen.link("herd \N{MULTIPLICATION SIGN}: take it away") == "/ui/jobs?sort=name&q=state%3Afailing"
    empty = browser.open("/ui/jobs?q=state:failing+nothing")
    assert "No job matches state:failing nothing. Clear the filter" in empty.main.text


@pytest.mark.parametrize("query", ["?q=state:asleep", "?sort=colour", "?after=nowhere", "?q=" + "x" * 401])
def test_a_list_that_makes_no_sense_is_refused(browser: Browser, query: str) -> None:
    assert browser.open(f"/ui/jobs{query}", 400).title == "Bad Request"


def test_times_and_colours_are_kept(browser: Browser) -> None:
    screen = browser.open("/ui/jobs?sort=name")
    assert screen.root.one("html").attributes["data-theme"] == "auto"
    after = browser.send(screen, "Set", times="job", theme="dark")
    assert after.path == "/ui/jobs?sort=name"
    assert after.root.one("html").attributes["data-theme"] == "dark"
    assert next(row[3] for row in after.rows() if row[1] == "night").split(" ")[3] == "02:30:00"
    assert next(row[3] for row in screen.rows() if row[1] == "night").split(" ")[3] == "21:00:00"


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example/", "/ui/\r\nSet-Cookie: a=b", "/jobs"])
def test_a_form_leads_back_to_the_page_alone(browser: Browser, to: str) -> None:
    answer = browser.post("/ui/view", {"times": "utc", "back": to})
    assert (answer.status, answer.headers["location"]) == (303, "/ui/")


def test_a_form_of_another_site_is_refused(browser: Browser) -> None:
    answer = browser.post("/ui/view", {"times": "utc"}, Origin="https://evil.example")
    assert answer.status == 403


def test_files_never_change_under_their_address(browser: Browser) -> None:
    screen = browser.open("/ui/jobs")
    for address in [*screen.root.every("script"), *screen.root.every("link")]:
        path = address.attributes.get("src") or address.attributes["href"]
        answer = browser.ask("GET", path, Accept_Encoding="gzip")
        assert answer.status == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert gzip.decompress(answer.content) == browser.ask("GET", path).content
        assert browser.ask("GET", path.replace("/static/", "/static/0")).status == 404


def test_all_files_together_are_small() -> None:
    from jobsched.ui.files import Files

    assert sum(len(file.compressed) for file in Files().files.values()) < 60_000


def test_nothing_is_said_as_a_screen(browser: Browser) -> None:
    assert browser.open("/ui/nothing", 404).main.text.startswith("Not Found There is nothing at this address.")
    assert browser.ask("POST", "/ui/jobs").status == 405


def test_the_api_has_the_headers_it_had(browser: Browser) -> None:
    answer = browser.ask("GET", "/jobs")
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert browser.ask("GET", "/uix").status == 404


# One job.


def test_a_job_says_when_it_runs_and_what_it_has_done(browser: Browser, made: dict[str, str]) -> None:
    screen = browser.open(f"/ui{made['zebra']}")
    assert screen.title == "zebra"
    sentence = screen.main.one("p", id="sentence").text
    assert sentence.startswith("Runs every 2 h, task bad. Next: ")
    assert "It failed once, since " in sentence
    assert screen.rows()[0][0] == "failed"
    bar = screen.main.one("svg", class_="chart").one("a")
    assert bar.attributes["href"].startswith("/ui/runs/")
    assert bar.attributes["aria-label"].startswith("failed, due ")


def test_a_due_is_told_in_the_time_of_the_job_too(browser: Browser, made: dict[str, str]) -> None:
    sentence = browser.open(f"/ui{made['night']}").main.one("p", id="sentence").text
    assert "21:00:00" in sentence
    assert "02:30:00 Asia/Kolkata" in sentence


def test_a_job_that_has_not_run_says_so(browser: Browser, made: dict[str, str]) -> None:
    assert "It has not run yet." in browser.open(f"/ui{made['night']}").main.text


def test_the_next_dues_are_told(browser: Browser, made: dict[str, str]) -> None:
    rows = browser.open(f"/ui{made['night']}/upcoming").rows()
    assert len(rows) == 20
    assert all("02:30:00 +0530" in row[1] for row in rows)
    assert "dues pass without a run" in browser.open(f"/ui{made[EVIL]}/upcoming").main.text


def test_a_definition_tells_what_differs_first(browser: Browser, made: dict[str, str]) -> None:
    screen = browser.open(f"/ui{made['ant']}/definition")
    different, every = screen.main.every("dl")
    assert {each.text for each in different.every("dt")} == {"id", "interval", "labels", "name", "task"}
    assert "misfire_grace" in every.text
    assert "A run is ended by nothing: it has no timeout." in screen.main.text
    assert '"team": "insects"' in screen.main.text


def test_a_job_is_copied_as_curl_and_as_a_file(browser: Browser, ask: Caller) -> None:
    job = ask.make("example", 7200, name='it\'s a $HOME "copy"')
    head = browser.open(f"/ui{job}")
    assert [head.link(f"Copy as {what}") for what in ("curl", "file")] == [
        f"/ui{job}/definition#as-{what}" for what in ("curl", "file")
    ]
    there = browser.open(head.link("Copy as curl")).main
    words = shlex.split(there.one("pre", id="as-curl").text)
    assert (words[:3], words[-1]) == (["curl", "-X", "PUT"], f"{browser.origin}{job}")
    before, sent = ask.get(job), json.loads(words[words.index("-d") + 1])
    assert sent == json.loads(there.one("pre", id="as-file").text)
    assert ask.ask("DELETE", job).status == 200
    assert ask.ask("PUT", job, sent).status == 201
    after = ask.get(job)
    assert (after["name"], after["interval_seconds"]) == (before["name"], 7200)
    ask.ask("DELETE", job)


def test_a_definition_tells_when_a_run_is_ended(browser: Browser, made: dict[str, str]) -> None:
    screen = browser.open(f"/ui{made['busy']}/definition")
    assert "A run is ended after 1 h, as JOB_LIVETIME says." in screen.main.text


def test_its_history_tells_before_and_after(browser: Browser, ask: Caller, made: dict[str, str]) -> None:
    ask.patch(made["ant"], retries=2)
    [row, *_] = browser.open(f"/ui{made['ant']}/history").rows()
    assert row[2:] == ["job.change", "retries before: 0 after: 2"]


def test_a_job_of_which_nobody_was_told_says_so(browser: Browser, made: dict[str, str]) -> None:
    assert "Nobody was told anything of it." in browser.open(f"/ui{made['ant']}/deliveries").main.text


@pytest.mark.parametrize("tab", ["", "/upcoming", "/definition", "/history", "/deliveries"])
def test_no_tab_of_a_job_is_fooled_by_markup(browser: Browser, made: dict[str, str], tab: str) -> None:
    screen = browser.open(f"/ui{made[EVIL]}{tab}")
    assert EVIL.encode() not in screen.answer.content
    assert screen.title == EVIL
    assert browser.open(f"/ui/jobs/nothing{tab}", 404).title == "Not Found"


# Runs.


def test_runs_are_listed_newest_first(browser: Browser, made: dict[str, str]) -> None:
    rows = browser.open("/ui/runs").rows()
    assert [row[:2] for row in rows if row[1] in made] == [
        ["running", "busy"],
        ["succeeded", "ant"],
        ["failed", "zebra"],
    ]
    assert rows[0][5] == "1, manual"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?state=failed", ["zebra"]),
        ("?state=failed,running", ["busy", "zebra"]),
        ("?state=failed&state=running&from=-1h", ["busy", "zebra"]),
        ("?job=ant", ["ant"]),
        ("?task=gate", ["busy"]),
        ("?cause=manual&to=now", ["busy", "ant", "zebra"]),
    ],
)
def test_runs_are_found(browser: Browser, made: dict[str, str], query: str, expected: list[str]) -> None:
    assert [row[1] for row in browser.open(f"/ui/runs{query}").rows()] == expected


def test_an_empty_time_names_what_was_nearest(browser: Browser, made: dict[str, str]) -> None:
    screen = browser.open("/ui/runs?from=2031-01-01T03:00&to=2031-01-01T03:15")
    assert "Nothing was due between Wed 1 Jan 2031 03:00:00 and Wed 1 Jan 2031 03:15:00." in screen.main.text
    assert "The nearest due before: busy" in screen.main.text
    assert "The next due after: " in screen.main.text


def test_what_was_due_around_a_time_is_asked_for_at_once(browser: Browser, made: dict[str, str], printed: str) -> None:
    link = browser.open(f"/ui{printed}").link("What else was due around then")
    assert any(row[1] == "prints" for row in browser.open(link).rows())
    assert (
        "Nothing was due between Wed 1 Jan 2031 02:45:00 and Wed 1 Jan 2031 03:15:00."
        in browser.open("/ui/runs?around=2031-01-01T03:00&from=-1h").main.text
    )


@pytest.mark.parametrize("query", ["?state=asleep", "?cause=fate", "?from=yore", "?around=yore"])
def test_runs_that_make_no_sense_are_refused(browser: Browser, query: str) -> None:
    assert browser.open(f"/ui/runs{query}", 400).title == "Bad Request"


def test_runs_of_a_job_that_never_was_are_not_found(browser: Browser) -> None:
    assert browser.open("/ui/runs?job=nobody", 404).title == "Not Found"


# One run.


@pytest.fixture(scope="module")
def printed(ask: Caller, made: dict[str, str]) -> str:
    run = ask.run(ask.make("prints", name="prints", parameters={}))
    ask.ended(run)
    return run


def lines(screen: Screen) -> dict[int, str]:
    found = screen.main.one("div", id="log").every("li")
    return {int(each.attributes["id"][1:]): each.one("span", class_="text").text for each in found}


def test_a_run_tells_its_life_and_its_outcome(browser: Browser, printed: str) -> None:
    screen = browser.open(f"/ui{printed}")
    assert screen.title == "Run of prints"
    assert screen.main.one("p", id="sentence").text.startswith("Failed after ")
    steps = [each.text for each in screen.main.one("ol", class_="life").every("li")]
    assert [steps[0][:3], steps[-1][:6]] == ["due", "failed"]
    facts = screen.main.one("dl").text
    assert "Exit code 3" in facts
    assert "Started by a caller without a token, from 127.0.0.1" in facts


def test_an_output_is_shown_from_its_end(browser: Browser, printed: str) -> None:
    screen = browser.open(f"/ui{printed}")
    assert "Lines 707 to 1,206 of 1,206. First · Earlier" in screen.main.text
    assert "Last printed " in screen.main.text
    shown = lines(screen)
    assert shown[1200] == "1200"
    assert shown[1201] == "red <b> plain"
    assert shown[1202].endswith(" and 1,044,576 more bytes")
    assert shown[1203] == "needle in it"
    assert shown[1204] == "done"
    assert shown[1205] == "\N{REPLACEMENT CHARACTER}"
    assert shown[1206] == EVIL
    assert EVIL.encode() not in screen.answer.content
    assert len(screen.answer.content) < 100_000
    red = screen.main.one("li", id="L1201").one("span", class_="a-red")
    assert red.text == "red <b>"
    assert red.attributes["class"] == "a-b a-red"


def test_an_output_is_read_window_by_window(browser: Browser, printed: str) -> None:
    screen = browser.open(f"/ui{printed}?line=1")
    assert list(lines(screen)) == list(range(1, 501))
    later = browser.open(f"/ui{printed}{screen.link('Later')}")
    assert lines(later)[501] == "501"
    assert list(lines(browser.open(f"/ui{printed}?line=9999"))) == list(range(707, 1207))


def test_a_line_of_an_output_is_found(browser: Browser, printed: str) -> None:
    screen = browser.open(f"/ui{printed}?find=NEEDLE")
    assert "1 line with NEEDLE." in screen.main.text
    assert screen.link("1203") == "?line=1183#L1203"
    assert "0 lines with haystack." in browser.open(f"/ui{printed}?find=haystack").main.text


def test_a_run_that_is_none_is_not_found(browser: Browser) -> None:
    assert browser.open("/ui/runs/nothing", 404).title == "Not Found"


def test_a_run_without_output_says_so(browser: Browser, ask: Caller, made: dict[str, str]) -> None:
    run = ask.runs(made["busy"], "running")[0]
    screen = browser.open(f"/ui/runs/{run['id']}")
    assert "Nothing was printed yet." in screen.main.text
    assert screen.main.one("ol", class_="life").every("li")[-1].text == "runs"


# What needs somebody, what comes, who is there, and who did what.


def test_the_overview_tells_what_needs_somebody(browser: Browser, ask: Caller, printed: str) -> None:
    ask.ended(ask.run("/jobs/" + ask.get(printed)["job_id"]))
    screen = browser.open("/ui/")
    numbers = [each.text for each in screen.main.one("ul", id="numbers").every("li")]
    assert numbers == ["2 Needs attention", "1 Running", "0 Waiting", "1 Paused"]
    needy = screen.main.one("table", id="needy").one("tbody").every("tr")
    first, second = ([cell.text for cell in row.children if isinstance(cell, Element)] for row in needy)
    assert first[:2] == ["failed", "prints"]
    assert first[2].startswith("2 times in a row since ")
    assert second[:2] == ["failed", "zebra"]
    [going] = screen.main.one("table", id="going").one("tbody").every("tr")
    assert going.text.startswith("busy ")
    assert "ends at 1 h" in going.text
    going_on = browser.open(going.every("a")[0].attributes["href"]).main.one("p", id="sentence")
    assert "Its timeout ends it at " in going_on.text
    assert "Next hour" in screen.main.text
    assert browser.open("/ui").title == "Overview"


def test_a_wall_tells_the_same_without_a_button(browser: Browser, ask: Caller, printed: str) -> None:
    screen = browser.open("/ui/?wall=1")
    assert [screen.root.every(tag) for tag in ("button", "form", "input", "select")] == [[], [], [], []]
    assert screen.root.one("body", class_="wall")
    usual = browser.open("/ui/")
    assert screen.main.one("ul", id="numbers").text == usual.main.one("ul", id="numbers").text
    needy = [each.text for each in screen.main.one("ul", id="needy").every("li")]
    rows = usual.main.one("table", id="needy").one("tbody").every("tr")
    assert [each.one("a").text for each in screen.main.one("ul", id="needy").every("li")] == [
        each.one("th").text for each in rows
    ]
    assert all(each.startswith("failed ") and "exit code" in each for each in needy)
    [going] = screen.main.one("ul", id="going").every("li")
    assert going.text.startswith("running busy ")
    assert usual.link("For a wall") == "/ui/?wall=1"
    assert browser.open("/ui/?wall=0").main.one("table", id="needy")


def test_a_wall_offers_no_release_of_a_hold(browser: Browser, ask: Caller, made: dict[str, str]) -> None:
    assert ask.ask("PUT", "/hold", {"reason": "upgrade", "select": {"names": ["none"]}}).status == 201
    try:
        assert browser.open("/ui/").buttons >= {"Release"}
        wall = browser.open("/ui/?wall=1")
        assert "upgrade" in wall.root.one("section", id="banners").text
        assert wall.root.every("button") == []
    finally:
        assert ask.ask("DELETE", "/hold").status == 200


def test_every_number_leads_to_what_it_counts(browser: Browser, printed: str) -> None:
    screen = browser.open("/ui/")
    for each in screen.main.one("ul", id="numbers").every("li"):
        count = int(each.text.split(" ")[0])
        target = browser.open(each.one("a").attributes["href"])
        assert len(target.rows() if target.main.every("table") else []) == count


def test_dues_to_come_are_told_by_the_hour(browser: Browser, made: dict[str, str]) -> None:
    screen = browser.open("/ui/upcoming?q=task:example")
    heads = [each.text for each in screen.main.every("th", scope="rowgroup")]
    assert all(each.partition(": ")[2] in {"1 due", "2 dues"} for each in heads)
    assert {each.text for each in screen.main.one("table").every("th", scope="row")} == {"ant", "night"}
    assert len(screen.main.one("svg", class_="chart").every("rect")) == 24 + 1
    assert "paused until 2040" in browser.open("/ui/upcoming?q=task:example&held=yes").main.text
    none = browser.open("/ui/upcoming?from=2031-01-01&to=2031-01-01T00:00:01&q=label:x")
    assert "Nothing is due from" in none.main.text


def test_the_daemons_are_told(browser: Browser, ask: Caller) -> None:
    [row] = browser.open("/ui/nodes").rows()
    assert row[0] == "alive"
    assert row[5] == ask.get("/nodes")["values"][0]["version"]


def test_who_changed_what_is_told(browser: Browser, made: dict[str, str]) -> None:
    screen = browser.open("/ui/audit?action=job.pause")
    [row] = screen.rows()
    assert row[1].startswith("no token 127.0.0.1 at ")
    assert row[2:4] == ["job.pause", EVIL]
    assert "pause_reason after: moves house" in row[4]
    assert browser.open("/ui/audit?target=ant&action=job.create").rows()[0][3] == "ant"
    assert "Nothing was changed" in browser.open("/ui/audit?who=nobody").main.text
    assert browser.open("/ui/audit?action=dance", 400).title == "Bad Request"


def test_a_job_says_why_it_did_or_did_not_run(browser: Browser, ask: Caller, made: dict[str, str]) -> None:
    form = browser.open(browser.open(f"/ui{made['zebra']}").link("Why"))
    assert "failed: exit code 3" in form.main.one("p", id="verdict").text, "it was run by hand"
    run = ask.runs(made["zebra"], "failed")[0]
    screen = browser.send(form, "Ask", at=run["due"])
    assert "exit code 3" in screen.main.one("p", id="verdict").text
    links = {each.attributes["href"] for each in screen.main.every("a")}
    assert {f"/ui/runs/{run['id']}", f"/ui{made['zebra']}/run"} <= links
    wrong = browser.open(f"/ui{made['night']}/why?at=yesteryear", 400)
    assert wrong.main.one("input", id="at").attributes["aria-invalid"] == "true"
    assert "yesteryear" in wrong.main.one("input", id="at").attributes["value"]
    assert wrong.main.one("p", id="fault").text
