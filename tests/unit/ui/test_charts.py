"""Charts: the same numbers give the same picture, and no text in it is markup."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from jobsched.ui import charts
from jobsched.ui.charts import Bar, Hour, Lane

EVIL = '"><script>alert(1)</script>'


def parsed(svg: str) -> ET.Element:
    assert "script" not in re.sub("&lt;.*?&gt;", "", svg)
    return ET.fromstring(svg)


def rects(svg: str, kind: str) -> list[dict[str, str]]:
    return [each.attrib for each in parsed(svg).iter("rect") if each.attrib["class"] == kind]


SCALE = {"top": "5 s", "first": EVIL, "last": "x"}


@pytest.mark.parametrize(
    ("bars", "timeout", "top"),
    [
        ([], None, 1.0),
        ([(1, 4.0)], None, 5.0),
        ([(0, None)], None, 1.0),
        ([(0, 2.0)], 6.0, 6.0),
        ([(0, 2.0)], 6.1, 2.0),
    ],
)
def test_the_scale_reaches_the_longest_and_a_near_timeout(
    bars: list[tuple[float, float | None]], timeout: float | None, top: float
) -> None:
    made = [Bar(link="/", text="", tone="good", late=late, took=took) for late, took in bars]
    assert charts.tallest(made, timeout) == top


def test_a_run_stands_on_the_time_that_it_was_late() -> None:
    bars = [Bar(link="/a", text=EVIL, tone="bad", late=1, took=3), Bar(link="/b", text="b", tone="pause")]
    svg = charts.timeline(bars, 4.0, SCALE, EVIL)
    [late], [bad], [missed] = rects(svg, "late"), rects(svg, "c-bad"), rects(svg, "c-pause")
    assert float(bad["y"]) + float(bad["height"]) == pytest.approx(float(late["y"]), abs=0.11)
    assert float(late["height"]) * 3 == pytest.approx(float(bad["height"]), abs=0.2)
    assert float(missed["height"]) == 5
    assert [each.attrib["class"] for each in parsed(svg).iter("line")] == ["line", "limit"]
    assert [each.attrib["href"] for each in parsed(svg).iter("a")] == ["/a", "/b"]


def test_hours_are_stacked_and_the_empty_ones_are_links_too() -> None:
    strip = [Hour(link="/1", text="1", counts={"succeeded": 6, "failed": 2}), Hour(link="/2", text="2", counts={})]
    svg = charts.hours(strip, "hours", ["from", "<", "to"])
    assert [each.text for each in parsed(svg).iter("span")] == ["8", "0", "from", "<", "to"]
    [good], [bad] = rects(svg, "c-good"), rects(svg, "c-bad")
    assert float(bad["y"]) + float(bad["height"]) == pytest.approx(float(good["y"]), abs=0.11)
    assert float(good["height"]) == pytest.approx(3 * float(bad["height"]), abs=0.11)
    assert len(rects(svg, "room")) == len(list(parsed(svg).iter("a"))) == 2


def test_each_job_has_a_lane_of_its_own() -> None:
    lanes = [Lane(name="a" * 40, link="/a", dues=[(0.0, "begin"), (1.0, EVIL)]), Lane(name=EVIL, link="/b", dues=[])]
    svg = charts.lanes(lanes, [(0.0, "00:00"), (0.5, "12:00")], "lanes")
    first, last = rects(svg, "c-run")
    assert float(first["x"]) < float(last["x"]) < charts.WIDTH
    assert ("a" * 25 + "…") in [each.text for each in parsed(svg).iter("text")]
