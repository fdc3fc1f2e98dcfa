"""Look of every figure: colours that colour-blind readers tell apart, one scale a figure, quarters."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape, unescape
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from gigawatt.core.calendar import year_and_number
from gigawatt.report import names
from gigawatt.study.resolve import Case

Floats = npt.NDArray[np.float64]

FONT = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"
INK, SOFT, GRID, LINE = "#1c2733", "#5a6876", "#e8ecf0", "#c4ccd4"
BLUE, ORANGE, TEAL, SAND, ROSE, WINE = "#2f6ca8", "#d9822b", "#2a9187", "#dcb866", "#c8607a", "#8a2b5c"
_HUES = {
    "nvidia": "#16683a",
    "amd": "#b4431f",
    "google": "#2459a6",
    "aws": "#b67c00",
    "broadcom": "#4a3a94",
    "openai": "#4a3a94",
    "cerebras": "#8a2b5c",
    "groq": "#0f7f8c",
}
_SERIES = (
    "#33348e",
    "#2a9187",
    "#86c5e3",
    "#16683a",
    "#dcb866",
    "#c8607a",
    "#9a4ca0",
    "#8a2b5c",
    "#93922f",
    "#7b8794",
    "#d9822b",
    "#2f6ca8",
    "#7a4a2b",
    "#a9c6a0",
    "#3d4a56",
    "#b59bd1",
)
"""After Paul Tol's muted scheme (personal.sron.nl/~pault), darkened where it meets white."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What base units are divided by, and how the axis calls the result."""

    divisor: float
    unit: str

    def of(self, values: Any) -> Floats:
        """Values on this scale; what is smaller than a solver's tolerance counts as nothing."""
        scaled = np.asarray(values, dtype=np.float64) / self.divisor
        return np.where(np.abs(scaled) < 1e-9, 0.0, scaled)


def power_scale(largest_w: float) -> Scale:
    """kW, MW or GW, so that the largest value has one to three digits before the point."""
    steps = ((1e9, "GW"), (1e6, "MW"), (1e3, "kW"))
    return next((Scale(s, u) for s, u in steps if largest_w >= 0.9995 * s), Scale(1e3, "kW"))


def money_scale(largest_usd: float) -> Scale:
    """Thousands, millions or billions of dollars."""
    steps = ((1e9, "$ billion"), (1e6, "$ million"), (1e3, "$ thousand"))
    return next((Scale(s, u) for s, u in steps if largest_usd >= 0.9995 * s), Scale(1.0, "$"))


def count_scale(largest: float) -> Scale:
    """Plain counts, thousands or millions."""
    steps = ((1e6, 2e6, "million"), (1e3, 2e4, "thousand"))
    return next((Scale(s, u) for s, least, u in steps if largest >= least), Scale(1.0, ""))


