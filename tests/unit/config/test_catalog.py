"""catalog.cfg: what is read from it, and the one line for each mistake."""

import gc
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobsched.config import catalog, confinement
from jobsched.config.confinement import FREE
from jobsched.model.errors import BadCatalog
from jobsched.model.rlimits import ResourceLimits
from jobsched.task import Info
from tests.present import present

ROOT = Path(__file__).parents[3]

KINDS = '''
"""All kinds of tasks."""
from jobsched.task import Command
from jobsched.watchdog import watchdog

class Plain:
    """Says
        it.

    And more.
    """
    def __init__(self, **options):
        self.options = options
    def __call__(self, info):
        return self.options

class Coroutine:
    async def __call__(self, info): ...

class Deferring:
    kind = "async"
    def __call__(self, info): ...

class Watched:
    @watchdog()
    def __call__(self, info): ...

class WatchedShortly:
    kind = "a word of its own"
    @watchdog(2.5)
    def __call__(self, info): ...

class Unwatched(Watched):
    def __call__(self, info): ...

class Script:
    def command(self, info): return Command(["true"])

class ScriptShortly(Script):
    @watchdog(3)
    def command(self, info): return Command(["true"])
    def __call__(self, info): ...
'''


def put(folder, text, **files):
    """A catalog of that text, and tasks of those sources."""
    tasks = folder / "tasks"
    tasks.mkdir(exist_ok=True)
    for name, body in files.items():
        (tasks / f"{name}.py").write_text(body)
    path = folder / "catalog.cfg"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path, tasks


def ours():
    return {name for name in sys.modules if name.startswith("_jobsched_task")}


def refusal(path, tasks):
    """The one line for a catalog that cannot be loaded; nothing of it stays behind."""
    before = ours()
    with pytest.raises(BadCatalog) as caught:
        catalog.load(path, tasks)
    assert ours() <= before  # modules of tests before this one may go meanwhile; a new one has a number of its own
    assert not list(tasks.glob("__pycache__"))
    text = str(caught.value)
    assert "\n" not in text
    return text.replace(f"{path.parent}/", "")


def test_the_shipped_catalog_has_the_three_tasks_in_order():
    found = catalog.load(ROOT / "conf" / "catalog.cfg", ROOT / "tasks")

    assert found.names() == ["runfoo", "example", "timeout"]
    assert [(task.kind, task.timeout) for task in found.tasks.values()] == [
        ("command", None),
        ("thread", None),
        ("process", 1),
    ]
    script = ROOT / "tasks" / "foo.bash"
    assert present(found.get("runfoo")).call.command(None).argv == (str(script),)
    assert script.stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize(
    ("class_name", "kind", "timeout"),
    [
        ("Plain", "thread", None),
        ("Coroutine", "async", None),
        ("Deferring", "async", None),
        ("Watched", "process", None),
        ("WatchedShortly", "process", 2.5),
        ("Unwatched", "thread", None),
        ("Script", "command", None),
        ("ScriptShortly", "command", 3),
    ],
)
def test_the_class_says_where_its_task_runs_and_for_how_long(tmp_path, class_name, kind, timeout):
    task = present(catalog.load(*put(tmp_path, f"[a]\nfile=t.py\nclass={class_name}", t=KINDS)).get("a"))

    assert (task.kind, task.timeout) == (kind, timeout)


def test_a_task_keeps_what_its_section_says(tmp_path):
    text = (
        "[DEFAULT]\nfile = t.py\n[b c]\nclass=Plain\nPhrase = 100%s of it\nparameters = day, Hour\n[a]\nclass=Watched"
    )
    path, tasks = put(tmp_path, text, t=KINDS)
    found = catalog.load(path, tasks)
    task = present(found.get("b c"))

    assert found.names() == ["b c", "a"]
    assert found.get("d") is None
    assert task.name == "b c"
    assert task.description == "Says\n    it.\n\nAnd more."
    assert task.parameters == ("day", "Hour")
    assert dict(task.options) == task.call(None) == {"Phrase": "100%s of it"}
    assert (task.file, task.class_name, task.tasks_dir) == (tasks / "t.py", "Plain", tasks)
    assert type(present(found.get("a")).call).__module__ == type(task.call).__module__  # a file is loaded once
    assert present(found.get("a")).description == ""


