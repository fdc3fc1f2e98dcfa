"""Which limits bind in a plan and what one more unit of each is worth, in words.

A dual of a row, or the reduced cost of a decision at its upper bound, says that a limit may bind; what one unit more is
worth is the difference of two plans, whole gigawatts held: see ``scarcity``. A figure that stands over several quarters
gives way in all of them, until the next step of its schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import xarray as xr

from gigawatt.core.units import pretty
from gigawatt.plan.algebra import Rows, Variable
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs, RightRow
from gigawatt.plan.limits import AVAILABLE, Cell, cells_of, figures, named_cells, spoken
from gigawatt.plan.live import LivePlan
from gigawatt.plan.metadata import IT, Unit, Words
from gigawatt.plan.scarcity import (
    Easing,
    Optimum,
    most_of,
    of_columns,
    of_connection,
    of_rows,
    optimum_of,
    prices_of,
    steps_of,
)
from gigawatt.plan.session import PlanSession
from gigawatt.plan.since import counted_mw

Floats = npt.NDArray[np.float64]
LEAST_MUSD = 1e-4
"""Shadow price below which a limit counts as slack [MUSD per unit]."""
AT_BOUND = 1e-6
"""Distance from its upper bound within which a decision stands at it, as a share of the bound."""
LEAST_HELD_MW = 1e-6
"""MW below which nothing stands that a term could hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A limit that binds: ``price_musd`` [discounted MUSD per unit] from each of ``quarters`` to that of ``until``.

    A price is what one unit more saves: negative where it costs, as more of a commitment does.

    ``worth_musd`` is what 1 % more of the limit would be worth over the horizon, to first order. One per cent is of the
    user's own figure (of a connection its whole power, not what is left of it); of a right one percentage point of its
    share; of the term of a contract of what stands; and where a limit is no amount (survival, what is not yet
    available) 1 % of the activity it touches: the positive terms of its row at the optimum, or the most that the offer
    adds in any quarter.
    """

    family: str
    label: str
    unit: str
    words: Words
    quarters: tuple[str, ...]
    until: tuple[str, ...]
    price_musd: tuple[float, ...]
    worth_musd: float

    def row(self) -> dict[str, Any]:
        """Its figures by name."""
        return {name: value for name, value in asdict(self).items() if name != "words"}

    def sentences(self, most: int = 4) -> list[str]:
        """One sentence a step, the dearest first."""
        order = sorted(range(len(self.quarters)), key=lambda i: -abs(self.price_musd[i]))
        where = f" at {self.label}" if self.family == "connection" else f" ({spoken(self.label)})" if self.label else ""
        text = self.words.text
        verb = "bind" if self.words.many else "binds"
        lines = [
            f"{_when(self.quarters[i], self.until[i])}: {text}{where} {verb}; {self.words.eased(self.unit)} is worth "
            f"{pretty(abs(self.price_musd[i]) * 1e6, 'USD')}"
            for i in sorted(order[:most])
        ]
        if (more := len(order) - most) > 0:
            span = "quarter" if self.words.once else "step"
            lines.append(f"  and in {more} more {span if more == 1 else span + 's'}, for less")
        return lines


def _when(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One figure of a limit and how it gives way: ``sign`` is -1 where less of it helps."""

    first: str
    last: str
    easing: Easing
    sign: float
    one_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Figures of one limit, as one label names them, of which duals say that they may bind."""

    family: str
    words: Words
    unit: Unit
    label: str = ""
    steps: tuple[Step, ...] = ()

    def priced(self, prices: Callable[[list[Easing]], list[float]]) -> Binding | None:
        """The limit with a price of each of its figures, of which one unit has to be worth something."""
        worths = prices([step.easing for step in self.steps])
        found = [(step, worth) for step, worth in zip(self.steps, worths, strict=True) if worth > LEAST_MUSD]
        if not found:
            return None
        return Binding(
            family=self.family, label=self.label, unit=self.unit.one, words=self.words,
            quarters=tuple(step.first for step, _ in found), until=tuple(step.last for step, _ in found),
            price_musd=tuple(step.sign * worth for step, worth in found),
            worth_musd=sum(worth * step.one_percent for step, worth in found),
        )  # fmt: skip


def bindings(plan: LivePlan, labels: Iterable[str] | None = None, most: int | None = None) -> list[Binding]:
    """Limits that bind at the optimum, the most valuable first: rows, then bounds of decisions.

    A row over more than one axis beside the quarter is named by all its labels. What opening a site adds to the price
    of its connection is part of that price.

    Args:
        plan: solved, last of all by its solver.
        labels: only limits that carry one of these labels, or "right_x" by their own name; all if None.
        most: how many are asked for; all if None.
    """
    wanted = None if labels is None else set(labels)
    at = optimum_of(plan)
    found: list[Limit] = []
    for rows in plan.model.constraints.values():
        if (words := rows.family.words) is not None and rows.family.priced:
            blank = Limit(family=rows.family.name, words=words, unit=rows.family.unit)
            mine = None if wanted is not None and rows.name in wanted else wanted
            found += _named(blank, _of_rows(at, rows), named_cells(rows.axes, rows.block.labels), mine)
    for variable in plan.model.variables.values():
        if (words := variable.column.words) is not None:
            blank = Limit(family=variable.name, words=words, unit=variable.column.unit)
            found += _named(blank, _of_bounds(at, variable), named_cells(variable.axes), wanted)
    return _dearest(at, found, most)


def _dearest(at: Optimum, limits: list[Limit], most: int | None) -> list[Binding]:
    """The most valuable limits, priced; duals bound prices from above, so that few have to be."""
    bounds = [limit.priced(lambda easings: [most_of(at, easing) for easing in easings]) for limit in limits]
    order = sorted(((bound.worth_musd, i) for i, bound in enumerate(bounds) if bound is not None), reverse=True)
    found: list[Binding] = []
    for worth, i in order:
        if most is not None and len(found) >= most and worth <= ranked(found)[most - 1].worth_musd:
            break
        if (row := limits[i].priced(lambda easings: prices_of(at, easings))) is not None:
            found.append(row)
    return ranked(found)[:most]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Figures of a block in the shape of its axes, and how a run of its cells gives way."""

    figure: Floats
    """the figure that makes the steps"""
    one_percent: Floats
    live: npt.NDArray[np.bool_]
    """cells that can bind"""
    easing: Callable[[list[tuple[int, ...]]], tuple[Easing, float]]
    """of cells that give way together: how, and its sign"""


