"""Figures drawn as SVG: bars, steps and marks lie where their values are."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import plotly.graph_objects as go
import pytest

from gigawatt.report.style import bars, layout, quarter_axis, steps, value_axis
from svg import HEIGHT, LEFT, RIGHT, stacked_svg, ticks

LABELS = ["2026Q1", "2026Q2"]
NAME = "{http://www.w3.org/2000/svg}"


def drawn() -> ElementTree.Element:
    figure = go.Figure(layout=layout("A title &amp; more", "Said below."))
    figure.add_trace(bars(LABELS, np.array([1.0, 2.0]), "Lower", "#111111", ""))
    figure.add_trace(bars(LABELS, np.array([0.0, 1.0]), "Upper", "#222222", ""))
    figure.add_trace(steps(LABELS, np.array([2.5, 5.0]), "Line", "", dash="4px,3px"))
    figure.add_trace(go.Scatter(x=[LABELS[1]], y=[4.0], mode="markers", name="Mark",
                                marker={"color": "white", "line": {"color": "#333333", "width": 2}}))  # fmt: skip
    figure.update_xaxes(quarter_axis(LABELS))
    figure.update_yaxes(value_axis("power [GW]"))
    return ElementTree.fromstring(stacked_svg(figure))


def test_bars_stack_to_their_heights() -> None:
    # the largest is the line's 5, so the axis ends at 5.2: 330 px / 5.2 = 63.46 px a unit
    one = HEIGHT / 5.2
    groups = [group.findall(f"{NAME}rect") for group in drawn().findall(f"{NAME}g")]
    assert [len(group) for group in groups] == [2, 1]  # no bar for 0
    (first, second), (upper,) = groups
    assert [float(bar.attrib["height"]) for bar in (first, second, upper)] == pytest.approx(
        [one, 2 * one, one], abs=0.1
    )
    assert float(upper.attrib["y"]) + float(upper.attrib["height"]) == pytest.approx(
        float(second.attrib["y"]), abs=0.11
    )
    # two categories share 936 px: 468 each, bars 82 % of that
    assert float(first.attrib["width"]) == pytest.approx((RIGHT - LEFT) / 2 * 0.82, abs=0.1)


def test_the_line_steps_half_way_and_marks_lie_on_their_value() -> None:
    paths = [path.attrib["d"] for path in drawn().findall(f"{NAME}path")]
    line = next(path for path in paths if re.fullmatch(r"M[\d.,]+H[\d.]+V[\d.]+H[\d.]+", path))
    x0, y0, middle, y1, x1 = (float(text) for text in re.findall(r"[\d.]+", line))
    assert middle == pytest.approx((x0 + x1) / 2, abs=0.1)
    assert y0 - y1 == pytest.approx(2.5 * HEIGHT / 5.2, abs=0.11)
    mark = next(path for path in paths if "l6,6" in path)
    x, y = (float(text) for text in re.findall(r"[\d.]+", mark)[:2])
    assert (x, y + 6) == (pytest.approx(x1), pytest.approx(y1 + HEIGHT / 5.2, abs=0.11))


def test_texts_are_the_figures() -> None:
    texts = [text.text for text in drawn().iter(f"{NAME}text")]
    assert {"A title & more", "Said below.", "power [GW]", "Lower", "Upper", "Line", "Mark", "2026"} <= set(texts)


@pytest.mark.parametrize("top", [0.3, 0.99, 1.0, 3.7, 9.9, 10.4, 11.6, 52.0, 980.0])
def test_ticks_are_round_and_few(top: float) -> None:
    found = ticks(top)
    assert found[0] == 0 and found[-1] <= top
    assert 4 <= len(found) <= 8
    assert np.allclose(np.diff(found), found[1])
