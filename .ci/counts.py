"""Sums up one test run in a line: `counts.py FOLDER`, as test.sh left it there; exits 1 unless all is well.

FOLDER holds NAME.xml and NAME.status for each time that pytest ran and, if trial ran, trial.log and trial.status.
"""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET


def of_pytest(folder: Path, name: str) -> tuple[int, int, int]:
    """Passed, failed, skipped; all 0 if pytest did not come far enough to tell."""
    report = folder / f"{name}.xml"
    if not report.exists():
        return 0, 0, 0
    suites = list(ET.parse(report).iter("testsuite"))
    tests, failures, errors, skipped = (
        sum(int(suite.get(count, 0)) for suite in suites) for count in ("tests", "failures", "errors", "skipped")
    )
    return tests - failures - errors - skipped, failures + errors, skipped


def of_trial(folder: Path, name: str) -> tuple[int, int, int]:
    """The same from trial's closing line: `FAILED (skips=1, failures=2, successes=12)`."""
    log = (folder / f"{name}.log").read_text(errors="replace")
    closing = re.findall(r"^(?:PASSED|FAILED) \((.+)\)$", log, re.MULTILINE)
    counts = {what: int(count) for what, count in re.findall(r"(\w+)=(\d+)", closing[-1] if closing else "")}
    failed = counts.get("failures", 0) + counts.get("errors", 0)
    return counts.get("successes", 0), failed, counts.get("skips", 0) + counts.get("expectedFailures", 0)


def main(folder: Path) -> int:
    """Print the line; a runner that failed, or ran nothing, counts as a failure even if it names none."""
    total = [0, 0, 0]
    for status in sorted(folder.glob("*.status")):
        runner = status.stem
        passed, failed, skipped = (of_trial if runner == "trial" else of_pytest)(folder, runner)
        if not failed and (status.read_text().strip() != "0" or not passed + skipped):
            print(f"{runner} exited with {status.read_text().strip()} after {passed} tests")
            failed = 1
        total = [total[0] + passed, total[1] + failed, total[2] + skipped]
    print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""))
    return int(total[1] > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
