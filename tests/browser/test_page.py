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
WILD = r"""#!/bin/sh
printf '\033[1;31mred <b>\033[0m plain\033]0;title\007\n<script>alert(1)</script>\n'
head -c 1048576 /dev/zero | tr '\0' x
printf '\nlast\n'
while [ ! -e open ]; do sleep 0.05; done
"""
COLOURS = r"""#!/bin/sh
for code in 1 2 3 4 7 30 31 32 33 34 35 36 37 90 91 92 93 94 95 96 97 40 41 42 43 44 45 46 47; do
    printf "\033[${code}mcode $code\033[0m and plain\n"
done
"""
LINES = "#!/bin/sh\nseq 10000\nwhile [ ! -e open ]; do sleep 0.05; done\n"


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with daemon_in(tmp_path_factory.mktemp("page") / "daemon") as daemon:
        daemon.script("bad", FAILS)
        daemon.script("colours", COLOURS)
        daemon.script("lines", LINES)
        daemon.script("wild", WILD)
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


@pytest.fixture(scope="module")
def coloured(ask: Caller) -> str:
    run = ask.run(ask.make("colours", 7200, name="colours"))
    ask.ended(run)
    return f"/ui{run}"


SCREENS = ["/ui/", "/ui/?wall=1", "/ui/jobs", "/ui/jobs?q=nothing", "BAD", "BAD/upcoming", "BAD/definition",
           "BAD/history", "BAD/deliveries", "BAD/why", "BAD/keys", "BAD/edit", "BAD/pause", "BAD/delete", "BAD/run",
           "/ui/new", "/ui/runs", "RUN",
           "/ui/upcoming", "/ui/nodes", "/ui/audit", "/ui/hold", "/ui/nothing"]  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing(
    chromium: Chrome, made: dict[str, str], failed: str, coloured: str, width: int, theme: str
) -> None:
    chromium.fresh(viewport={"width": width, "height": 800}, colorScheme=theme, reducedMotion="reduce")
    found = {}
    for name in [*SCREENS, coloured]:
        path = name.replace("BAD", f"/ui{made['bad']}").replace("RUN", f"/ui/runs/{failed}")
        chromium.open(path)
        wide = chromium.do("return await page.evaluate(() => document.documentElement.scrollWidth)")
        found[name] = chromium.findings + ([f"{wide} px wide"] if wide > width else [])
    assert {name: each for name, each in found.items() if each} == {}


def test_no_script_of_ours_fails(chrome: Chrome, made: dict[str, str], failed: str) -> None:
    for name in SCREENS[:-1]:
        chrome.open(name.replace("BAD", f"/ui{made['bad']}").replace("RUN", f"/ui/runs/{failed}"))
    assert chrome.errors == []


