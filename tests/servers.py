"""Throw-away database servers from Debian's binaries, for tests: own folder, own port on 127.0.0.1, killable.

They do not wait for the disk (`fsync=off` and its like), for speed: what they answered outlives their own death by any
signal, which is all that a test can bring about, but not a power cut.
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
import pymongo
import pymysql
import pytest
from pymongo.errors import PyMongoError

from tests.ports import free_port

USER = "jobsched"
PATIENCE = 60.0  # seconds for a server to start or to stop on a busy machine
MONGODB = "JOBSCHED_TEST_MONGODB"  # the URL of a server that is to be tested in place of one of ours
NEED = "JOBSCHED_TESTS_NEED"  # names, with commas, the servers and tools whose absence is a failure

Mode = Literal["fast", "immediate"]


class Server:
    """A database server of our own: made by the constructor, run by `start`, gone for good after `close`."""

    kind: ClassVar[str]
    scheme: ClassVar[str]
    source: ClassVar[str] = "Debian: apt-get install"
    package: ClassVar[str]  # there
    signals: ClassVar[Mapping[Mode, signal.Signals]]  # what asks it to stop

    def __init__(self) -> None:
        missing = [name for name, path in self.programs().items() if path is None]
        if missing:
            raise FileNotFoundError(f"{', '.join(missing)} not found ({self.source} {self.package})")
        self.password = secrets.token_hex(8)
        self.folder = Path(tempfile.mkdtemp(prefix=f"jobsched-{self.kind}-"))
        self.port = free_port()
        self.environment: dict[str, str] = {}  # more than it has
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)
        if os.geteuid() == 0:  # both refuse to run as root, or should
            shutil.chown(self.folder, "nobody", "nogroup")
        try:
            self._create()
        except BaseException:
            self.close()
            raise

    @classmethod
    def programs(cls) -> dict[str, str | None]:
        """The programs it needs, each with where it is, or None."""
        raise NotImplementedError

    def _create(self) -> None:
        raise NotImplementedError

    def _command(self) -> list[str]:
        raise NotImplementedError

    def execute(self, statement: str) -> None:
        """Run a statement outside any of our databases. Raises OSError or the driver's Error."""
        raise NotImplementedError

    def url(self, database: str) -> str:
        """What `store` would be in jobsched.cfg."""
        return f"{self.scheme}://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Make an empty database; its URL."""
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Forget a database, whoever is connected."""
        self.execute(f"DROP DATABASE {name}")

    @property
    def pid(self) -> int:
        """Of the server's first process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Run it; returns when it takes statements. Call it in the main thread: the server dies with it."""
        assert self._process is None
        # If we are killed by force, the kernel kills it: it never outlives the tests.
        guard = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [*guard, *self._command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._ordinary()
            )
        limit = time.monotonic() + PATIENCE
        while True:
            try:
                self.execute("SELECT 1")
            except (psycopg.Error, pymysql.Error, PyMongoError) as why:
                if self._process.poll() is not None or time.monotonic() > limit:
                    raise RuntimeError(f"{self.kind} does not start: {why}\n{self.tail()}") from why
                time.sleep(0.05)
            else:
                return

    def stop(self, mode: Mode = "fast") -> None:
        """Shut it down: `fast` rolls back what is open and ends in order, `immediate` recovers at the next start."""
        if self._process is not None:
            self._process.send_signal(self.signals[mode])
            self._gone()

    def kill(self) -> None:
        """End it and all its processes by SIGKILL, as a crash of its host would."""
        if self._process is not None:
            family = [psutil.Process(self.pid)]
            family += family[0].children(recursive=True)
            for process in family:
                if process.is_running():  # the same one still, not a later one of that pid
                    process.kill()
            self._gone()
            psutil.wait_procs(family, PATIENCE)

    def close(self) -> None:
        """End it, if it runs, and remove its folder."""
        atexit.unregister(self.close)
        try:
            self.stop("immediate")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def tail(self) -> str:
        """The end of its log."""
        log = self.folder / "log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""

    def _gone(self) -> None:
        assert self._process is not None
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(PATIENCE)
        self._process = None

    def _prepare(self, command: list[str]) -> None:
        """Run one of the programs that make the folder."""
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, **self._ordinary())
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {(done.stdout + done.stderr).decode(errors='replace')[-2000:]}")

    def _ordinary(self) -> dict[str, Any]:
        """How to start a program as an ordinary user, in its folder, with none of our settings."""
        who = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        environment = {
            "PATH": os.defpath + ":/usr/sbin:/sbin",
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),  # one that starts clears its tables out of where all keep theirs
        }
        return {**who, "cwd": self.folder, "env": environment | self.environment}