def shades(base: str, n: int) -> list[str]:
    """``n`` steps of one hue from light to ``base``, apart in lightness."""
    rgb = np.array([int(base[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float64)
    weights = np.linspace(0.0, 0.72, n)[::-1] if n > 1 else np.zeros(1)
    return ["#" + "".join(f"{round(c):02x}" for c in rgb + (255.0 - rgb) * w) for w in weights]


def series_colours(keys: Sequence[str]) -> dict[str, str]:
    """A colour a name, in their order; the sixteen colours repeat after the sixteenth."""
    return {name: _SERIES[index % len(_SERIES)] for index, name in enumerate(keys)}


def ordered_systems(case: Case) -> list[str]:
    """Systems of a case by vendor, and by first availability within a vendor."""
    systems = {offer.system.id: offer.system for offer in case.offers}

    def place(name: str) -> tuple[str, float]:
        first = systems[name].first_available
        return systems[name].vendor, first.value if first else np.inf

    return sorted(systems, key=place)


def system_colours(case: Case) -> dict[str, str]:
    """One hue a vendor, darker with each generation."""
    vendors = {offer.system.id: offer.system.vendor for offer in case.offers}
    order = ordered_systems(case)
    spare = [c for c in _SERIES if c not in _HUES.values()]
    found: dict[str, str] = {}
    for index, vendor in enumerate(sorted(set(vendors.values()))):
        own = [name for name in order if vendors[name] == vendor]
        found |= dict(zip(own, shades(_HUES.get(vendor, spare[index % len(spare)]), len(own)), strict=True))
    return found


def system_label(case: Case, name: str) -> str:
    """Name of a system, for a figure."""
    return plain(names.system_name(case, name))


def site_label(case: Case, name: str) -> str:
    """Name of a site, for a figure."""
    return plain(names.site_name(case, name))


def class_label(case: Case, name: str) -> str:
    """Name of a class of demand, for a figure."""
    return plain(names.class_name(case, name))


def party_label(case: Case, name: str) -> str:
    """Name of a party of the ledger, for a figure."""
    return plain(names.party_name(case, name))


def plain(text: str) -> str:
    """Text that a figure shows as it is: plotly reads a few tags."""
    return escape(text, quote=False)


def listed(words: Iterable[str]) -> str:
    """Names as a sentence lists them."""
    rows = list(words)
    return " and ".join([", ".join(rows[:-1]), rows[-1]] if len(rows) > 1 else rows)


def layout(title: str, subtitle: str, *, height: int = 470, headroom: int = 0) -> go.Layout:
    """Layout all figures share; title and subtitle wrap at 1000 px, and the margin makes room for them.

    ``height`` is that of the figure below its title, ``headroom`` what the panels' own titles need [px].
    """
    heads, subs = textwrap.wrap(title, 92), textwrap.wrap(subtitle, 132)
    top = 26 + 25 * len(heads) + 18 * len(subs) + headroom
    return go.Layout(
        title={
            "text": "<br>".join(heads),
            "x": 0.0,
            "xref": "container",
            "xanchor": "left",
            "y": 1.0,
            "yref": "container",
            "yanchor": "top",
            "pad": {"l": 12, "t": 14},
            "font": {"size": 19, "color": INK, "weight": 650},
            "subtitle": {"text": "<br>".join(subs), "font": {"size": 13, "color": SOFT, "weight": 400}},
        },
        height=height + top,
        margin={"l": 12, "r": 18, "t": top, "b": 12},
        font={"family": FONT, "size": 13, "color": INK},
        paper_bgcolor="white",
        plot_bgcolor="white",
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": -0.16,
            "yanchor": "top",
            "font": {"size": 12.5},
            "traceorder": "normal",
            "itemclick": "toggle",
            "title": {"text": ""},
        },
        hoverlabel={
            "bgcolor": "white",
            "bordercolor": LINE,
            "font": {"family": FONT, "size": 12.5, "color": INK},
        },
        barmode="stack",
        bargap=0.18,
        separators=".,",
        meta={"headroom": headroom},
    )


def value_axis(title: str, **more: Any) -> dict[str, Any]:
    """Axis of a value: its title names the unit."""
    return {
        "title": {"text": title, "font": {"size": 12.5, "color": SOFT}, "standoff": 10},
        "gridcolor": GRID,
        "zerolinecolor": LINE,
        "zerolinewidth": 1,
        "automargin": True,
        "tickfont": {"color": SOFT},
        "rangemode": "tozero",
    } | more


def quarter_axis(labels: Sequence[str], **more: Any) -> dict[str, Any]:
    """Axis of quarters: each named where few, every first quarter where many."""
    few = len(labels) <= 16
    number = {q: year_and_number(q)[1] for q in labels}
    shown = [q for i, q in enumerate(labels) if few or number[q] == 1 or (i == 0 and number[q] == 2)]
    dated = {q for i, q in enumerate(shown) if not few or i == 0 or number[q] == 1}
    text = [f"Q{number[q]}<br>{year_and_number(q)[0]}" if q in dated else f"Q{number[q]}" for q in shown]
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": list(labels),
        "tickvals": shown,
        "ticktext": text,
        "tickangle": 0,
        "tickfont": {"color": SOFT, "size": 12},
        "linecolor": LINE,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": LINE,
        "showgrid": False,
        "automargin": True,
        "range": [-0.6, len(labels) - 0.4],
    } | more


def name_axis(words: Sequence[str], **more: Any) -> dict[str, Any]:
    """Axis of names, the first on top."""
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": list(reversed(words)),
        "automargin": True,
        "tickfont": {"size": 13},
        "ticklabelstandoff": 6,
        "linecolor": LINE,
        "showgrid": False,
    } | more


def bars(x: Sequence[str], y: Floats, name: str, colour: str, hover: str, **more: Any) -> go.Bar:
    """Bars with a thin white edge, so that neighbours in a stack stay apart; no bar for 0."""
    return go.Bar(
        x=list(x),
        y=[float(v) if v else None for v in y],
        name=name,
        marker={"color": colour, "line": {"color": "white", "width": 0.6}},
        hovertemplate=hover + "<extra></extra>",
        **more,
    )


def steps(x: Sequence[str], y: Floats, name: str, hover: str, *, colour: str = INK, dash: str = "solid") -> go.Scatter:
    """A step line over quarters."""
    return go.Scatter(
        x=list(x),
        y=[float(v) if np.isfinite(v) else None for v in y],
        name=name,
        mode="lines",
        line={"color": colour, "width": 2, "dash": dash, "shape": "hvh"},
        hovertemplate=hover + "<extra></extra>",
    )


def heading(figure: go.Figure) -> tuple[str, str]:
    """(title, subtitle) of a figure on one line each, as HTML text, for a page that sets them itself."""
    title = figure.layout.title
    first, second = (escape(unescape((text or "").replace("<br>", " "))) for text in (title.text, title.subtitle.text))
    return first, second
