"""What speed must be worth: the curve of the low-latency share, as a figure, a table and one page."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gigawatt.core.errors import ScenarioError
from gigawatt.core.writing import write_whole
from gigawatt.report.shell import plot, whole_page
from gigawatt.report.style import (
    BLUE,
    INK,
    LINE,
    ORANGE,
    ROSE,
    SOFT,
    TEAL,
    heading,
    layout,
    ordered_systems,
    system_colours,
    system_label,
    value_axis,
)
from gigawatt.report.terminal import add_row, table_of
from gigawatt.study.speed import AS_STATED, NO_SOFTWARE, SEED_SHARE, Point, Sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

TENTH = f"{100 * SEED_SHARE:.0f} %"
_NOTHING_AT = 0.06
"""Place of a factor of 0 on the logarithmic axis, left of a tenth."""
_COLOURS = (BLUE, ORANGE, TEAL, ROSE, SOFT)
_WHAT = (
    ("tokens_per_s", "of tokens", "solid"),
    ("power_w", "of power", "dot"),
    ("spending_usd", "of spending", "dash"),
)


def speed_figure(sweep: Sweep) -> go.Figure:
    """Left: share of inference tokens by low-latency system, as stated. Right: variants, and power and spending."""
    figure = make_subplots(
        rows=1, cols=2, horizontal_spacing=0.09, column_widths=[0.5, 0.5],
        subplot_titles=("Tokens, by system, as stated", "With and without, and by power and spending"),
    )  # fmt: skip
    subtitle = (
        f"Share of inference in {sweep.case.labels[-4]} to {sweep.case.labels[-1]}, as the worth of speed above each "
        f"class's value is multiplied. The thin line is the {TENTH} of S4.16."
    )
    figure.update_layout(layout(_title(sweep), subtitle, height=430, headroom=36))
    _by_system(figure, sweep)
    _variants(figure, sweep)
    top = 5.0 * np.ceil(20.0 * max(sweep.shares(name, what).max() for name in sweep.curves for what, _, _ in _WHAT))
    ticks = [scale for scale in (0.1, 0.2, 0.5, 1, 2, 5, 10) if scale <= sweep.curves[AS_STATED][-1].scale * 1.01]
    zero = [0.0] if sweep.curves[AS_STATED][0].scale == 0.0 else []
    for column in (1, 2):
        figure.add_hline(
            y=100 * SEED_SHARE, line={"color": INK, "width": 1}, row=1, col=column, annotation_text=f"{TENTH}, S4.16",
            annotation_position="top left", annotation_font={"size": 12, "color": INK},
            annotation_bgcolor="rgba(255,255,255,0.8)",
        )  # fmt: skip
        figure.add_vline(x=1.0, line={"color": SOFT, "width": 1, "dash": "dot"}, row=1, col=column)
        figure.update_xaxes(
            {"type": "log", "tickvals": [_NOTHING_AT] * len(zero) + ticks, "showgrid": False, "linecolor": LINE,
             "ticktext": ["none"] * len(zero) + ["1<br>as stated" if tick == 1 else f"{tick:g}" for tick in ticks],
             "tickfont": {"color": SOFT, "size": 12},
             "title": {"text": "worth of speed, times", "font": {"size": 12.5, "color": SOFT}}},
            row=1, col=column,
        )  # fmt: skip
        figure.update_yaxes(
            value_axis("share on low-latency silicon [%]", range=[0, max(top, 15.0)]), row=1, col=column
        )
    figure.update_annotations(patch={"font": {"size": 13.5, "color": INK}}, selector={"yref": "paper"})
    figure.update_layout(legend={"y": -0.2})
    return figure


def _by_system(figure: go.Figure, sweep: Sweep) -> None:
    points, colours = sweep.curves[AS_STATED], system_colours(sweep.case)
    x = _places(points)
    for name in (system for system in ordered_systems(sweep.case) if system in sweep.low_latency):
        y = [100 * point.share("tokens_per_s", {name}) for point in points]
        if max(y) > 1e-6:
            label = system_label(sweep.case, name)
            figure.add_trace(
                go.Scatter(x=x, y=y, name=label, mode="lines", stackgroup="systems", fillcolor=colours[name],
                           line={"color": "white", "width": 0.6},
                           customdata=[point.scale for point in points],
                           hovertemplate=f"{label}: %{{y:.1f}} % at %{{customdata:.2~g}} times<extra></extra>"),
                row=1, col=1,
            )  # fmt: skip


def _places(points: Sequence[Point]) -> list[float]:
    """Where factors stand on a logarithmic axis; nothing stands before the smallest."""
    return [point.scale or _NOTHING_AT for point in points]


def _variants(figure: go.Figure, sweep: Sweep) -> None:
    for index, name in enumerate(sweep.curves):
        colour, label = _COLOURS[index % len(_COLOURS)], variant_label(sweep, name)
        x = _places(sweep.curves[name])
        for what, of, dash in _WHAT if name == AS_STATED else _WHAT[:1]:
            figure.add_trace(
                go.Scatter(x=x, y=(100 * sweep.shares(name, what)).tolist(), name=f"{label}, {of}", mode="lines",
                           line={"color": colour, "width": 2.4, "dash": dash},
                           hovertemplate=f"{label}: %{{y:.1f}} % {of} at %{{customdata:.2~g}} times<extra></extra>",
                           customdata=[point.scale for point in sweep.curves[name]]),
                row=1, col=2,
            )  # fmt: skip


def variant_label(sweep: Sweep, name: str) -> str:
    """Name of a variant for people."""
    system = sweep.left_out.get(name)
    return f"without {system_label(sweep.case, system)}" if system else name


def _title(sweep: Sweep) -> str:
    points, shares = sweep.curves[AS_STATED], sweep.shares(AS_STATED)
    at = int(np.argmin([abs(np.log(max(point.scale, 1e-9))) for point in points]))
    scale = "" if points[at].scale == 1.0 else f" {_times(points[at].scale)}"
    stated = f"{100 * shares[at]:.0f} % of inference tokens run on low-latency silicon{scale}"
    if len(points) == 1:
        return stated
    if (shares >= SEED_SHARE).all():
        even = "if speed is worth nothing" if points[0].scale == 0.0 else _times(points[0].scale)
        return f"{stated}; {TENTH} is passed even {even}"
    if (found := sweep.crossing(AS_STATED)) is None:
        return f"{stated}; not even {points[-1].scale:g} times the stated worth of speed makes it {TENTH}"
    return f"{stated}; {TENTH} takes {found:.2g} times the stated worth of speed"


def _times(scale: float) -> str:
    return f"at {scale:g} times the stated worth of speed" if scale else "with speed worth nothing"


def sentences(sweep: Sweep) -> list[str]:
    """Where each variant reaches the share of S4.16, one sentence each."""
    found = []
    for name, points in sweep.curves.items():
        label, shares, at = variant_label(sweep, name), sweep.shares(name), sweep.crossing(name)
        ends = [f"{100 * shares[i]:.1f} % {_times(points[i].scale)}" for i in ((0, -1) if len(points) > 1 else (0,))]
        if at is None:
            level = f"{TENTH} is not reached"
        elif shares[0] >= SEED_SHARE:
            level = f"more than {TENTH} from the first on" if len(points) > 1 else f"more than {TENTH}"
        else:
            level = f"{TENTH} at {at:.2g} times the stated worth"
        found.append(f"{label}: {', '.join(ends)}; {level}")
    return found


def speed_table(sweep: Sweep) -> RenderableType:
    """Shares at every factor: of tokens by variant, then of power and spending as stated."""
    from rich.console import Group
    from rich.text import Text

    names = list(sweep.curves)
    heads = [(variant_label(sweep, name), "right", 0) for name in names]
    table = table_of([("worth, times", "right", 0), *heads, ("of power", "right", 0), ("of spending", "right", 0)])
    stated = [sweep.shares(AS_STATED, what) for what, _, _ in _WHAT[1:]]
    for index, point in enumerate(sweep.curves[AS_STATED]):
        shares = [sweep.shares(name)[index] for name in names] + [each[index] for each in stated]
        add_row(table, (f"{point.scale:.3g}", *(f"{100 * share:.1f} %" for share in shares)))
    note = f"Share of inference on low-latency silicon, last four quarters; tokens, and of '{AS_STATED}' more"
    return Group(Text(sweep.case.scenario.title, style="bold"), Text(note, style="dim"), Text(""), table)


def write_page(sweep: Sweep, path: Path) -> Path:
    """Path of one page that needs nothing else. Raises ScenarioError where it cannot be written."""
    figure = speed_figure(sweep)
    title, subtitle = heading(figure)
    drawn = plot(figure, "speed", least_px=900, room_px=44)
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences(sweep))
    scenario = sweep.case.scenario
    page = whole_page(
        f"{scenario.name}: worth of speed",
        f'<header class="top"><div><p class="eyebrow">gigawatt speed</p><h1>{escape(scenario.title)}</h1>'
        f'<p class="about">{escape(scenario.description)}</p></div></header><main><section><h2>{title}</h2><figure>'
        f"<figcaption><p class=sub>{subtitle}</p></figcaption>{drawn}</figure><ul>{items}</ul>"
        f"<p class=sub>{escape(FOOT)}</p></section></main>",
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, page)
    except OSError as error:
        raise ScenarioError(f"cannot write the page to {path}: {error.strerror}; choose another --out") from error
    return path


FOOT = (
    f"'{NO_SOFTWARE}' leaves out the scenario's dated software steps and drafting. Low-latency silicon is what keeps "
    "weights in SRAM. Spending is the level cost of the capacity that work makes necessary."
)
