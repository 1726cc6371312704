"""Nodes that ask for tokens read each other's outputs by a token of their own, and show nobody's to one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobsched.config.tokens import FILE, hashed, make
from tests.servers import Server
from tests.system.daemon import Daemon, until
from tests.system.pair import Pair, pair_in

CLUSTER = make()
READER = make()  # of the front alone: the worker does not know it
NARROW = make()


@pytest.fixture(scope="module")
def server(running: Callable[[str], Server]) -> Server:
    return running("postgresql")


def know(daemon: Daemon, **secrets: str) -> None:
    """Write tokens.cfg."""
    path = daemon.folder / "conf" / FILE
    more = {"narrow": "tasks = few", "reader": ""}
    path.write_text("".join(f"[{name}]\nscopes = read run write\n{more[name]}\nhash = {hashed(secret.encode())}\n"
                            for name, secret in secrets.items()))  # fmt: skip
    path.chmod(0o600)


@pytest.fixture
def pair(tmp_path: Path, server: Server) -> Iterator[Pair]:
    with pair_in(tmp_path, server) as one:
        know(one.front, reader=READER, narrow=NARROW)
        know(one.worker, narrow=NARROW)
        one.ask.always = {"authorization": f"Bearer {READER}"}
        yield one


def test_another_nodes_output_is_read_by_the_cluster_token(pair: Pair) -> None:
    for daemon in (pair.front, pair.worker):
        daemon.options(f"CLUSTER_TOKEN = {CLUSTER!r}")
    pair.start()
    run = pair.ended("lines")
    few = pair.ended("few")

    assert (pair.output(run).status, len(pair.output(run).content)) == (200, pair.ask.get(run)["output"]["bytes"])
    assert "jobsched-output" not in pair.output(run).headers
    assert pair.output(run, "?follow=1").content == pair.output(run).content
    assert pair.output(few, authorization=f"Bearer {NARROW}").content == b"one\ntwo\nthree\n"
    for each in (run, few):  # the last that it was asked for is the last that it says
        pair.worker.says(f"{each}/output 200")
    asked = pair.worker.log.count("/output")
    for query in ("", "?follow=1", "?tail=1"):  # not even asked for, let alone shown
        assert pair.output(run, query, authorization=f"Bearer {NARROW}").status == 404
        assert pair.output(run, query, authorization="Bearer x").status == 401
    assert pair.worker.log.count("/output") == asked
    for secret in (CLUSTER, READER, NARROW):
        assert secret not in pair.front.log + pair.worker.log


def test_without_the_cluster_token_there_is_only_the_stored_end(pair: Pair) -> None:
    pair.front.options(f"CLUSTER_TOKEN = {make()!r}")
    pair.worker.options(f"CLUSTER_TOKEN = {CLUSTER!r}")
    pair.start()
    run = pair.ended("lines")

    answer = pair.output(run)
    assert (answer.status, answer.headers["jobsched-output"]) == (200, "tail")
    until(lambda: "does not answer: status 401" in pair.front.log)
