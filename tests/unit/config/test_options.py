"""jobsched.cfg: its options, and the one line for each mistake."""

import os
import pwd
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

from jobsched.config.options import Config, load
from jobsched.model.errors import BadConfig

ROOT = Path(__file__).parents[3]


def put(folder, text):
    conf = folder / "conf"
    conf.mkdir(exist_ok=True)
    (conf / "jobsched.cfg").write_bytes(text if isinstance(text, bytes) else text.encode())
    return conf, folder / "var"


def refusal(folder, text):
    conf, state = put(folder, text)
    with pytest.raises(BadConfig) as caught:
        load(conf, state)
    line = str(caught.value)
    assert "\n" not in line
    return line.replace(f"{folder}/", "")


def test_an_empty_file_gives_the_defaults(tmp_path):
    config = load(*put(tmp_path, ""))

    assert config == Config(store=f"sqlite:///{tmp_path}/var/jobsched.sqlite")
    assert (config.livetime, config.port, config.kill_grace, config.umask) == (3600, 58631, 5, 0o022)
    assert (config.threads, config.max_running, config.output_limit) == (20, 64, 64 * 1024 * 1024)
    assert (config.misfire_grace, config.catch_up, config.overlap, config.timezone) == (60, "latest", "skip", "UTC")
    assert (config.node_name, config.warnings) == (socket.gethostname(), ())
    assert (config.node_tags, config.node_url) == ({}, None)
    assert (config.allowed_hosts, config.max_connections, config.max_followers) == (None, 256, 64)
    assert (config.run_as, config.secret_parameters) == (None, ["password", "token", "secret"])


def test_the_shipped_file_shows_every_option_with_its_default(tmp_path):
    shipped = (ROOT / "conf" / "jobsched.cfg").read_text()
    shown = re.sub(r'(?m)^( *)# (?=[A-Z_]+ = |import |")', r"\1", shipped)
    names = set(re.findall(r'(?m)^ *"?([A-Za-z_]+)"?(?: =|:)', shown)) - {"SCHED_CONFIG"}

    assert load(*put(tmp_path, shown)) == load(*put(tmp_path, shipped)) == load(*put(tmp_path, ""))
    assert names == {option.metadata["name"] for option in Config.__attrs_attrs__ if option.metadata}


def test_every_option_can_be_set_and_lower_case_names_are_free(tmp_path):
    text = """
import os.path
minute = 60
_PRIVATE = 1
JOB_LIVETIME = 2.5 * minute
KILL_GRACE = 0
OUTPUT_LIMIT = 0
JOBSCHED_PORT = 0
NODE_NAME = os.path.basename(__file__)
NODE_TAGS = {"disk": "ssd", "a room, or two": "über"}
NODE_URL = "HTTPS://[fe80::1]:58631/jobs/"
CLUSTER_TOKEN = "a/b+c=" * 6
UMASK = 0o077
SECRET_PARAMETERS = ["pin"]
SCHED_CONFIG = {"store": "postgresql://u:p@h/d", "threads": 1, "max_running": 2, "misfire_grace": None,
                "catch_up": "none", "overlap": "queue", "timezone": "Europe/Berlin"}
"""
    config = load(*put(tmp_path, text))

    assert (config.livetime, config.kill_grace, config.output_limit, config.port) == (150, 0, 0, 0)
    assert (config.node_name, config.umask) == ("jobsched.cfg", 0o077)
    assert config.secret_parameters == ["pin"]
    assert config.node_tags == {"disk": "ssd", "a room, or two": "über"}
    assert config.node_url == "HTTPS://[fe80::1]:58631/jobs"
    assert config.cluster_token == "a/b+c=" * 6
    assert config.store == "postgresql+psycopg://u:p@h/d"
    assert (config.threads, config.max_running, config.misfire_grace) == (1, 2, None)
    assert (config.catch_up, config.overlap, config.timezone) == ("none", "queue", "Europe/Berlin")


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("sqlite:///jobs.db", "{state}/jobs.db"),
        ("sqlite:///sub/jobs.db?timeout=3", "{state}/sub/jobs.db"),
        ("sqlite+pysqlite:///jobs.db", "{state}/jobs.db"),
        ("sqlite:////srv/jobs.db", "/srv/jobs.db"),
        ("mysql://u@h/jobs", "jobs"),
    ],
)
@pytest.mark.parametrize("folder", ["var", "a b", "50%", "50%20?x"])
def test_a_relative_sqlite_path_is_relative_to_the_state_folder(tmp_path, url, database, folder):
    conf, _ = put(tmp_path, f"SCHED_CONFIG = {{'store': {url!r}}}")
    state = tmp_path / folder

    assert make_url(load(conf, state).store).database == database.format(state=state)


