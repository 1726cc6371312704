"""The night of the pages in docs/night, and of those in docs/from: what was due at 03:00, on two daemons."""

from __future__ import annotations

import contextlib
import hashlib
import platform
import secrets
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs

from tests.cli.pages import CLOCK, DOCS, Place, recorded
from tests.ports import free_port
from tests.system.caller import Caller
from tests.system.daemon import Daemon, daemon_in, until

SCRIPTS = {
    "backup": "#!/bin/sh\necho connecting to db\n"
    "[ -e db-is-up ] && exec echo saved 1,204 tables\necho 'ERROR: connection refused db:5432'\nexit 2\n",
    "report": "#!/bin/sh\necho 120 rows\n",
    "sync": "#!/bin/sh\necho reading accounts\nexec sleep 600\n",
    "batch": "#!/bin/sh\n",
}
HOURLY = {"hours": 1}
SOON = timedelta(seconds=8)  # in which a busy daemon is told of its jobs: a due that has passed comes tomorrow
TOKEN_FILE = ".jobsched-token"


@attrs.frozen
class Night:
    """What is there: a daemon without tokens, and one of production, which asks for them."""

    here: Daemon
    production: Daemon
    due: datetime

    def before(self, page: str) -> Place:
        """Where a page is played, with what it finds there."""
        home, caller = self.production if page == "night/token" else self.here, Caller(self.here)
        until(lambda: not caller.get("/runs?state=waiting,running,stopping")["values"])  # the page before ended one
        if page == "night/stop":
            run = caller.run("/jobs/sync-ldap")
            until(lambda: caller.get(run)["pid"] and "reading" in caller.text(f"{run}/output"))
        elif page == "night/again":
            (home.folder / "db-is-up").touch()
        words = {
            "03:00": f"{self.due:%H:%M}", "58631": str(home.port), "58632": str(self.production.port),
        }  # fmt: skip
        return Place(home.folder, words, {"JOBSCHED_URL": f"http://localhost:{home.port}"})


@contextlib.contextmanager
def night(folder: Path, due: datetime | None = None) -> Iterator[Night]:
    """Both daemons, when what was due has ended. `due`: very soon, if it is not given."""
    with daemon_in(folder / "here") as here, daemon_in(folder / "production") as production:
        for daemon in (here, production):
            for name, text in SCRIPTS.items():
                daemon.script(name, text)
            daemon.options('NODE_NAME = "alpha"')
            daemon.environment |= CLOCK
        _tokens(here, production)
        for daemon in (here, production):
            daemon.launch()
        for daemon in (here, production):
            until(daemon.answers)
        found = Night(here, production, due or datetime.now(UTC) + SOON)
        _jobs(found)
        yield found


def _tokens(here: Daemon, production: Daemon) -> None:
    """Production asks for tokens; who types here has that of `deploy`."""
    text = ""
    for name, scopes in (("deploy", "read run write admin"), ("ci", "read run")):
        token = f"jobsched_0_{secrets.token_urlsafe(32)}"
        text += f"[{name}]\nscopes = {scopes}\nhash = {hashlib.sha256(token.encode()).hexdigest()}\n\n"
        if name == "deploy":
            for daemon in (here, production):
                _private(daemon.folder / TOKEN_FILE, token)
    _private(production.folder / "conf" / "tokens.cfg", text)


def _private(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def _jobs(night: Night) -> None:
    caller, at = Caller(night.here), night.due
    cron = f"{at.minute} {at.hour} * * *" if at.second == 0 else f"{at.second} {at.minute} {at.hour} * * *"
    tasks = {"db-backup": "backup", "nightly-report": "report", "tidy": "report"}
    jobs = [
        *({"id": name, "task": task, "cron": cron, "labels": {"team": "nights"}} for name, task in tasks.items()),
        {"id": "sync-ldap", "task": "sync", "interval": {"hours": 6}},
        *({"id": f"batch-{n}", "task": "batch", "interval": HOURLY, "labels": {"team": "data"}} for n in range(50)),
    ]
    assert caller.ask("PUT", "/jobs", {"jobs": jobs}).status == 200
    assert caller.ask("POST", "/jobs/tidy/pause", {"reason": "db upgrade"}).status == 200
    caller.run_in("/jobs/db-backup", "failed")
    caller.run_in("/jobs/nightly-report", "succeeded")


@contextlib.contextmanager
def tutorial(folder: Path) -> Iterator[Place]:
    """An empty folder, and ports for what is started in it."""
    port, receiver = free_port(), free_port()
    serve = f"jobsched serve --listen tcp:{port}:interface=127.0.0.1"
    words = {"58631": str(port), "58699": str(receiver), "jobsched serve": serve, "alpha: ": f"{platform.node()}: "}
    place = Place(folder, words, {"JOBSCHED_URL": f"http://localhost:{port}"})
    try:
        yield place
    finally:
        place.close()


def main() -> None:
    """Write into the pages what their commands show now:
    `faketime '2026-11-29 02:59:48' python -m tests.cli.night FOLDER night/ran from/cron ...`, or `FOLDER tutorial`
    """
    folder, *pages = sys.argv[1:]
    if pages == ["tutorial"]:
        path = DOCS / "tutorial.rst"
        with tutorial(Path(folder)) as place:
            path.write_text(recorded(path.read_text("utf-8"), place), encoding="utf-8")
        return
    due = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    with night(Path(folder), due) as found:
        for page in pages:
            path = DOCS / f"{page}.rst"
            path.write_text(recorded(path.read_text("utf-8"), found.before(page)), encoding="utf-8")


if __name__ == "__main__":
    main()
