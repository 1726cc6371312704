"""The page after a time in which no daemon ran: what was missed is told above every screen."""

from __future__ import annotations

from pathlib import Path

from tests.system.caller import Caller
from tests.system.daemon import daemon_in, until
from tests.system.screens import Browser


def test_dues_that_no_daemon_saw_are_told(tmp_path: Path) -> None:
    with daemon_in(tmp_path / "daemon") as daemon:
        daemon.start()
        ask, browser = Caller(daemon), Browser(daemon)
        assert not browser.open("/ui/").root.every("p", id="outage")
        ask.make("example", 0.5, name="often", misfire_grace=0.2, catch_up="none")
        until(lambda: ask.get("/runs?limit=1")["values"])
        daemon.kill()
        daemon.start()
        until(lambda: ask.get("/runs?state=missed")["values"])
        until(lambda: browser.open("/ui/jobs").root.every("p", id="outage"))
        banner = browser.open("/ui/jobs").root.one("p", id="outage")
        assert banner.text.startswith("No daemon ran from ")
        assert "missed. See them" in banner.text
        missed = browser.open(banner.one("a").attributes["href"])
        assert missed.rows()
        assert {row[0] for row in missed.rows()} == {"missed"}