def test_a_class_that_asks_is_told_the_names_of_its_parameters(tmp_path):
    source = (
        "class T:\n  def __init__(self, parameters='none'): self.told = parameters\n  def __call__(self, info): ..."
    )
    text = "[a]\nfile=t.py\nclass=T\nparameters= b,\n  c\n[d]\nfile=t.py\nclass=T"
    found = catalog.load(*put(tmp_path, text, t=source))

    assert present(found.get("a")).call.told == present(found.get("a")).options["parameters"] == "b, c"
    assert present(found.get("d")).call.told == "none"
    assert dict(present(found.get("d")).options) == {}


def test_a_catalog_may_be_empty(tmp_path):
    assert catalog.load(*put(tmp_path, "# nothing yet\n")).names() == []


def test_loading_again_sees_an_edit_of_the_same_second_and_size(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    source = "class T:\n    '''{}'''\n    def __call__(self, info): ..."
    path, tasks = put(tmp_path, "[a]\nfile=t.py\nclass=T", t=source.format("old"))
    first = catalog.load(path, tasks)
    put(tmp_path, "[a]\nfile=t.py\nclass=T", t=source.format("new"))
    second = catalog.load(path, tasks)

    assert (present(first.get("a")).description, present(second.get("a")).description) == ("old", "new")
    assert not list(tasks.glob("__pycache__"))


def test_the_modules_of_an_old_catalog_go_with_it(tmp_path):
    source = "import sys\nclass T:\n    def __call__(self, info): return sys, __name__ in sys.modules"
    path, tasks = put(tmp_path, "[a]\nfile=t.py\nclass=T", t=source)
    found = catalog.load(path, tasks)
    call, module = present(found.get("a")).call, type(present(found.get("a")).call).__module__
    assert module in sys.modules
    assert call(None) == (sys, True)

    del found
    gc.collect()

    assert module not in sys.modules
    assert call(None) == (sys, False)  # a run that is still going on has all it needs


def test_tasks_may_hold_dataclasses(tmp_path):
    source = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass T:\n    phrase: str\n    def __call__(self, info): return self.phrase"
    )
    found = catalog.load(*put(tmp_path, "[a]\nfile=t.py\nclass=T\nphrase=foo", t=source))

    assert present(found.get("a")).call(None) == "foo"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = 1", "catalog.cfg:1: a [section] must come first"),
        ("[a]\nfile=t.py\n[a]\n", "catalog.cfg:3: [a] is there twice"),
        ("[a]\nfile=t.py\nfile=u.py", "catalog.cfg:3: [a] file: is there twice"),
        ("[a]\nnonsense", "catalog.cfg:2: neither a [section] nor 'option = value': 'nonsense'"),
        (b"[a]\nfile=\xff", "catalog.cfg: not UTF-8 at byte 9"),
        ("[a]\nclass=T", "catalog.cfg: [a] file: is missing"),
        ("[a]\nfile=t.py", "catalog.cfg: [a] class: is missing"),
        ("[a]\nfile=t.py\nclass=", "catalog.cfg: [a] class: is missing"),
        ("[ a]\nfile=t.py\nclass=Plain", "catalog.cfg: [ a] the name begins or ends with a blank"),
        ("[a]\nfile=u.py\nclass=T", "catalog.cfg: [a] file: no such file: tasks/u.py"),
        ("[a]\nfile=t.py\nclass=Plein", "catalog.cfg: [a] class: must be a class of tasks/t.py: Plein is not there"),
        ("[a]\nfile=t.py\nclass=watchdog", "[a] class: must be a class of tasks/t.py: watchdog is a function"),
        ("[a]\nfile=t.py\nclass=Watched\nx=1", "[a] class: Watched refuses its options: tasks/t.py: TypeError: "),
        ("[a]\nfile=t.py\nclass=Plain\nparameters=a,,b", "[a] parameters: must be names with commas between them: ''"),
        ("[a]\nfile=t.py\nclass=Plain\nparameters=1a", "parameters: must be names with commas between them: '1a'"),
        ("[a]\nfile=t.py\nclass=Plain\nparameters=é", "parameters: must be names with commas between them: 'é'"),
        ("[a]\nfile=t.py\nclass=Plain\nsuccess_codes=1", "[a] success_codes: is for tasks that are programs"),
        ("[a]\nfile=t.py\nclass=Script\nsuccess_codes=0, x", "[a] success_codes: must be exit codes from 0 to 255"),
        ("[a]\nfile=t.py\nclass=Plain\nexpect_output=(", "[a] expect_output: must be a regular expression as RE2"),
        ("[a]\nfile=t.py\nclass=Plain\nforbid_output=(?=x)", "[a] forbid_output: must be a regular expression as RE2"),
        ("[a]\nfile=t.py\nclass=Plain\nparameters=a, A", "[a] parameters: a and A would both be JOBSCHED_PARAM_A"),
    ],
)
def test_a_mistake_in_the_catalog_is_one_line_that_says_where(tmp_path, text, line):
    assert line in refusal(*put(tmp_path, text, t=KINDS))


