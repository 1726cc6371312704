"""The words of the field are the ones in use: names that an older release had do not come back.

Old names of modules, and old identifiers, are looked for in `jobsched`, `docs` and `tests`; what may stay says why.
The name of a test says its rule in under 60 characters.
"""

import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "docs"))

import modules  # noqa: E402  # docs/modules.py, found by the line above

FOLDERS = ("jobsched", "docs", "tests")

# Modules, by where they stood in jobsched/.
MODULES = """
    bulkhead catalog config confinement exposure filling head legacy listening logs names notify opening pool program
    rereading sections signals source tokens trail vitals
    cluster/burial cluster/pokes cluster/term courier courier/courier courier/post courier/road courier/seal
    model/ahead model/ailment model/allowance model/complaint model/coverage model/promise model/secrecy model/throttle
    model/whereabouts rest/convert rest/delivery rest/entry rest/guard rest/limits rest/lines rest/page rest/queries
    rest/shield rest/show rest/task rest/vitals rest/watch rest/wire runner/bell runner/census runner/ending runner/proc
    runner/remains runner/threads scheduler/ability scheduler/aftermath scheduler/company scheduler/doubt
    scheduler/hands scheduler/lookout scheduler/refused store/ahead store/batch store/glance store/instant store/lock
    store/orders store/places store/pokes store/products store/questions store/rounds store/sight store/signs
    store/starts store/survey store/suspects store/trouble
""".split()  # noqa: SIM905  # reads better than a hundred quotes

# Names in the code: what those modules were called, and what stood in them.
STEMS = {name.rpartition("/")[2] for name in MODULES}
INSIDE = set(
    """
    Ability Aftermath Ailment Allowance Behind Bell Burial Census Company Complaint Courier Crowd Door Doubt Ending
    Glance Guard Hands Head House Keyring Lookout Opening Places Pokes Post Pulse Remains Rereading Road Roll Secrecy
    Shelf Sweeps Teller Trail Trouble Turn Turns Vitals Whereabouts
    _begin_loop _bury _company _hunt _house _mended ailments buried bury dress hush mended of_job patience poke pulse
    shelf teller told worth_saying
    """.split()  # noqa: SIM905
)

# Words among these that have a plain meaning too, and what it is where they are used.
EXCUSED = {
    "ahead": "of a clock, of jobs by their due",
    "batch": "items that share a transaction: batching",
    "bulkhead": "the pattern of that name: threads.Bulkhead",
    "catalog": "config/catalog, and the catalog itself",
    "config": "the package, and options that were read",
    "confinement": "config/confinement",
    "convert": "msgspec.convert",
    "coverage": "of a due: model/due_coverage",
    "delivery": "model/delivery, a record of the outbox",
    "entry": "model/audit.Entry, a line of the audit log",
    "guard": "of MariaDB's in tests/servers",
    "head": "the status line and headers of a message of HTTP",
    "instant": "a moment in UTC: a parameter, and `jobsched.model.ids`",
    "legacy": "config/legacy",
    "limits": "runner/calls.Limits, and the table of limits of a task",
    "lines": "of a text",
    "listening": "daemon/listening",
    "lock": "of threads and rows",
    "logs": "daemon/logs, and the log of a test",
    "names": "more than one name",
    "notify": "the field of a job, and NOTIFY of PostgreSQL",
    "of_job": "beside `of_run`: the entry, or the deliveries, of a job",
    "opening": "to open: of a file, of a pipe",
    "orders": "what callers ordered",
    "page": "of a list, of the docs",
    "patience": "how long somebody waits: not of the scheduler, where it is `claim_delay`",
    "places": "more than one `place` of a run, or of a text",
    "pool": "of threads or connections",
    "post": "POST of HTTP; a fake's post in tests",
    "program": "config/program, and what is started",
    "queries": "http/schemas/queries, store/sql/queries",
    "questions": "MariaDB's counter of that name",
    "refused": "past participle",
    "rounds": "of a loop",
    "sections": "of a file that configparser reads",
    "show": "to show",
    "signals": "daemon/signals, and those that a process gets",
    "signs": "of life",
    "source": "config/source, and where a value comes from",
    "starts": "of runs, of a text",
    "survey": "store/sql/verify's look, runner/process_survey's",
    "throttle": "to hold back lines: model/log_throttle",
    "task": "a section of the catalog; jobsched/task",
    "term": "cluster/lease_term's",
    "threads": "jobsched/threads, and threads",
    "told": "past participle: in tests, what a fake or a receiver was told",
    "tokens": "config/tokens",
    "trouble": "what keeps something from working, in words",
    "watch": "model/watch, what of a job is watched",
    "wire": "bytes of a connection: tests/wire",
}


