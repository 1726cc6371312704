"""The cron dialect: what is written is what is due, and what is not understood is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

import pytest
from cronsim import CronSim
from hypothesis import example, given, reject
from hypothesis import strategies as st

from jobsched.model import pattern
from jobsched.model.cron import Cron
from jobsched.model.errors import BadTrigger


def walls(expression: str, start: str, count: int) -> list[str]:
    """The first dues after `start`, in UTC, to the minute."""
    cron, due = Cron(expression=expression), datetime.fromisoformat(start).replace(tzinfo=UTC)
    found: list[str] = []
    while len(found) < count and (following := cron.next_after(due)):
        due = following
        found.append(f"{due:%Y-%m-%dT%H:%M}")
    return found


@pytest.mark.parametrize(
    ("expression", "start", "expected"),
    [
        ("*/20 * * * *", "2024-01-01T00:00", ["2024-01-01T00:20", "2024-01-01T00:40", "2024-01-01T01:00"]),
        ("5,1 0 * * *", "2024-01-01T00:00", ["2024-01-01T00:01", "2024-01-01T00:05", "2024-01-02T00:01"]),
        ("10-30/10 8 * * *", "2024-01-01T00:00", ["2024-01-01T08:10", "2024-01-01T08:20", "2024-01-01T08:30"]),
        ("50/5 8 * * *", "2024-01-01T00:00", ["2024-01-01T08:50", "2024-01-01T08:55", "2024-01-02T08:50"]),
        ("0 9 * * mon-Wed", "2024-01-01T10:00", ["2024-01-02T09:00", "2024-01-03T09:00", "2024-01-08T09:00"]),
        ("0 0 1 jan,JUL *", "2024-01-01T00:00", ["2024-07-01T00:00", "2025-01-01T00:00"]),
        ("0 0 * * 0", "2024-01-01T00:00", ["2024-01-07T00:00", "2024-01-14T00:00"]),
        ("0 0 * * 7", "2024-01-01T00:00", ["2024-01-07T00:00", "2024-01-14T00:00"]),
        ("0 0 * * 5-7", "2024-01-01T00:00", ["2024-01-05T00:00", "2024-01-06T00:00", "2024-01-07T00:00"]),
        ("0 0 L * *", "2024-01-31T00:00", ["2024-02-29T00:00", "2024-03-31T00:00"]),
        ("0 0 LW * *", "2024-03-01T00:00", ["2024-03-29T00:00", "2024-04-30T00:00"]),
        ("0 0 1,L * *", "2024-02-01T00:00", ["2024-02-29T00:00", "2024-03-01T00:00"]),
        ("0 0 * * MON#2", "2024-01-01T00:00", ["2024-01-08T00:00", "2024-02-12T00:00"]),
        ("0 0 * * 1#5", "2024-01-01T00:00", ["2024-01-29T00:00", "2024-04-29T00:00"]),
        ("0 0 * * 5L", "2024-01-01T00:00", ["2024-01-26T00:00", "2024-02-23T00:00"]),
        ("0 0 29 2 *", "2024-03-01T00:00", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("0 0 29 2 *", "2096-03-01T00:00", ["2104-02-29T00:00"]),
        ("0 0 13 * FRI", "2024-09-01T00:00", ["2024-09-06T00:00", "2024-09-13T00:00", "2024-09-20T00:00"]),
        ("0 0 13,14 * FRI", "2024-09-10T00:00", ["2024-09-13T00:00", "2024-09-14T00:00", "2024-09-20T00:00"]),
        ("0 0 */10 * FRI", "2024-01-01T00:00", ["2024-03-01T00:00", "2024-05-31T00:00"]),
        ("0 0 13 * */5", "2024-01-01T00:00", ["2024-09-13T00:00", "2024-10-13T00:00"]),
        ("0 0 * * */7", "2024-01-01T00:00", ["2024-01-07T00:00", "2024-01-14T00:00"]),
        ("0 0 1-7 * */7", "2024-01-01T00:00", ["2024-01-07T00:00", "2024-02-04T00:00", "2024-03-03T00:00"]),
        ("5/15 0 * * *", "2024-01-01T00:00", ["2024-01-01T00:05", "2024-01-01T00:20", "2024-01-01T00:35"]),
        ("7-7/5 0-0/1 * * *", "2024-01-01T00:00", ["2024-01-01T00:07", "2024-01-02T00:07"]),
        ("  0\t0 * * *  ", "2024-01-01T00:00", ["2024-01-02T00:00"]),
        ("@hourly", "2024-01-01T00:00", ["2024-01-01T01:00", "2024-01-01T02:00"]),
        ("@daily", "2024-01-01T00:00", ["2024-01-02T00:00", "2024-01-03T00:00"]),
        ("@MIDNIGHT", "2024-01-01T00:00", ["2024-01-02T00:00"]),
        ("@weekly", "2024-01-01T00:00", ["2024-01-07T00:00"]),
        ("@monthly", "2024-01-01T00:00", ["2024-02-01T00:00"]),
        ("@yearly", "2024-01-01T00:00", ["2025-01-01T00:00"]),
        ("@annually", "2024-01-01T00:00", ["2025-01-01T00:00"]),
    ],
)
def test_what_is_written_is_what_is_due(expression: str, start: str, expected: list[str]) -> None:
    assert walls(expression, start, len(expected)) == expected


def test_six_fields_begin_with_the_second() -> None:
    cron, due, found = Cron(expression="*/25 59 23 * * *"), datetime(2024, 1, 1, tzinfo=UTC), []
    for _ in range(4):
        due = cron.next_after(due) or due
        found.append(f"{due:%d %H:%M:%S}")
    assert found == ["01 23:59:00", "01 23:59:25", "01 23:59:50", "02 23:59:00"]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 0 ? * *", 'day of month: "?"'),
        ("0 0 * * ?", 'day of week: "?"'),
        ("0 0 15W * *", "the only W is LW"),
        ("0 0 W * *", "the only W is LW"),
        ("0 0 1,WL * *", "the only W is LW"),
        ("0 22-2 * * *", 'write "22-23,0-2"'),
        ("0 0 * * FRI-MON", 'write "FRI-SAT,SUN-MON"'),
        ("0 0 * NOV-FEB *", 'write "NOV-DEC,JAN-FEB"'),
        ("*/60 * * * *", 'minute: a step of "60" is not allowed; 1 to 59 are'),
        ("*/90 * * * *", "1 to 59 are"),
        ("0 */24 * * *", "hour: .* 1 to 23 are"),
        ("0 0 */31 * *", "day of month: .* 1 to 30 are"),
        ("0 0 1 */12 *", "month: .* 1 to 11 are"),
        ("0 0 * * */8", "day of week: .* 1 to 7 are"),
        ("58-2/2 * * * *", 'write "58,0-2/2"'),
        ("57-2/2 * * * *", 'write "57-59/2,1"'),
        ("0 0 * * 7-2", 'write "0-2"'),
        ("0 0 * * SAT-MON/2", 'write "SAT,1"'),
        ("CRON_TZ=Asia/Tokyo 0 0 * * *", '"CRON_TZ=Asia/Tokyo" is no field; the zone is to be given as timezone'),
        ("*/0 * * * *", "1 to 59 are"),
        ("*/ * * * *", "1 to 59 are"),
        ("*/2/3 * * * *", "1 to 59 are"),
        ("@reboot", '"@reboot" is not understood; .*@daily'),
        ("@daily 5", "is not understood"),
        ("60 * * * *", 'minute: "60" is not allowed; 0-59 are'),
        ("60 0 0 * * *", "minute|second"),
        ("0 24 * * *", "hour: .* 0-23 are"),
        ("0 0 0 * *", "day of month: .* 1-31"),
        ("0 0 32 * *", "day of month: .* 1-31"),
        ("0 0 * 13 *", "month: .* JAN-DEC"),
        ("0 0 * * 8", "day of week: .* SUN-SAT"),
        ("0 0 * * FRIDAY", "SUN-SAT"),
        ("0 MON * * *", "hour"),
        ("0 0 * * MON#6", "number from 1 to 5"),
        ("0 0 * * MON#", "number from 1 to 5"),
        ("0 0 MON#1 * *", "day of month"),
        ("0 0 * * L", "5L"),
        ("0 0 * * FRIL", "5L"),
        ("0 0 * * 8L", "5L"),
        ("0 0 L/2 * *", "takes no step"),
        ("0 0 * * 5L/2", "5L"),
        ("0 0 L-3 * *", "day of month"),
        ("L * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        ("-5 * * * *", "minute"),
        ("1- * * * *", "minute"),
        ("+5 * * * *", "minute"),
        ("\u0665 * * * *", "plain letters"),
        ("* * * \u017fEP *", "plain letters"),
        ("*\x00 * * * *", "plain letters"),
        ("9" * 200 + " * * * *", "minute"),
        ("1," * 200 + "1 * * * *", "at most 255"),
        ("", "five fields"),
        ("* * * *", "five fields .* not 4"),
        ("* * * * * * *", "five fields .* not 7"),
        ("0 0 30 2 *", "never"),
        ("0 0 31 4,6,9,11 *", "never"),
        ("0 0 */30 4 MON#2", "never"),
    ],
)
def test_what_is_not_of_the_dialect_is_refused_with_a_reason(expression: str, words: str) -> None:
    with pytest.raises(BadTrigger, match=words) as caught:
        Cron.parse(expression)
    assert caught.value.pointer == "/cron"
    assert "\n" not in str(caught.value)


# The search, against that of the library which read the expression: it walks day by day.


def field(low: int, high: int, *more: str) -> st.SearchStrategy[str]:
    values = st.integers(low, high)
    spans = st.tuples(values, values).map(lambda pair: f"{min(pair)}-{max(pair)}")
    steps = st.tuples(st.one_of(st.just("*"), spans), st.integers(1, high - low)).map("{0[0]}/{0[1]}".format)
    terms = st.one_of(values.map(str), spans, steps, *map(st.just, more))
    return st.one_of(st.just("*"), terms, st.lists(terms, min_size=2, max_size=3).map(",".join))


expressions = st.tuples(
    field(0, 59), field(0, 59), field(0, 23), field(1, 31, "L", "LW", "29", "31"), field(1, 12, "2"),
    field(0, 7, "5L", "SUN#1", "2#5"),
).map(" ".join)  # fmt: skip


@given(expressions, st.datetimes(datetime(3, 1, 1), datetime(9950, 1, 1)))
@example("0 0 0 29 2 MON#5", datetime(1896, 3, 1))
@example("59 59 23 31 12 *", datetime(2023, 12, 31, 23, 59, 58, 999_999))
@example("59 59 23 31 12 *", datetime(2023, 12, 31, 23, 59, 59))
def test_no_match_is_passed_over_and_none_is_made_up(expression: str, wall: datetime) -> None:
    try:
        rule = pattern.read(expression)
    except BadTrigger:
        reject()
    terms = [each.read(term) for each, term in zip(pattern.FIELDS, expression.split(), strict=True)]
    slow = CronSim(" ".join(terms), wall)
    for expected in islice(slow, 5):
        found = rule.after(wall)
        assert found == expected
        wall = found
