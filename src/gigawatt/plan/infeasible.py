"""Why no plan exists: the families in conflict, and the smallest relaxation that would let one exist."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gigawatt.plan.algebra import Ints, Model
from gigawatt.plan.live import LivePlan, hand_off, integer_columns, set_integer

if TYPE_CHECKING:
    import highspy

Bounds = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]

WORDS = {
    "minimum_take": ("a contract's minimum take", "MW of IT"),
    "term": ("contract terms", "MW of IT"),
    "option_size": ("the size of options", "MW of IT"),
    "option": ("what stands under options without exercise", "MW of IT"),
    "vacate": ("terms of leased buildings", "MW of facility power"),
    "connection": ("energised connections", "MW of facility power"),
    "site_power": ("site power", "MW of facility power"),
    "supply": ("vendor supply", "packages"),
    "capacity": ("capacity of the pools", "MW of IT"),
    "gating": ("gating policy", "Mwork/s"),
    "gang_one": ("one place for a gang", "places"),
    "gang": ("gangs for training", "MW of IT"),
    "commitment": ("commitments", "MW"),
    "delivery": ("deliveries that an event delays", "MW"),
    "right": ("rights", "MW of IT"),
    "milestone": ("milestones", "GW"),
    "cash": ("cash", "MUSD"),
    "halls": ("whole halls", "halls"),
    "hosting": ("classes of halls", "MW of facility power"),
}
"""Families a user can relax, with the unit of their right-hand side, the narrower name first. Stock and demand are
bookkeeping."""
DEFINITIONS = ("milestone_kept", "milestone_order")
"""Rows of a family that say what its decisions mean; giving way has no meaning there."""
NO_PLACE = "no place has room for all of it: a larger connection, fibre to another site or a smaller gang would help"


def family_of(constraint: str) -> str:
    """Family of a constraint's name: "right_rofr" belongs to "right"."""
    if constraint in DEFINITIONS:
        return constraint
    return next((name for name in WORDS if constraint == name or constraint.startswith(name + "_")), constraint)


def explain_infeasible(plan: LivePlan, most: int = 6) -> str:
    """Sentences: conflicting families, then what would have to give, where and by how much.

    Minimises the sum of violations of the relaxable rows, each as a share of its right-hand side, with every other
    row and all bounds kept.
    """
    model, held = plan.model, plan.highs.getLp()
    bounds = np.asarray(held.col_lower_), np.asarray(held.col_upper_)
    highs = _feasibility(model, bounds)
    blocks = list(model.constraints.values())
    lower, upper = _sides(model)
    names = model.row_names()
    penalty = np.full(model.n_rows, -1.0)
    family: dict[int, str] = {}
    size = np.where(np.isfinite(lower), np.abs(lower), 0.0)
    size = np.maximum(size, np.where(np.isfinite(upper), np.abs(upper), 0.0))
    for block in blocks:
        if (name := family_of(block.name)) in WORDS:
            rows = block.index[block.index >= 0]
            penalty[rows] = 1.0 / np.maximum(1.0, size[rows])
            family |= dict.fromkeys(rows.tolist(), name)
    highs.feasibilityRelaxation(-1.0, -1.0, -1.0, None, None, penalty)
    values = np.asarray(highs.getSolution().row_value)
    nothing = "no plan exists, and the solver found no relaxation of the scenario's own limits that would allow one."
    if len(values) != model.n_rows:
        return nothing
    short = np.maximum(lower - values, 0.0) + np.maximum(values - upper, 0.0)
    broken = sorted((-round(short[row] * penalty[row], 9), row) for row in family if short[row] > 1e-5)
    if not broken:
        return nothing
    given_way = list(dict.fromkeys(family[row] for _, row in broken))
    families = conflicting_families(model, bounds) or given_way
    words = f"{in_words(families)} cannot all hold" if len(families) > 1 else f"{in_words(families)} cannot hold"
    lines = [f"no plan meets this scenario: {words}. The smallest relaxation that would let a plan exist:"]
    for _, row in broken[:most]:
        label = names[row].partition("(")[2].rstrip(")").replace(",", ", ")
        gives = gives_way(family[row], float(short[row]), float(size[row]))
        lines.append(f"  {WORDS[family[row]][0]} ({label}): {gives}")
    if len(broken) > most:
        lines.append(f"  and {len(broken) - most} more rows of the same families")
    return "\n".join(lines)


def gives_way(family: str, short: float, size: float) -> str:
    """By how much a row gives way, and from what where that is not nothing; halls and places come whole."""
    if family == "gang_one":
        return NO_PLACE
    if family == "halls":
        more = math.ceil(short - 1e-6)
        return f"give way by {more} {'hall' if more == 1 else 'halls'}, from {size:,.4g}"
    return f"give way by {short:,.4g} {WORDS[family][1]}" + (f", from {size:,.4g}" if size > 0 else "")