def sources(*suffixes: str) -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and path != Path(__file__) and "__pycache__" not in path.parts:
                yield path


WORDS = re.compile(r"\w+")


def names_in(path: Path) -> Iterator[tuple[str, int]]:
    """NAME tokens; a string that is a name and nothing else, as setattr takes it; and a class in a logger's name."""
    strings = (INSIDE | STEMS) - {"hush", "ending", *EXCUSED}  # a secret in tests; a state of a process
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type == tokenize.NAME:
                yield token.string, token.start[0]
            elif token.type == tokenize.STRING:
                yield from (
                    (name, token.start[0]) for name in re.findall(r"jobsched\.[a-z._]+\.([A-Z]\w+)", token.string)
                )
                if (quoted := token.string.strip("\"'")) in strings:
                    yield quoted, token.start[0]


@pytest.fixture(scope="module")
def hits() -> dict[str, list[str]]:
    """Old name -> where it is used; of those that are excused, one place or more."""
    found: dict[str, list[str]] = {}
    for path in sources(".py"):
        words = (INSIDE | STEMS).intersection(WORDS.findall(path.read_text("utf-8")))
        if words <= EXCUSED.keys() & found.keys():  # nothing new: to take every file apart takes two seconds
            continue
        for name, line in names_in(path):
            if name in INSIDE or name in STEMS:
                found.setdefault(name, []).append(f"{path.relative_to(ROOT)}:{line}")
    for path in sources(".rst"):
        for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
            for name in re.findall(r"``([A-Z]\w+)(?:\(\))?``", text):
                if name in INSIDE:
                    found.setdefault(name, []).append(f"{path.relative_to(ROOT)}:{number}")
    return found


@pytest.mark.slow
def test_old_identifiers_are_gone(hits: dict[str, list[str]]) -> None:
    assert {name: where[:5] for name, where in hits.items() if name not in EXCUSED} == {}


@pytest.mark.slow
def test_every_excuse_is_used(hits: dict[str, list[str]]) -> None:
    assert set(EXCUSED) - set(hits) == set()


@pytest.mark.parametrize("old", MODULES)
def test_old_modules_are_gone(old: str) -> None:
    assert not (ROOT / "jobsched" / f"{old}.py").exists()
    assert not (ROOT / "jobsched" / old / "__init__.py").exists() or "/" not in old


def test_nothing_names_an_old_module() -> None:
    paths = "|".join(name for name in MODULES if "/" in name)
    dotted = paths.replace("/", r"\.")
    loose = "|".join(name for name in MODULES if "/" not in name and name not in ("config", "courier"))
    old = re.compile(
        rf"(?<![\w/.])(?:jobsched/)?(?:{paths})(?:\.py)?(?![\w/.-]*\w)|\bjobsched\.(?:{dotted}|courier)\b"
        rf"|\bjobsched/(?:{loose})\.py|\bjobsched\.(?:{loose})\b(?!\()|\bfrom jobsched import .*\b(?:{loose})\b"
    )
    found = []
    for path in sources(".py", ".rst", ".cfg", ".svg"):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if "/" in line or "jobsched" in line:  # as in each of the alternatives; most lines have neither
                found += [f"{path.relative_to(ROOT)}:{number}: {hit[0]}" for hit in old.finditer(line)]
    assert found == []


def test_a_test_says_its_rule_in_under_60_characters() -> None:
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        names = re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
        found += [f"{path.relative_to(ROOT)}: {name}" for name in names if len(name) >= 60]
    assert found == []


def test_every_module_has_its_line_in_the_design() -> None:
    """The page makes its list of them from their docstrings: each says in one sentence what it is for."""
    assert "\n.. modules::\n" in (ROOT / "docs/design.rst").read_text("utf-8")
    lines = modules.parts()
    assert {"model/owed", "runner", "store/sql/claims", "service"} <= set(lines)
    assert [name for name, line in lines.items() if not 10 < len(line) < 250] == []


def test_every_part_at_the_top_is_in_the_table_of_the_design() -> None:
    table = (ROOT / "docs/design.rst").read_text("utf-8").partition("Every module")[0]
    named = set(re.findall(r"``(\w+)``", " ".join(re.findall(r"^   \* - (.*)$", table, re.MULTILINE))))
    top = {
        path.stem for path in (ROOT / "jobsched").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert top - {"__init__"} == named - {"part"}
