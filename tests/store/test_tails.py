"""The end of what runs printed: kept with their outcome, replaced, and forgotten with them."""

from datetime import timedelta

import attrs
import pytest

from jobsched.model.ids import Ids
from jobsched.model.run import Tail
from jobsched.runner.output_file import output_path
from jobsched.runner.records import KEPT, read_tail
from tests.store.samples import IDS, T0, at, run

EVERY_BYTE = bytes(range(256)) * 256


def tail(of, data=b"the end\n", start=0):
    return Tail(run_id=of.id, start=start, data=data)


def end(desk, *ended, read, state="succeeded"):
    notes = [attrs.evolve(each, state=state, reason=state, ended=at(1000)) for each in ended]
    return desk.ask(desk.store.runs.record(notes, IDS, lambda: 0.0, read))


def test_a_tail_comes_back_as_it_was_saved_every_byte_of_it(desk):
    one, other = run(), run(120)
    desk.insert(one, other)
    desk.bench.add_tails([tail(one, EVERY_BYTE, 1 << 40), tail(other)])
    assert desk.ask(desk.store.runs.tail(one.id)) == tail(one, EVERY_BYTE, 1 << 40)
    assert desk.ask(desk.store.runs.tail(one.id)).size == (1 << 40) + KEPT
    assert desk.ask(desk.store.runs.tail(other.id)) == tail(other)
    assert desk.ask(desk.store.runs.tail("no run")) is None


def test_a_second_one_of_the_same_run_takes_its_place(desk):
    one, other = run(), run(120)
    desk.insert(one, other)
    desk.bench.add_tails([tail(one, b"first"), tail(other)])
    desk.bench.add_tails([tail(one, b"second", 7)])
    assert desk.ask(desk.store.runs.tail(one.id)) == tail(one, b"second", 7)
    assert desk.ask(desk.store.runs.tail(other.id)) == tail(other)


def test_many_full_ones_go_in_by_more_than_one_packet(desk):
    many = [run(n) for n in range(1, 301)]
    desk.insert(*many)
    desk.bench.add_tails([tail(each, EVERY_BYTE, n) for n, each in enumerate(many)])
    assert desk.ask(desk.store.runs.tail(many[-1].id)) == tail(many[-1], EVERY_BYTE, 299)


def test_of_a_run_that_is_forgotten_none_is_kept(desk):
    gone, here = run(), run(120)
    desk.insert(here)
    desk.bench.add_tails([tail(gone), tail(here)])
    assert desk.ask(desk.store.runs.tail(gone.id)) is None
    assert desk.ask(desk.store.runs.tail(here.id)) == tail(here)


def test_it_is_saved_with_the_outcome_of_its_own_run(desk):
    ended, silent, going_on = run(), run(120), run(180)
    desk.insert(ended, silent, going_on)
    read = {ended.id: tail(ended), going_on.id: tail(going_on)}.get
    end(desk, ended, silent, read=read)
    desk.ask(desk.store.runs.record([attrs.evolve(going_on, pid=7)], IDS, lambda: 0.0, read))
    assert desk.states() == ["succeeded", "succeeded", "running"]
    assert [desk.ask(desk.store.runs.tail(each.id)) for each in (ended, silent, going_on)] == [tail(ended), None, None]


def test_what_cannot_be_recorded_leaves_no_tail_behind(desk):
    one = run()
    desk.insert(one)

    def broken(run_id):
        raise RuntimeError(run_id)

    with pytest.raises(RuntimeError):
        end(desk, one, read=broken)
    assert desk.states() == ["running"]
    end(desk, one, read=lambda run_id: tail(one))
    end(desk, one, read=lambda run_id: tail(one))  # as after a commit of which nobody knew whether it was made
    assert desk.ask(desk.store.runs.tail(one.id)) == tail(one)


def test_a_run_that_others_took_for_lost_still_gets_its_tail(desk):
    one = run()
    desk.insert(one)
    desk.ended(one, state="lost")
    end(desk, one, read=lambda run_id: tail(one))
    assert desk.states() == ["lost"]
    assert desk.ask(desk.store.runs.tail(one.id)) == tail(one)


def test_they_go_with_their_runs(desk):
    ids = Ids()  # its own: ids never go back
    old, new = run(id=ids.make(at(60))), run(9 * 86400, id=ids.make(at(9 * 86400)))
    desk.insert(old, new)
    end(desk, old, new, read=lambda run_id: Tail(run_id=run_id, start=0, data=b"x"))
    assert desk.ask(desk.store.retention.forget_runs_before(T0 + timedelta(days=5), 100)) == [old.id]
    assert desk.ask(desk.store.runs.tail(old.id)) is None
    assert desk.ask(desk.store.runs.tail(new.id)) is not None


def test_the_store_tells_which_runs_it_does_not_know(desk):
    one = run()
    desk.insert(one)
    assert desk.ask(desk.store.retention.unknown(["a", one.id, "b"])) == ["a", "b"]
    assert desk.ask(desk.store.retention.unknown([])) == []


@pytest.mark.parametrize(
    ("size", "start"), [(1, 0), (KEPT - 1, 0), (KEPT, 0), (KEPT + 1, 1), (10 * KEPT + 17, 9 * KEPT + 17)]
)
def test_the_last_64_kib_of_a_file_are_its_tail(tmp_path, size, start):
    whole = (EVERY_BYTE * 11)[:size]
    path = output_path(tmp_path, "a-run")
    path.parent.mkdir()
    path.write_bytes(whole)
    found = read_tail(tmp_path, "a-run")
    assert found == Tail(run_id="a-run", start=start, data=whole[start:])
    assert found.size == size


def test_a_run_that_printed_nothing_has_none(tmp_path):
    assert read_tail(tmp_path, "a-run") is None
    output_path(tmp_path, "a-run").parent.mkdir()
    output_path(tmp_path, "a-run").touch()
    assert read_tail(tmp_path, "a-run") is None
