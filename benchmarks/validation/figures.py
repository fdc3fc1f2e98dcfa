"""Figures of the validation page: predicted against measured, errors by group, power of servers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from gigawatt.catalog.load import Catalog
from gigawatt.perf.calibrate import REPORTED_APART
from gigawatt.perf.operators import Floats
from gigawatt.report.style import BLUE, INK, LINE, ORANGE, SAND, TEAL, WINE, layout, name_axis, value_axis

from .page import Validation
from .score import groups_of
from .sections import SRAM
from .tables import pct

WIDTH = 1100
_TICKS_MS = (2, 5, 10, 20, 50, 100, 200, 500, 1000)
_HUES = (BLUE, ORANGE, TEAL, WINE, SAND)
_FIFTH = SRAM


def figures(v: Validation, catalog: Catalog) -> dict[str, go.Figure]:
    """Figures by the name of their file."""
    return {
        "validation-tpot": tpot_scatter(v, catalog),
        "validation-errors": error_ranges(v, catalog),
        "validation-power": power_bars(v, catalog),
    }


def tpot_scatter(v: Validation, catalog: Catalog) -> go.Figure:
    """Predicted against measured TPOT of every row: seen by the fit, and predicted by a fit without its chip."""
    found, measured = v.inference, 1e3 * v.inference.measured.tpot_s
    panels = (("In sample", found.in_sample[0]), ("Chip left out", found.without_chip[0]))
    medians = [float(np.median(np.abs(1e3 * tpot / measured - 1.0)[v.scored])) for _, tpot in panels]
    title = f"Half of all rows are within {pct(medians[0])}, {pct(medians[1])} where the chip is new to the fit"
    subtitle = (
        f"Time per output token of {len(measured):,} measured points [ms], logarithmic. Solid: equal; dashed: a fifth "
        "above and below. Right: every chip predicted by a fit without any of its rows."
    )
    figure = go.Figure(layout=layout(title, subtitle, height=560, headroom=34))
    ends = np.array([0.8 * measured.min(), 1.25 * measured.max()])
    for at, (name, tpot) in enumerate(panels):
        axes = {"xaxis": f"x{at + 1 if at else ''}", "yaxis": f"y{at + 1 if at else ''}"}
        for index, (system, mask) in enumerate(_systems(v)):
            few = system in REPORTED_APART
            figure.add_trace(go.Scatter(
                x=measured[mask].tolist(), y=(1e3 * tpot[mask]).tolist(), mode="markers", **axes,
                name=catalog.system(system).name, legendgroup=system, showlegend=at == 0,
                marker={
                    "size": 9 if few else 5.5, "symbol": "diamond" if few else "circle",
                    "color": INK if few else _HUES[index % len(_HUES)], "opacity": 0.9 if few else 0.55,
                    "line": {"width": 0},
                },
                hovertemplate="measured %{x:.1f} ms<br>predicted %{y:.1f} ms<extra>%{fullData.name}</extra>",
            ))  # fmt: skip
        for factor, dash in ((1.0, "solid"), (1.0 + _FIFTH, "dash"), (1.0 - _FIFTH, "dash")):
            figure.add_trace(go.Scatter(
                x=ends.tolist(), y=(factor * ends).tolist(), mode="lines", **axes, showlegend=False,
                line={"color": INK, "width": 1.2, "dash": dash}, hoverinfo="skip",
            ))  # fmt: skip
        _panel_title(figure, f"{name}: median |error| {pct(medians[at])}", 0.0 if at == 0 else 0.53)
    scale: dict[str, Any] = {
        "type": "log", "range": np.log10(ends).tolist(), "tickvals": _TICKS_MS, "rangemode": "normal",
        "linecolor": LINE, "zeroline": False,
    }  # fmt: skip
    for at, domain in enumerate(([0.0, 0.47], [0.53, 1.0])):
        suffix = str(at + 1) if at else ""
        figure.update_layout({
            f"xaxis{suffix}": value_axis("measured [ms]", domain=domain, anchor=f"y{suffix}", **scale),
            f"yaxis{suffix}": value_axis("predicted [ms]", anchor=f"x{suffix}", **scale),
        })  # fmt: skip
    figure.update_layout(legend={"y": -0.14, "itemsizing": "constant"})
    return figure


def _systems(v: Validation) -> list[tuple[str, Any]]:
    """Systems with their rows, those reported apart last and so on top."""
    return sorted(groups_of(v.inference.measured.system), key=lambda pair: (pair[0] in REPORTED_APART, pair[0]))


def _panel_title(figure: go.Figure, text: str, x: float) -> None:
    figure.add_annotation(
        text=f"<b>{text}</b>", x=x, y=1.0, xref="paper", yref="paper", xanchor="left", yanchor="bottom", yshift=8,
        showarrow=False, font={"size": 13.5, "color": INK},
    )  # fmt: skip


def error_ranges(v: Validation, catalog: Catalog) -> go.Figure:
    """Middle 80 % and median of predicted over measured TPOT less one, by system and family, seen and left out."""
    found = v.inference
    kinds = (
        ("Chip left out", found.without_chip[0], ORANGE),
        ("Family left out", found.without_family[0], TEAL),
        ("In sample", found.in_sample[0], BLUE),
    )
    groups = [(catalog.system(name).name, mask) for name, mask in _systems(v)]
    groups += [(name, mask & v.scored) for name, mask in groups_of(found.measured.family)]
    names = [f"{name} ({int(mask.sum()):,})" for name, mask in groups]
    worst = int(np.argmax([_spread(found.without_chip[0], found.measured.tpot_s, mask) for _, mask in groups]))
    title = f"Errors spread most for {groups[worst][0]} when a chip is left out"
    subtitle = (
        "Predicted over measured time per output token, less one: median (mark) and middle 80 % of rows (line), by "
        "system and by model family; rows in brackets. Shaded: within a fifth."
    )
    figure = go.Figure(layout=layout(title, subtitle, height=90 + 46 * len(names)))
    figure.add_vrect(x0=-100 * _FIFTH, x1=100 * _FIFTH, fillcolor="#f1f4f7", line_width=0, layer="below")
    for index, (name, tpot, colour) in enumerate(kinds):
        error = 100.0 * (tpot / found.measured.tpot_s - 1.0)
        low, middle, high = (
            np.array([np.quantile(error[mask], share) for _, mask in groups]) for share in (0.1, 0.5, 0.9)
        )
        figure.add_trace(go.Scatter(
            x=middle.tolist(), y=[len(names) - 1 - at + 0.22 * (index - 1) for at in range(len(names))],
            mode="markers", name=name,
            marker={"size": 9, "color": colour}, error_x={
                "type": "data", "array": (high - middle).tolist(), "arrayminus": (middle - low).tolist(),
                "color": colour, "thickness": 2.2, "width": 0,
            },
            hovertemplate="%{x:.1f} %<extra>%{fullData.name}</extra>",
        ))  # fmt: skip
    axis = {
        "tickvals": list(range(len(names))), "ticktext": list(reversed(names)), "showgrid": False, "automargin": True,
        "zeroline": False, "range": [-0.6, len(names) - 0.4], "tickfont": {"size": 13}, "ticklabelstandoff": 6,
    }  # fmt: skip
    figure.update_yaxes(axis)
    figure.update_xaxes(value_axis("predicted over measured, less one [%]", rangemode="normal", ticksuffix=" %"))
    figure.update_layout(legend={"y": -70 / (90 + 46 * len(names)), "traceorder": "reversed"})
    return figure


def _spread(tpot: Floats, measured: Floats, mask: Any) -> float:
    low, high = np.quantile(tpot[mask] / measured[mask], (0.1, 0.9))
    return float(high - low)


def power_bars(v: Validation, catalog: Catalog) -> go.Figure:
    """Wall power of servers: measured, and predicted by fits that have not seen the model, or the system."""
    runs = [one for one in v.power if one.row.kind == "run"]

    inside = sorted((one for one in runs if not one.left_out), key=lambda one: _label(one, catalog))
    keys = [(one.row.place, one.row.model, one.row.scenario) for one in inside]
    names = [_label(one, catalog) for one in inside]
    largest = max(abs(one.error) for one in runs if one.left_out in ("model", "system"))
    title = f"Wall power of servers not seen by the fit is foreseen within {pct(largest)}"
    subtitle = (
        "IT power of whole 8-package servers running a language model [kW]: measured (MLPerf), and predicted by fits "
        "that have seen none of the runs of the model, or of the system."
    )
    figure = go.Figure(layout=layout(title, subtitle, height=110 + 44 * len(names)))
    bars = [("Measured", INK, [one.row.measured for one in inside])]
    for left_out, words, colour in (("model", "Model left out", TEAL), ("system", "System left out", ORANGE)):
        by_key = {(o.row.place, o.row.model, o.row.scenario): o.predicted for o in runs if o.left_out == left_out}
        bars.append((words, colour, [by_key[key] for key in keys]))
    for name, colour, watts in reversed(bars):  # the last is drawn on top
        figure.add_trace(go.Bar(
            x=[value / 1e3 for value in watts], y=names, orientation="h", name=name, marker={"color": colour},
            hovertemplate="%{y}: %{x:.2f} kW<extra>%{fullData.name}</extra>",
        ))  # fmt: skip
    figure.update_layout(
        barmode="group",
        bargap=0.28,
        bargroupgap=0.06,
        legend={"y": -70 / (110 + 44 * len(names)), "traceorder": "reversed"},
    )
    figure.update_yaxes(name_axis(names))
    figure.update_xaxes(value_axis("IT power [kW]"))
    return figure


def _label(one: Any, catalog: Catalog) -> str:
    return f"{catalog.system(one.row.system).name}, {one.row.model}, {one.row.scenario}"


def picture_page(figure: go.Figure) -> tuple[str, int, int]:
    """(offline page that shows the figure alone, its width, its height) for a headless browser."""
    height = int(figure.layout.height)
    figure.update_layout(width=WIDTH, autosize=False)
    text = json.dumps(json.loads(figure.to_json()), separators=(",", ":")).replace("<", "\\u003c")
    page = (
        '<!doctype html><html><head><meta charset="utf-8"><style>body{margin:0;background:white}</style></head>'
        f'<body><div id="f"></div><script>{get_plotlyjs()}</script>'
        f"<script>const f={text};Plotly.newPlot('f',f.data,f.layout,{{staticPlot:true,displayModeBar:false}})</script>"
        "</body></html>"
    )
    return page, WIDTH, height
