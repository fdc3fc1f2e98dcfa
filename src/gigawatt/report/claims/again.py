"""Rows that plan again: what a right costs, what an event does to cost, dates and need."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gigawatt.core.calendar import str_quarter
from gigawatt.core.errors import InfeasibleError
from gigawatt.report.claims.model import Claim, Topic
from gigawatt.report.claims.view import View
from gigawatt.study.scenario import Event
from gigawatt.study.variants import Variant, variant

LEAST_GW = 0.01
"""Changes of capacity below this are not worth a row."""


def right_cost(view: View, topic: Topic, right: str, *, bites: str) -> Claim:
    """Discounted cost that a right adds: the plan with it less one without it; ``bites`` says when it would cost."""
    unit = "USD bn"
    reading = f"cost of the right {right}: this plan less a plan without it"
    try:
        without = variant(view.results, without_right=right)
    except InfeasibleError:
        return topic.refuse(f"no plan exists without the right {right}")
    cost = (view.results.summary["objective_usd"] - without.objective_usd) / 1e9
    within = _noise(view, without)
    verdict = "holds" if cost > within else f"holds if {bites}"
    return topic.row(_with_noise(reading, within), cost, verdict, unit=unit)


def event_rows(view: View, topic: Topic, event: Event) -> list[Claim]:
    """What an event changes, planned again with it switched over: cost, acceptance, need, money."""
    on = event.id in view.case.events_on
    events = [name for name in view.case.events_on if name != event.id] if on else [*view.case.events_on, event.id]
    try:
        other = variant(view.results, events=events)
    except InfeasibleError:
        return [topic.refuse(f"no plan exists with the event {event.id} {'off' if on else 'on'}")]
    here = (
        view.results.summary["objective_usd"],
        view.accepted_gw.sum(axis=0),
        _needed(view),
        view.plan["tranche_usd"].values,
    )
    there = (other.objective_usd, other.accepted_gw, other.needed_gw, other.tranche_usd)
    (before, after) = (there, here) if on else (here, there)
    sign, within = f"with the event {event.id}, planned again", _noise(view, other)
    cost = (after[0] - before[0]) / 1e9
    rows = [topic.row(_with_noise(f"change of discounted cost {sign}", within), cost,
                      "holds" if abs(cost) > within else "holds if more depends on it", unit="USD bn")]  # fmt: skip
    for what, change in (("GW accepted", after[1] - before[1]), ("demand-driven GW", after[2] - before[2])):
        most = int(np.argmax(np.abs(change)))
        if abs(change[most]) > LEAST_GW:
            label = str_quarter(view.case.quarters[most])
            reading = f"change of {what} in {label}, where it is largest, {sign}"
            rows.append(topic.row(reading, float(change[most]), "holds", unit="GW"))
    if before[3].sum() > 0.5 and after[3].sum() > 0.5:
        late = _mean_quarter(after[3]) - _mean_quarter(before[3])
        rows.append(topic.row(f"mean delay of the milestone equity, {sign}", 3.0 * late,
                              "holds" if late > 0.01 else "fails", unit="months"))  # fmt: skip
    return rows


def _needed(view: View) -> npt.NDArray[np.float64]:
    return np.array(list(view.results.summary["demand_driven_gw_by_quarter"].values()))


def _noise(view: View, other: Variant) -> float:
    """USD bn that the integer gaps of the two plans allow for without meaning anything."""
    gap = max(float(view.plan.attrs["mip_gap"]), other.mip_gap)
    return float(max(0.01, gap * abs(view.results.summary["objective_usd"]) / 1e9))


def _with_noise(reading: str, within: float) -> str:
    return f"{reading} (integer gap {within:.2g})"


def _mean_quarter(usd: npt.NDArray[np.float64]) -> float:
    return float(np.average(np.arange(len(usd)), weights=usd))
