"""What a daemon and an executor tell each other: frames of MessagePack, in batches, each batch behind its length.

The executor speaks first (`Welcome`), then the daemon (`Greeting`); each names the oldest and the newest version that
it knows, and both go on with the newest that they share. Within a version, fields with a default may be added: a peer
that does not know a field leaves it out. A new kind of frame is a new version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeAlias, TypeVar

import msgspec

from ..model.run import State

OLDEST, NEWEST = 1, 1  # versions that this release speaks
LENGTH = 4  # bytes in front of a batch, the highest first
LONGEST = 16 * 1024 * 1024  # bytes of a batch; a program takes 2 MiB of words and variables
ROOM = 1024 * 1024  # bytes of frames after which a batch is closed

Value: TypeAlias = str | int | float | bool | None  # of a parameter


class BadFrames(Exception):
    """What came is not of this protocol, or of a version that this release does not speak."""


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="is", tag=str.lower):
    """One thing that is told."""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """When something happened: in seconds since this host was started, and since 1970 by this host's clock."""

    elapsed: float
    wall: float


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """A process that a run left behind, as /proc tells of it."""

    pid: int
    name: str
    state: str
    group: int
    session: int
    began: int


class Why(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a run is ended, and the state that it will have."""

    state: State
    reason: str
    abandon: bool = False
    grace: float | None = None


class Lasting(msgspec.Struct, frozen=True, array_like=True):
    """A run that goes on, with its first process, whose mark may not show."""

    id: str
    pid: int | None = None
    pid_started: float | None = None


class Other(msgspec.Struct, frozen=True, kw_only=True):
    """An executor, and its runs that last, but for those that are to be kept. One of its name may come after it, so it
    is known by its process."""

    name: str
    pid: int
    runs: list[Lasting]


# What a daemon tells.


class Greeting(Frame, frozen=True, kw_only=True):
    """The daemon's first frame."""

    oldest: int
    newest: int
    release: str


class Start(Frame, frozen=True, kw_only=True):
    """Execute a run. Secrets are in the variables and in `secrets` alone, and no frame with them is kept on disk."""

    run_id: str
    job_name: str
    argv: list[bytes]  # with the programs that apply the confinement
    env: dict[bytes, bytes]
    grace: float  # seconds from TERM to KILL
    timeout: float | None = None  # seconds
    leftovers: str | None = None
    path: bytes = b""  # of the program that the run starts
    starters: list[str] = []  # names of the programs in front of that program
    task_file: bytes = b""  # of a Python task that may start warm
    load: str = ""  # of the catalog, from which it comes
    chain: list[str] = []  # the words that apply the confinement
    limits: dict[str, int] = {}  # of all its processes together, as `ResourceLimits` has them
    owner: tuple[int, int] | None = None  # whose the pipe of the output is to be
    secrets: dict[str, Value] = {}
    expect: str | None = None  # some line of the output must match
    forbid: str | None = None  # none may
    keep: bool = False  # whether it goes on when others may take its node for dead


class Stop(Frame, frozen=True, kw_only=True):
    """End a run."""

    run_id: str
    why: Why


class Stored(Frame, frozen=True, kw_only=True):
    """The store has the outcomes of these runs: forget them."""

    run_ids: list[str]


class Ping(Frame, frozen=True, kw_only=True):
    """This daemon lives. Past `until`, in seconds since this host was started, others may take its node for dead; None:
    there are no others. `others`: the other executors of this node that have runs which last; None: the same as this
    daemon has told before."""

    until: float | None = None
    others: list[Other] | None = None


# What an executor tells.


class Welcome(Frame, frozen=True, kw_only=True):
    """The executor's first frame. `runs` are those that it executes, or whose outcome nobody has stored yet."""

    oldest: int
    newest: int
    release: str
    pid: int
    boot: str  # id of this start of the host: elapsed seconds mean nothing in another
    runs: list[str]
    settings: str = ""  # with which it was started, as words


class Started(Frame, frozen=True, kw_only=True):
    """A run has its first process, and did not end at once. Told again to each daemon that comes while it goes on."""

    run_id: str
    pid: int | None
    pid_started: float | None
    at: Moment
    last_line: str = ""  # that it has printed, when this is told again
    keep: bool = False  # as its `Start` has it


class Stopping(Frame, frozen=True, kw_only=True):
    """A run is being ended: its deadline is over, or a daemon said so."""

    run_id: str
    why: Why


class Pong(Frame, frozen=True, kw_only=True):
    """The answer to a `Ping`."""


class Lines(Frame, frozen=True, kw_only=True):
    """Lines for the log, in the order in which they were printed; before them, `dropped` were not told. `last`: the
    last line of each run that has printed something since."""

    lines: list[str]
    dropped: int = 0
    last: dict[str, str] = {}


class Ended(Frame, frozen=True, kw_only=True):
    """How a run ended. Told again to each daemon that comes, until one says `Stored`; holds no secrets."""

    run_id: str
    at: Moment
    exit_code: int | None = None
    signal: str | None = None
    error: str | None = None
    stopped: Why | None = None
    launchers: list[str] = []
    left: list[Left] | None = None
    fate: str = "ended"
    given_up: list[Left] = []
    refused: list[Left] = []
    busy: bool = False
    hint: str = ""
    cpu_seconds: float | None = None
    max_rss: int | None = None
    output_total: int = 0
    output_kept: int = 0
    output_cut: str = ""
    last_line: str = ""
    output_fault: str = ""
    term_at: Moment | None = None  # when its processes were sent TERM
    kill_at: Moment | None = None
    boot: str = ""  # id of the start of the host that `at` counts from; "": this one
    pid: int | None = None  # of its process: a run that ended at once was never `Started`


FromDaemon = Greeting | Start | Stop | Stored | Ping
FromExecutor = Welcome | Started | Stopping | Pong | Lines | Ended

T = TypeVar("T", FromDaemon, FromExecutor)
_encode = msgspec.msgpack.Encoder().encode


def shared(oldest: int, newest: int) -> int:
    """The version in which to go on with a peer that speaks `oldest` to `newest`. Raises BadFrames: there is none."""
    version = min(newest, NEWEST)
    if version < max(oldest, OLDEST):
        raise BadFrames(f"speaks versions {oldest} to {newest}, and this release speaks {OLDEST} to {NEWEST}")
    return version


def packed(frames: Sequence[Frame]) -> bytes:
    """The bytes of these frames, in as many batches as their size asks for. Raises BadFrames: one is too large."""
    batches: list[bytes] = []
    batch: list[bytes] = []
    size = 0
    for frame in map(_encode, frames):
        if len(frame) > LONGEST - 5:
            raise BadFrames(f"a frame of {len(frame)} bytes is too large")
        if batch and size + len(frame) > ROOM:
            batches.append(_batch(batch))
            batch, size = [], 0
        batch.append(frame)
        size += len(frame)
    return b"".join([*batches, *([_batch(batch)] if batch else [])])


def _batch(frames: list[bytes]) -> bytes:
    """An array of MessagePack is a head with its length, then its items."""
    body = b"\xdd" + len(frames).to_bytes(4, "big") + b"".join(frames)
    return len(body).to_bytes(LENGTH, "big") + body


class Inbox(Generic[T]):
    """Takes bytes as they come and gives the frames that are whole."""

    def __init__(self, kinds: type[T]) -> None:
        self._decode = msgspec.msgpack.Decoder(list[kinds]).decode  # type: ignore[valid-type]
        self._bytes = bytearray()

    def take(self, data: bytes) -> list[T]:
        """The frames that these bytes complete. Raises BadFrames; nothing that comes later can be understood then."""
        self._bytes += data
        frames: list[T] = []
        begin = 0
        while len(self._bytes) - begin >= LENGTH:
            length = int.from_bytes(self._bytes[begin : begin + LENGTH], "big")
            if length > LONGEST:
                raise BadFrames(f"a batch of {length} bytes is too large")
            end = begin + LENGTH + length
            if len(self._bytes) < end:
                break
            frames += self._decoded(bytes(self._bytes[begin + LENGTH : end]))
            begin = end
        del self._bytes[:begin]
        return frames

    def _decoded(self, body: bytes) -> list[T]:
        try:
            return self._decode(body)
        except msgspec.MsgspecError as why:
            raise BadFrames(f"not a batch of frames: {why}") from None
        except (UnicodeDecodeError, RecursionError) as why:
            raise BadFrames(f"not a batch of frames: {type(why).__name__}") from None


def daemons_inbox() -> Inbox[FromExecutor]:
    """For what executors tell."""
    return Inbox(FromExecutor)  # type: ignore[arg-type]  # a union is no type to mypy


def executors_inbox() -> Inbox[FromDaemon]:
    """For what daemons tell."""
    return Inbox(FromDaemon)  # type: ignore[arg-type]