@pytest.mark.parametrize("file", ["../t.py", "/etc/passwd", "..", ".", "sub/t.py", "sub/", "t.py\0"])
def test_a_task_file_lies_in_the_tasks_folder(tmp_path, file):
    path, tasks = put(tmp_path, f"[a]\nfile={file}\nclass=T", t=KINDS)
    (tmp_path / "t.py").write_text(KINDS)

    assert "[a] file: must be the name of a file in tasks, without a folder" in refusal(path, tasks)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("\n\nclass T(:\n", "catalog.cfg: [a] file: tasks/t.py:3: invalid syntax"),
        ("import nothing_of_that_name", "file: tasks/t.py:1: ModuleNotFoundError: No module named"),
        ("def f():\n    raise ValueError('a\\nb')\nf()", "file: tasks/t.py:2: ValueError: a b"),
        ("import sys\nsys.exit(3)", "file: tasks/t.py:2: SystemExit: 3"),
        ("assert False", "file: tasks/t.py:1: AssertionError"),
        ("x = '\xff'".encode("latin-1").decode("latin-1") + "\0", "file: tasks/t.py"),
        ("class T: pass", "class: T has neither a __call__ nor a command method"),
        ("class T:\n  def __init__(self): raise KeyError('x')", "class: T refuses its options: tasks/t.py:2: KeyError"),
        ("class T:\n  def __init__(self): raise SystemExit", "T refuses its options: tasks/t.py:2: SystemExit"),
        ("class T:\n  def __call__(self): ...", "class: T.__call__ must take (self, info)"),
        ("class T:\n  def __call__(self, info): yield 1", "class: T.__call__ must not yield"),
        ("class T:\n  async def __call__(self, info): yield 1", "class: T.__call__ must not yield"),
        ("class T:\n  async def command(self, info): ...", "class: T.command must not be async: nothing awaits it"),
        (
            "class T:\n  kind = 'async'\n  def command(self, info): ...",
            'T says kind = "async", yet it is a command task',
        ),
        (
            "from jobsched.watchdog import watchdog\nclass T:\n  @watchdog()\n  async def __call__(self, info): ...",
            "class: T.__call__ must not be async: its process has no reactor; leave @watchdog() out",
        ),
        (
            "from jobsched.watchdog import watchdog\nclass T:\n  @watchdog\n  def __call__(self, info): ...",
            "file: tasks/t.py:3: TypeError: write @watchdog() or @watchdog(seconds), with the parentheses",
        ),
    ],
)
def test_a_mistake_in_a_task_is_one_line_that_says_where(tmp_path, source, line):
    text = "[z]\nfile=good.py\nclass=Plain\n[a]\nfile=t.py\nclass=T"

    assert line in refusal(*put(tmp_path, text, t=source, good=KINDS))


ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of another user")
NO_USER = "there is no user 'nobody-of-that-name' on this machine"


@pytest.mark.parametrize("class_name", ["Watched", "Script"])
def test_a_task_in_a_process_may_have_limits(tmp_path, class_name):
    text = f"[a]\nfile=t.py\nclass={class_name}\nlimits = nice=1, memory=1G\nuser =\n[b]\nfile=t.py\nclass=Script"
    found = catalog.load(*put(tmp_path, text, t=KINDS))

    assert present(found.get("a")).confinement.resource_limits == ResourceLimits(nice=1, memory=1024**3)
    assert present(found.get("a")).confinement.launchers == ("prlimit", "nice", "setpriv")
    assert dict(present(found.get("a")).options) == {}
    assert present(found.get("b")).confinement == FREE