def conflicting_families(model: Model, bounds: Bounds | None = None) -> list[str]:
    """Smallest set of families that cannot hold together: without any one of them the others can.

    Families are let go one after another; what stays impossible without one did not need it.

    Args:
        model: the problem.
        bounds: (columns,) lower and upper; those of the model if None.
    """
    present = [name for name in WORDS if any(family_of(rows.name) == name for rows in model.constraints.values())]
    highs, kept = _feasibility(model, bounds), list(present)
    for name in present:
        rows = _rows_of(model, [name])
        _free(highs, rows)
        if _possible(highs):
            _hold(highs, model, rows)
        else:
            kept.remove(name)
    return kept


def conflicting_rows(model: Model, bounds: Bounds | None = None) -> list[str]:
    """Sentences: an irreducible set of limits that cannot hold together, by family; empty where a plan exists.

    Without any one of these rows the others, the bookkeeping and all bounds can hold. Rows of the conflicting families
    are let go in chunks, halved where a chunk was needed. One of possibly several such sets.
    """
    highs = _feasibility(model, bounds)
    if _possible(highs):
        return []
    families = conflicting_families(model, bounds)
    _free(highs, _rows_of(model, [name for name in WORDS if name not in families]))
    kept: list[int] = []
    waiting = [_rows_of(model, [name]) for name in families]
    while waiting:
        chunk = waiting.pop()
        _free(highs, chunk)
        if not _possible(highs):
            continue
        _hold(highs, model, chunk)
        if len(chunk) == 1:
            kept += chunk
        else:
            waiting += [chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]]
    return _sentences(model, sorted(kept))


def _sentences(model: Model, rows: list[int]) -> list[str]:
    names, (lower, upper) = model.row_names(), _sides(model)
    lines = []
    for row in rows:
        name, _, label = names[row].partition("(")
        words, unit = WORDS[family_of(name)]
        low, high = lower[row], upper[row]
        bound = f"exactly {low:,.4g}" if low == high else f"at most {high:,.4g}" if np.isfinite(high) else ""
        bound = bound or f"at least {low:,.4g}"
        where = ", ".join(part for part in (name.partition("_")[2], label.rstrip(")").replace(",", ", ")) if part)
        if name in WORDS:
            where = label.rstrip(")").replace(",", ", ")
        lines.append(f"{words} ({where}): {bound} {unit}")
    return lines


def _sides(model: Model) -> Bounds:
    blocks = list(model.constraints.values())
    return np.concatenate([rows.lower for rows in blocks]), np.concatenate([rows.upper for rows in blocks])


def _rows_of(model: Model, families: list[str]) -> list[int]:
    blocks = [rows.index[rows.index >= 0] for rows in model.constraints.values() if family_of(rows.name) in families]
    return [int(row) for block in blocks for row in block.tolist()]


def _feasibility(model: Model, bounds: Bounds | None) -> highspy.Highs:
    """The problem without its objective, gigawatts taken as divisible."""
    highs = hand_off(model)
    every = np.arange(model.n_columns, dtype=np.int32)
    highs.changeColsCost(model.n_columns, every, np.zeros(model.n_columns))
    if bounds is not None:
        highs.changeColsBounds(model.n_columns, every, *bounds)
    set_integer(highs, integer_columns(model), whole=False)
    return highs


def _free(highs: highspy.Highs, rows: list[int]) -> None:
    for row in rows:
        highs.changeRowBounds(row, -np.inf, np.inf)


def _hold(highs: highspy.Highs, model: Model, rows: list[int]) -> None:
    lower, upper = _sides(model)
    for row in rows:
        highs.changeRowBounds(row, float(lower[row]), float(upper[row]))


def _possible(highs: highspy.Highs) -> bool:
    """True where a plan exists under the limits that are held."""
    import highspy

    highs.run()
    return bool(highs.getModelStatus() == highspy.HighsModelStatus.kOptimal)


LUMPS = {
    "halls": ("whole halls", "smaller halls or a later date"),
    "opened": ("sites opened whole", "a larger connection"),
    "gang_at": ("a gang at one place", "fibre to another site, or a smaller gang"),
    "z": ("whole gigawatts", "linear release"),
    "vest_steps": ("whole steps of a warrant", "a warrant without step"),
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


def in_words(families: list[str]) -> str:
    """Families as a sentence lists them."""
    words = [WORDS[name][0] for name in families]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