class PostgreSQL(Server):
    """PostgreSQL 15, whose databases sort as people do, not by bytes: what depends on bytes has to say so."""

    kind = "postgresql"
    scheme = "postgresql+psycopg"
    package = "postgresql"
    signals: ClassVar[Mapping[Mode, signal.Signals]] = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}

    @classmethod
    def programs(cls) -> dict[str, str | None]:
        return cls._where("initdb", "postgres")

    @staticmethod
    def _where(*names: str) -> dict[str, str | None]:
        places = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
        path = os.pathsep.join([*places, os.environ.get("PATH", os.defpath)])
        return {name: shutil.which(name, path=path) for name in names}

    def _create(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)  # in a folder that is closed to others
        self._prepare(
            [
                str(self.programs()["initdb"]), "--pgdata", str(self.folder / "data"), "--username", USER,
                "--pwfile", str(secret), "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8",
                "--locale-provider", "icu", "--icu-locale", "en-US", "--no-sync",
            ]
        )  # fmt: skip

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": "100",
            "timezone": "Asia/Kolkata",  # nothing may depend on it
        }
        return [
            str(self.programs()["postgres"]), "-D", str(self.folder / "data"), "-p", str(self.port),
            *(part for key, value in settings.items() for part in ("-c", f"{key}={value}")),
        ]  # fmt: skip

    def execute(self, statement: str) -> None:
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=self.password, dbname="postgres", autocommit=True,
            connect_timeout=5,
        ) as connection:  # fmt: skip
            connection.execute(statement.encode())

    def drop_database(self, name: str) -> None:
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")


class MariaDB(Server):
    """MariaDB 10.11. It knows one way to end in order; `immediate` is a kill."""

    kind = "mysql"
    scheme = "mysql+pymysql"
    package = "mariadb-server"
    signals: ClassVar[Mapping[Mode, signal.Signals]] = {"fast": signal.SIGTERM, "immediate": signal.SIGKILL}

    @classmethod
    def programs(cls) -> dict[str, str | None]:
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
        return {name: shutil.which(name, path=path) for name in ("mariadb-install-db", "mariadbd")}

    def _create(self) -> None:
        (self.folder / "first.sql").write_text(
            f"CREATE USER IF NOT EXISTS {USER}@'%' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL ON *.* TO {USER}@'%' WITH GRANT OPTION;\n"
        )
        self._prepare(
            [
                str(self.programs()["mariadb-install-db"]), "--no-defaults", f"--datadir={self.folder / 'data'}",
                "--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=8M",
            ]
        )  # fmt: skip

    def _command(self) -> list[str]:
        return [
            str(self.programs()["mariadbd"]), "--no-defaults", f"--datadir={self.folder / 'data'}",
            f"--init-file={self.folder / 'first.sql'}", f"--port={self.port}", "--bind-address=127.0.0.1",
            f"--socket={self.folder / 'socket'}", f"--pid-file={self.folder / 'pid'}", "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M",
            "--default-time-zone=+05:30",  # nothing may depend on it
        ]  # fmt: skip

    def execute(self, statement: str) -> None:
        connection = pymysql.connect(
            host="127.0.0.1", port=self.port, user=USER, password=self.password, autocommit=True, connect_timeout=5
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)