@ROOT_ONLY
def test_a_process_task_may_have_a_user_or_one_for_all(tmp_path):
    text = (
        "[a]\nfile=t.py\nclass=Script\nuser=root\n[b]\nfile=t.py\nclass=Watched\n"
        "[c]\nfile=t.py\nclass=Plain\n[d]\nfile=t.py\nclass=Coroutine"
    )
    path, tasks = put(tmp_path, text, t=KINDS)

    users = {task.name: task.confinement.user for task in catalog.load(path, tasks, "nobody").tasks.values()}
    assert users == {"a": "root", "b": "nobody", "c": None, "d": None}
    assert present(catalog.load(path, tasks).get("b")).confinement.user is None


@ROOT_ONLY
def test_what_many_tasks_have_is_tried_out_once(tmp_path, monkeypatch):
    tried = []
    real = confinement.confine

    def confine(*asked):
        tried.append(asked)
        return real(*asked)

    monkeypatch.setattr(confinement, "confine", confine)
    text = "".join(f"[{n}]\nfile=t.py\nclass=Script\nuser=nobody\nlimits=cpu=9\n" for n in range(9))
    catalog.load(*put(tmp_path, text, t=KINDS))

    assert tried == [("nobody", ResourceLimits(), None), ("nobody", ResourceLimits(cpu=9), None)]


def test_a_section_says_whether_a_run_may_gain_rights(tmp_path):
    options = ("", "new_privileges = no", "limits = cpu=9", "limits = cpu=9\nnew_privileges = yes")
    text = "".join(f"[{n}]\nfile=t.py\nclass=Script\n{option}\n" for n, option in enumerate(options))
    found = catalog.load(*put(tmp_path, text, t=KINDS)).tasks.values()

    assert [task.confinement.new_privileges for task in found] == [True, False, False, True]
    assert [dict(task.options) for task in found] == [{}] * 4


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("class=Script\nuser=nobody-of-that-name", f"catalog.cfg: [a] user: {NO_USER}"),
        ("class=Plain\nuser=root", "[a] user: is for tasks in a process of their own; this one runs in a thread"),
        ("class=Coroutine\nuser=root", "[a] user: is for tasks in a process of their own; this one runs in the daemon"),
        ("class=Plain\nlimits=cpu=1", "[a] limits: is for tasks in a process of their own; this one runs in a thread"),
        (
            "class=Script\nlimits=ram=1",
            "[a] limits: must be nice, memory, cpu, files, memory_total, pids, cpu_share, each as NAME=NUMBER with",
        ),
        ("class=Watched\nlimits=files=0", "[a] limits: files must be a whole number above 0, not '0'"),
        ("class=Script\nlimits=files=3", "[a] limits: no program can be started so: "),
        ("class=Script\nlimits=\n cpu=1,\n cpu=2", "[a] limits: cpu is there twice"),
        ("class=Script\nnew_privileges=maybe", "[a] new_privileges: must be yes or no, not 'maybe'"),
        ("class=Plain\nnew_privileges=no", "[a] new_privileges: is for tasks in a process of their own; this one runs"),
    ],
)
def test_a_wrong_user_or_limit_is_one_line_that_says_where(tmp_path, text, line):
    assert line in refusal(*put(tmp_path, f"[a]\nfile=t.py\n{text}", t=KINDS))


@pytest.mark.parametrize("class_name", ["Watched", "Script"])
@pytest.mark.parametrize(("text", "leftovers"), [("", None), ("leftovers = ", None), ("leftovers = keep", "keep")])
def test_a_process_task_may_say_what_becomes_of_what_it_leaves(tmp_path, class_name, text, leftovers):
    found = present(catalog.load(*put(tmp_path, f"[a]\nfile=t.py\nclass={class_name}\n{text}", t=KINDS)).get("a"))

    assert (found.leftovers, dict(found.options)) == (leftovers, {})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("class=Script\nleftovers=kill", "[a] leftovers: must be one of end, wait, keep, not 'kill'"),
        (
            "class=Plain\nleftovers=end",
            "[a] leftovers: is for tasks in a process of their own; this one runs in a thread",
        ),
    ],
)
def test_wrong_leftovers_are_one_line_that_says_where(tmp_path, text, line):
    assert line in refusal(*put(tmp_path, f"[a]\nfile=t.py\n{text}", t=KINDS))