def _of_rows(at: Optimum, rows: Rows) -> Cells:
    family, figure = rows.family.name, figures(rows)

    def easing(cells: list[tuple[int, ...]]) -> tuple[Easing, float]:
        places = np.array([rows.index[cell] for cell in cells])
        if family == "connection":
            quarters = slice(cells[0][-1], cells[-1][-1] + 1)
            return of_connection(at, str(rows.axes["site"][cells[0][0]]), quarters), 1.0
        sign = -1.0 if at.plan.row_dual[places].sum() > 0.0 else 1.0
        own = float(figure[cells[0]]) or float(figure[cells[0][:-1]].max(initial=0.0))
        return of_rows(at, places, own, sign), sign

    held = _held(at.plan, rows)
    touched = _touched(at.plan, rows) if held is None else held
    live = rows.index >= 0 if held is None else (rows.index >= 0) & (held > LEAST_HELD_MW)
    return Cells(figure=figure, one_percent=0.01 * touched, live=live, easing=easing)


def _of_bounds(at: Optimum, variable: Variable) -> Cells:
    columns, whole = variable.columns, np.concatenate(at.plan.model.integer)
    limited = (columns >= 0) & ~whole[columns] & np.isfinite(at.upper[columns])
    limit = np.where(limited, at.upper[columns], 0.0)
    standing = limited & (at.primal[columns] >= limit - AT_BOUND * np.maximum(1.0, np.abs(limit)))

    def easing(cells: list[tuple[int, ...]]) -> tuple[Easing, float]:
        return of_columns(np.array([columns[cell] for cell in cells]), float(limit[cells[0]])), 1.0

    return Cells(figure=limit, one_percent=0.01 * limit, live=standing, easing=easing)


def _held(plan: LivePlan, rows: Rows) -> Floats | None:
    """MW that a term holds, in the shape of its rows: nothing stands, nothing is held. None for other limits."""
    if rows.family.name == "term":
        stands = plan.value("stock") + plan.value("retire")
        return np.asarray(stands.sel(offer=list(rows.axes["offer"])).transpose("offer", "quarter").values)
    if rows.family.name == "vacate":
        taken = plan.value("energise").cumsum("quarter") - plan.value("vacate").shift(quarter=1, fill_value=0.0).cumsum(
            "quarter"
        )
        stands = taken + plan.inputs.energised_initial_mw
        return np.asarray(stands.sel(site=list(rows.axes["site"])).transpose("site", "quarter").values)
    return None


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


