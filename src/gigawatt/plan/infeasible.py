"""Why no plan exists: the families in conflict, and the smallest relaxation that would let one exist."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gigawatt.plan.algebra import Model
from gigawatt.plan.live import LivePlan, hand_off, integer_columns, set_integer

WORDS = {
    "minimum_take": ("a contract's minimum take", "MW of IT"),
    "term": ("contract terms", "MW of IT"),
    "option": ("options not exercised", "MW of IT"),
    "connection": ("energised connections", "MW of facility power"),
    "site_power": ("site power", "MW of facility power"),
    "supply": ("vendor supply", "packages"),
    "capacity": ("capacity of the pools", "MW of IT"),
    "gating": ("gating policy", "Mwork/s"),
    "gang": ("gangs for training", "MW of IT"),
    "commitment": ("commitments", "MW"),
    "right": ("rights", "MW of IT"),
    "milestone": ("milestones", "GW"),
    "cash": ("cash", "MUSD"),
}
"""Families a user can relax, with the unit of their right-hand side. Stock and demand are bookkeeping."""


def family_of(constraint: str) -> str:
    """Family of a constraint's name: "right_rofr" belongs to "right"."""
    return next((name for name in WORDS if constraint == name or constraint.startswith(name + "_")), constraint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A row that gives way in the smallest relaxation, by how much and from what, in its family's unit."""

    family: str
    label: str
    short: float
    size: float

    @property
    def words(self) -> str:
        """The row as a reader knows it."""
        return f"{WORDS[self.family][0]} ({self.label})"


def given_way(plan: LivePlan) -> list[Broken]:
    """Rows that give way in the smallest relaxation, the most of their right-hand side first; empty if none was found.

    Minimises the sum of violations of the relaxable rows, each as a share of its right-hand side, with every other
    row and all bounds as the solver holds them.
    """
    highs, model = plan.highs, plan.model
    held = highs.getLp()
    lower, upper = np.asarray(held.row_lower_), np.asarray(held.row_upper_)
    penalty = np.full(len(lower), -1.0)
    family: dict[int, str] = {}
    size = np.where(np.isfinite(lower), np.abs(lower), 0.0)
    size = np.maximum(size, np.where(np.isfinite(upper), np.abs(upper), 0.0))
    for block in model.constraints.values():
        if (name := family_of(block.name)) in WORDS:
            rows = block.index[block.index >= 0]
            penalty[rows] = 1.0 / np.maximum(1.0, size[rows])
            family |= dict.fromkeys(rows.tolist(), name)
    highs.feasibilityRelaxation(-1.0, -1.0, -1.0, None, None, penalty)
    values = np.asarray(highs.getSolution().row_value)
    if len(values) != len(lower):
        return []
    short = np.maximum(lower - values, 0.0) + np.maximum(values - upper, 0.0)
    names = model.row_names()
    return [
        Broken(
            family=family[row], short=float(short[row]), size=float(size[row]),
            label=names[row].partition("(")[2].rstrip(")").replace(",", ", "),
        )
        for _, row in sorted((-round(short[row] * penalty[row], 9), row) for row in family if short[row] > 1e-5)
    ]  # fmt: skip


def explain_infeasible(plan: LivePlan, most: int = 6) -> str:
    """Sentences: conflicting families, then what would have to give, where and by how much."""
    broken = given_way(plan)
    if not broken:
        return "no plan exists, and the solver found no relaxation of the scenario's own limits that would allow one."
    families = conflicting_families(plan.model) or list(dict.fromkeys(one.family for one in broken))
    words = f"{_both(families)} cannot all hold" if len(families) > 1 else f"{_both(families)} cannot hold"
    lines = [f"no plan meets this scenario: {words}. The smallest relaxation that would let a plan exist:"]
    for one in broken[:most]:
        unit = WORDS[one.family][1]
        lines.append(f"  {one.words}: give way by {one.short:,.4g} {unit}, from {one.size:,.4g}")
    if len(broken) > most:
        lines.append(f"  and {len(broken) - most} more rows of the same families")
    return "\n".join(lines)


def conflicting_families(model: Model) -> list[str]:
    """Smallest set of families that cannot hold together: without any one of them the others can.

    Families are let go one after another; what stays impossible without one did not need it.
    """
    present = [name for name in WORDS if any(family_of(rows.name) == name for rows in model.constraints.values())]
    kept = list(present)
    for name in present:
        without = [other for other in kept if other != name]
        if not _possible(model, without):
            kept = without
    return kept


def _possible(model: Model, families: list[str]) -> bool:
    """True where a plan exists under these families and the bookkeeping alone, gigawatts taken as divisible."""
    import highspy

    highs = hand_off(model)
    highs.changeColsCost(model.n_columns, np.arange(model.n_columns, dtype=np.int32), np.zeros(model.n_columns))
    set_integer(highs, integer_columns(model), whole=False)
    for rows in model.constraints.values():
        family = family_of(rows.name)
        if family in WORDS and family not in families:
            for row in rows.index[rows.index >= 0].tolist():
                highs.changeRowBounds(row, -highspy.kHighsInf, highspy.kHighsInf)
    highs.run()
    return bool(highs.getModelStatus() == highspy.HighsModelStatus.kOptimal)


def _both(families: list[str]) -> str:
    words = [WORDS[name][0] for name in families]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
