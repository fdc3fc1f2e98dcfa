"""Why no plan exists: the families in conflict, and the smallest relaxation that would let one exist."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gigawatt.plan.algebra import Ints, Model
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
    "halls": ("whole halls", "halls"),
    "hosting": ("classes of halls", "MW of facility power"),
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


LUMPS = {
    "halls": ("whole halls", "smaller halls or a later date"),
    "opened": ("sites opened whole", "a larger connection"),
    "gang_at": ("a gang at one place", "fibre to another site, or a smaller gang"),
    "z": ("whole gigawatts", "linear release"),
}
"""What may come whole, and what would help where it cannot."""


def explain_whole(model: Model, time_limit_s: float = 20.0) -> str:
    """Sentence for a plan that exists with relaxed lumps only: which of them cannot be whole.

    One kind of lump after another is relaxed, without an objective, to see whether the others can be whole then.
    """
    import highspy

    guilty = []
    present = [name for name, variable in model.variables.items() if _is_integer(model, variable.columns)]
    for name in present:
        highs = hand_off(model)
        highs.changeColsCost(model.n_columns, np.arange(model.n_columns, dtype=np.int32), np.zeros(model.n_columns))
        columns = model.variables[name].columns.ravel()
        set_integer(highs, columns[columns >= 0], whole=False)
        highs.setOptionValue("time_limit", time_limit_s)
        highs.run()
        if highs.getInfo().primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible:
            guilty.append(name)
    named = guilty or present
    words = " and ".join(LUMPS[name][0] if name in LUMPS else name for name in named)
    hope = "; ".join(LUMPS[name][1] for name in named if name in LUMPS)
    return (
        f"no plan with whole lumps meets this scenario, while one with relaxed lumps does: {words} cannot be had. "
        f"What would help: {hope}; 'policy.lumps: relaxed' shows by how much each lump is off"
    )


def _is_integer(model: Model, columns: Ints) -> bool:
    live = columns[columns >= 0]
    return bool(live.size and np.concatenate(model.integer)[live].all())


def _both(families: list[str]) -> str:
    words = [WORDS[name][0] for name in families]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
