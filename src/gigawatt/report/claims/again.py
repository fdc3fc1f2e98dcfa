"""Rows that plan again: what a right costs, what an event does to cost, dates and need."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gigawatt.core.calendar import str_quarter
from gigawatt.core.errors import InfeasibleError
from gigawatt.plan.extract import extract
from gigawatt.plan.solve import open_plan, solve
from gigawatt.report.claims.model import ABOUT, Claim, Topic, apart
from gigawatt.report.claims.view import View
from gigawatt.study.change import Change, Switched, Without, apply
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.measure import needed_facility_w
from gigawatt.study.scenario import Event

Floats = npt.NDArray[np.float64]

LEAST_GW = 0.01
"""Changes of capacity below this are not worth a row."""


class Figures(NamedTuple):
    """What is compared of two plans: discounted cost [USD], facility GW accepted and needed, equity paid [USD]
    (quarter), and the gap of whole numbers.
    """

    usd: float
    accepted_gw: Floats
    needed_gw: Floats
    tranche_usd: Floats
    mip_gap: float


def _after(view: View, change: Change) -> Figures:
    """Figures of the run's case planned again after a change. Raises InfeasibleError where that leaves no plan."""
    case = apply(view.case, [change])
    plan = extract(solve(open_plan(plan_inputs(case))))
    accepted = plan["accepted_facility_w"].sum("offer").values / 1e9
    return Figures(
        float(plan.attrs["objective_usd"]), accepted, needed_facility_w(case, plan).values / 1e9,
        plan["tranche_usd"].values, float(plan.attrs["mip_gap"]),
    )  # fmt: skip


def right_cost(view: View, topic: Topic, right: str) -> Claim:
    """Discounted cost that a right adds: the plan with it less one without it."""
    reading = f"cost of the right {right}: this plan less a plan without it"
    try:
        without = _after(view, Without(kind="right", id=right))
    except InfeasibleError:
        return topic.refuse(f"no plan exists without the right {right}")
    cost = (view.results.summary["objective_usd"] - without.usd) / 1e9
    return topic.aside(_with_noise(reading, _noise(view, without)), cost, "the statement names no cost", unit="USD bn")


def event_rows(view: View, topic: Topic, event: Event, *, asks_need: bool = False) -> list[Claim]:
    """What an event changes, planned again with it switched over: cost, acceptance, need, money.

    A statement that speaks of need asks for a change by ``ABOUT`` of it; the rest stands beside what is stated.
    """
    on = event.id in view.case.events_on
    try:
        there = _after(view, Switched(id=event.id, on=not on))
    except InfeasibleError:
        return [topic.refuse(f"no plan exists with the event {event.id} {'off' if on else 'on'}")]
    here = Figures(view.results.summary["objective_usd"], view.accepted_gw.sum(axis=0), _needed(view),
                   view.plan["tranche_usd"].values, float(view.plan.attrs["mip_gap"]))  # fmt: skip
    before, after = (there, here) if on else (here, there)
    sign = f"with the event {event.id}, planned again"
    rows = [
        topic.aside(_with_noise(f"change of discounted cost {sign}", _noise(view, there)),
                    (after.usd - before.usd) / 1e9, "the statement names no cost", unit="USD bn")
    ]  # fmt: skip
    change, label = _largest(view, after.accepted_gw - before.accepted_gw)
    if abs(change) > LEAST_GW:
        reading = f"change of GW accepted in {label}, where it is largest, {sign}"
        rows.append(topic.aside(reading, change, "the statement names no capacity", unit="GW"))
    change, label = _largest(view, after.needed_gw - before.needed_gw)
    reading = f"change of demand-driven GW in {label}, where it is largest, {sign}"
    if asks_need:
        need = before.needed_gw[view.case.labels.index(label)]
        rows.append(topic.row(reading, change, apart(ABOUT * float(need)), unit="GW"))
    elif abs(change) > LEAST_GW:
        rows.append(topic.aside(reading, change, "the statement names no need", unit="GW"))
    if before.tranche_usd.sum() > 0.5 and after.tranche_usd.sum() > 0.5:
        late = 3.0 * (_mean_quarter(after.tranche_usd) - _mean_quarter(before.tranche_usd))
        reading = f"mean delay of the milestone equity, {sign}"
        rows.append(topic.aside(reading, late, "the statement names no payment", unit="months"))
    return rows


def _largest(view: View, change: Floats) -> tuple[float, str]:
    """The largest change up or down, and its quarter."""
    most = int(np.argmax(np.abs(change)))
    return float(change[most]), str_quarter(view.case.quarters[most])


def _needed(view: View) -> Floats:
    return np.array(list(view.results.summary["demand_driven_gw_by_quarter"].values()))


def _noise(view: View, other: Figures) -> float:
    """USD bn that the integer gaps of the two plans allow for without meaning anything."""
    gap = max(float(view.plan.attrs["mip_gap"]), other.mip_gap)
    return float(max(0.01, gap * abs(view.results.summary["objective_usd"]) / 1e9))


def _with_noise(reading: str, within: float) -> str:
    return f"{reading} (integer gap {within:.2g})"


def _mean_quarter(usd: Floats) -> float:
    return float(np.average(np.arange(len(usd)), weights=usd))