@pytest.mark.parametrize(
    "text",
    [
        "SCHED_CONFIG = {'store': 'postgresql:/jobs:hunter22@db/jobs'}",
        "SCHED_CONFIG = {'store': b'postgresql://jobs:hunter22@db/jobs'}",
        "SCHED_CONFIG = ['postgresql://jobs:hunter22@db/jobs']",
        "SCHED_CONFIG = {'apscheduler.jobstores.default': {'type': 'sqlalchemy', 'url': 'jobs:hunter22@db/jobs'}}",
    ],
)
def test_a_store_that_is_refused_does_not_show_its_password(tmp_path, text):
    assert "hunter22" not in refusal(tmp_path, text)


def test_the_user_of_all_tasks_must_be_one_that_may_be_run_as(tmp_path, monkeypatch):
    name = pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert load(*put(tmp_path, f"RUN_AS = {name!r}")).run_as == name
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert refusal(tmp_path, f"RUN_AS = {name!r}") == f"conf/jobsched.cfg: RUN_AS: {USER}{name!r}"
    assert load(*put(tmp_path, "RUN_AS = None")).run_as is None


def test_a_relative_state_folder_gives_an_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    conf, _ = put(tmp_path, "")

    assert load(conf, Path("var")).store == f"sqlite:///{tmp_path}/var/jobsched.sqlite"


def test_leaving_runs_to_executors_that_are_none_is_told(tmp_path):
    config = load(*put(tmp_path, "ON_STOP = 'leave'\nEXECUTORS = 0"))
    assert config.warnings == ("ON_STOP is 'leave', but EXECUTORS is 0, so a stop ends all runs",)
    for executors in ("", "EXECUTORS = None", "EXECUTORS = 1"):
        assert load(*put(tmp_path, f"ON_STOP = 'leave'\n{executors}")).warnings == ()
    assert "ON_STOP" in refusal(tmp_path, "ON_STOP = 'stay'")
    for wrong in ("-1", "65", "True", "1.0", "'2'"):
        assert "EXECUTORS: must be a whole number, 0 to 64, or None" in refusal(tmp_path, f"EXECUTORS = {wrong}")


def test_the_command_line_says_what_a_stop_does_if_no_file_does(tmp_path):
    assert load(*put(tmp_path, "")).on_stop == "end"
    for text, expected in (("", "leave"), ("ON_STOP = 'end'", "end")):
        conf, state = put(tmp_path, text)
        assert load(conf, state, "leave").on_stop == expected


def test_old_options_are_followed_and_what_is_not_is_told(tmp_path):
    text = "SCHED_CONFIG = {'apscheduler.threadpool.max_threads': '7', 'apscheduler.nonsense': 1}"
    config = load(*put(tmp_path, text))

    assert config.threads == 7
    assert config.warnings == ("SCHED_CONFIG['apscheduler.nonsense']: not known here, and ignored",)


