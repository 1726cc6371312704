"""Frames between daemon and executor: what goes in comes out, in pieces of any size, and what is none is refused."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.executor import frames
from jobsched.executor.frames import (
    BadFrames,
    Ended,
    Greeting,
    Left,
    Lines,
    Moment,
    Ping,
    Pong,
    Start,
    Started,
    Stop,
    Stopping,
    Stored,
    Welcome,
    Why,
    daemons_inbox,
    executors_inbox,
    packed,
    shared,
)

AT = Moment(elapsed=12.5, wall=1_800_000_000.25)
WHY = Why(state="cancelled", reason="asked")
TOLD = {
    "greeting": Greeting(oldest=1, newest=1, release="3"),
    "start": Start(run_id="r", job_name="j", argv=[b"/bin/true"], env={b"A": b"\xff"}, grace=5.0, timeout=60.0),
    "stop": Stop(run_id="r", why=WHY),
    "stored": Stored(run_ids=["r"]),
    "ping": Ping(until=12.5),
    "pong": Pong(),
    "welcome": Welcome(oldest=1, newest=1, release="3", pid=7, boot="b", runs=["r"]),
    "started": Started(run_id="r", pid=7, pid_started=1.5, at=AT),
    "stopping": Stopping(run_id="r", why=WHY),
    "lines": Lines(lines=["j r | a"], dropped=2),
    "ended": Ended(run_id="r", at=AT, exit_code=0, cpu_seconds=0.5, output_total=3, output_kept=3, last_line="a"),
}
# The bytes that the first release with executors makes of each: later releases read them the same.
RECORDED = {
    kind: bytes.fromhex(recorded)
    for kind, recorded in map(str.split, (Path(__file__).parent / "frames-1.txt").read_text().splitlines())
}
TO_EXECUTOR = (Greeting, Start, Stop, Stored, Ping)

text = st.text(max_size=20)
some = st.one_of(
    st.builds(Stored, run_ids=st.lists(text, max_size=3)),
    st.builds(Stop, run_id=text, why=st.builds(Why, reason=text, abandon=st.booleans())),
    st.builds(
        Start,
        run_id=text,
        env=st.dictionaries(st.binary(max_size=9), st.binary(max_size=9), max_size=3),
        grace=st.floats(0, 1e9),
        timeout=st.none() | st.floats(0, 1e9),
        keep=st.booleans(),
        owner=st.none() | st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    ),
)


def inbox_of(frame):
    return executors_inbox() if isinstance(frame, TO_EXECUTOR) else daemons_inbox()


def batch(*bodies):
    body = b"\xdd" + len(bodies).to_bytes(4, "big") + b"".join(bodies)
    return len(body).to_bytes(4, "big") + body


@pytest.mark.parametrize("kind", TOLD)
def test_what_the_first_release_writes_is_read(kind):
    assert inbox_of(TOLD[kind]).take(batch(RECORDED[kind])) == [TOLD[kind]]


@pytest.mark.parametrize("kind", TOLD)
def test_frames_are_written_as_the_first_release_does(kind):
    written, recorded = packed([TOLD[kind]]), batch(RECORDED[kind])
    # Not the bytes: the head of a map is a longer one if a frame can have more than fifteen fields.
    assert msgspec.msgpack.decode(written[frames.LENGTH :]) == msgspec.msgpack.decode(recorded[frames.LENGTH :])


def test_a_frame_of_each_kind_is_recorded():
    kinds = {each.__name__.lower() for each in frames.Frame.__subclasses__()}
    assert kinds == set(TOLD) == set(RECORDED)


@given(st.lists(some, max_size=8), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_frames_come_whole_out_of_pieces_of_any_size(told, sizes):
    data, inbox, heard, at, turn = packed(told), executors_inbox(), [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        heard += inbox.take(data[at : at + size])
        at, turn = at + size, turn + 1
    assert heard == told


@given(st.binary(max_size=60))
def test_what_is_no_frame_is_refused_or_waited_for(noise):
    inbox = daemons_inbox()
    try:
        assert inbox.take(noise) == []
    except BadFrames:
        return


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xff\xff\xff\xff", id="a batch of 4 GiB"),
        pytest.param(batch(b"\x81\xa2is\xa3odd"), id="a kind that is not known"),
        pytest.param(batch(b"\x81\xa2is\xa6stored"), id="a field that is missing"),
        pytest.param(batch(RECORDED["started"]), id="what the other side tells"),
        pytest.param(b"\0\0\0\1\xc1", id="a byte that MessagePack does not use"),
        pytest.param(batch(b"\x82\xa2is\xa6stored\xa7run_ids\x91\xa1\xff"), id="text that is not UTF-8"),
        pytest.param((60_000).to_bytes(4, "big") + b"\x91" * 60_000, id="arrays in arrays"),
        pytest.param(b"GET / HTTP/1.1\r\n", id="HTTP"),
    ],
)
def test_what_is_not_of_the_protocol_is_refused(data):
    with pytest.raises(BadFrames):
        executors_inbox().take(data)


def test_a_field_of_a_later_release_is_left_out():
    later = msgspec.msgpack.encode({"is": "stored", "run_ids": ["r"], "new": {"a": [1]}})
    assert executors_inbox().take(batch(later)) == [Stored(run_ids=["r"])]


def test_many_large_frames_make_several_batches():
    told = [Stored(run_ids=["x" * 400_000])] * 7
    data, lengths = packed(told), []
    while data:
        length = int.from_bytes(data[:4], "big")
        lengths.append(length)
        data = data[4 + length :]
    assert len(lengths) == 4
    assert max(lengths) <= frames.ROOM + 5
    assert executors_inbox().take(packed(told)) == told


def test_no_frames_make_no_bytes():
    assert packed([]) == b""


def test_a_frame_that_no_peer_would_take_is_not_sent():
    with pytest.raises(BadFrames, match="too large"):
        packed([Stored(run_ids=["x" * frames.LONGEST])])


def test_the_largest_start_that_the_kernel_takes_is_sent():
    large = Start(run_id="r", job_name="j", argv=[b"x"], env={b"A%d" % n: b"x" * 100_000 for n in range(20)}, grace=1)
    assert executors_inbox().take(packed([large, large])) == [large, large]


def test_what_was_left_behind_comes_through():
    left = Left(pid=1, name="a", state="S", group=1, session=1, began=2)
    frame = Ended(run_id="r", at=AT, signal="SIGKILL", stopped=WHY, left=[left], given_up=[left], refused=[left])
    assert daemons_inbox().take(packed([frame])) == [frame]


@pytest.mark.parametrize(("oldest", "newest", "version"), [(1, 1, 1), (1, 9, 1), (0, 1, 1)])
def test_both_go_on_with_the_newest_that_they_share(oldest, newest, version):
    assert shared(oldest, newest) == version


@pytest.mark.parametrize(("oldest", "newest"), [(2, 3), (0, 0), (3, 2)])
def test_with_no_version_in_common_there_is_no_talk(oldest, newest):
    with pytest.raises(BadFrames, match="versions"):
        shared(oldest, newest)
