"""Figures of small panels: power that stands against what a site's connection carries, capacity against promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gigawatt.core.calendar import year_and_number
from gigawatt.core.units import pretty
from gigawatt.report.style import (
    BLUE,
    INK,
    Floats,
    layout,
    listed,
    plain,
    power_scale,
    quarter_axis,
    site_label,
    steps,
    value_axis,
)
from gigawatt.study.results import Results


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: what there is (area) and what it is measured against (line), by quarter [W]."""

    title: str
    area: Floats
    line: Floats


def site_power(results: Results) -> go.Figure:
    """Facility power that stands at each site against what its connection carries, a panel a site."""
    case, plan = results.case, results.plan
    stands = plan["stock_w"].transpose("offer", "quarter").values * case.facility_over_it[:, None]
    panels = []
    for index, name in enumerate(str(s) for s in plan["site"].values):
        connection = plan["connection_w"].transpose("site", "quarter").values[index]
        if np.isfinite(connection).all():
            here = stands[plan["at_site"].values == name].sum(axis=0)
            panels.append(Panel(site_label(case, name), here, connection))
    if not panels:
        return go.Figure(layout=layout("No site has a stated connection", ""))
    full = [panel.title for panel in panels if panel.area[-1] >= 0.999 * panel.line[-1] > 0]
    title = f"{listed(full)} {'are' if len(full) > 1 else 'is'} full at the end"
    if not full or len(full) > 4:
        title = (
            f"{len(full) or 'No'} of {len(panels)} sites are full at the end" if full else "No site is full at the end"
        )
    subtitle = "Facility power that stands, older capacity included (area), and what the connection carries (line)."
    figure = go.Figure(layout=_panel_layout(title, subtitle, len(panels)))
    return _draw(figure, case.labels, panels, ("Stands", "Connection carries"), "facility power")


def commitments(results: Results) -> go.Figure:
    """Capacity accepted towards each commitment against its schedule, on its own basis, a panel a commitment."""
    case, plan = results.case, results.plan
    accepted = plan["accepted_committed_w"].transpose("commitment", "quarter").values
    due = plan["committed_w"].transpose("commitment", "quarter").values
    bases = {row.id: "IT" if row.basis == "it" else "facility" for row in case.scenario.commitments}
    names = [str(name) for name in plan["commitment"].values]
    panels = [Panel(f"{plain(name)} ({bases[name]})", accepted[index], due[index]) for index, name in enumerate(names)]
    if not panels:
        return go.Figure(layout=layout("Nothing is committed", ""))
    short = [(panel.line - panel.area).max() for panel in panels]
    late = [
        panel.title.split(" (")[0]
        for panel, missing in zip(panels, short, strict=True)
        if missing > 1e-4 * panel.line.max()
    ]
    title = "Every commitment is kept on time"
    if late:
        title = f"{listed(late)} {'run' if len(late) > 1 else 'runs'} late, by up to {pretty(float(max(short)), 'W')}"
    if len(late) > 3:
        title = f"{len(late)} of {len(panels)} commitments run late, by up to {pretty(float(max(short)), 'W')}"
    subtitle = "Capacity accepted since the start that counts towards each commitment (area) and its schedule (line)."
    figure = go.Figure(layout=_panel_layout(title, subtitle, len(panels)))
    return _draw(figure, case.labels, panels, ("Accepted", "Committed"), "power")


def _columns(n: int) -> int:
    return min(n, 4)


def _panel_layout(title: str, subtitle: str, n: int) -> go.Layout:
    rows = -(-n // _columns(n))
    return layout(title, subtitle, height=40 + 205 * rows if n > 1 else 400, headroom=26)


def _draw(
    figure: go.Figure, labels: Sequence[str], panels: Sequence[Panel], names: tuple[str, str], what: str
) -> go.Figure:
    """Panels on one scale, four to a row; the legend is that of the first."""
    n_columns = _columns(len(panels))
    n_rows = -(-len(panels) // n_columns)
    drawn = make_subplots(
        figure=figure,
        rows=n_rows,
        cols=n_columns,
        shared_yaxes="all",
        horizontal_spacing=0.025,
        vertical_spacing=0.3 / n_rows,
        subplot_titles=[f"<b>{panel.title}</b>" for panel in panels],
    )
    scale = power_scale(max(max(panel.line.max(), panel.area.max()) for panel in panels))
    hover = f"%{{fullData.name}}<br>%{{x}}: %{{y:.4~g}} {scale.unit}"
    for index, panel in enumerate(panels):
        place = {"row": index // n_columns + 1, "col": index % n_columns + 1}
        area = steps(labels, scale.of(panel.area), names[0], hover, colour=BLUE)
        area.update(fill="tozeroy", fillcolor="rgba(47,108,168,0.42)", line_width=0.5)
        line = steps(labels, scale.of(panel.line), names[1], hover, colour=INK)
        line.update(line_width=1.8)
        for trace in (area, line):
            drawn.add_trace(trace.update(showlegend=index == 0, legendgroup=trace.name), **place)
    shown = quarter_axis(labels)
    begins = [q for q in labels if year_and_number(q)[1] == 1]
    if n_columns > 1 and len(begins) > 1:
        years = begins[:: 2 if len(labels) > 16 and n_columns > 2 else 1]
        shown |= {"tickvals": years, "ticktext": [str(year_and_number(q)[0]) for q in years]}
    drawn.update_xaxes(shown)
    drawn.update_yaxes(value_axis(""))
    drawn.update_yaxes(title=value_axis(f"{what} [{scale.unit}]")["title"], col=1)
    drawn.update_annotations(font={"size": 13, "color": INK})
    drawn.update_layout(legend_y=-0.24 / n_rows if n_columns > 1 else -0.16)
    return drawn
