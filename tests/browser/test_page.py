"""The page in Chromium: live, followed, by keys, at each width and in both themes, without a finding of axe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chrome import Chrome, chrome_at, install
from tests.system.caller import Caller
from tests.system.daemon import daemon_in, until
from tests.system.receiver import FAILS

EVIL = "<script>alert(1)</script>"
LINES = "#!/bin/sh\nseq 10000\nwhile [ ! -e open ]; do sleep 0.05; done\n"


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with daemon_in(tmp_path_factory.mktemp("page") / "daemon") as daemon:
        daemon.script("bad", FAILS)
        daemon.script("lines", LINES)
        daemon.start()
        yield Caller(daemon)


@pytest.fixture(scope="module")
def chromium(ask: Caller, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    folder: Path = tmp_path_factory.mktemp("chromium")
    install(folder)
    with chrome_at(folder, f"http://127.0.0.1:{ask.daemon.port}") as chrome:
        yield chrome


@pytest.fixture
def chrome(chromium: Chrome, made: dict[str, str]) -> Chrome:
    chromium.fresh()
    return chromium


@pytest.fixture(scope="module")
def made(ask: Caller) -> dict[str, str]:
    jobs = {
        "bad": ask.make("bad", 7200, name="bad", description="Never works.", labels={"team": "data"}),
        "good": ask.make("example", 3600, name="good"),
        EVIL: ask.make("example", 7200, name=EVIL),
        "paused": ask.make("example", 60, name="paused"),
        "lines": ask.make("lines", 7200, name="lines"),
    }
    ask.ask("POST", f"{jobs['paused']}/pause", {"reason": "moves house"})
    ask.ended(ask.run(jobs["bad"]))
    ask.ended(ask.run(jobs["good"]))
    return jobs


@pytest.fixture(scope="module")
def failed(ask: Caller, made: dict[str, str]) -> str:
    return str(ask.runs(made["bad"], "failed")[0]["id"])


SCREENS = ["/ui/", "/ui/jobs", "/ui/jobs?q=nothing", "BAD", "BAD/upcoming", "BAD/definition", "BAD/history",
           "BAD/deliveries", "BAD/edit", "BAD/pause", "BAD/delete", "BAD/run", "/ui/new", "/ui/runs", "RUN",
           "/ui/upcoming", "/ui/nodes", "/ui/audit", "/ui/hold", "/ui/nothing"]  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing(chromium: Chrome, made: dict[str, str], failed: str, width: int, theme: str) -> None:
    chromium.fresh(viewport={"width": width, "height": 800}, colorScheme=theme, reducedMotion="reduce")
    found = {}
    for name in SCREENS:
        path = name.replace("BAD", f"/ui{made['bad']}").replace("RUN", f"/ui/runs/{failed}")
        chromium.open(path)
        wide = chromium.do("return await page.evaluate(() => document.documentElement.scrollWidth)")
        found[name] = chromium.findings + ([f"{wide} px wide"] if wide > width else [])
    assert {name: each for name, each in found.items() if each} == {}


def test_no_script_of_ours_fails(chrome: Chrome, made: dict[str, str], failed: str) -> None:
    for name in SCREENS[:-1]:
        chrome.open(name.replace("BAD", f"/ui{made['bad']}").replace("RUN", f"/ui/runs/{failed}"))
    assert chrome.errors == []


def test_a_failure_is_seen_within_two_seconds(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    job = ask.make("bad", name="fails soon")
    chrome.open("/ui/jobs?sort=name")
    ask.ended(ask.run(job))
    row = job.rpartition("/")[2]
    chrome.do(
        "await page.waitForFunction((id) => document.getElementById(`j-${id}`).cells[0].innerText.trim() === 'failed',"
        " row, { timeout: 2000 })", row=row,
    )  # fmt: skip
    marks = chrome.do("return await page.locator(`#j-${row} .mark`).count()", row=row)
    assert marks == 1


def test_a_list_keeps_its_order_while_it_changes(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    chrome.open("/ui/jobs")
    before = chrome.do("return await page.locator('#jobs tbody tr').evaluateAll((rows) => rows.map((row) => row.id))")
    chrome.do(
        "await page.evaluate(() => { window.shifts = 0; new PerformanceObserver((list) => { for (const each of"
        " list.getEntries()) window.shifts += each.value; }).observe({ type: 'layout-shift' }); })"
    )
    ask.ended(ask.run(made["bad"]))
    ask.make("example", name="newcomer")
    chrome.wait("return document.querySelector('#changes button')?.textContent.includes('change')")
    after = chrome.do("return await page.locator('#jobs tbody tr').evaluateAll((rows) => rows.map((row) => row.id))")
    assert after == before
    assert chrome.do("return await page.evaluate(() => window.shifts)") == 0
    chrome.do("await page.locator('#changes button').click(); await page.waitForLoadState()")
    chrome.wait("return document.body.textContent.includes('newcomer')")


def test_an_output_is_followed_until_one_scrolls_up(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    run = ask.run(made["lines"])
    chrome.open(f"/ui{run}")
    chrome.wait("return document.getElementById('L10000') !== null")
    kept = chrome.do("return await page.locator('#log li').count()")
    assert kept <= 5000
    assert chrome.do("return await page.evaluate(() => { const pane = document.getElementById('log');"
                     " return pane.scrollHeight - pane.scrollTop - pane.clientHeight < 30 })")  # fmt: skip
    chrome.do("await page.getByRole('button', { name: 'Cancel' }).click()")
    chrome.wait("return document.querySelector('.title .state, #live .state, #sentence').textContent.length > 0"
                " && document.getElementById('sentence').textContent.startsWith('Cancelled')")  # fmt: skip


def test_filters_follow_what_one_types(chrome: Chrome, made: dict[str, str]) -> None:
    chrome.open("/ui/jobs")
    chrome.do("await page.locator('#q').fill('never works')")
    chrome.wait("return document.querySelectorAll('#jobs tbody tr').length === 1")
    assert chrome.do("return page.url()").endswith("?q=never+works")


def test_dues_are_shown_while_one_types_a_rule(chrome: Chrome, made: dict[str, str]) -> None:
    chrome.open("/ui/new")
    chrome.do("await page.locator('#f-name').fill('x'); await page.locator('#f-kind').selectOption('cron');"
              " await page.locator('#f-cron').fill('30 2 * * *')")  # fmt: skip
    chrome.wait("return document.querySelectorAll('#preview li').length === 5")
    chrome.do("await page.locator('#f-cron').fill('61 2 * * *')")
    chrome.wait("return document.querySelector('#preview .fault') !== null")


def test_keys_alone_lead_to_a_job_and_back(chrome: Chrome, made: dict[str, str]) -> None:
    chrome.open("/ui/")
    chrome.do("await page.keyboard.press('g'); await page.keyboard.press('j'); await page.waitForURL('**/ui/jobs')")
    chrome.do("await page.keyboard.press('j'); await page.keyboard.press('j'); await page.keyboard.press('Enter');"
              " await page.waitForURL('**/ui/jobs/*')")  # fmt: skip
    chrome.do("await page.keyboard.press('e'); await page.waitForURL('**/edit')")
    chrome.do("await page.keyboard.press('?')")
    assert chrome.findings == []
    chrome.do("await page.keyboard.press('Escape'); await page.keyboard.press('/')")
    assert chrome.do("return await page.evaluate(() => document.activeElement.id)") == "find"
    chrome.do("await page.keyboard.type('?gj')")
    assert chrome.do("return await page.evaluate(() => document.activeElement.value)") == "?gj"


def test_a_lost_connection_is_told_until_it_is_back(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    chrome.open("/ui/")
    chrome.wait("return document.getElementById('states') !== null")
    ask.daemon.kill()
    chrome.wait("return document.getElementById('lost')?.textContent.includes('What you see is from then.')")
    assert "stale" in chrome.do("return await page.evaluate(() => document.body.className)")
    assert chrome.findings == []
    ask.daemon.start()
    chrome.wait("return document.getElementById('lost') === null && !document.body.classList.contains('stale')")


def test_a_name_never_runs(chrome: Chrome, made: dict[str, str]) -> None:
    chrome.do("page.on('dialog', (dialog) => { errors.push(dialog.message()); dialog.dismiss(); })")
    for path in ("/ui/", "/ui/jobs", f"/ui{made[EVIL]}", "/ui/upcoming", "/ui/audit"):
        chrome.open(path)
    assert chrome.errors == []


def test_the_page_is_whole_without_scripts(chromium: Chrome, ask: Caller, made: dict[str, str]) -> None:
    chromium.fresh(javaScriptEnabled=False)
    chromium.open("/ui/jobs")
    chromium.do("await page.getByRole('link', { name: 'New job' }).click();"
                " await page.locator('#f-name').fill('by hand'); await page.locator('#f-task').selectOption('example');"
                " await page.locator('#f-interval').fill('1h');"
                " await page.getByRole('button', { name: 'Save' }).click()")  # fmt: skip
    until(lambda: ask.get("/jobs?name=by+hand")["values"])
    assert chromium.do("return await page.locator('h1').textContent()") == "by hand"
