"""Which limits bind in a plan and what one more unit of each is worth, in words.

A shadow price is the dual of a row at the optimum, whole gigawatts held: the discounted cost a plan saves per unit of
the limit, for a small change. Where several vertices are optimal it is one of several prices.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from gigawatt.core.units import pretty
from gigawatt.plan.infeasible import WORDS, family_of
from gigawatt.plan.live import LivePlan

BOOKKEEPING = ("cash", "capacity", "gating", "term", "site_power")
"""Families whose price is that of another limit: a pool's capacity is worth what scarce chips or sites are; power of a
building costs its rent, and where it is scarce its connection binds."""
LEAST_MUSD = 1e-4
"""Shadow price below which a row counts as slack [MUSD per unit]."""
_ONE = {
    "MW of IT": "MW of IT", "MW of facility power": "facility MW", "packages": "package", "MW": "MW", "GW": "GW",
    "Mwork/s": "Mwork/s", "MUSD": "MUSD",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A limit that binds: ``price_musd`` [discounted MUSD per unit] in each of ``quarters``.

    ``worth_musd`` is what 1 % more of the limit would be worth over the horizon, to first order; limits whose
    right-hand side is zero count one unit as 1 %.
    """

    family: str
    label: str
    unit: str
    quarters: tuple[str, ...]
    price_musd: tuple[float, ...]
    worth_musd: float

    def sentences(self, most: int = 4) -> list[str]:
        """One sentence a quarter, the dearest first."""
        order = sorted(range(len(self.quarters)), key=lambda i: -abs(self.price_musd[i]))
        where = f" at {self.label}" if self.family in ("connection", "site_power") else f" ({self.label})"
        floor = self.family in ("commitment", "minimum_take", "gang", "right")
        one = f"one {self.unit} less" if floor else f"one more {self.unit}"
        verb = "bind" if WORDS[self.family][0].endswith("s") else "binds"
        lines = [
            f"{self.quarters[i]}: {WORDS[self.family][0]}{where} {verb}; {one} is worth "
            f"{pretty(abs(self.price_musd[i]) * 1e6, 'USD')}"
            for i in sorted(order[:most], key=lambda i: self.quarters[i])
        ]
        if len(order) > most:
            lines.append(f"  and in {len(order) - most} more quarters, for less")
        return lines


def bindings(plan: LivePlan, labels: Iterable[str] | None = None) -> list[Binding]:
    """Limits that bind at the optimum, the most valuable first.

    Args:
        plan: solved.
        labels: only rows that carry one of these labels, or "right_x" by their own name; all if None.
    """
    wanted = None if labels is None else set(labels)
    rows: list[Binding] = []
    for name in plan.model.constraints:
        family = family_of(name)
        if family not in WORDS or family in BOOKKEEPING:
            continue
        value, right = plan.dual(name), _right(plan, name)
        others = [dim for dim in value.dims if dim != "quarter"]
        if "quarter" not in value.dims or len(others) > 1:
            continue
        keys = [str(key) for key in value[others[0]].values] if others else [name.partition("_")[2] or family]
        prices = value.transpose(*others, "quarter").values.reshape(len(keys), -1)
        sizes = right.reshape(len(keys), -1)
        for key, price, size in zip(keys, prices, sizes, strict=True):
            at = np.flatnonzero(np.abs(price) > LEAST_MUSD)
            if at.size == 0 or (wanted is not None and key not in wanted and name not in wanted):
                continue
            rows.append(Binding(
                family=family, label=key, unit=_ONE[WORDS[family][1]],
                quarters=tuple(str(value["quarter"].values[i]) for i in at), price_musd=tuple(-price[at]),
                worth_musd=float(np.abs(price[at]) @ np.where(size[at] == 0.0, 1.0, 0.01 * np.abs(size[at]))),
            ))  # fmt: skip
    return sorted(rows, key=lambda row: -row.worth_musd)


def _right(plan: LivePlan, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Right-hand side of the rows in the shape of their axes, with the quarter last; 0 where there is none."""
    block = plan.model.constraints[name]
    finite = np.where(np.isfinite(block.upper), block.upper, block.lower)
    live = block.index >= 0
    values = np.zeros(block.index.shape)
    values[live] = finite[block.index[live] - int(block.index[live].min())] if live.any() else 0.0
    place = list(block.axes).index("quarter") if "quarter" in block.axes else -1
    return np.moveaxis(values, place, -1)


def labels_of(plan: LivePlan, offers: Iterable[str]) -> set[str]:
    """Labels of the rows that limit some offers: theirs, their sites', and those of rows that add their capacity up."""
    d, model = plan.inputs, plan.model
    chosen = set(offers)
    mine = np.array([str(name) in chosen for name in d.offer_site["offer"].values], dtype=bool)
    found = chosen | {str(site) for site in d.offer_site.values[mine]}
    columns = np.concatenate([model.variables[name].columns[mine].ravel() for name in ("add", "stock", "counted")])
    touched = np.zeros(model.n_columns)
    touched[columns[columns >= 0]] = 1.0
    for name, block in model.constraints.items():
        if family_of(name) not in ("supply", "commitment", "gang", "right"):
            continue
        has = np.asarray(sp.csr_array(abs(block.matrix)) @ touched) > 0.0
        live = block.index >= 0
        hit = np.zeros(block.index.shape, dtype=bool)
        hit[live] = has[block.index[live] - int(block.index[live].min())] if live.any() else False
        first = next((dim for dim in block.axes if dim != "quarter"), None)
        if first is None:
            found |= {name} if hit.any() else set()
            continue
        axis = list(block.axes).index(first)
        rows = np.asarray(np.moveaxis(hit, axis, 0).reshape(len(block.axes[first]), -1).any(axis=1))
        found |= {str(label) for label, yes in zip(block.axes[first], rows.tolist(), strict=True) if yes}
    return found
