"""Which limits bind in a plan and what one more unit of each is worth, in words.

A shadow price is the dual of a row, or the reduced cost of a decision at its upper bound, at the optimum, whole
gigawatts held: the discounted cost a plan saves per unit of the limit, for a small change. Where several vertices are
optimal it is one of several prices.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import xarray as xr

from gigawatt.core.units import pretty
from gigawatt.plan.algebra import Rows
from gigawatt.plan.inputs import PlanInputs, RightRow
from gigawatt.plan.limits import (
    AVAILABLE,
    BOUNDS,
    PRICED_ELSEWHERE,
    WORDS,
    Words,
    cells_of,
    family_of,
    figures,
    named_cells,
    spoken,
)
from gigawatt.plan.live import LivePlan
from gigawatt.plan.session import PlanSession
from gigawatt.plan.since import counted_mw

Floats = npt.NDArray[np.float64]
LEAST_MUSD = 1e-4
"""Shadow price below which a limit counts as slack [MUSD per unit]."""
AT_BOUND = 1e-6
"""Distance from its upper bound within which a decision stands at it, as a share of the bound."""
ABOUT_OFFERS = ("supply", "commitment", "gang", "right", "minimum_take", "take_after", "option", "delivery")
"""Families whose rows add up the capacity of offers by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A limit that binds: ``price_musd`` [discounted MUSD per unit] in each of ``quarters``.

    A price is what one unit more saves: negative where it costs, as more of a commitment does.

    ``worth_musd`` is what 1 % more of the limit would be worth over the horizon, to first order. One per cent is of the
    user's own figure (of a connection its whole power, not what is left of it); of a right one percentage point of its
    share; and where a limit is no amount (survival, what is not yet available) 1 % of the activity it touches: the
    positive terms of its row at the optimum, or the most that the offer adds in any quarter.
    """

    family: str
    label: str
    unit: str
    quarters: tuple[str, ...]
    price_musd: tuple[float, ...]
    worth_musd: float

    @property
    def words(self) -> Words:
        """Words of the limit."""
        return AVAILABLE if self.family == "available" else BOUNDS.get(self.family) or WORDS[self.family]

    def sentences(self, most: int = 4) -> list[str]:
        """One sentence a quarter, the dearest first."""
        order = sorted(range(len(self.quarters)), key=lambda i: -abs(self.price_musd[i]))
        where = f" at {self.label}" if self.family == "connection" else f" ({spoken(self.label)})" if self.label else ""
        text = self.words.text
        verb = "bind" if self.words.many else "binds"
        lines = [
            f"{self.quarters[i]}: {text}{where} {verb}; {self.words.eased} is worth "
            f"{pretty(abs(self.price_musd[i]) * 1e6, 'USD')}"
            for i in sorted(order[:most])
        ]
        if (more := len(order) - most) > 0:
            lines.append(f"  and in {more} more {'quarter' if more == 1 else 'quarters'}, for less")
        return lines


def bindings(plan: LivePlan, labels: Iterable[str] | None = None) -> list[Binding]:
    """Limits that bind at the optimum, the most valuable first: rows, then bounds of decisions.

    A row over more than one axis beside the quarter is named by all its labels. What opening a site adds to the price
    of its connection is part of that price.

    Args:
        plan: solved.
        labels: only limits that carry one of these labels, or "right_x" by their own name; all if None.
    """
    wanted = None if labels is None else set(labels)
    found: list[Binding] = []
    for name, rows in plan.model.constraints.items():
        family = family_of(name)
        if family in WORDS and family not in PRICED_ELSEWHERE:
            price = -plan.dual(name).values
            if family == "connection":
                price = price + _opening(plan, rows)
            one_percent = 0.01 * _touched(plan, rows)
            found += _by_label(family, name, rows.axes, price, one_percent, WORDS[family].one, wanted)
    upper, whole = np.concatenate(plan.model.upper), np.concatenate(plan.model.integer)
    for name in BOUNDS:
        if name not in plan.model.variables:
            continue
        variable = plan.model.variables[name]
        columns = variable.columns
        limited = (columns >= 0) & ~whole[columns] & np.isfinite(upper[columns])
        limit = np.where(limited, upper[columns], 0.0)
        at = limited & (plan.primal[columns] >= limit - AT_BOUND * np.maximum(1.0, np.abs(limit)))
        price = np.where(at, np.maximum(0.0, -plan.reduced_cost[columns]), 0.0)
        one_percent = 0.01 * np.where(at, limit, 0.0)
        found += _by_label(name, name, variable.axes, price, one_percent, BOUNDS[name].one, wanted)
    return ranked(found)


def ranked(found: Iterable[Binding]) -> list[Binding]:
    """The most valuable over the horizon first."""
    return sorted(found, key=lambda row: -row.worth_musd)


def opened(d: PlanInputs) -> tuple[PlanInputs, xr.DataArray]:
    """The same problem with every offer open before its date, and where that is so (offer, quarter).

    Deliveries of a vendor that nobody could have taken before go with the date. A provider that has failed stays shut.
    """
    most = d.add_max_mw.transpose("offer", "quarter")
    before = most.cumsum("quarter") <= 0
    if d.terms.failed is not None:
        before = before & ~d.terms.failed.transpose("offer", "quarter")
    packages = d.supply_packages.transpose("supply", "quarter")
    mine = d.supply_member.transpose("supply", "offer").values > 0
    taken = mine.astype(float) @ (most.values > 0)  # (supply, quarter) offers that can draw on the row
    free = (packages.values <= 0) & (taken == 0) & (mine.astype(float) @ before.values > 0)
    eased = packages.copy(data=np.where(free, np.inf, packages.values)).transpose(*d.supply_packages.dims)
    wide = most.where(~before, np.inf).transpose(*d.add_max_mw.dims)
    return replace(d, add_max_mw=wide, supply_packages=eased), before


def date_bindings(session: PlanSession, labels: Iterable[str] | None = None) -> list[Binding]:
    """What a MW accepted before the date of its offer would be worth, where that is anything; whole numbers held.

    Decisions before a date have no column, so the plan is built again with them held at zero: their reduced cost is
    the price. The session is as it was afterwards.
    """
    wide, before = opened(session.inputs)
    if not bool(before.any()):
        return []
    live = session.live
    whole = np.concatenate(live.model.integer)
    held = {
        name: live.value(name)
        for name, variable in live.model.variables.items()
        if bool(whole[variable.columns[variable.columns >= 0]].any())
    }
    most = live.value("add").transpose("offer", "quarter").max("quarter")
    with session.trial():
        session.change(wide)
        for name, values in held.items():
            session.set_lower(name, values.round())
            session.set_upper(name, values.round())
        session.set_upper("add", xr.zeros_like(before, dtype=float).where(before, wide.add_max_mw))
        plan = session.solve(explain=False)
        reduced = plan.reduced("add").transpose("offer", "quarter")
    price = np.where(before.values, np.maximum(0.0, -reduced.values), 0.0)
    one_percent = np.broadcast_to(0.01 * most.values[:, None], price.shape)
    wanted = None if labels is None else set(labels)
    axes = {dim: tuple(before[dim].values.tolist()) for dim in ("offer", "quarter")}
    return ranked(_by_label("available", "available", axes, price, one_percent, AVAILABLE.one, wanted))


def _by_label(
    family: str, name: str, axes: dict[str, tuple[str | int, ...]], price: Floats, one_percent: Floats, one: str,
    wanted: set[str] | None,
) -> list[Binding]:  # fmt: skip
    """One binding a label, with the quarters in which its price is not nothing."""
    if not (np.abs(price) > LEAST_MUSD).any():
        return []
    groups: dict[str, list[tuple[str, float, float]]] = {}
    for label, cell, quarter in named_cells(name, axes):
        if abs(price[cell]) <= LEAST_MUSD:
            continue
        if wanted is None or name in wanted or wanted & set(label.split(", ")):
            groups.setdefault(label, []).append((quarter, float(price[cell]), float(one_percent[cell])))
    return [
        Binding(
            family=family, label=label, unit=one, quarters=tuple(row[0] for row in rows),
            price_musd=tuple(row[1] for row in rows), worth_musd=sum(abs(row[1]) * row[2] for row in rows),
        )
        for label, rows in groups.items()
    ]  # fmt: skip


def _opening(plan: LivePlan, rows: Rows) -> Floats:
    """Price of a connection by way of the row that says a site was opened: both name the same power."""
    price = np.zeros(rows.index.shape)
    block = plan.model.constraints.get("opening")
    if block is None:
        return price
    at = [rows.axes["site"].index(site) for site in block.axes["site"]]
    price[at] = (-plan.dual("opening") * plan.value("opened")).transpose("site", "quarter").values
    return np.where(rows.index >= 0, price, 0.0)


def _touched(plan: LivePlan, rows: Rows) -> Floats:
    """What 1 % is of, in the shape of the rows: see ``Binding``."""
    family = family_of(rows.name)
    if family == "right":
        row = next(right for right in plan.inputs.rights if rows.name == f"right_{right.id}")
        return _added(plan, row)
    positive = sp.csr_array(rows.matrix.multiply(plan.primal[None, :]))
    positive.data = np.maximum(positive.data, 0.0)
    activity = cells_of(rows, np.asarray(positive.sum(axis=1)).ravel())
    own = np.abs(figures(plan.inputs, rows))
    return np.where(own > 0.0, own, activity)


def _added(plan: LivePlan, right: RightRow) -> Floats:
    """(quarter) IT MW that a right is a share of, accepted since it began."""
    d = plan.inputs
    added, stock = (plan.value(name).transpose("offer", "quarter").values for name in ("add", "stock"))
    start, owned = d.quarters.index(right.quarters[0]), d.offer_contract.values == "own"
    new = counted_mw(owned, added.cumsum(axis=1), stock, start)[:, start : start + len(right.quarters)]
    return np.asarray(right.base.values @ new, dtype=np.float64)


def labels_of(plan: LivePlan, offers: Iterable[str]) -> set[str]:
    """Labels of the limits of some offers: theirs, their sites', and those of rows that add their capacity up."""
    d, model = plan.inputs, plan.model
    chosen = set(offers)
    mine = np.array([str(name) in chosen for name in d.offer_site["offer"].values], dtype=bool)
    found = chosen | {str(site) for site in d.offer_site.values[mine]}
    found_in = [model.variables[name].columns[mine] for name in ("add", "stock", "counted")]
    if "counted_since" in model.variables:
        found_in.append(model.variables["counted_since"].columns[:, mine])
    columns = np.concatenate([each.ravel() for each in found_in])
    touched = np.zeros(model.n_columns)
    touched[columns[columns >= 0]] = 1.0
    for name, block in model.constraints.items():
        if family_of(name) not in ABOUT_OFFERS:
            continue
        hit = cells_of(block, np.asarray(sp.csr_array(abs(block.matrix)) @ touched)) > 0.0
        if not hit.any():
            continue
        first = next((dim for dim in block.axes if dim not in ("quarter", "after")), None)
        if first is None or family_of(name) == "right":
            found |= {name}
            continue
        by_first = np.moveaxis(hit, list(block.axes).index(first), 0).reshape(len(block.axes[first]), -1)
        found |= {str(label) for label, hits in zip(block.axes[first], by_first, strict=True) if hits.any()}
    return found
