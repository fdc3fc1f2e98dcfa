"""Picture and table of other plans: how far each group can go for a little more money."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from gigawatt.core.errors import ScenarioError
from gigawatt.report.style import (
    BLUE,
    INK,
    SOFT,
    layout,
    name_axis,
    party_label,
    shades,
    site_label,
    system_label,
    value_axis,
)
from gigawatt.report.terminal import add_row, table_of

if TYPE_CHECKING:
    from rich.table import Table

    from gigawatt.plan.alternatives import Alternative, Alternatives
    from gigawatt.study.resolve import Case

_LABELS = {"site": site_label, "system": system_label, "vendor": party_label, "provider": party_label}


def label(case: Case, one: Alternative) -> str:
    """A group as a reader knows it."""
    return _LABELS[one.by](case, one.name)


def rows(found: Alternatives) -> list[dict[str, Any]]:
    """For JSON: GW are facility power that stands at the date; what cannot be done without costs null."""
    return [
        {
            "by": one.by, "name": one.name, "planned_gw": one.planned_gw,
            "spans": [{"within": s.within_frac, "least_gw": s.least_gw, "most_gw": s.most_gw} for s in one.spans],
            "without_usd": one.without_musd * 1e6 if math.isfinite(one.without_musd) else None,
            "forbidden_by": one.forbidden_by,
        }
        for one in found.groups
    ]  # fmt: skip


def table(case: Case, found: Alternatives) -> Table:
    """Terminal table, a group a row."""
    slacks = [span.within_frac for span in found.groups[0].spans] if found.groups else []
    heads = [("", "left", 0), (f"planned GW, {found.at}", "right", 0)]
    heads += [(_within(slack), "right", 0) for slack in slacks]
    name = case.scenario.name
    out = table_of([*heads, ("without it", "left", 1)], title=f"Other plans of {name}, facility GW in use")
    for one in found.groups:
        add_row(out, [label(case, one), f"{one.planned_gw:.2f}",
                      *(f"{s.least_gw:.2f} to {s.most_gw:.2f}" for s in one.spans), without(one, found)])  # fmt: skip
    return out


def _within(slack: float) -> str:
    return f"within {100.0 * slack:.3g}%"


def without(one: Alternative, found: Alternatives) -> str:
    """What doing without a group costs, in words."""
    if not math.isfinite(one.without_musd):
        return f"not possible: {one.forbidden_by}"
    if one.without_musd < 0.5:
        return "costs nothing"
    share = one.without_musd / abs(found.objective_musd) if found.objective_musd else math.nan
    return f"costs ${one.without_musd / 1e3:,.1f} billion more ({share:.1%})"


def figure(case: Case, found: Alternatives) -> go.Figure:
    """Bars from the least to the most of each group, darker where it costs less; a mark at the plan."""
    groups = sorted(found.groups, key=lambda one: (one.by, one.planned_gw))
    words = [label(case, one) for one in groups]
    slacks = [span.within_frac for span in groups[0].spans] if groups else []
    tones = shades(BLUE, len(slacks) + 1)
    out = go.Figure(layout=layout(
        f"How far other plans can go, {found.at}",
        "facility GW in use, least to most, for so much more than the cheapest plan, which the mark shows",
        height=140 + 26 * len(groups),
    ))  # fmt: skip
    for place in reversed(range(len(slacks))):  # the widest first, the narrower and darker ones on top
        spans = [one.spans[place] for one in groups]
        out.add_bar(
            y=words, x=[s.most_gw - s.least_gw for s in spans], base=[s.least_gw for s in spans], orientation="h",
            name=_within(slacks[place]), marker_color=tones[len(slacks) - place],
            width=0.36 + 0.36 * place / len(slacks),
            customdata=[[s.least_gw, s.most_gw] for s in spans],
            hovertemplate="%{y}: %{customdata[0]:.2f} to %{customdata[1]:.2f} GW<extra>%{fullData.name}</extra>",
        )  # fmt: skip
    out.add_scatter(
        y=words, x=[one.planned_gw for one in groups], mode="markers", name="cheapest plan",
        marker={"symbol": "line-ns", "size": 16, "line": {"width": 3, "color": INK}},
        hovertemplate="%{y}: %{x:.2f} GW<extra>cheapest plan</extra>",
    )  # fmt: skip
    for one, word in zip(groups, words, strict=True):
        most = max([one.planned_gw, *(s.most_gw for s in one.spans)])
        out.add_annotation(y=word, x=most, text=_short(one), showarrow=False, xanchor="left", xshift=8,
                           font={"size": 11, "color": SOFT})  # fmt: skip
    out.update_layout(barmode="overlay", xaxis=value_axis("GW", rangemode="tozero"), yaxis=name_axis(words))
    return out


def _short(one: Alternative) -> str:
    if not math.isfinite(one.without_musd):
        return "cannot be left out"
    return f"without: +${one.without_musd / 1e3:,.1f}B" if one.without_musd >= 50.0 else "without: free"


def write_figure(out: go.Figure, folder: Path, name: str) -> Path:
    """Path of a page that holds the figure and needs no network. Raises ScenarioError where it cannot be written."""
    path = folder / f"{name}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        out.write_html(path, include_plotlyjs=True, full_html=True)
    except OSError as error:
        raise ScenarioError(f"cannot write {path}: {error.strerror}; choose another folder") from error
    return path


__all__: Sequence[str] = ("figure", "label", "rows", "table", "without", "write_figure")
