"""Which rows and bounds of a plan a user can change, in which words, and the figure that the user wrote.

A limit is a row or a bound that states a figure of the scenario or of a contract: ``WORDS`` and ``BOUNDS``. All else
says what the decisions mean and cannot give way: ``BOOKKEEPING`` and ``FIXED``, each with its reason. A *datum* is what
a user would change at once: one figure of one limit, over all quarters in which it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gigawatt.plan.algebra import Axes, Ints, Model, Rows
from gigawatt.plan.inputs import PlanInputs

Floats = npt.NDArray[np.float64]
HORIZON = "the whole horizon"
"""In place of a quarter where a limit holds over all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A family in words, the unit of its figure, one of that unit, and the change of one that helps."""

    text: str
    unit: str
    one: str
    change: str = "one more {one}"
    many: bool = False
    """whether the words are plural"""
    once: bool = False
    """whether the figure is of one quarter; else it stands until the next step of its schedule"""

    @property
    def eased(self) -> str:
        """The change of one unit that helps: "one more package"."""
        return self.change.format(one=self.one)


def _words(text: str, unit: str, one: str, change: str = "one more {one}") -> Words:
    return Words(text=text, unit=unit, one=one, change=change)


def _many(text: str, unit: str, one: str, change: str = "one more {one}") -> Words:
    return Words(text=text, unit=unit, one=one, change=change, many=True)


def _once(text: str, unit: str, one: str, change: str = "one more {one}", *, many: bool = False) -> Words:
    return Words(text=text, unit=unit, one=one, change=change, many=many, once=True)


_IT, _FACILITY = ("MW of IT", "MW of IT"), ("MW of facility power", "facility MW")
_WORK, _LESS = ("Mwork/s", "Mwork/s"), "one {one} less"

WORDS: dict[str, Words] = {
    "minimum_take": _words("a contract's minimum take", *_IT, _LESS),
    "take_after": _many("minimum takes after the horizon", *_IT, _LESS),
    "term": _many("contract terms", *_IT, "one {one} let go sooner"),
    "option_size": _words("the size of options", *_IT),
    "option": _words("what stands under options without exercise", *_IT),
    "lease": _words("rent due for buildings used or not", *_FACILITY, _LESS),
    "vacate": _many("terms of leased buildings", *_FACILITY, "one {one} given back sooner"),
    "connection": _many("energised connections", *_FACILITY),
    "supply": _once("vendor supply", "packages", "package"),
    "gating": _once("gating policy", *_WORK),
    "share": _once("what users of a speed or a region ask for", *_WORK),
    "survival": _once("what must survive the loss of a region", *_WORK, _LESS),
    "gang_one": _words("one place for a gang", "places", "place", _LESS),
    "gang": _many("gangs for training", *_IT, _LESS),
    "pace": _once("the pace of training blocks", *_WORK),
    "commitment": _many("commitments", "MW", "MW", _LESS),
    "delivery": _many("deliveries that an event delays", "MW", "MW"),
    "right": _many("rights", *_IT, _LESS),
    "milestone": _many("milestones", "GW", "GW", _LESS),
    "cash": _once("cash", "MUSD", "MUSD"),
    "halls": _many("whole halls", "halls", "hall"),
    "hosting": _many("classes of halls", *_FACILITY),
}
"""Families of rows whose right-hand side a user can change, the narrower name first."""

BOUNDS: dict[str, Words] = {
    "add": _once("the most that an offer delivers in a quarter", *_IT),
    "debt": _words("the credit limit", "MUSD", "MUSD"),
    "vested": _words("the size of warrants", "MW", "MW"),
    "spared": _once("steps of a demand curve", *_WORK, many=True),
    "z": _words("the cap of milestone equity", "GW", "GW"),
}
"""Upper bounds of variables that a user can change, by variable."""

AVAILABLE = _once("the date from which an offer is available", *_IT, "one {one} accepted then")
"""Decisions that a date forbids, which therefore have no column; see ``explain.date_bindings``."""

BOOKKEEPING: dict[str, str] = {
    "stock": "what stands follows from what comes and goes",
    "salvage": "only what stands is worth something at the end",
    "early_exit": "what is given up was accepted, and goes once",
    "site_power": "chips sit in a building: where that is scarce its connection binds, else it costs rent",
    "pace_gang": "a block whose gang trains together runs while it stands; its size is the gang's",
    "steady": "a block that never pauses runs at one share of its rate; what it leaves is unmet",
    "steady_kept": "and keeps it to its deadline",
    "gang_stays": "a gang stays where it is while its job runs",
    "reserved": "a gang holds what works; where that is scarce its site or its system is",
    "reserved_work": "a job works on what its gang holds",
    "tariff": "work at a tariff is done on what stands there",
    "tariff_work": "all work of a pool is at the price of some offer",
    "ageing": "what works follows from what stands and its age",
    "capacity": "a pool serves what stands in it: its price is that of scarce chips, sites or money",
    "capacity_block": "what is at work in the busiest block",
    "demand": "served, gated, delayed and unmet work add up; the price is the cost of serving one unit more",
    "volume": "what a demand curve spares is unmet; the sizes of its steps are bounds",
    "survival_capacity": "as capacity, while a region is lost",
    "counted": "what counts was bought or stands",
    "warrant": "shares vest with what is delivered; their number is a bound",
    "milestone_kept": "what was released stays released",
    "milestone_order": "gigawatts are released one after another",
    "opening": "nothing is energised where nothing was opened; its price is part of the connection's",
    "opening_kept": "what was opened stays open",
    "hall_size": "power of the halls taken into use",
    "hall_vacated": "power of the halls given back",
    "fit_total": "every MW taken into use is of a class",
    "vacate_fit_total": "every MW given back was of a class",
    "resale": "what is sold was bought, is retired, and is sold once",
}
"""Families of rows that say what decisions mean, with the reason why no user can relax them."""

FIXED: dict[str, str] = {
    "stock": "nothing stands where a provider has failed",
    "kept_initial": "no more is kept than stood at the start",
    "delay": "at most one quarter's work waits for the next",
    "opened": "a site is opened once",
    "gang_at": "a gang is at a place or not",
    "gang_on": "a gang is of a system or not",
    "runs": "a block runs or not",
    "steady": "a block runs at no more than its rate",
    "open": "a pool is at work or not",
}
"""Upper bounds of variables that no user can relax, with the reason."""

PRICED_ELSEWHERE: dict[str, str] = {
    "hosting": "room in a class costs fit-out and rent, and where it is scarce the connection binds",
}
"""Families of ``WORDS`` whose dual is mostly the cost of another decision; they are named in conflicts alone."""

_NAMES = sorted((*WORDS, *BOOKKEEPING), key=len, reverse=True)


def family_of(constraint: str) -> str:
    """Family of a constraint's name, the longest that fits: "right_rofr" belongs to "right"."""
    return next((name for name in _NAMES if constraint == name or constraint.startswith(name + "_")), constraint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Datum:
    """One figure of the scenario and the rows (or, with ``is_bound``, the columns) in which it stands.

    ``figure`` is the user's own, also where the row is net of what stands already; 0 where the limit is no amount.
    ``quarters`` is one label a row.
    """

    family: str
    label: str
    figure: float
    places: Ints
    quarters: tuple[str, ...]
    is_bound: bool = False

    @property
    def words(self) -> Words:
        """Words of the family."""
        return BOUNDS[self.family] if self.is_bound else WORDS[self.family]


def figures(d: PlanInputs, rows: Rows) -> Floats:
    """The user's own figure of every cell of some rows, in the shape of their axes; 0 where there is none.

    That is the right-hand side, where it is not net of what stands already, of fixed payments or of a decision.
    """
    family = family_of(rows.name)
    if family == "connection":
        return _on(d.connection_mw, rows.axes)
    if family == "lease" and d.terms.leases is not None:
        return _on(d.terms.leases.due_mw, rows.axes)
    if family == "cash":
        own = d.inflow_musd.values.copy()
        own[0] += d.opening_cash_musd
        return np.asarray(own, dtype=np.float64)
    if rows.name.startswith(("gang_place_", "gang_system_")):
        return _on(d.gang_mw, rows.axes)
    finite = np.where(np.isfinite(rows.upper), rows.upper, rows.lower)
    return cells_of(rows, finite)


def stands_already(d: PlanInputs, family: str, label: str) -> bool:
    """True where the figure of a limit counts beyond what stood at the start, and something did."""
    return family == "halls" and float(d.energised_initial_mw.sel(site=label)) > 0


def cells_of(rows: Rows, values: Floats) -> Floats:
    """(rows of the block,) values in the shape of its axes; 0 where there is no row."""
    live, table = rows.index >= 0, np.zeros(rows.index.shape)
    if live.any():
        table[live] = values[rows.index[live] - int(rows.index[live].min())]
    return np.where(np.isfinite(table), table, 0.0)


def named_cells(name: str, axes: Axes) -> list[tuple[str, tuple[int, ...], str]]:
    """(label, cell, quarter) of every cell: its labels but the quarter's, and what the name adds to its family."""
    family, own = family_of(name), ""
    if name != family and name != "minimum_take_sites" and family in ("right", "gang", "hosting", "vacate"):
        own = name.removeprefix(f"{family}_").removeprefix("place_").removeprefix("system_")
        if family == "vacate":
            own = own.partition("_")[2]  # the length of the term comes first
    dims = list(axes)
    found = []
    for cell in np.ndindex(*(len(labels) for labels in axes.values())):
        at = {dim: str(axes[dim][place]) for dim, place in zip(dims, cell, strict=True)}
        quarter = at.pop("quarter", HORIZON)
        if "after" in at:
            quarter = f"quarter {at.pop('after')} after the horizon"
        found.append((", ".join([*at.values(), *([own] if own else [])]), tuple(cell), quarter))
    return found


def data_of(model: Model, d: PlanInputs) -> list[Datum]:
    """Every datum of a plan: rows of one family and label with one figure, then bounds likewise, in their order."""
    found: list[Datum] = []
    for family in WORDS:
        for rows in model.constraints.values():
            if family_of(rows.name) == family:
                found += _grouped(family, rows.name, rows.axes, rows.index, figures(d, rows))
    upper = np.concatenate(model.upper) if model.upper else np.empty(0)
    whole = np.concatenate(model.integer) if model.integer else np.empty(0, dtype=bool)
    for name in BOUNDS:
        if name not in model.variables:
            continue
        columns = model.variables[name].columns
        limited = (columns >= 0) & np.isfinite(upper[columns]) & (upper[columns] > 0) & ~whole[columns]
        places = np.where(limited, columns, -1)
        own = np.where(limited, upper[columns], 0.0)
        found += _grouped(name, name, model.variables[name].axes, places, own, is_bound=True)
    return found


def _grouped(family: str, name: str, axes: Axes, places: Ints, own: Floats, *, is_bound: bool = False) -> list[Datum]:
    groups: dict[tuple[str, float], list[tuple[int, str]]] = {}
    for label, cell, quarter in named_cells(name, axes):
        if places[cell] >= 0:
            groups.setdefault((label, round(float(own[cell]), 9)), []).append((int(places[cell]), quarter))
    return [
        Datum(
            family=family, label=label, figure=figure, is_bound=is_bound,
            places=np.array([place for place, _ in cells], dtype=np.int64),
            quarters=tuple(quarter for _, quarter in cells),
        )
        for (label, figure), cells in groups.items()
    ]  # fmt: skip


def spoken(label: str) -> str:
    """A label as people say it: "own-b200@abilene" is own-b200 at abilene."""
    return label.replace("@", " at ")


def span(quarters: Sequence[str], every: Sequence[str]) -> str:
    """Quarters as a sentence names them, by their order in ``every``: "2027Q1 to 2027Q4"."""
    known = [name for name in every if name in set(quarters)]
    if len(known) <= 1:
        return ", ".join(dict.fromkeys(quarters))
    places = [list(every).index(name) for name in known]
    if places[-1] - places[0] + 1 == len(places):
        return f"{known[0]} to {known[-1]}"
    return f"{len(known)} quarters from {known[0]} to {known[-1]}"


def _on(values: object, axes: Axes) -> Floats:
    import xarray as xr

    assert isinstance(values, xr.DataArray)
    chosen = values.sel({dim: list(labels) for dim, labels in axes.items()}).transpose(*axes)
    return np.where(np.isfinite(chosen.values), chosen.values, 0.0).astype(np.float64)