class Galera(MariaDB):
    """MariaDB as the one member there is of a Galera cluster: it speaks of itself as all members do."""

    kind = "galera"
    package = "galera-4"

    @classmethod
    def programs(cls) -> dict[str, str | None]:
        found = [str(path) for path in sorted(Path("/usr/lib").glob("**/galera*/libgalera_smm.so"))]
        return super().programs() | {"libgalera_smm.so": found[0] if found else None}

    def _command(self) -> list[str]:
        here = f"base_host=127.0.0.1;gmcast.listen_addr=tcp://127.0.0.1:{free_port()};ist.recv_addr=127.0.0.1:"
        return [
            *super()._command(), "--wsrep-on=ON", f"--wsrep-provider={self.programs()['libgalera_smm.so']}",
            "--wsrep-cluster-address=gcomm://", "--wsrep-new-cluster", "--wsrep-node-address=127.0.0.1",
            f"--wsrep-provider-options={here}{free_port()};gcache.size=4M", "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
        ]  # fmt: skip


class MongoDB(Server):
    """SecantusDB, which speaks MongoDB's protocol and has its transactions: one server, as the primary of a replica
    set. It waits for the disk at each commit."""

    kind = "mongodb"
    scheme = "mongodb"
    source = "pip install -r"
    package = "requirements-mongodb.txt"
    signals: ClassVar[Mapping[Mode, signal.Signals]] = {"fast": signal.SIGTERM, "immediate": signal.SIGKILL}
    options: ClassVar[Sequence[str]] = ("--sync-on-commit", "--enable-test-commands")

    @classmethod
    def programs(cls) -> dict[str, str | None]:
        return {"secantusd-py": shutil.which("secantusd-py", path=str(Path(sys.executable).parent))}

    def _create(self) -> None:
        """It makes its folder when it starts."""

    def _command(self) -> list[str]:
        return [
            str(self.programs()["secantusd-py"]), "--host", "127.0.0.1", "--port", str(self.port),
            "--storage-path", str(self.folder / "data"), *self.options,
        ]  # fmt: skip

    def _ordinary(self) -> dict[str, Any]:
        """As ourselves: it stands in our own environment, which other users may not see into."""
        ours = super()._ordinary()
        return {name: ours[name] for name in ("cwd", "env")}

    def url(self, database: str) -> str:
        return f"mongodb://127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """Only whether it is there: it knows no statements."""
        with pymongo.MongoClient[dict[str, Any]](self.url(""), serverSelectionTimeoutMS=1000) as client:
            client.admin.command("ping")

    def create_database(self, name: str) -> str:
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """It goes with the folder. Where a client was killed within a transaction, SecantusDB 0.7.0b3 has waited for
        minutes."""


class NamedMongoDB(MongoDB):
    """Any server, which others have started: see MONGODB. It is not stopped; databases `jobsched_test_...` are made and
    dropped there."""

    @classmethod
    def programs(cls) -> dict[str, str | None]:
        return {}

    def start(self) -> None:
        """It runs."""

    def stop(self, mode: Mode = "fast") -> None:
        """It goes on."""

    def kill(self) -> None:
        pytest.skip(f"the server that {MONGODB} names is not ours to kill")

    def url(self, database: str) -> str:
        given = urlsplit(os.environ[MONGODB])
        return urlunsplit(given._replace(path=f"/jobsched_test_{database}"))

    def create_database(self, name: str) -> str:
        self.drop_database(name)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        place = self.url(name)
        with pymongo.MongoClient[dict[str, Any]](place) as client:
            client.drop_database(client.get_default_database())


class StandaloneMongoDB(MongoDB):
    """The same as no member of a replica set."""

    kind = "standalone mongodb"
    options = ("--standalone",)


KINDS: dict[str, type[Server]] = {
    server.kind: server for server in (PostgreSQL, MariaDB, Galera, MongoDB, StandaloneMongoDB)
}


def started(kind: str) -> Server:
    """A running server. Without its programs the test is skipped, or fails if JOBSCHED_TESTS_NEED names it."""
    named = kind == MongoDB.kind and MONGODB in os.environ
    try:
        server = NamedMongoDB() if named else KINDS[kind]()
    except FileNotFoundError as why:
        if kind in os.environ.get(NEED, "").split(","):
            pytest.fail(f"{kind}: {why}; {NEED} asks for it", pytrace=False)
        pytest.skip(f"{kind}: {why}")
    server.start()
    return server
