"""The fan of a tree: what stands in every case, quarter by quarter, beside the plan of the central case."""

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