TAGS = (
    "must be a dict of text to text: at most 32 tags, names of 1 to 64 printable characters, values of 1 to 200, not "
)
HOSTS = "must be a list of host names and addresses, such as ['jobs.example'], or None, not "
ADDRESS = "must be an address such as 'http://alpha.example:58631', with neither user nor query, or None, not "
TOKEN = "must be 32 to 200 characters of ASCII without blanks, or None"
USER = "must be the name of a user of this machine, where root starts the daemon, or None, not "
SECONDS = "must be a number of seconds above 0, not "


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("JOB_LIVETIME = 'x'", f"JOB_LIVETIME: {SECONDS}'x'"),
        ("JOB_LIVETIME = 0", f"JOB_LIVETIME: {SECONDS}0"),
        ("JOB_LIVETIME = -1", f"JOB_LIVETIME: {SECONDS}-1"),
        ("JOB_LIVETIME = True", f"JOB_LIVETIME: {SECONDS}True"),
        ("JOB_LIVETIME = None", f"JOB_LIVETIME: {SECONDS}None"),
        ("JOB_LIVETIME = float('nan')", f"JOB_LIVETIME: {SECONDS}nan"),
        ("JOB_LIVETIME = float('inf')", f"JOB_LIVETIME: {SECONDS}inf"),
        ("LEASE = 9", "LEASE: must be a number of seconds, 10 to 3600, not 9"),
        ("LEASE = 1e9", "LEASE: must be a number of seconds, 10 to 3600, not 1000000000.0"),
        ("LEASE = '30'", "LEASE: must be a number of seconds, 10 to 3600, not '30'"),
        ("GALERA_SINGLE_WRITER = 1", "GALERA_SINGLE_WRITER: must be True or False, not 1"),
        ("KILL_GRACE = -1", "KILL_GRACE: must be a number of seconds, 0 or more, not -1"),
        ("OUTPUT_LIMIT = 1.5", "OUTPUT_LIMIT: must be a whole number of 0 or more, not 1.5"),
        ("JOBSCHED_PORT = 65536", "JOBSCHED_PORT: must be a whole number, 0 to 65535, not 65536"),
        ("JOBSCHED_PORT = '80'", "JOBSCHED_PORT: must be a whole number, 0 to 65535, not '80'"),
        ("JOBSCHED_PORT = False", "JOBSCHED_PORT: must be a whole number, 0 to 65535, not False"),
        ("NODE_NAME = ''", "NODE_NAME: must be a name: 1 to 200 printable characters, not ''"),
        ("NODE_NAME = 'a\\nb'", "NODE_NAME: must be a name: 1 to 200 printable characters, not 'a\\nb'"),
        ("NODE_TAGS = None", f"NODE_TAGS: {TAGS}None"),
        ("NODE_TAGS = [('disk', 'ssd')]", f"NODE_TAGS: {TAGS}[('disk', 'ssd')]"),
        ("NODE_TAGS = {'disk': 1}", f"NODE_TAGS: {TAGS}{{'disk': 1}}"),
        ("NODE_TAGS = {'disk': ''}", f"NODE_TAGS: {TAGS}{{'disk': ''}}"),
        ("NODE_TAGS = {1: 'ssd'}", f"NODE_TAGS: {TAGS}{{1: 'ssd'}}"),
        ("NODE_TAGS = {'': 'ssd'}", f"NODE_TAGS: {TAGS}{{'': 'ssd'}}"),
        ("NODE_TAGS = {'a\\n': 'ssd'}", f"NODE_TAGS: {TAGS}{{'a\\n': 'ssd'}}"),
        ("NODE_TAGS = {'x' * 65: 'ssd'}", f"NODE_TAGS: {TAGS}"),
        ("NODE_TAGS = {'disk': 'x' * 201}", f"NODE_TAGS: {TAGS}"),
        ("NODE_TAGS = {str(n): 'x' for n in range(33)}", f"NODE_TAGS: {TAGS}"),
        *(
            (f"NODE_URL = {address!r}", f"NODE_URL: {ADDRESS}{address!r}")
            for address in (
                *("", "alpha", "alpha:58631", "//alpha", "http://", "http:///jobs", "http://:58631", "ftp://alpha"),
                *("http://alpha?", "http://alpha/?a=b", "http://alpha/#a", "http://me:secret@alpha", "http://al pha"),
                *("http://alpha:x", "http://alpha:65536", "http://alpha:0", "http://[alpha", "http://alpha\n", 1),
            )
        ),
        ("ALLOWED_HOSTS = 'jobs.example'", f"ALLOWED_HOSTS: {HOSTS}'jobs.example'"),
        ("ALLOWED_HOSTS = ['']", f"ALLOWED_HOSTS: {HOSTS}['']"),
        ("ALLOWED_HOSTS = ['*']", f"ALLOWED_HOSTS: {HOSTS}['*']"),
        ("ALLOWED_HOSTS = ['a', 1]", f"ALLOWED_HOSTS: {HOSTS}['a', 1]"),
        ("ALLOWED_HOSTS = ['http://jobs.example/']", f"ALLOWED_HOSTS: {HOSTS}['http://jobs.example/']"),
        *(
            (f"CLUSTER_TOKEN = {token!r}", f"CLUSTER_TOKEN: {TOKEN}")
            for token in ("", "x" * 31, "x" * 40 + "\n", "ä" * 40, 7)
        ),
        ("MAX_CONNECTIONS = 0", "MAX_CONNECTIONS: must be a whole number of 1 or more, not 0"),
        ("MAX_FOLLOWERS = None", "MAX_FOLLOWERS: must be a whole number of 1 or more, not None"),
        ("UMASK = '022'", "UMASK: must be a number such as 0o022, at most 0o777, not '022'"),
        ("UMASK = 0o1000", "UMASK: must be a number such as 0o022, at most 0o777, not 512"),
        ("SCHED_CONFIG = []", "SCHED_CONFIG: must be a dict, not a list"),
        ("SCHED_CONFIG = {'threads': 0}", "SCHED_CONFIG['threads']: must be a whole number of 1 or more, not 0"),
        (
            "SCHED_CONFIG = {'misfire_grace': 0}",
            "['misfire_grace']: must be a number of seconds above 0, or None, not 0",
        ),
        ("SCHED_CONFIG = {'overlap': 'no'}", "must be one of 'skip', 'queue', 'replace', 'allow', not 'no'"),
        ("SCHED_CONFIG = {'catch_up': []}", "must be one of 'latest', 'none', 'all', not []"),
        ("SCHED_CONFIG = {'timezone': 'CEST'}", "must be the IANA name of a time zone"),
        ("SCHED_CONFIG = {'timezone': 'Europe'}", "must be the IANA name of a time zone"),
        ("SCHED_CONFIG = {'timezone': '../etc'}", "must be the IANA name of a time zone"),
        ("SCHED_CONFIG = {'timezone': ''}", "must be the IANA name of a time zone"),
        ("SCHED_CONFIG = {'store': 'jobs.sqlite'}", "SCHED_CONFIG['store']: must be the URL of a database"),
        ("SCHED_CONFIG = {'store': 'sqlite://'}", "SCHED_CONFIG['store']: must be the URL of a database on disk"),
        ("SCHED_CONFIG = {'store': 3}", "SCHED_CONFIG['store']: must be the URL of a database"),
        ("RUN_AS = 'nobody-of-that-name'", f"RUN_AS: {USER}'nobody-of-that-name'"),
        ("RUN_AS = 0", f"RUN_AS: {USER}0"),
        ("RUN_AS = 'a\\0b'", f"RUN_AS: {USER}'a\\x00b'"),
        ("SECRET_PARAMETERS = 'token'", "SECRET_PARAMETERS: must be a list of names, not 'token'"),
        ("SECRET_PARAMETERS = ['a', 1]", "SECRET_PARAMETERS: must be a list of names, not ['a', 1]"),
        ("SECRET_PARAMETERS = ['']", "SECRET_PARAMETERS: must be a list of names, not ['']"),
    ],
)
def test_a_wrong_value_is_one_line_that_says_what_it_must_be(tmp_path, text, line):
    told = refusal(tmp_path, text)

    assert told.startswith("conf/jobsched.cfg: ")
    assert line in told


