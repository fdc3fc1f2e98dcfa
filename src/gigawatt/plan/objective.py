"""What the plan minimises: discounted cost, and the value of what is not served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gigawatt.plan.cashflow import outflow
from gigawatt.plan.variables import has, term

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs


def objective(m: linopy.Model, d: PlanInputs) -> None:
    """min sum_q discount[q] (spending + unmet + gated + delayed + late + interest) + gap premium - salvage   [MUSD]

    Money still to be found costs ``gap_premium`` for every quarter from its quarter to the end. Salvage is what the
    systems and buildings are still worth at the end: capex x remaining / economic life.
    """
    cost = (outflow(m, d) * d.discount).sum()
    cost = cost + (term(m, "unmet") * d.hours_frac * d.unmet_musd * d.discount).sum()
    if has(m, "gated"):
        cost = cost + (term(m, "gated") * d.hours_frac * d.gate_musd * d.discount).sum()
    if has(m, "delay"):
        cost = cost + (term(m, "delay") * d.delay_musd * d.discount).sum()
    if has(m, "late"):
        cost = cost + (term(m, "late") * d.commitment_penalty_musd.fillna(0.0) * d.discount).sum()
    if has(m, "debt"):
        cost = cost + (term(m, "debt") * d.credit_rate * d.discount).sum()
    cost = cost + (term(m, "gap") * d.gap_musd).sum()
    cost = cost - (term(m, "add") * d.salvage_musd_per_mw).sum()
    cost = cost - (term(m, "energise") * d.site_salvage_musd_per_mw).sum()
    m.add_objective(cost)
