"""Makes the pictures of the page for README and docs: python -m tests.browser.pictures. Look at them, then commit.

A daemon of its own with a day of made-up history: one job that fails, one that runs, one that is paused.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jobsched.model.draft import Draft
from jobsched.model.ids import Ids
from jobsched.model.job import Job
from jobsched.model.labels import About
from jobsched.model.run import Run, State
from jobsched.store.sql import engine, schema
from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql.transaction import Transaction
from tests.browser.chrome import Chrome, chrome_at, install
from tests.system.caller import Caller
from tests.system.daemon import ROOT, daemon_in, until

SIZE = {"width": 1280, "height": 900}
FAILS = "#!/bin/sh\necho connecting to db\necho 'ERROR: connection refused db:5432'\nexit 2\n"
WORKS = '#!/bin/sh\nfor each in $(seq 400 5000); do echo "user $each of 5000"; sleep 0.4; done\n'
JOBS: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("db-backup", "backup", {"every": timedelta(minutes=20)}, "Copies the database to the vault."),
    ("sync-ldap", "sync", {"every": timedelta(minutes=30)}, "Users and groups."),
    ("nightly-report", "example", {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}, "Figures of the day, by mail."),
    ("clean-uploads", "example", {"every": timedelta(hours=1)}, "Removes what nobody has fetched."),
    ("mirror-docs", "example", {"every": timedelta(minutes=15)}, ""),
    ("renew-certificates", "example", {"cron": "15 4 * * *"}, ""),
)


def main() -> None:
    """Make them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install(folder)
        with daemon_in(folder / "daemon") as daemon:
            daemon.options('NODE_NAME = "alpha"\n')
            daemon.script("backup", FAILS)
            daemon.script("sync", WORKS)
            fill(daemon.folder / "var")
            daemon.start()
            ask = Caller(daemon)
            ask.ask("POST", "/jobs/mirror-docs/pause", {"reason": "the mirror moves"})
            ask.ended(ask.run("/jobs/db-backup"))
            runs = [ask.run("/jobs/sync-ldap")]
            until(lambda: all(ask.get(run)["state"] == "running" for run in runs))
            time.sleep(3)  # for the bar to show something
            with chrome_at(folder, f"http://127.0.0.1:{daemon.port}") as chrome:
                for theme in ("light", "dark"):
                    picture(chrome, theme, ROOT / "docs" / f"page-{theme}.png")


def picture(chrome: Chrome, theme: str, path: Path) -> None:
    """The overview, as the theme has it."""
    chrome.fresh(viewport=SIZE, colorScheme=theme, reducedMotion="reduce", timezoneId="Europe/Berlin")
    chrome.open("/ui/")
    chrome.open("/ui/")  # in the viewer's zone
    chrome.do("await page.waitForTimeout(1500); await page.screenshot({ path })", path=str(path))
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def fill(state: Path) -> None:
    """A store with these jobs, and what became of them in the last day."""
    state.mkdir(mode=0o700)
    url = f"sqlite:///{state / 'jobsched.sqlite'}"
    schema.migrate(url)
    now, ids = datetime.now(UTC), Ids()
    jobs = [
        Draft(task=task, name=name, about=About(description=text or None, labels={"team": "data"}), **rule).job(
            name, now
        )
        for name, task, rule, text in JOBS
    ]
    opened = engine.connect(url)
    with engine.writing(opened).begin() as connection:
        job_rows.add(Transaction(connection), jobs)
        run_rows.insert_all(Transaction(connection), [run for job in jobs for run in history(job, ids, now)])
    opened.dispose()


def history(job: Job, ids: Ids, now: datetime) -> Iterator[Run]:
    """What it did in the last day."""
    chance = random.Random(job.name)
    step = {"nightly-report": 24 * 60, "renew-certificates": 24 * 60}.get(job.name, 30)
    for number in range(24 * 60 // step, 0, -1):
        due = now - number * timedelta(minutes=step) + timedelta(minutes=7)
        failed = job.name == "db-backup" and number < 4
        seconds = 180 if job.name == "sync-ldap" else 4
        state: State = "failed" if failed else "missed" if chance.random() < 0.03 else "succeeded"
        ran = state != "missed"
        yield Run(
            id=ids.make(due), job_id=job.id, job_name=job.name, task=job.task, due=due, created=due, state=state,
            reason="exit code 2" if failed else "finished" if ran else "no daemon ran", node="alpha", node_id="alpha",
            pid=4711 if ran else None, pid_started=1.0 if ran else None, started=due if ran else None,
            ended=due + timedelta(seconds=seconds * chance.uniform(0.8, 1.2)) if ran else due,
            exit_code=(2 if failed else 0) if ran else None, output_bytes=60, output_kept=60,
        )  # fmt: skip


if __name__ == "__main__":
    main()
