"""Sums up one test run in a line: `counts.py FOLDER`, as test.sh left it there; exits 1 unless all is well.

FOLDER holds pytest.xml and pytest.status and, if trial ran, trial.log and trial.status.
"""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET


def of_pytest(folder: Path) -> tuple[int, int, int]:
    """Passed, failed, skipped; all 0 if pytest did not come far enough to tell."""
    report = folder / "pytest.xml"
    if not report.exists():
        return 0, 0, 0
    suites = list(ET.parse(report).iter("testsuite"))
    tests, failures, errors, skipped = (
        sum(int(suite.get(count, 0)) for suite in suites) for count in ("tests", "failures", "errors", "skipped")
    )
    return tests - failures - errors - skipped, failures + errors, skipped


def of_trial(folder: Path) -> tuple[int, int, int]:
    """The same from trial's closing line: `FAILED (skips=1, failures=2, successes=12)`."""
    log = (folder / "trial.log").read_text(errors="replace")
    closing = re.findall(r"^(?:PASSED|FAILED) \((.+)\)$", log, re.MULTILINE)
    counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", closing[-1] if closing else "")}
    failed = counts.get("failures", 0) + counts.get("errors", 0)
    return counts.get("successes", 0), failed, counts.get("skips", 0) + counts.get("expectedFailures", 0)


def main(folder: Path) -> int:
    """Print the line; a runner that failed, or ran nothing, counts as a failure even if it names none."""
    total = [0, 0, 0]
    for runner, read in ("pytest", of_pytest), ("trial", of_trial):
        status = folder / f"{runner}.status"
        if not status.exists():
            continue
        passed, failed, skipped = read(folder)
        if not failed and (status.read_text().strip() != "0" or not passed + skipped):
            print(f"{runner} exited with {status.read_text().strip()} after {passed} tests")
            failed = 1
        total = [total[0] + passed, total[1] + failed, total[2] + skipped]
    print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""))
    return int(total[1] > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
