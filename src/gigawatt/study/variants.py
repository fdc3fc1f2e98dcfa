"""The same case planned again with something switched: what a right costs, what an event does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gigawatt.plan.extract import extract
from gigawatt.plan.flows import waived
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.solve import open_plan, solve
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.measure import needed_facility_w
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.results import Results

Floats = npt.NDArray[np.float64]


def without_commitments(inputs: PlanInputs) -> PlanInputs:
    """The same with no commitment of the buyer; what it holds, owes as minimum take and grants as right stays."""
    return replace(
        inputs, commitment_mw=inputs.commitment_mw * 0.0, terms=replace(inputs.terms, late=None),
        rates=waived(inputs.rates, "delay-damages", "commitment"),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A plan of a changed case: its discounted cost [USD], facility GW accepted and needed, and equity paid [USD]."""

    case: Case
    objective_usd: float
    accepted_gw: Floats
    needed_gw: Floats
    tranche_usd: Floats
    mip_gap: float


def variant(results: Results, *, events: Sequence[str] | None = None, without_right: str | None = None) -> Variant:
    """Plan of the run's scenario with other events on, or without one of its rights.

    Raises what a run raises; InfeasibleError where the change leaves no plan.
    """
    scenario = results.case.scenario
    if without_right is not None:
        kept = tuple(right for right in scenario.rights if right.id != without_right)
        scenario = scenario.model_copy(update={"rights": kept})
    case = resolve(scenario, results.case.catalog, results.case.events_on if events is None else events)
    plan = extract(solve(open_plan(plan_inputs(case))))
    return Variant(
        case=case,
        objective_usd=float(plan.attrs["objective_usd"]),
        accepted_gw=plan["accepted_facility_w"].sum("offer").values / 1e9,
        needed_gw=needed_facility_w(case, plan).values / 1e9,
        tranche_usd=plan["tranche_usd"].values,
        mip_gap=float(plan.attrs["mip_gap"]),
    )