def date_bindings(session: PlanSession, labels: Iterable[str] | None = None, most: int | None = None) -> list[Binding]:
    """What a MW accepted before the date of its offer would be worth, where that is anything; whole numbers held.

    Decisions before a date have no column, so the plan is built again with them held at zero, and a little of each is
    let in. The session is as it was afterwards.
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
    added = live.value("add").transpose("offer", "quarter").max("quarter").values
    wanted = None if labels is None else set(labels)
    axes = {dim: tuple(before[dim].values.tolist()) for dim in ("offer", "quarter")}
    with session.trial():
        session.change(wide)
        for name, values in held.items():
            session.set_lower(name, values.round())
            session.set_upper(name, values.round())
        session.set_upper("add", xr.zeros_like(before, dtype=float).where(before, wide.add_max_mw))
        at = optimum_of(session.solve(explain=False))
        columns = at.plan.model.variables["add"].columns

        def easing(cells: list[tuple[int, ...]]) -> tuple[Easing, float]:
            return of_columns(np.array([columns[cell] for cell in cells]), float(added[cells[0][0]])), 1.0

        cells = Cells(
            figure=np.zeros(before.shape), one_percent=np.broadcast_to(0.01 * added[:, None], before.shape),
            live=before.values & (columns >= 0), easing=easing,
        )  # fmt: skip
        blank = Limit(family="available", words=AVAILABLE, unit=IT)
        return _dearest(at, _named(blank, cells, named_cells(axes), wanted), most)


def _named(blank: Limit, cells: Cells, named: Iterable[Cell], wanted: set[str] | None) -> list[Limit]:
    """One limit a label, with its figures: of every quarter, or of every step of its schedule."""
    groups: dict[str, list[Cell]] = {}
    for cell in named:
        if wanted is None or wanted & set(cell.labels):
            groups.setdefault(cell.label, []).append(cell)
    return [
        replace(blank, label=label, steps=tuple(_steps(cells, row, blank.words.once))) for label, row in groups.items()
    ]


def _steps(cells: Cells, row: list[Cell], once: bool) -> Iterator[Step]:
    live = np.array([cells.live[cell.at] for cell in row])
    level = np.arange(len(row), dtype=float) if once else np.array([cells.figure[cell.at] for cell in row])
    for first, last in steps_of(level, live):
        places = [cell.at for cell in row[first:last]]
        easing, sign = cells.easing(places)
        most = max(float(cells.one_percent[cell]) for cell in places)
        yield Step(first=row[first].quarter, last=row[last - 1].quarter, easing=easing, sign=sign, one_percent=most)


def _touched(plan: LivePlan, rows: Rows) -> Floats:
    """What 1 % is of, in the shape of the rows: see ``Binding``."""
    if rows.family.name == "right":
        return _added(plan, next(right for right in plan.inputs.rights if rows.block.labels == (right.id,)))
    positive = sp.csr_array(rows.matrix.multiply(plan.primal[None, :]))
    positive.data = np.maximum(positive.data, 0.0)
    activity = cells_of(rows, np.asarray(positive.sum(axis=1)).ravel())
    own = np.abs(figures(rows))
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
    touched = np.zeros(model.n_columns)
    for column in (Decisions.add, Decisions.stock, Decisions.rented, Decisions.since):
        if column in model:
            found_in = np.moveaxis(model.variables[column.name].columns, column.axes.index("offer"), 0)[mine]
            touched[found_in[found_in >= 0]] = 1.0
    for name, block in model.constraints.items():
        if not block.family.of_offers:
            continue
        hit = cells_of(block, np.asarray(sp.csr_array(abs(block.matrix)) @ touched)) > 0.0
        if not hit.any():
            continue
        first = next((dim for dim in block.axes if dim not in ("quarter", "after")), None)
        if first is None or block.family.name == "right":
            found |= {name}
            continue
        by_first = np.moveaxis(hit, list(block.axes).index(first), 0).reshape(len(block.axes[first]), -1)
        found |= {str(label) for label, hits in zip(block.axes[first], by_first, strict=True) if hits.any()}
    return found
