"""Figures of capacity: what is accepted where, against which power, from whom, and for which work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
import xarray as xr

from gigawatt.core.units import pretty
from gigawatt.report.money_figures import (
    capex_per_gw,
    cash,
    cost_per_mtok,
    sources_and_uses,
)
from gigawatt.report.panels import commitments, site_power
from gigawatt.report.sankey import sankey
from gigawatt.report.style import (
    BLUE,
    INK,
    LINE,
    ORANGE,
    SAND,
    SOFT,
    Floats,
    Scale,
    bars,
    class_label,
    count_scale,
    layout,
    name_axis,
    ordered_systems,
    plain,
    power_scale,
    quarter_axis,
    series_colours,
    site_label,
    steps,
    system_colours,
    system_label,
    value_axis,
)
from gigawatt.study.cash import daily_mean
from gigawatt.study.resolve import Case
from gigawatt.study.results import Results

__all__ = [
    "capex_per_gw",
    "cash",
    "classes_by_system",
    "commitments",
    "cost_per_mtok",
    "demand_and_idle",
    "gw_by_site",
    "gw_by_vendor",
    "packages_and_dies",
    "sankey",
    "site_power",
    "sources_and_uses",
]
NOTHING_W = 1e3


def gw_by_vendor(results: Results) -> go.Figure:
    """Facility power accepted since the start, stacked by vendor and system, against energised power.

    What stands in providers' buildings, whose connection is not stated, is hatched and on top.
    """
    case = results.case
    colours, stated = system_colours(case), _stated(results.plan)
    stacks = []
    for here, where in ((True, ""), (False, ", at providers")):
        accepted = _by(results.plan["accepted_facility_w"], "system", stated == here)
        order = [name for name in ordered_systems(case) if name in accepted]
        stacks += [
            Stack(system_label(case, name) + where, accepted[name], colours[name], hatched=not here) for name in order
        ]
    return _accepted(
        results, stacks, _accepted_title(case.labels, _total(results, stacks)), "by system, one hue a vendor"
    )


def gw_by_site(results: Results) -> go.Figure:
    """Facility power accepted since the start, stacked by site, against energised power."""
    stacks, stated = [], _stated(results.plan)
    colours = series_colours([str(name) for name in results.plan["site"].values])
    for here in (True, False):
        accepted = _by(results.plan["accepted_facility_w"], "at_site", stated == here)
        order = [name for name in colours if name in accepted]
        stacks += [
            Stack(site_label(results.case, name), accepted[name], colours[name], hatched=not here) for name in order
        ]
    return _accepted(results, stacks, _by_site_title(stacks), "by site")


@dataclass(frozen=True, slots=True)
class Stack:
    """One colour of a stack of bars, by quarter [W]; hatched where no connection is stated."""

    name: str
    watts: Floats
    colour: str
    hatched: bool


def _stated(plan: xr.Dataset) -> npt.NDArray[np.bool_]:
    """Offers at sites with a stated connection."""
    finite = np.isfinite(plan["connection_w"].transpose("site", "quarter").values).all(axis=1)
    sites = {str(name) for name in plan["site"].values[finite]}
    return np.array([str(name) in sites for name in plan["at_site"].values], dtype=bool)


def _total(results: Results, stacks: list[Stack]) -> Floats:
    return sum((stack.watts for stack in stacks), np.zeros(len(results.case.quarters)))


def _by_site_title(stacks: list[Stack]) -> str:
    if not stacks:
        return "No new capacity is accepted"
    most = max(stacks, key=lambda stack: stack.watts[-1])
    amount = pretty(float(most.watts[-1]), "W")
    if len(stacks) == 1:
        return f"{most.name} takes all of it, {amount}"
    return f"{len(stacks)} sites take it, the most at {most.name} ({amount})"


def _by(values: xr.DataArray, group: str, some: npt.NDArray[np.bool_]) -> dict[str, Floats]:
    """Sums over some offers that share a coordinate, where there is anything."""
    names, watts = values[group].values.astype(str), values.transpose("offer", "quarter").values
    sums = {str(key): watts[(names == key) & some].sum(axis=0) for key in np.unique(names)}
    return {key: row for key, row in sums.items() if np.abs(row).max() > NOTHING_W}


def _accepted(results: Results, stacks: list[Stack], title: str, split: str) -> go.Figure:
    case, plan = results.case, results.plan
    labels, total = list(case.labels), _total(results, stacks)
    finite = np.isfinite(plan["connection_w"].values).all(axis=1)
    connected = plan["connection_w"].values[finite].sum(axis=0) if finite.any() else None
    committed = plan["committed_w"].transpose("commitment", "quarter").values
    scale = power_scale(max(total.max(), 0.0 if connected is None else connected.max()))
    subtitle = f"Facility power accepted since {labels[0]}, {split}."
    if connected is not None:
        subtitle += f" Line: power energised at {_sites(int(finite.sum()))} with a stated connection"
        stood = _stood_w(plan, case)
        subtitle += (
            f", of which {pretty(stood, 'W')} carried older capacity at the start." if stood > NOTHING_W else "."
        )
        beside = sum((stack.watts for stack in stacks if not stack.hatched), np.zeros(len(labels)))
        subtitle += " Systems that replace older ones count again." if (beside > 1.001 * connected).any() else ""
    if any(stack.hatched for stack in stacks):
        subtitle += " Hatched: in providers' buildings, beside the line."
    single = len(committed) == 1 and case.scenario.commitments[0].basis == "facility"
    figure = go.Figure(layout=layout(title, subtitle + (" Diamonds: committed schedule." if single else "")))
    hover = f"%{{fullData.name}}<br>%{{x}}: %{{y:.4~g}} {scale.unit}"
    for stack in stacks:
        bar = bars(labels, scale.of(stack.watts), stack.name, stack.colour, hover)
        if stack.hatched:
            bar.marker.pattern = {"shape": "/", "size": 6, "solidity": 0.25, "fgcolor": "white"}
        figure.add_trace(bar)
    if connected is not None:
        figure.add_trace(steps(labels, scale.of(connected), "Energised power", hover, colour=INK, dash="4px,3px"))
    if single:
        figure.add_trace(_schedule(case, committed[0], scale))
    figure.update_xaxes(quarter_axis(labels))
    figure.update_yaxes(value_axis(f"facility power [{scale.unit}]"))
    return figure


def _sites(n: int) -> str:
    return f"{n} sites" if n != 1 else "one site"


def _stood_w(plan: xr.Dataset, case: Case) -> float:
    """Facility power before the first quarter at sites with a stated connection [W]."""
    return float((plan["initial_w"].values * case.facility_over_it)[_stated(plan)].sum())


def _accepted_title(labels: Sequence[str], total: Floats) -> str:
    if total.max() <= NOTHING_W:
        return "No new capacity is accepted"
    last = labels[int(np.argmax(total >= total[-1] - NOTHING_W))]
    title = f"{pretty(float(total[-1]), 'W')} accepted by {last}"
    first = int(np.argmax(total >= 1e9 * (1 - 1e-6)))
    if total[-1] >= 1.5e9:
        return f"{title}, the first gigawatt in {labels[first]}"
    return f"{title}, the first of it in {labels[int(np.argmax(total > NOTHING_W))]}"


def _schedule(case: Case, values: Floats, scale: Scale) -> go.Scatter:
    """Marks of the one commitment, where its schedule rises."""
    due = np.flatnonzero(np.diff(values, prepend=0.0) > NOTHING_W)
    name = plain(case.scenario.commitments[0].id)
    return go.Scatter(
        x=[case.labels[i] for i in due],
        y=scale.of(values[due]).tolist(),
        name=f"Committed: {name}",
        mode="markers",
        marker={"symbol": "diamond", "size": 10, "color": "white", "line": {"color": "#b3261e", "width": 2.2}},
        hovertemplate=f"{name}<br>due by %{{x}}: %{{y:.4~g}} {scale.unit}<extra></extra>",
    )


def packages_and_dies(results: Results) -> go.Figure:
    """Packages accepted since the start, stacked by system, and the dies in them."""
    case, plan = results.case, results.plan
    labels = list(case.labels)
    accepted = plan["packages_accepted"].transpose("offer", "quarter")
    per_package = np.array([o.system.package.n_dies.value if o.system.package else 1.0 for o in case.offers])
    dies = (accepted.values * per_package[:, None]).sum(axis=0)
    rows = {key: row for key, row in _sums(accepted).items() if row.max() >= 0.5}
    packages = sum(rows.values(), np.zeros(len(labels)))
    scale, colours = count_scale(float(dies.max())), system_colours(case)
    unit = f"{scale.unit} " if scale.unit else ""
    figure = go.Figure(
        layout=layout(
            f"{pretty(float(packages[-1]))} packages hold {pretty(float(dies[-1]))} dies: say which a GPU is"
            if packages[-1] >= 0.5
            else "No packages are accepted",
            f"Accepted since {labels[0]}. A package fills a socket; NVL72 counts packages, NVL144 of 2025 "
            "counted the dies of the same rack.",
        )
    )
    for name in (name for name in ordered_systems(case) if name in rows):
        figure.add_trace(
            bars(
                labels,
                scale.of(rows[name]),
                f"Packages, {system_label(case, name)}",
                colours[name],
                f"%{{fullData.name}}<br>%{{x}}: %{{y:.4~g}} {unit}",
            )
        )
    figure.add_trace(
        steps(labels, scale.of(dies), "Dies, all systems", f"Dies<br>%{{x}}: %{{y:.4~g}} {unit}", colour=ORANGE)
    )
    figure.update_xaxes(quarter_axis(labels))
    figure.update_yaxes(value_axis(f"packages, dies [{scale.unit}]" if scale.unit else "packages, dies"))
    return figure


def _sums(values: xr.DataArray) -> dict[str, Floats]:
    names = values["system"].values
    return {str(key): values.values[names == key].sum(axis=0) for key in np.unique(names)}


def demand_and_idle(results: Results) -> go.Figure:
    """Facility power that demand makes necessary, and what stands beyond it, by quarter."""
    labels, figures = list(results.case.labels), results.summary
    needed = np.array([figures["demand_driven_gw_by_quarter"][q] for q in labels]) * 1e9
    idle = np.array([figures["committed_idle_gw_by_quarter"][q] for q in labels]) * 1e9
    scale = power_scale(float((needed + idle).max()))
    most = int(np.argmax(idle))
    title = "Demand needs all that stands"
    if idle[most] > 0.001 * (needed + idle).max():
        title = f"Up to {pretty(float(idle[most]), 'W')} stand idle beyond demand, most in {labels[most]}"
    subtitle = "Facility power that stands: what the busiest hours need, with reserve, and what is held beyond it."
    if "gw_without_commitments_by_quarter" in figures:
        by = labels[most if idle[most] > NOTHING_W else -1]
        free, whole = figures["gw_without_commitments_by_quarter"][by], figures["gw_by_quarter"][by]
        subtitle += f" Without commitments {_gw(free)} would be accepted by {by}, not {_gw(whole)}."
    figure = go.Figure(layout=layout(title, subtitle))
    hover = f"%{{fullData.name}}<br>%{{x}}: %{{y:.4~g}} {scale.unit}"
    figure.add_trace(bars(labels, scale.of(needed), "Demand-driven", BLUE, hover))
    if idle.max() > NOTHING_W:
        figure.add_trace(bars(labels, scale.of(idle), "Committed or held, idle", SAND, hover))
    figure.update_xaxes(quarter_axis(labels))
    figure.update_yaxes(value_axis(f"facility power [{scale.unit}]"))
    return figure


def _gw(value: float) -> str:
    return pretty(value * 1e9, "W")


def classes_by_system(results: Results) -> go.Figure:
    """IT power at work for each class in the last quarter, mean over the day, stacked by system."""
    case, plan = results.case, results.plan
    last = daily_mean(case, plan["assign_w"].isel(quarter=-1)).values
    systems = plan["lane_system"].values.astype(str)
    classes = plan["lane_workload"].values.astype(str)
    totals = {item.id: float(last[classes == item.id].sum()) for item in case.classes}
    shown = sorted((name for name, watts in totals.items() if watts > NOTHING_W), key=lambda name: -totals[name])
    if not shown:
        return go.Figure(layout=layout("No class runs in the last quarter", ""))
    scale, colours = power_scale(max(totals.values())), system_colours(case)
    share = totals[shown[0]] / sum(totals.values())
    title = f"{class_label(case, shown[0])} takes {100 * share:.0f} % of the IT power at work in {case.labels[-1]}"
    figure = go.Figure(
        layout=layout(
            title,
            "IT power at work in the last quarter, mean over the day, by class and by the system it runs on.",
            height=130 + 36 * len(shown),
        )
    )
    names = {name: class_label(case, name) for name in shown}
    for system in ordered_systems(case):
        watts = np.array([last[(classes == name) & (systems == system)].sum() for name in shown])
        if watts.max() > NOTHING_W:
            figure.add_trace(
                go.Bar(
                    y=[names[name] for name in shown],
                    x=[float(value) if value else None for value in scale.of(watts)],
                    orientation="h",
                    name=system_label(case, system),
                    marker={"color": colours[system], "line": {"color": "white", "width": 0.6}},
                    hovertemplate=f"%{{y}} on %{{fullData.name}}: %{{x:.4~g}} {scale.unit}<extra></extra>",
                )
            )
    for name in shown:
        figure.add_annotation(
            x=float(scale.of(totals[name])),
            y=names[name],
            text=pretty(totals[name], "W"),
            showarrow=False,
            xanchor="left",
            xshift=5,
            font={"size": 12, "color": SOFT},
        )
    figure.update_yaxes(name_axis([names[name] for name in shown]))
    figure.update_xaxes(value_axis(f"IT power at work [{scale.unit}]", linecolor=LINE))
    figure.update_xaxes(range=[0, 1.12 * float(scale.of(max(totals.values())))])
    figure.update_layout(legend_y=-62 / (130 + 36 * len(shown) - 60), bargap=0.3)
    return figure
