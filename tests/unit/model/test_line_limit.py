"""Ten lines a minute for each address, and a count of the rest: nothing is told twice, nothing is left untold."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.address import neighbourhood
from jobsched.model.log_throttle import ADDRESSES, MOST, OTHERS, WITHIN, LeftOut, Throttle


def knock(throttle, address, seconds, kind="401"):
    """One request, as it is told of; whether it had a line."""
    if throttle.line(address, seconds):
        return True
    throttle.leave_out(address, kind, seconds)
    return False


def test_an_address_gets_ten_lines_a_minute_and_then_a_count():
    throttle = Throttle()
    given_ = [knock(throttle, "a", 100 + n) for n in range(MOST + 3)]
    assert given_ == [True] * MOST + [False] * 3
    assert knock(throttle, "b", 130)
    assert not knock(throttle, "a", 159.9, "404")
    assert (throttle.over(159.9), throttle.next_end()) == ([], 160)
    [left] = throttle.over(160)
    assert left == LeftOut(address="a", kinds={"401": 3, "404": 1})
    assert str(left) == "4 more within 60 s: 401 x 3, 404 x 1"
    assert (throttle.over(1e9), throttle.next_end()) == ([], None)
    assert knock(throttle, "a", 161)


def test_of_very_many_addresses_late_ones_share_their_lines():
    throttle = Throttle()
    assert all(knock(throttle, f"{n}", 0) for n in range(ADDRESSES))
    assert [knock(throttle, f"late {n}", 1) for n in range(MOST + 5)] == [True] * MOST + [False] * 5
    assert len(throttle) == ADDRESSES + 1
    assert [knock(throttle, "0", 1) for _ in range(MOST)] == [True] * (MOST - 1) + [False]
    assert {left.address: left.kinds["401"] for left in throttle.over(WITHIN + 1)} == {"0": 1, OTHERS: 5}
    assert len(throttle) == 0


def test_a_clock_that_is_set_back_silences_nobody():
    throttle = Throttle()
    for _ in range(MOST + 2):
        knock(throttle, "a", 1000)
    assert throttle.over(10) == [LeftOut(address="a", kinds={"401": 2})]
    assert knock(throttle, "a", 10)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 20), st.sampled_from(["401", "404"]))))
def test_each_request_has_a_line_or_is_counted_once(requests):
    throttle, now = Throttle(), 0.0
    lines, counted = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    times: dict[str, list[float]] = {}
    for address, pause, kind in requests:
        now += pause
        for left in throttle.over(now):
            counted.update({(left.address, each): count for each, count in left.kinds.items()})
        if knock(throttle, address, now, kind):
            lines[address, kind] += 1
            times.setdefault(address, []).append(now)
    for left in throttle.over():
        counted.update({(left.address, each): count for each, count in left.kinds.items()})
    assert lines + counted == Counter((address, kind) for address, _, kind in requests)
    for told in times.values():
        assert all(later - first >= WITHIN for first, later in zip(told, told[2 * MOST :], strict=False))


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),  # of a socket that serves both
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("unix", "unix"),
        ("", ""),
    ],
)
def test_who_is_counted_as_one(address, key):
    assert neighbourhood(address) == key
