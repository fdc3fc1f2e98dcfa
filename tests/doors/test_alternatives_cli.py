"""``gigawatt alternatives`` as people and scripts use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.doors.inside import called, refused


def test_json_and_picture(tmp_path: Path) -> None:
    code, out, _ = called("alternatives", "neocloud", "--within", "2%", "--json", "--out", str(tmp_path))
    told = json.loads(out)
    assert code == 0
    assert told["scenario"] == "neocloud" and told["groups"]
    for group in told["groups"]:
        (span,) = group["spans"]
        assert span["within"] == 0.02 and span["least_gw"] <= group["planned_gw"] + 1e-6 <= span["most_gw"] + 2e-6
        assert (group["without_usd"] is None) == bool(group["forbidden_by"])
    page = Path(told["figure"]).read_text(encoding="utf-8")
    assert "How far other plans can go" in page and 'src="http' not in page


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--by", "colour"], "--by colour: groups are vendor, site, system, provider"),
        (["--within", "0%"], "--within 0%: a share above the cheapest plan is more than 0 and at most 100%"),
        (["--within", "much"], "--within much: "),
        (["--at", "2099Q1"], "2099Q1 is not in the plan; it runs from "),
    ],
)
def test_refusals(arguments: list[str], sentence: str) -> None:
    assert sentence in refused("alternatives", "neocloud", *arguments)
