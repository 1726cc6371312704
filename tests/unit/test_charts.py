"""The charts of the docs are what the program decides now."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from xml.etree import ElementTree as ET

DOCS = Path(__file__).parents[2] / "docs"


def test_the_charts_are_what_the_rules_say() -> None:
    spec = importlib.util.spec_from_file_location("charts", DOCS / "charts.py")
    assert spec is not None
    assert spec.loader is not None
    charts = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(charts)
    for name, draw in charts.CHARTS.items():
        drawn = (DOCS / f"{name}.svg").read_text("utf-8")
        assert drawn == draw().svg(), "python docs/charts.py was not run"
        ET.fromstring(drawn)
    used = "".join(page.read_text("utf-8") for page in DOCS.glob("*.rst"))
    assert [path.name for path in DOCS.glob("*.svg") if f":: {path.name}\n" not in used] == []
