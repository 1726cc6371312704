"""Signing in to the page: a session is good no longer than its token, and writes by our forms alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from jobsched.config.tokens import FILE
from tests.system.daemon import daemon_in, until
from tests.system.screens import Browser
from tests.system.secured import SecuredDaemon, token

FORM = "application/x-www-form-urlencoded"


@contextmanager
def secured_in(folder: Path) -> Iterator[SecuredDaemon]:
    with daemon_in(folder / "daemon") as daemon:
        tokens = {name: token(daemon, name, "--scope", name) for name in ("read", "write", "admin")}
        daemon.start()
        yield SecuredDaemon(daemon, tokens)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredDaemon]:
    """For tests that leave it as it is."""
    with secured_in(tmp_path_factory.mktemp("sessions")) as one:
        yield one


@pytest.fixture
def own(tmp_path: Path) -> Iterator[SecuredDaemon]:
    """For one that does not."""
    with secured_in(tmp_path) as one:
        yield one


def signed_in(secured: SecuredDaemon, name: str, path: str = "/ui/jobs") -> Browser:
    browser = Browser(secured.daemon)
    screen = browser.open(path)
    assert screen.title == "Sign in"
    after = browser.send(screen, "Sign in", token=secured.tokens[name])
    assert after.path == path
    return browser


def test_a_token_is_exchanged_for_a_session(secured: SecuredDaemon) -> None:
    browser = Browser(secured.daemon)
    answer = browser.ask("GET", "/ui/jobs?q=x")
    assert (answer.status, answer.headers["location"]) == (303, "/ui/sign-in?next=%2Fui%2Fjobs%3Fq%3Dx")
    browser = signed_in(secured, "read", "/ui/jobs?q=x")
    screen = browser.open("/ui/jobs")
    assert screen.root.one("p", class_="me").text == "read"
    assert "You may read. Writing needs the scope write." in screen.root.text
    assert "New job" not in screen.root.text
    assert browser.open("/ui/audit", 403).title == "Forbidden"
    assert secured.tokens["read"] not in browser.cookies["jobsched_session"]


def test_a_session_cookie_is_for_us_alone(secured: SecuredDaemon) -> None:
    browser = Browser(secured.daemon)
    answer = browser.post("/ui/sign-in", {"token": secured.tokens["read"]})
    assert answer.headers["set-cookie"].partition("; ")[2] == "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"


def test_a_session_reads_the_api_and_writes_by_forms_alone(secured: SecuredDaemon) -> None:
    browser = signed_in(secured, "admin")
    assert browser.ask("GET", "/jobs").status == 200
    assert browser.ask("POST", "/jobs", b"{}", Content_Type="application/json").status == 401
    assert browser.ask("DELETE", "/jobs/x").status == 401


def test_a_session_opens_the_wall_a_badge_and_a_calendar(secured: SecuredDaemon) -> None:
    job = secured.make("example", name="seen")
    badge = f"/badge/{job.rpartition('/')[2]}.svg"
    stranger = Browser(secured.daemon)
    assert [stranger.ask("GET", path).status for path in ("/ui/?wall=1", badge, "/calendar.ics")] == [303, 401, 401]
    browser = signed_in(secured, "read", "/ui/?wall=1")
    wall = browser.open("/ui/?wall=1")
    assert wall.root.one("body", class_="wall")
    assert wall.root.every("button") == wall.root.every("form") == []
    assert "seen: scheduled" in browser.ask("GET", badge).text
    assert "SUMMARY:seen" in browser.ask("GET", "/calendar.ics").text
    assert "seen: scheduled" in browser.ask("GET", f"{job}/badge.svg").text


def test_a_key_is_made_and_revoked_by_forms(secured: SecuredDaemon) -> None:
    job = secured.make("example", name="seen")
    browser = signed_in(secured, "admin")
    empty = browser.open(f"/ui{job}/keys")
    assert "It has no key." in empty.main.text
    made = browser.send(empty, "Make a key")
    badge, calendar = (urlsplit(each.text) for each in made.main.one("div", id="opened").every("code"))
    for opened in (badge, calendar):
        assert Browser(secured.daemon).ask("GET", f"{opened.path}?{opened.query}").status == 200
    listed = browser.open(f"/ui{job}/keys")
    assert badge.query not in listed.main.text
    assert badge.query[-4:] in listed.main.one("table", id="keys").text
    assert "Make a key" not in signed_in(secured, "read").open(f"/ui{job}/keys").main.text
    assert "The key was revoked." in browser.send(listed, f"Revoke {badge.query[-4:]}").root.text
    assert Browser(secured.daemon).ask("GET", f"{badge.path}?{badge.query}").status == 401


def test_looks_are_shared_and_secrets_are_not(secured: SecuredDaemon) -> None:
    browsers = [*(signed_in(secured, "admin") for _ in range(3)), signed_in(secured, "read")]

    def asked(browser: Browser, **headers: str) -> tuple[str, bool]:
        text = browser.ask("GET", "/ui/jobs", None, **headers).text
        return text.partition('name="csrf" value="')[2].partition('"')[0], "New job" in text

    own = [asked(browser) for browser in browsers]
    assert len(set(own)) == 4
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            together = pool.map(lambda browser: asked(browser, Jobsched_Look="200"), browsers * 2)
            assert list(together) == own * 2


def test_a_revoked_token_ends_its_sessions_at_once(own: SecuredDaemon) -> None:
    browser = signed_in(own, "read")
    assert browser.open("/ui/jobs").title == "Jobs"
    path = own.daemon.folder / "conf" / FILE
    path.write_text(path.read_text().replace("[read]\n", "[read]\nexpires = 2020-01-01T00:00:00Z\n"))
    assert own.ask("POST", "/catalog/reload", "admin").status == 200
    assert browser.open("/ui/jobs").title == "Sign in"
    assert browser.ask("GET", "/jobs").status == 401


def test_a_session_outlives_a_restart(secured: SecuredDaemon) -> None:
    browser = signed_in(secured, "read")
    assert secured.daemon.stop() == 0
    secured.daemon.start()
    assert browser.open("/ui/jobs").title == "Jobs"


def test_signing_out_takes_the_session_away(secured: SecuredDaemon) -> None:
    browser = signed_in(secured, "read")
    assert browser.send(browser.open("/ui/jobs"), "Sign out").title == "Sign in"
    assert browser.cookies == {}


def test_a_form_without_the_secret_of_its_session_is_refused(secured: SecuredDaemon) -> None:
    browser = signed_in(secured, "admin")
    for csrf in ("", "0" * 64):
        answer = browser.post("/ui/sign-out", {"csrf": csrf})
        assert answer.status == 400
        assert "this form is of another session" in answer.text.lower()


def test_a_session_that_was_changed_is_none(secured: SecuredDaemon) -> None:
    browser = signed_in(secured, "read")
    good = browser.cookies["jobsched_session"]
    mark, nonce, seen, signature = good.split(".")
    for text in (
        f"{mark}.{nonce}.{int(seen) + 1}.{signature}", f"{mark}.{nonce}.{seen}.{'0' * 64}", "x", "...", f"{good}.",
        f"{mark}x.{nonce}.{seen}.{signature}", "é",
    ):  # fmt: skip
        browser.cookies["jobsched_session"] = text
        assert browser.open("/ui/jobs").title == "Sign in"


def test_wrong_tokens_are_slowed_down(own: SecuredDaemon) -> None:
    browser = Browser(own.daemon)
    answers = [browser.post("/ui/sign-in", {"token": f"wrong {number}"}).status for number in range(12)]
    assert answers == [401] * 10 + [429] * 2
    assert browser.post("/ui/sign-in", {"token": own.tokens["read"]}).status == 303
    assert "wrong 3" not in own.daemon.log


def test_nobody_is_led_to_another_site(secured: SecuredDaemon) -> None:
    browser = Browser(secured.daemon)
    form = {"token": secured.tokens["read"], "next": "https://evil.example/"}
    assert browser.post("/ui/sign-in", form).headers["location"] == "/ui/"
    assert browser.ask("GET", "/ui/sign-in?next=//evil.example").text.count("evil") == 1  # in the form of the head


def test_without_tokens_nobody_signs_in(tmp_path_factory: pytest.TempPathFactory) -> None:
    with daemon_in(tmp_path_factory.mktemp("open") / "daemon") as daemon:
        daemon.start()
        browser = Browser(daemon)
        browser.cookies["jobsched_session"] = "x.y.1.z"
        assert browser.open("/ui/sign-in").path == "/ui/"
        until(lambda: browser.open("/ui/").title == "Overview")