def test_a_failure_is_seen_by_itself(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    job = ask.make("bad", name="fails soon")
    chrome.open("/ui/jobs?sort=name")
    ask.ended(ask.run(job))
    row = job.rpartition("/")[2]
    chrome.wait("return document.getElementById(`j-${given.row}`).cells[0].innerText.trim() === 'failed'", row=row)
    marks = chrome.do("return await page.locator(`#j-${row} .mark`).count()", row=row)
    assert marks == 1


def test_a_wall_shows_a_failure_by_itself(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    job = ask.make("bad", name="fails on the wall")
    chrome.open("/ui/?wall=1")
    ask.ended(ask.run(job))
    chrome.wait("return document.getElementById('needy')?.innerText.includes('fails on the wall')")
    assert chrome.errors == []


@pytest.mark.parametrize(
    "how", ["route.abort()", "route.fulfill({ status: 503, contentType: 'text/html', body: '' })"], ids=["gone", "503"]
)
def test_what_is_heard_while_a_look_fails_is_seen(chrome: Chrome, ask: Caller, made: dict[str, str], how: str) -> None:
    job = ask.make("bad", name="seen late")
    chrome.open(f"/ui{job}")
    chrome.do(
        "let first = true; await page.route('**/ui/jobs/**', async (route) => {"
        "if (!first) { await route.continue(); return; }"
        f"first = false; await new Promise((go) => setTimeout(go, 1500)); await {how}; }})"
    )
    ask.ended(ask.run(job))
    chrome.wait("return document.getElementById('main').innerText.toLowerCase().includes('failed')")


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


@pytest.mark.parametrize(("what", "begin"), [("curl", "curl -X PUT "), ("file", "{")])
def test_a_job_is_copied_from_its_head(chrome: Chrome, made: dict[str, str], what: str, begin: str) -> None:
    chrome.do("await context.grantPermissions(['clipboard-read', 'clipboard-write'])")
    chrome.open(f"/ui{made['bad']}")
    chrome.do("await page.getByRole('link', { name }).click()", name=f"Copy as {what}")
    chrome.wait("return document.getElementById('status').textContent === 'Copied.'")
    copied = chrome.do("return await page.evaluate(() => navigator.clipboard.readText())")
    assert copied.startswith(begin)
    assert "Never works." in copied
    assert chrome.do("return page.url()").endswith(made["bad"])  # nobody was led away


PRESSED = """
await page.evaluate(() => { navigator.clipboard.writeText = () => Promise.resolve(); });
const link = page.getByRole("link", { name: "Copy as curl" });
await link.hover();
await page.mouse.down();
"""


@pytest.mark.parametrize("before", ["Copy as curl", "Copy as file"])
def test_what_is_pressed_is_there_until_it_is_let_go(
    chrome: Chrome, ask: Caller, made: dict[str, str], before: str
) -> None:
    """Else a click that meets a change of the page comes to nothing. `before`: what had the focus."""
    chrome.open(f"/ui{made['bad']}")
    chrome.do("await page.getByRole('link', { name }).focus()", name=before)
    chrome.wait("return performance.getEntriesByName(location.href, 'resource').length > 0")  # the stream is there
    chrome.do(PRESSED)
    run = ask.run(made["bad"])
    ask.ended(run)
    chrome.do("await page.waitForTimeout(2000)")  # in which the page would have said how often it has failed
    chrome.do("await page.mouse.up()")
    chrome.wait("return document.getElementById('status').textContent === 'Copied.'")
    chrome.wait("return document.querySelector(given.mark) !== null", mark=f"[href='/ui{run}']")


CLICKED = """
await page.evaluate(() => addEventListener("click", (event) => {
  event.preventDefault();
  window.clicked = event.target.textContent;
}, true));
"""


def test_a_button_has_the_focus_and_hears_the_space_bar(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    chrome.open(f"/ui{made['bad']}")
    chrome.wait("return performance.getEntriesByName(location.href, 'resource').length > 0")  # the stream is there
    chrome.do(CLICKED)
    chrome.do("await page.locator('#live-head button').first().focus(); await page.keyboard.down(' ')")
    button = chrome.do("return await page.evaluate(() => document.activeElement.textContent)")
    run = ask.run(made["bad"])
    ask.ended(run)
    chrome.do("await page.waitForTimeout(2000)")  # in which the page would have said how often it has failed
    chrome.do("await page.keyboard.up(' ')")
    chrome.wait("return window.clicked === given.button", button=button)
    chrome.wait("return document.querySelector(given.mark) !== null", mark=f"[href='/ui{run}']")
    assert chrome.do("return await page.evaluate(() => document.activeElement.textContent)") == button


LATER = """
await page.route("**/ui/jobs", async (route) => {
  if (route.request().resourceType() === "fetch") await new Promise((told) => setTimeout(told, 2000));
  await route.continue();
});
"""


def test_a_screen_that_waited_covers_nothing_newer(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    job = ask.make("bad", 7200, name="fails late")
    chrome.do(LATER)  # an event waits before the first look at the list does
    chrome.open("/ui/jobs")
    chrome.do("await page.locator('h1').hover(); await page.mouse.down()")
    ask.ended(ask.run(made["good"]))
    chrome.do("await page.waitForTimeout(4500)")  # in which the list has been looked at
    ask.ended(ask.run(job))
    chrome.do("await page.waitForTimeout(1000); await page.mouse.up()")
    row = f"j-{job.rpartition('/')[2]}"
    chrome.wait("return document.getElementById(given.row).cells[0].textContent.trim() === 'failed'", row=row)
    chrome.do("await page.waitForTimeout(1500)")
    said = chrome.do(
        "return await page.evaluate((row) => document.getElementById(row).cells[0].textContent, row)", row=row
    )
    assert said.strip() == "failed"


TYPED = """
await page.evaluate(() => {
  getSelection().selectAllChildren(document.getElementById("sentence"));
  const later = Date.now() + 20000;
  setTimeout(() => {
    Date.now = () => later;  // from now on nothing that was selected is so for too long
    document.querySelector("input").dispatchEvent(new Event("selectionchange", { bubbles: true })); // as in Firefox
  }, 500);
});
"""


MENU = """
await page.evaluate(() => {
  const timer = setTimeout;
  window.setTimeout = (then, ms) => ms >= 10000 ? 0 : timer(then, ms);  // nothing is let go for having been held long
});
await page.locator("h1").hover();
await page.mouse.down({ button: "right" });
"""


@pytest.mark.parametrize("does", [MENU, TYPED])
def test_a_menu_or_a_field_holds_nothing_up(chrome: Chrome, ask: Caller, made: dict[str, str], does: str) -> None:
    chrome.open(f"/ui{made['bad']}")
    chrome.wait("return performance.getEntriesByName(location.href, 'resource').length > 0")  # the stream is there
    chrome.do(does)
    run = ask.run(made["bad"])
    chrome.wait("return document.querySelector(given.mark) !== null", mark=f"[href='/ui{run}']")


def test_what_is_selected_can_be_copied(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    chrome.open(f"/ui{made['bad']}")
    chrome.wait("return performance.getEntriesByName(location.href, 'resource').length > 0")  # the stream is there
    chrome.do("await page.evaluate(() => getSelection().selectAllChildren(document.getElementById('sentence')))")
    run = ask.run(made["bad"])
    ask.ended(run)
    chrome.do("await page.waitForTimeout(2000)")  # in which the page would have said how often it has failed
    assert chrome.do("return await page.evaluate(() => String(getSelection()))").startswith("Runs every ")
    chrome.do("await page.evaluate(() => getSelection().empty())")
    chrome.wait("return document.querySelector(given.mark) !== null", mark=f"[href='/ui{run}']")


def test_what_cannot_be_copied_is_shown(chrome: Chrome, made: dict[str, str]) -> None:
    chrome.open(f"/ui{made['bad']}")
    chrome.do("await page.evaluate(() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); })")
    chrome.do(
        "await page.getByRole('link', { name: 'Copy as curl' }).click(); await page.waitForURL('**/definition#as-curl')"
    )


def test_the_title_of_a_run_tells_its_end_by_itself(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    run = ask.run(made["lines"])
    state = "return document.querySelector('.title .state').textContent.trim() === given.state"
    chrome.open(f"/ui{run}")
    chrome.wait(state, state="running")
    ask.ask("POST", f"{run}/cancel")
    ask.ended(run)
    chrome.wait(state, state="cancelled")


def test_an_output_is_followed_until_one_scrolls_up(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    run = ask.run(made["lines"])
    chrome.open(f"/ui{run}")
    chrome.wait("return document.getElementById('L10000') !== null")
    kept = chrome.do("return await page.locator('#log li').count()")
    assert kept <= 5000
    chrome.wait("const pane = document.getElementById('log');"
                " return pane.scrollHeight - pane.scrollTop - pane.clientHeight < 30")  # fmt: skip
    chrome.do("await page.getByRole('button', { name: 'Cancel' }).click()")
    chrome.wait("return document.querySelector('.title .state, #live .state, #sentence').textContent.length > 0"
                " && document.getElementById('sentence').textContent.startsWith('Cancelled')")  # fmt: skip


def test_ten_million_lines_leave_a_window(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    run = ask.run(made["lines"])
    chrome.open(f"/ui{run}")
    chrome.wait("return document.getElementById('L10000') !== null")
    file = next(ask.daemon.folder.glob(f"var/output/*/{run.rpartition('/')[2]}.log"))
    with file.open("ab") as printed:  # as a run that prints so much leaves it, which takes minutes
        printed.write("".join(f"{number}\n" for number in range(10_001, 10_000_001)).encode())
    chrome.wait("return document.getElementById('L10000000') !== null")
    assert chrome.do("return await page.locator('#log li').count()") <= 5000
    assert "of 10,000,000" in chrome.do("return await page.locator('#window').textContent()")
    chrome.do("await page.getByRole('link', { name: 'First' }).click(); await page.waitForURL('**line=1*')")
    assert chrome.do("return await page.locator('#log li').first().textContent()") == "11"  # its number, and the line
    ask.ask("POST", f"{run}/cancel")
    ask.ended(run)


def test_wild_output_is_shown_and_never_obeyed(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    run = ask.run(ask.make("wild", 7200, name="wild"))
    chrome.do("page.on('dialog', (dialog) => { errors.push(dialog.message()); dialog.dismiss(); })")
    chrome.open(f"/ui{run}")
    chrome.wait("return document.getElementById('L4')?.textContent.endsWith('last')")
    assert chrome.do("return await page.locator('#L1 .text').textContent()") == "red <b> plain"
    assert chrome.do("return await page.locator('#L2 .text').textContent()") == EVIL
    assert len(chrome.do("return await page.locator('#L3 .text').textContent()")) < 70_000
    assert chrome.findings == []
    assert chrome.errors == []
    ask.ask("POST", f"{run}/cancel")
    ask.ended(run)


def test_two_who_edit_one_job_are_told(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    job = ask.make("example", 7200, name="two people", retries=0)
    chrome.open(f"/ui{job}/edit")
    ask.patch(job, retries=2)
    chrome.do("await page.locator('#f-owner').fill('bob'); await page.getByRole('button', { name: 'Save' }).click()")
    chrome.wait("return document.querySelector('[role=alert]')?.textContent.includes('retries from 0 to 2')")
    assert chrome.findings == []
    chrome.do("await page.getByRole('button', { name: 'Overwrite' }).click(); await page.waitForURL('**said=changed')")
    found = ask.get(job)
    assert (found["owner"], found["retries"]) == ("bob", 0)


def test_fifty_jobs_are_paused_by_keys_alone(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    jobs = [ask.make("example", 7200, name=f"fifty-{number:02}") for number in range(50)]
    chrome.open("/ui/jobs?q=name:fifty-*")
    chrome.do("await page.keyboard.press('j'); await page.keyboard.press('x')")
    assert chrome.do("return await page.locator('#jobs :checked').count()") == 1
    chrome.do("await page.locator('[name=every]').press('Space');"
              " await page.getByRole('button', { name: 'Pause…' }).press('Enter');"
              " await page.locator('dialog #until').fill('2040-01-01T00:00');"
              " await page.locator('#reason').fill('upgrade')")  # fmt: skip
    assert chrome.do("return await page.locator('dialog h2').textContent()") == "Pause 50 jobs"
    assert chrome.do("return await page.locator('#plan li').count()") == 10
    assert chrome.findings == []
    chrome.do("await page.keyboard.press('Enter')")
    chrome.wait("return document.querySelector('dialog h2')?.textContent.startsWith('50 of 50')")
    assert chrome.findings == []
    assert chrome.do("return await page.locator('#jobs :checked').count()") == 0  # it is done, and nothing is selected
    chrome.do("await page.keyboard.press('Escape')")
    chrome.wait("return document.activeElement.textContent === 'Pause…'")
    assert {ask.get(job)["pause_reason"] for job in jobs} == {"upgrade"}
    chrome.open("/ui/jobs?q=name:fifty-*")
    chrome.do("await page.locator('[name=every]').check(); await page.getByRole('button', { name: 'Change…' }).click();"
              " await page.locator('dialog #f-timeout').fill('2h');"
              " await page.getByRole('button', { name: 'Show what changes' }).click()")  # fmt: skip
    chrome.wait("return document.querySelector('#plan ins')?.textContent.includes('7200')")
    assert chrome.findings == []


FOCUS = """
const at = await page.evaluateHandle(() => document.activeElement);
return await at.evaluate((each) => [each.closest('dialog') !== null, each.id]);
"""


def test_jobs_are_deleted_once_their_number_is_typed(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    jobs = [ask.make("example", 7200, name=f"gone-{number:02}") for number in range(12)]
    chrome.open("/ui/jobs?q=name:gone-*")
    chrome.do("await page.locator('[name=every]').check(); await page.getByRole('button', { name: 'Delete…' }).click()")
    chrome.wait("return document.querySelector('dialog h2')?.textContent === 'Delete 12 jobs'")
    assert chrome.do("return await page.locator('#plan li').count()") == 10
    assert "And 2 more." in chrome.do("return await page.locator('dialog').textContent()")
    assert chrome.do(FOCUS) == [True, "count"]
    chrome.do("await page.locator('#count').fill('11'); await page.getByRole('button', { name: 'Do it' }).click()")
    chrome.wait("return document.querySelector('dialog [role=alert]')?.textContent.includes('type the number of jobs')")
    assert chrome.findings == []
    assert ask.get(jobs[0])["name"] == "gone-00"
    chrome.do("await page.locator('#count').fill('12'); await page.getByRole('button', { name: 'Do it' }).click()")
    chrome.wait("return document.querySelector('dialog h2')?.textContent === '12 of 12 deleted'")
    assert {ask.ask("GET", job).status for job in jobs} == {404}
    assert chrome.do("return page.url()").endswith("/ui/jobs?q=name:gone-*")  # it was never left


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_a_dialog_has_the_focus_and_gives_it_back(
    chromium: Chrome, ask: Caller, made: dict[str, str], width: int, theme: str
) -> None:
    chromium.fresh(viewport={"width": width, "height": 800}, colorScheme=theme)
    job = ask.make("example", 7200, name="asked for")
    chromium.open(f"/ui{job}")
    for button, field in (("Pause…", "for"), ("Run with…", "parameters"), ("Delete…", "dialog-title")):
        chromium.do("await page.getByRole('link', { name }).press('Enter')", name=button)
        chromium.wait("return document.querySelector('dialog')?.open")
        assert chromium.do(FOCUS) == [True, field]
        assert chromium.findings == []
        chromium.do("await page.keyboard.press('Escape')")
        chromium.wait("return document.querySelector('dialog') === null")
        assert chromium.do("return await page.evaluate(() => document.activeElement.textContent)") == button
    chromium.do("await page.getByRole('link', { name: 'Pause…' }).click(); await page.locator('#until').fill('never');"
                " await page.locator('dialog').getByRole('button', { name: 'Pause' }).click()")  # fmt: skip
    chromium.wait("return document.querySelector('dialog [role=alert]') !== null")
    chromium.do("await page.locator('dialog').getByRole('link', { name: 'Back' }).click()")
    chromium.wait("return document.querySelector('dialog') === null")
    chromium.do("await page.getByRole('link', { name: 'Delete…' }).click();"
                " await page.locator('dialog').getByRole('button', { name: 'Delete' }).click();"
                " await page.waitForURL('**said=deleted')")  # fmt: skip
    assert ask.ask("GET", job).status == 404
    # The browser tells of the fault, and may be looking at the job again as that goes.
    told = ("400 (Bad Request)", "404 (Not Found)")
    assert [each for each in chromium.errors if not any(words in each for words in told)] == []


def test_without_an_answer_one_is_led_to_the_screen(chrome: Chrome, made: dict[str, str]) -> None:
    chrome.open(f"/ui{made['bad']}")
    chrome.do(
        "let first = true; await page.route('**/pause', (route) => {"
        " if (first) { first = false; return route.abort(); } return route.continue(); });"
        " await page.getByRole('link', { name: 'Pause…' }).click(); await page.waitForURL('**/pause')"
    )


def test_an_export_from_a_dialog_is_a_file(chrome: Chrome, made: dict[str, str]) -> None:
    chrome.open("/ui/jobs?q=name:bad")
    chrome.do("await page.locator('[name=every]').check(); await page.getByRole('button', { name: 'Export…' }).click()")
    name = chrome.do("const coming = page.waitForEvent('download');"
                     " await page.locator('dialog').getByRole('button', { name: 'Download' }).click();"
                     " return (await coming).suggestedFilename()")  # fmt: skip
    assert name.startswith("jobs.")
    chrome.wait("return document.querySelector('dialog') === null")


def test_a_hold_is_told_on_every_open_page(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    chrome.open("/ui/jobs")
    ask.ask("PUT", "/hold", {"reason": "database upgrade"})
    chrome.wait("return document.getElementById('banners').textContent.includes('On hold: database upgrade')")
    chrome.do("await page.getByRole('button', { name: 'Release' }).click()")
    chrome.wait("return !document.getElementById('banners').textContent.includes('On hold')")
    assert ask.ask("GET", "/hold").status == 404


def test_a_hold_that_came_before_the_stream_is_told(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    chrome.do(
        "await page.route('**/events', async (route) => {"
        "await new Promise((go) => setTimeout(go, 1000)); await route.continue(); })"
    )
    chrome.open("/ui/jobs")
    ask.ask("PUT", "/hold", {"reason": "unheard"})
    try:
        chrome.wait("return document.getElementById('banners').textContent.includes('On hold: unheard')")
    finally:
        ask.ask("DELETE", "/hold")


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
    chromium.do("await page.waitForURL('**/ui/jobs/*')")  # the job may be made before its screen is there
    assert chromium.do("return await page.locator('h1').textContent()") == "by hand"


@pytest.mark.parametrize("path", ["/ui/", "/ui/jobs"])
def test_nothing_moves_while_a_screen_comes_up(chrome: Chrome, made: dict[str, str], path: str) -> None:
    chrome.do(
        "await page.addInitScript(() => { window.shifts = 0; new PerformanceObserver((list) => { for (const each of"
        " list.getEntries()) window.shifts += each.value; }).observe({ type: 'layout-shift', buffered: true }); })"
    )
    chrome.open(path)
    chrome.wait("return document.querySelector('.switch button').hidden")
    chrome.do("await page.evaluate(() => new Promise((done) => setTimeout(done, 300)))")
    assert chrome.do("return await page.evaluate(() => window.shifts)") == 0


def test_ten_thousand_jobs_are_a_page_at_a_time(chrome: Chrome, ask: Caller, made: dict[str, str]) -> None:
    for begin in range(0, 10_000, 2500):
        jobs = [
            {"id": f"bulk-{number}", "task": "example", "interval": {"hours": 9}, "labels": {"set": f"n{begin}"}}
            for number in range(begin, begin + 2500)
        ]
        answer = ask.ask("PUT", f"/jobs?scope=set=n{begin}", {"jobs": jobs})
        assert answer.status == 200, answer
    chrome.open("/ui/jobs")
    assert chrome.do("return await page.locator('#jobs tbody tr').count()") == 200
    chrome.do("await page.locator('#q').fill('name:bulk-98*')")
    chrome.wait("return document.querySelectorAll('#jobs tbody tr').length === 111")
    chrome.do("await page.locator('#q').fill('name:bulk-*')")
    chrome.wait("return document.querySelectorAll('#jobs tbody tr').length === 200")
    chrome.do("await page.locator('[name=every]').check(); await page.getByRole('button', { name: 'Pause…' }).click()")
    chrome.wait("return document.querySelector('dialog')?.textContent.includes('elect 1 to 1,000 jobs')")
