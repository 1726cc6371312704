"""The README is true: its calls are made as they stand, in their order, and answer what it shows."""

import itertools
import os
import re
import subprocess
import textwrap

import docutils.core
import pytest
import pytest_twisted

from jobsched.config import catalog
from jobsched.config import options as config
from tests.present import present
from tests.system.daemon import ROOT

TEXT = (ROOT / "README.rst").read_text()
BLOCK = re.compile(r"^( *)\.\. code-block:: (\w+)\n\n((?:\1   .*\n|\n)+)", re.MULTILINE)
BLOCKS = [(kind, textwrap.dedent(text)) for _, kind, text in BLOCK.findall(TEXT)]
CLONE = "git clone REPOSITORY jobsched && cd jobsched"  # in words only
RUN_ELSEWHERE = {  # by .ci/run, from a clean checkout
    CLONE,
    "./debug.sh",
    "./test.sh fast",
    "./test.sh",
    ".ci/run",
}
# An interval that it shows, and one in which a busy machine does what stands between two dues.
ROOMY = (('"seconds": 5}', '"seconds": 15}'), ("0:00:05", "0:00:15"))
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
PASSING = (  # what differs from run to run
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", "TIME"),
    (r"(?m)^Date: .+$", "Date: TIME"),
    (r'"(pid|duration|cpu_seconds|node)": (\d[\d.e-]*|"[^"]*")', r'"\1": ...'),
)


def snippets(mark):
    """The blocks that begin with this comment."""
    return [text for _, text in BLOCKS if text.startswith(f"# {mark}\n")]


def commands():
    """Every command with what is shown below it; or, in between, a file to be written first."""
    for kind, text in BLOCKS:
        if kind != "console":
            yield text, None
            continue
        for part in re.split(r"(?m)^\$ ", text)[1:]:
            command, _, shown = part.partition("\n")
            yield command, shown.strip()


def plain(text, ids):
    """Without what differs from run to run; an id is told by the order in which it came up."""
    for pattern, word in PASSING:
        text = re.sub(pattern, word, text)
    return ID.sub(lambda found: f"ID{ids.index(found[0])}", text)


def note(ids, text):
    """Keep the ids of a text, in the order in which they come up."""
    ids += [found for found in dict.fromkeys(ID.findall(text)) if found not in ids]


@pytest_twisted.ensureDeferred
async def test_every_call_answers_what_is_shown(daemon):
    daemon.environment["TZ"] = "UTC"
    daemon.start()
    shown_ids, ids, calls = list[str](), list[str](), 0
    for command, shown in commands():
        if shown is None:
            put(daemon, command)
            continue
        if command in RUN_ELSEWHERE:
            assert shown == ""
            continue
        here = ID.sub(lambda found: ids[shown_ids.index(found[0])], command).replace(":58631", f":{daemon.port}")
        here = here.replace(*ROOMY[0])
        if "/runs |" in command:
            await daemon.run_in("/jobs/hello", "succeeded")
        done = subprocess.run(
            here, cwd=daemon.folder, shell=True, capture_output=True, text=True, timeout=30, check=True
        )
        said = done.stdout.replace("\r", "").strip().replace(f":{daemon.port}", ":58631").replace(*ROOMY[1][::-1])
        note(shown_ids, shown)
        note(ids, said)
        lines = plain(shown, shown_ids).splitlines()
        expected = "\n".join(r".*(\n.*)*?" if line.strip() == "..." else re.escape(line) for line in lines)
        assert re.fullmatch(expected, plain(said, ids)), f"{here}\n{said}\n--- is shown as:\n{shown}"
        calls += 1
    assert calls >= 12


def put(daemon, text):
    """Write a file of the README where its first line says."""
    name = text.partition("\n")[0].removeprefix("# ")
    if name == "conf/jobsched.cfg":
        return  # needs another start, see below
    with (daemon.folder / name).open("a") as file:
        file.write(f"\n{text}")


@pytest_twisted.ensureDeferred
async def test_the_tasks_it_shows_run_and_print(daemon):
    for text in itertools.chain(snippets("conf/catalog.cfg"), snippets("tasks/mine.py")):
        put(daemon, text)
    daemon.start()
    printed = {"greet": "Good day, reader!\n", "fetch": "waited without a thread\n", "count": "499999500000\n"}
    for task in ("greet", "fetch", "count", "disk"):
        parameters = {"parameters": {"whom": "reader"}} if task == "greet" else {}
        job = await daemon.schedule(task, 0.2, **parameters)
        run = await daemon.run_in(job, "succeeded", "failed")
        output = await daemon.text(f"/runs/{run['id']}/output")
        assert (run["state"], run["reason"]) == ("succeeded", "finished"), output
        assert output == printed.get(task) or (task == "disk" and output.startswith("Filesystem"))
        await daemon.ask("DELETE", job)


def test_its_snippets_are_a_configuration_and_catalog_that_load(daemon):
    for text in itertools.chain(snippets("conf/catalog.cfg"), snippets("tasks/mine.py")):
        put(daemon, text)
    [options] = snippets("conf/jobsched.cfg")
    (daemon.folder / "conf" / "jobsched.cfg").write_text(options)
    loaded = config.load(daemon.folder / "conf", daemon.folder / "var")
    tasks = catalog.load(daemon.folder / "conf" / "catalog.cfg", daemon.folder / "tasks")

    assert (loaded.livetime, loaded.port, loaded.max_running, loaded.timezone) == (600, 58631, 16, "Europe/Berlin")
    assert {name: present(tasks.get(name)).kind for name in tasks.names()[3:]} == {
        "greet": "thread",
        "fetch": "async",
        "count": "process",
        "disk": "command",
    }


@pytest.mark.parametrize("command", sorted(RUN_ELSEWHERE - {CLONE}))
def test_the_scripts_it_names_are_there_to_be_started(command):
    script = ROOT / command.split()[0]
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


def test_its_pictures_are_small():
    pictures = [ROOT / name for name in re.findall(r"image:: (\S+)", TEXT)]
    assert [path.name for path in pictures] == ["page-light.png", "page-dark.png"]
    for path in pictures:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size < 150_000


def test_every_file_it_names_is_there():
    for name in (
        "LICENSE",
        "requirements.txt",
        "tests/system/test_readme.py",
        "tasks/runscript.py",
        "conf/logging.cfg",
        "docs",
    ):
        assert name.rpartition("/")[2] in TEXT
        assert (ROOT / name).exists()


def test_it_is_restructured_text_without_a_fault():
    docutils.core.publish_string(
        TEXT, writer="html5", settings_overrides={"halt_level": 2, "report_level": 2, "warning_stream": False}
    )