@pytest.mark.parametrize(
    ("text", "label", "nearest"),
    [
        ("JOB_LIVETIM = 1", "JOB_LIVETIM", "JOB_LIVETIME"),
        ("PORT = 1", "PORT", "JOBSCHED_PORT"),
        ("MAX_RUNNING = 1", "MAX_RUNNING", "SCHED_CONFIG['max_running']"),
        ("SCHED_CONFG = {}", "SCHED_CONFG", "SCHED_CONFIG"),
        ("SCHED_CONFIG = {'thread': 1}", "SCHED_CONFIG['thread']", "SCHED_CONFIG['threads']"),
        ("SCHED_CONFIG = {'UMASK': 1}", "SCHED_CONFIG['UMASK']", "UMASK"),
        ("SCHED_CONFIG = {3: 1}", "SCHED_CONFIG[3]", ""),
    ],
)
def test_an_unknown_option_names_the_nearest_known_one(tmp_path, text, label, nearest):
    line = f"conf/jobsched.cfg: {label}: unknown option; the nearest is {nearest}"

    assert refusal(tmp_path, text).startswith(line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n\nJOB_LIVETIME = = 1", "conf/jobsched.cfg:3: invalid syntax"),
        ("\nJOB_LIVETIME = int('x')", "conf/jobsched.cfg:2: ValueError: invalid literal for int() with base 10: 'x'"),
        ("x = 1\nraise SystemExit('a\\nb')", "conf/jobsched.cfg:2: SystemExit: a b"),
        ("from json import loads\nloads('')", "conf/jobsched.cfg:2: JSONDecodeError: Expecting value"),
        ("import nothing_of_that_name", "conf/jobsched.cfg:1: ModuleNotFoundError: No module named"),
        (b"x = '\xff'", "conf/jobsched.cfg:1: (unicode error) 'utf-8' codec can't decode"),
        (b"\0", "conf/jobsched.cfg"),
    ],
)
def test_a_file_that_fails_is_one_line_with_its_number(tmp_path, text, line):
    assert refusal(tmp_path, text).startswith(line)


def test_a_missing_file_says_which_and_what_to_do(tmp_path):
    with pytest.raises(BadConfig) as caught:
        load(tmp_path, tmp_path)

    assert str(caught.value) == (
        f"{tmp_path}/jobsched.cfg: no such file; copy the shipped conf folder, or name yours with --conf-dir"
    )


def test_an_unreadable_file_is_one_line(tmp_path):
    (tmp_path / "jobsched.cfg").mkdir()
    with pytest.raises(BadConfig, match=r"jobsched\.cfg: Is a directory"):
        load(tmp_path, tmp_path)


def test_the_shipped_logging_file_shows_time_level_and_logger():
    code = (
        "import logging.config, sys; logging.config.fileConfig(sys.argv[1], disable_existing_loggers=False);"
        "logging.getLogger('jobsched.output').info('a %s', 'line'); logging.getLogger('other').debug('unseen')"
    )
    command = [sys.executable, "-c", code, str(ROOT / "conf" / "logging.cfg")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)

    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO    jobsched\.output: a line\n", done.stdout)
    assert done.stderr == ""
