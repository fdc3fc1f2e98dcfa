"""Figures carry the run's own numbers: sums of their traces against the summary and the books."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go
import pytest

from gigawatt.report import figures
from gigawatt.report.money_figures import capex_by_part_usd_per_w, flows_in_usd, flows_out_usd
from gigawatt.report.style import (
    Scale,
    count_scale,
    heading,
    money_scale,
    plain,
    power_scale,
    quarter_axis,
    shades,
    system_colours,
)
from gigawatt.study.results import Results

ALL: tuple[Callable[[Results], go.Figure], ...] = (
    figures.gw_by_vendor,
    figures.gw_by_site,
    figures.site_power,
    figures.commitments,
    figures.packages_and_dies,
    figures.demand_and_idle,
    figures.classes_by_system,
    figures.capex_per_gw,
    figures.cash,
    figures.sources_and_uses,
    figures.sankey,
    figures.cost_per_mtok,
)
UNIT = {"GW": 1.0, "MW": 1e-3, "kW": 1e-6}  # in GW


def _stack(figure: go.Figure) -> np.ndarray:  # type: ignore[type-arg]
    """Sum of the bars at each quarter."""
    rows = [[value or 0.0 for value in trace.y] for trace in figure.data if trace.type == "bar"]
    return np.sum(rows, axis=0)


def _gw(figure: go.Figure) -> float:
    return UNIT[figure.layout.yaxis.title.text.split("[")[1].rstrip("]")]


@pytest.mark.parametrize("make", [figures.gw_by_vendor, figures.gw_by_site])
def test_stacks_sum_to_what_is_accepted(make: Callable[[Results], go.Figure], neocloud: Results) -> None:
    figure = make(neocloud)
    expected = list(neocloud.summary["gw_by_quarter"].values())
    assert expected[-1] > 0
    np.testing.assert_allclose(_stack(figure) * _gw(figure), expected, rtol=1e-6, atol=1e-8)


def test_energised_power_is_the_sum_of_finite_connections(neocloud: Results) -> None:
    figure = figures.gw_by_vendor(neocloud)
    line = next(trace for trace in figure.data if trace.name == "Energised power")
    connection = neocloud.plan["connection_w"].values
    finite = np.isfinite(connection).all(axis=1)
    np.testing.assert_allclose(np.array(line.y) * _gw(figure) * 1e9, connection[finite].sum(axis=0))


def test_committed_schedule_is_marked_where_it_rises(announcement: Results) -> None:
    figure = figures.gw_by_vendor(announcement)
    marks = [trace for trace in figure.data if trace.type == "scatter" and trace.mode == "markers"]
    assert len(marks) == len(announcement.case.scenario.commitments) > 0
    row = announcement.case.scenario.commitments[0]
    assert list(marks[0].x) == [step.quarter.text for step in row.by]
    np.testing.assert_allclose(np.array(marks[0].y) * _gw(figure) * 1e9, [step.value.value for step in row.by])


def test_each_commitment_has_a_panel_and_a_miss_is_told(announcement: Results) -> None:
    figure = figures.commitments(announcement)
    plan = announcement.plan
    due, got = plan["committed_w"].values, plan["accepted_committed_w"].transpose(*plan["committed_w"].dims).values
    assert len([trace for trace in figure.data if trace.name == "Committed"]) == plan.sizes["commitment"]
    miss = (due - got).max()
    assert ("late" in figure.layout.title.text) == (miss > 1e-4 * due.max())


def test_sites_without_a_connection_have_no_panel(announcement: Results) -> None:
    finite = np.isfinite(announcement.plan["connection_w"].values).all(axis=1)
    assert not finite.all()
    lines = [trace for trace in figures.site_power(announcement).data if trace.name == "Connection carries"]
    assert len(lines) == finite.sum()


def test_packages_and_dies_end_at_the_summary(neocloud: Results) -> None:
    figure = figures.packages_and_dies(neocloud)
    factor = {"million": 1e6, "thousand": 1e3}.get(figure.layout.yaxis.title.text.split("[")[-1].rstrip("]"), 1.0)
    dies = next(trace for trace in figure.data if trace.name.startswith("Dies"))
    assert _stack(figure)[-1] * factor == pytest.approx(neocloud.summary["n_packages"], rel=1e-6)
    assert dies.y[-1] * factor == pytest.approx(neocloud.summary["n_dies"], rel=1e-6)
    assert neocloud.summary["n_dies"] > neocloud.summary["n_packages"]


def test_needed_and_idle_sum_to_what_stands(announcement: Results) -> None:
    figure = figures.demand_and_idle(announcement)
    stands = list(announcement.summary["stands_gw_by_quarter"].values())
    np.testing.assert_allclose(_stack(figure) * _gw(figure), stands, rtol=1e-6)
    idle = max(announcement.summary["committed_idle_gw_by_quarter"].values())
    assert idle > 0
    assert f"{idle:.3g} GW" in figure.layout.title.text


def test_classes_sum_to_the_power_at_work(neocloud: Results) -> None:
    figure = figures.classes_by_system(neocloud)
    hours = np.array([block.hours / 24.0 for block in neocloud.case.scenario.blocks])
    work = neocloud.plan["assign_w"].isel(quarter=-1).transpose("lane", "block").values @ hours
    unit = UNIT[figure.layout.xaxis.title.text.split("[")[1].rstrip("]")]
    shown = sum(value or 0.0 for trace in figure.data for value in trace.x) * unit * 1e9
    assert shown == pytest.approx(work.sum(), rel=1e-3)  # classes under a kilowatt are left out


def test_sources_equal_uses_and_the_balance_closes(announcement: Results) -> None:
    into, out = flows_in_usd(announcement), flows_out_usd(announcement)
    assert sum(into.values()) == pytest.approx(sum(out.values()))
    assert out["closing"] == pytest.approx(float(announcement.plan["cash_usd"].values[-1]), rel=1e-6, abs=1e3)
    assert into["milestone-equity"] == pytest.approx(sum(announcement.summary["tranches_usd"].values()))


def test_sankey_conserves_money_at_the_buyer(announcement: Results) -> None:
    trace = figures.sankey(announcement).data[0]
    labels, link = list(trace.node.label), trace.link
    buyer = next(i for i, label in enumerate(labels) if label.startswith("OpenAI"))
    into = sum(v for v, end in zip(link.value, link.target, strict=True) if end == buyer)
    out = sum(v for v, start in zip(link.value, link.source, strict=True) if start == buyer)
    assert into == pytest.approx(out, rel=1e-2)  # what is small at either end is left out
    names = [label.split("  ")[0] for label in labels]
    assert names.count("NVIDIA") == 2  # it pays and is paid
    row = announcement.summary["circularity"][0]
    assert f"{row['share']:.2f} dollars a dollar" in figures.sankey(announcement).layout.title.text


def test_tranches_and_gap_are_drawn_as_booked(announcement: Results) -> None:
    bars = {trace.name: trace for trace in figures.cash(announcement).data if trace.type == "bar"}
    paid = sum(value or 0.0 for value in bars["Milestone equity"].y) * 1e9
    assert paid == pytest.approx(sum(announcement.summary["tranches_usd"].values()))
    found = sum(value or 0.0 for value in bars["Still to be found"].y) * 1e9 if "Still to be found" in bars else 0.0
    assert found == pytest.approx(announcement.summary["gap_usd"], abs=10.0)


def test_capex_per_watt_times_watts_is_capex(neocloud: Results) -> None:
    owned = neocloud.plan["accepted_facility_w"].values[neocloud.plan["contract"].values == "own", -1].sum()
    parts = capex_by_part_usd_per_w(neocloud)
    assert parts["systems"] * owned == pytest.approx(neocloud.summary["capex_by_part_usd"]["systems"])
    assert "shell" not in parts  # the hall is leased
    drawn = sum(trace.x[0] for trace in figures.capex_per_gw(neocloud).data)
    assert drawn == pytest.approx(sum(parts.values()))


def test_cost_bars_are_the_summary_dearest_first(neocloud: Results) -> None:
    figure = figures.cost_per_mtok(neocloud)
    costs = sorted(neocloud.summary["cost_per_mtok_usd"].values(), reverse=True)
    assert list(figure.data[0].x) == pytest.approx(costs)
    assert figure.layout.xaxis.type == "log"
    low, high = figure.layout.xaxis.range
    assert 10**low < min(costs) < max(costs) < 10**high
    assert figure.data[1].name == "Price in the scenario"


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", ["neocloud", "announcement"])
def test_every_figure_says_what_it_shows(
    make: Callable[[Results], go.Figure], name: str, request: pytest.FixtureRequest
) -> None:
    figure = make(request.getfixturevalue(name))
    title, subtitle = heading(figure)
    assert not title.endswith(".")
    if make is figures.commitments and name == "neocloud":
        assert title == "Nothing is committed"
        return
    assert figure.data
    assert subtitle.endswith(".")
    assert all(len(line) <= 92 for line in figure.layout.title.text.split("<br>"))
    for trace in figure.data:
        for values in (trace["x"], trace["y"]) if trace.type != "sankey" else ():
            assert all(not isinstance(v, float) or math.isfinite(v) for v in values)
    axes = [axis for axis in figure.layout if axis.startswith(("xaxis", "yaxis"))]
    named = [figure.layout[axis].title.text for axis in axes if figure.layout[axis].title.text]
    assert named or figure.data[0].type == "sankey"


def test_scales_keep_the_digits_before_the_point_few() -> None:
    assert power_scale(1e10) == Scale(1e9, "GW")
    assert power_scale(0.9997e9) == Scale(1e9, "GW")  # a gigawatt to within a solver's tolerance
    assert power_scale(2e7).unit == "MW"
    assert power_scale(3.0).unit == "kW"
    assert money_scale(4.5e8) == Scale(1e6, "$ million")
    assert count_scale(5.5e6) == Scale(1e6, "million")
    assert count_scale(2471) == Scale(1.0, "")
    assert Scale(1e9, "GW").of([-1e-7, 2e9]).tolist() == [0.0, 2.0]


def test_quarters_are_named_each_where_few_and_yearly_where_many() -> None:
    labels = [f"{2026 + i // 4}Q{i % 4 + 1}" for i in range(28)]
    many, few = quarter_axis(labels), quarter_axis(labels[2:10])
    assert many["ticktext"][0] == "Q1<br>2026"
    assert len(many["tickvals"]) == 7
    assert few["ticktext"][:3] == ["Q3<br>2026", "Q4", "Q1<br>2027"]


def test_systems_of_a_vendor_share_a_hue_and_differ(announcement: Results) -> None:
    colours = system_colours(announcement.case)
    assert len(set(colours.values())) == len(colours)
    assert shades("#16683a", 1) == ["#16683a"]
    assert shades("#000000", 2) == ["#b8b8b8", "#000000"]


def test_names_show_no_markup() -> None:
    assert plain("<a href='x'>R&D</a>") == "&lt;a href='x'&gt;R&amp;D&lt;/a&gt;"