@pytest.mark.parametrize(("text", "fresh"), [("", False), ("fresh = no", False), ("fresh = yes", True)])
def test_a_process_task_may_load_its_file_for_each_run(tmp_path, text, fresh):
    found = present(catalog.load(*put(tmp_path, f"[a]\nfile=t.py\nclass=Watched\n{text}", t=KINDS)).get("a"))
    assert (found.fresh, dict(found.options)) == (fresh, {})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("class=Watched\nfresh=often", "[a] fresh: must be yes or no, not 'often'"),
        ("class=Script\nfresh=yes", "[a] fresh: is for Python tasks in a process of their own"),
        ("class=Plain\nfresh=no", "[a] fresh: is for Python tasks in a process of their own"),
    ],
)
def test_fresh_is_yes_or_no_and_for_python_tasks(tmp_path, text, line):
    assert line in refusal(*put(tmp_path, f"[a]\nfile=t.py\n{text}", t=KINDS))


def test_each_load_of_a_catalog_is_another(tmp_path):
    where = put(tmp_path, "[a]\nfile=t.py\nclass=Watched", t=KINDS)
    first, second = (present(catalog.load(*where).get("a")) for _ in range(2))
    assert first.load != second.load


PROGRAMS = """
from jobsched.task import Command

class Says:
    def __init__(self, program, directory=None):
        self.program, self.directory = program, directory

    def command(self, info): return Command([self.program], directory=self.directory)
"""
CRLF = "its #! line ends with a carriage return (CRLF); save it with LF at the ends of its lines"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("program={tmp}/good", None),
        ("program=./good\ndirectory={tmp}", None),
        ("program=/nowhere/script", "/nowhere/script: no such program"),
        ("program={tmp}/plain", "{tmp}/plain: it is not executable"),
        ("program={tmp}", "{tmp}: it is a folder"),
        ("program=./plain\ndirectory={tmp}", "{tmp}/./plain: it is not executable"),
        ("program={tmp}/good\ndirectory=/nowhere", "/nowhere: no such directory"),
        ("program={tmp}/windows", "{tmp}/windows: " + CRLF),
        ("program={tmp}/orphan", "{tmp}/orphan: the interpreter of its #! line is missing"),
        ("program=true", None),  # on the PATH that the run will have
        ("program=no-such-program-here", None),
    ],
)
def test_a_program_that_cannot_start_is_no_mistake(tmp_path, options, problem):
    for name, text, mode in (
        ("good", "#!/bin/sh\n", 0o755),
        ("plain", "#!/bin/sh\n", 0o644),
        ("windows", "#!/bin/sh\r\n", 0o755),
        ("orphan", "#!/nowhere/sh\n", 0o755),
    ):
        (tmp_path / name).write_bytes(text.encode())
        (tmp_path / name).chmod(mode)
    text = f"[a]\nfile=t.py\nclass=Says\n{options.format(tmp=tmp_path)}"
    found = catalog.load(*put(tmp_path, text, t=PROGRAMS))
    told = problem and problem.format(tmp=tmp_path)

    assert present(found.get("a")).problem == told
    assert found.problems() == ([f"[a] {told}"] if told else [])


def test_the_shipped_runscript_says_what_it_runs(tmp_path):
    text = "[a]\nfile=runscript.py\nclass=RunScript\nscript=gone.sh\n"
    path, tasks = put(tmp_path, text, runscript=(ROOT / "tasks" / "runscript.py").read_text())

    assert present(catalog.load(path, tasks).get("a")).problem == f"{tasks}/gone.sh: no such program"


