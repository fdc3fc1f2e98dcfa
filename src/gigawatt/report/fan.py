"""Fans of what stands, quarter by quarter: in every case of a tree, and of one plan under draws of delays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from gigawatt.report.style import (
    BLUE,
    INK,
    ORANGE,
    SOFT,
    TEAL,
    WINE,
    layout,
    plain,
    power_scale,
    quarter_axis,
    value_axis,
)

if TYPE_CHECKING:
    from gigawatt.study.delays import Delayed
    from gigawatt.study.tree import TreeResults

Floats = npt.NDArray[np.float64]

_COLOURS = (BLUE, TEAL, ORANGE, WINE, "#33348e", "#93922f", "#c8607a", "#7b8794")


def stood_w(results: TreeResults, leaf: int) -> Floats:
    """(quarter) facility power of what stands in one case [W]."""
    model, d = results.whole.models[leaf], results.whole.leaves[leaf].inputs
    stock = results.whole.plan(results.found.x, leaf)[model.variables["stock"].columns]
    return np.asarray(d.facility_over_it.values @ stock) * 1e6


def stock_fan(results: TreeResults) -> go.Figure:
    """Facility power that stands by case: one colour an outcome of the first branch, the wider the likelier."""
    whole = results.whole
    labels, tree = list(whole.tree.inputs.quarters), whole.tree
    rows = [stood_w(results, i) for i in range(len(whole.leaves))]
    central = np.asarray(whole.tree.inputs.facility_over_it.values @ results.central.value("stock").values) * 1e6
    scale = power_scale(max(float(np.max(rows)), float(central.max())))
    most = max(leaf.probability for leaf in whole.leaves)
    dates = " and ".join(branch.quarter for branch in tree.branches)
    value = f"%{{y:.1f}} {scale.unit}<extra></extra>"
    figure = go.Figure(layout=layout(
        "One order now, many fleets later: power that stands in every case of the tree",
        f"Facility power by the end of each quarter. What comes is learned in {dates}; a line a case, wider where "
        "it is likelier, coloured by the first outcome.",
    ))  # fmt: skip
    named: set[int] = set()
    for leaf, row in zip(whole.leaves, rows, strict=True):
        first = leaf.path[0]
        figure.add_trace(go.Scatter(
            x=labels, y=scale.of(row).tolist(), mode="lines", legendgroup=str(first), showlegend=first not in named,
            name=plain(tree.branches[0].outcomes[first].name),
            line={"color": _COLOURS[first % len(_COLOURS)], "width": 1.0 + 2.0 * leaf.probability / most},
            hovertemplate=f"{plain(leaf.name)}, {leaf.probability:.0%}<br>%{{x}}: {value}",
        ))  # fmt: skip
        named.add(first)
    figure.add_trace(go.Scatter(
        x=labels, y=scale.of(central).tolist(), mode="lines", name="central plan",
        line={"color": INK, "width": 2, "dash": "dot"}, hovertemplate=f"central plan<br>%{{x}}: {value}",
    ))  # fmt: skip
    for place in tree.places:
        figure.add_vline(x=place - 0.5, line={"color": SOFT, "width": 1, "dash": "dash"})
    figure.update_xaxes(**quarter_axis(labels))
    figure.update_yaxes(**value_axis(f"{scale.unit} of facility power"))
    return figure


def late_fan(found: Delayed) -> go.Figure:
    """Facility power that stands under delays: the plan, the median, and bands of four and of eight draws in ten."""
    labels = list(found.case.labels)
    scale = power_scale(float(found.planned_gw.max()) * 1e9)
    figure = go.Figure(layout=layout(
        "The same plan, late: power that stands under delays",
        f"Facility power by the end of each quarter, {len(found.extra_usd):,} draws. Buildings come "
        f"{found.site_mean:g} and systems {found.system_mean:g} quarters late in the mean.",
    ))  # fmt: skip
    for (low, high), name, share in (((0.1, 0.9), "8 draws in 10", 0.18), ((0.3, 0.7), "4 draws in 10", 0.3)):
        under, over = (scale.of(np.quantile(found.stands_gw, q, axis=0) * 1e9).tolist() for q in (low, high))
        figure.add_trace(go.Scatter(
            x=[*labels, *reversed(labels)], y=[*over, *reversed(under)], fill="toself", mode="lines", name=name,
            line={"width": 0}, fillcolor=f"rgba(31, 119, 180, {share})", hoverinfo="skip",
        ))  # fmt: skip
    rows = (
        ("median", np.quantile(found.stands_gw, 0.5, axis=0), {"color": BLUE, "width": 2}),
        ("as planned", found.planned_gw, {"color": INK, "width": 2, "dash": "dot"}),
    )
    for name, row, line in rows:
        figure.add_trace(go.Scatter(
            x=labels, y=scale.of(row * 1e9).tolist(), mode="lines", name=name, line=line,
            hovertemplate=f"{name}<br>%{{x}}: %{{y:.1f}} {scale.unit}<extra></extra>",
        ))  # fmt: skip
    figure.update_xaxes(**quarter_axis(labels))
    figure.update_yaxes(**value_axis(f"{scale.unit} of facility power"))
    return figure
