"""What systemd hears, over real datagram sockets; only the reactor is a clock."""

import os
import socket
import time
from contextlib import suppress
from typing import cast

import pytest
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from jobsched.daemon import systemd as notify
from jobsched.daemon.systemd import Systemd


class Reactor(Clock):
    """A clock that remembers what it is to do at its end."""

    def __init__(self):
        super().__init__()
        self.triggers = []

    def addSystemEventTrigger(self, phase, event, call):
        self.triggers.append((phase, event, call))


@pytest.fixture(params=["a file", "abstract"])
def door(request, tmp_path):
    """As systemd makes it: the socket, and its name for NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as listening:
        name = str(tmp_path / "notify") if request.param == "a file" else f"@{tmp_path}"
        listening.bind(name.replace("@", "\0"))
        yield listening, name


def heard(door):
    """All datagrams so far, each as its lines."""
    found = []
    with suppress(BlockingIOError):
        while True:
            found.append(door.recv(4096).decode().split("\n"))
    return found


@pytest.fixture
def told():
    """The events of the log."""
    events: list[LogEvent] = []
    observer = cast(ILogObserver, events.append)
    globalLogPublisher.addObserver(observer)
    yield events
    globalLogPublisher.removeObserver(observer)


def test_ready_is_told_once_it_listens_and_has_begun(door):
    listening, name = door
    early = Systemd(Reactor(), {"NOTIFY_SOCKET": name})  # type: ignore[arg-type]  # a fake
    early.begun()
    assert heard(listening) == []
    early.startService()
    assert heard(listening) == [["READY=1", f"STATUS={notify.READY}"]]

    late = Systemd(Reactor(), {"NOTIFY_SOCKET": name})  # type: ignore[arg-type]  # a fake
    late.startService()
    assert heard(listening) == [[f"STATUS={notify.ENTERING}"]]
    late.begun()
    assert heard(listening) == [["READY=1", f"STATUS={notify.READY}"]]
    late.stopService()
    assert heard(listening) == [["STOPPING=1", f"STATUS={notify.ENDING}"]]


def test_a_reload_is_over_when_the_last_of_those_under_way_is(door):
    listening, name = door
    systemd = Systemd(Reactor(), {"NOTIFY_SOCKET": name})  # type: ignore[arg-type]  # a fake
    systemd.startService()
    heard(listening)
    systemd.reloading()
    systemd.reread()
    assert heard(listening) == []  # it is not ready yet, and must not say so
    systemd.begun()
    heard(listening)
    before = time.monotonic_ns() // 1000
    systemd.reloading()
    systemd.reloading()
    systemd.reread()
    first, _second = heard(listening)
    assert first[0] == "RELOADING=1"
    assert before <= int(first[1].removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    systemd.reread()
    assert heard(listening) == [["READY=1", f"STATUS={notify.READY}"]]


def test_signs_of_life_come_at_half_time_until_the_reactor_ends(door):
    listening, name = door
    reactor = Reactor()
    systemd = Systemd(reactor, {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())})  # type: ignore[arg-type]  # a fake
    systemd.begun()
    systemd.startService()
    heard(listening)
    reactor.advance(29.9)
    assert heard(listening) == []
    reactor.advance(0.1)
    assert heard(listening) == [["WATCHDOG=1"]]
    systemd.stopService()
    heard(listening)
    reactor.advance(30)
    assert heard(listening) == [["WATCHDOG=1"]]  # its runs are still ending
    [(phase, event, end)] = reactor.triggers
    assert (phase, event) == ("after", "shutdown")
    end()
    assert reactor.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_how_often_it_must_be_seen_to_live(environ, seconds):
    assert notify.beat(environ, 7) == seconds


def test_what_systemd_has_no_room_for_is_told_later_if_current(door):
    listening, name = door
    with suppress(BlockingIOError):
        while True:
            notify.send(name, "full")
    reactor = Reactor()
    systemd = Systemd(reactor, {"NOTIFY_SOCKET": name})  # type: ignore[arg-type]  # a fake
    systemd.startService()
    systemd.begun()
    heard(listening)
    reactor.advance(notify.AGAIN)
    assert heard(listening) == [["READY=1", f"STATUS={notify.READY}"]]
    assert reactor.getDelayedCalls() == []


def test_a_lost_socket_is_one_line_until_that_changes(tmp_path, told):
    reactor, name = Reactor(), tmp_path / "notify"
    systemd = Systemd(reactor, {"NOTIFY_SOCKET": str(name), "WATCHDOG_USEC": "2000000"})  # type: ignore[arg-type]  # a fake

    def said():
        lines = [event["log_format"].format(**event) for event in told]
        told.clear()
        return lines

    systemd.begun()
    systemd.startService()
    reactor.pump([1] * 100)
    assert said() == ["systemd could not be told WATCHDOG=1: No such file or directory"]

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as closed:
        closed.bind(str(name))
    reactor.pump([1] * 100)
    assert said() == ["systemd could not be told WATCHDOG=1: Connection refused"]

    name.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as back:
        back.setblocking(False)
        back.bind(str(name))
        reactor.advance(1)
        assert heard(back) == [["WATCHDOG=1"]]
    systemd.stopService()
    assert said() == ["systemd could not be told STOPPING=1: Connection refused"]
    reactor.pump([1] * 100)
    assert said() == []


def test_without_systemd_nothing_is_told(told):
    reactor = Reactor()
    systemd = Systemd(reactor, {"WATCHDOG_USEC": "2000000"})  # type: ignore[arg-type]  # a fake
    systemd.startService()
    systemd.begun()
    systemd.reloading()
    systemd.reread()
    systemd.stopService()
    assert (told, reactor.getDelayedCalls(), reactor.triggers) == ([], [], [])