@ROOT_ONLY
def test_a_program_that_its_user_may_not_start_is_a_problem(tmp_path):
    (tmp_path / "script").write_text("#!/bin/sh\n")
    (tmp_path / "script").chmod(0o700)
    programs = {"a": f"{tmp_path}/script", "b": "/bin/true"}
    says = "file=t.py\nclass=Says\nuser=nobody\nprogram="
    text = "".join(f"[{name}]\n{says}{path}\n" for name, path in programs.items())
    found = catalog.load(*put(tmp_path, text, t=PROGRAMS))

    assert present(found.get("a")).problem == f"{tmp_path}/script: user nobody may not start it"
    assert present(found.get("b")).problem is None


@ROOT_ONLY
def test_the_programs_of_many_tasks_are_looked_at_together(monkeypatch):
    started = []
    run = confinement._run

    def counted(words):
        started.append(words)
        return run(words)

    monkeypatch.setattr(confinement, "_run", counted)
    with tempfile.TemporaryDirectory() as name:  # pytest's own folder is open to nobody else
        folder = Path(name)
        folder.chmod(0o755)
        sections = []
        for number in range(confinement.AT_ONCE + 50):
            (folder / f"script {number}").write_text("#!/bin/sh\n")
            (folder / f"script {number}").chmod(0o755 if number % 7 else 0o700)
            sections.append(f"[{number}]\nfile=t.py\nclass=Says\nprogram={folder}/script {number}\nuser=nobody\n")
        found = catalog.load(*put(folder, "".join(sections), t=PROGRAMS))

    closed = [name for name in found.names() if int(name) % 7 == 0]
    assert [name for name, task in found.tasks.items() if task.problem] == closed
    assert len(started) == 1 + 2  # the user is tried out too


def test_the_user_for_all_may_be_gone_at_the_next_reading(tmp_path):
    path, tasks = put(tmp_path, "[a]\nfile=t.py\nclass=Script", t=KINDS)

    with pytest.raises(BadCatalog) as refused:
        catalog.load(path, tasks, "nobody-of-that-name")
    assert str(refused.value) == f"{path}: [a] RUN_AS: {NO_USER}"


@pytest.mark.slow
def test_missing_folders_and_files_are_named(tmp_path):
    path, tasks = put(tmp_path, "")

    assert refusal(tmp_path / "other.cfg", tasks) == "other.cfg: No such file or directory"
    assert refusal(tasks, tasks) == "tasks: Is a directory"
    assert refusal(path, tmp_path / "nowhere") == "nowhere: no such folder of tasks"


INFO = Info("j", 60, "r", "n", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("options", "argv", "directory"),
    [
        ("script=foo.bash", ["{tasks}/foo.bash"], None),
        ("script=sub/foo.bash\ndirectory=sub", ["{tasks}/sub/foo.bash"], "{tasks}/sub"),
        ("script=/bin/echo\narguments=a 'b c' $HOME\ndirectory=/", ["/bin/echo", "a", "b c", "$HOME"], "/"),
    ],
)
def test_runscript_resolves_paths_in_the_tasks_folder(tmp_path, options, argv, directory):
    source = (ROOT / "tasks" / "runscript.py").read_text()
    path, tasks = put(tmp_path, f"[a]\nfile=runscript.py\nclass=RunScript\n{options}", runscript=source)
    command = present(catalog.load(path, tmp_path / "tasks" / ".." / "tasks").get("a")).call.command(INFO)

    assert list(command.argv) == [word.format(tasks=tasks) for word in argv]
    assert command.directory == (directory and directory.format(tasks=tasks))


def test_runscript_refuses_a_relative_path_out_of_the_folder(tmp_path):
    source = (ROOT / "tasks" / "runscript.py").read_text()
    text = "[a]\nfile=runscript.py\nclass=RunScript\nscript=../foo.bash"

    line = refusal(*put(tmp_path, text, runscript=source))
    assert "ValueError: ../foo.bash leaves the tasks folder: write it as an absolute path" in line


def test_a_fifo_in_the_place_of_the_file_is_not_waited_for(tmp_path):
    """It is read again while the daemon runs, and tokens wait behind it."""
    path, tasks = put(tmp_path, "[a]\nfile=t.py\nclass=Plain", t=KINDS)
    path.unlink()
    os.mkfifo(path)
    assert refusal(path, tasks) == "catalog.cfg: is not a plain file"
