"""The same case planned again with something switched: what a right costs, what an event does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gigawatt.plan.extract import extract
from gigawatt.plan.solve import open_plan, solve
from gigawatt.study.change import Change, Without, apply
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.measure import needed_facility_w
from gigawatt.study.resolve import Case
from gigawatt.study.results import Results

Floats = npt.NDArray[np.float64]


def without_commitments(case: Case) -> Case:
    """The case with no commitment of the buyer; what it holds, owes as minimum take and grants as right stays."""
    return apply(case, [Without(kind="commitment", id=row.id) for row in case.scenario.commitments])


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A plan of a changed case: its discounted cost [USD], facility GW accepted and needed, and equity paid [USD]."""

    case: Case
    objective_usd: float
    accepted_gw: Floats
    needed_gw: Floats
    tranche_usd: Floats
    mip_gap: float


def variant(results: Results, *changes: Change) -> Variant:
    """Plan of the run's case after changes.

    Raises what a run raises; InfeasibleError where the change leaves no plan.
    """
    case = apply(results.case, changes)
    plan = extract(solve(open_plan(plan_inputs(case))))
    return Variant(
        case=case,
        objective_usd=float(plan.attrs["objective_usd"]),
        accepted_gw=plan["accepted_facility_w"].sum("offer").values / 1e9,
        needed_gw=needed_facility_w(case, plan).values / 1e9,
        tranche_usd=plan["tranche_usd"].values,
        mip_gap=float(plan.attrs["mip_gap"]),
    )
