"""Which rows and bounds of a plan a user can change, and the figure that the user wrote.

A limit is a row or a bound that states a figure of the scenario or of a contract: those that have ``Words``. All else
says what the decisions mean and cannot give way, each with its reason. A *datum* is what a user would change at once:
one figure of one limit, over all quarters in which it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from gigawatt.plan.algebra import Axes, Ints, Model, Rows
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import Unit, Words

Floats = npt.NDArray[np.float64]
HORIZON = "the whole horizon"
"""In place of a quarter where a limit holds over all of them."""


AVAILABLE = Words("the date from which an offer is available", "one {one} accepted then", once=True)
"""Decisions that a date forbids, which therefore have no column; see ``explain.date_bindings``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Datum:
    """One figure of the scenario and the rows (or, with ``is_bound``, the columns) in which it stands.

    ``figure`` is the user's own, also where the row is net of what stands already; 0 where the limit is no amount.
    ``quarters`` is one label a row.
    """

    family: str
    words: Words
    unit: Unit
    is_bound: bool = False
    label: str = ""
    figure: float = 0.0
    places: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    quarters: tuple[str, ...] = ()


def figures(rows: Rows) -> Floats:
    """The user's own figure of every cell of some rows, in the shape of their axes; 0 where there is none."""
    if (own := rows.block.figure) is not None:
        chosen = own.sel({dim: list(labels) for dim, labels in rows.axes.items()}).transpose(*rows.axes)
        return np.where(np.isfinite(chosen.values), chosen.values, 0.0).astype(np.float64)
    return cells_of(rows, np.where(np.isfinite(rows.upper), rows.upper, rows.lower))


def stands_already(d: PlanInputs, datum: Datum) -> bool:
    """True where the figure of a limit counts beyond what stood at the start, and something did."""
    return datum.words.beyond_start and float(d.energised_initial_mw.sel(site=datum.label)) > 0


def cells_of(rows: Rows, values: Floats) -> Floats:
    """(rows of the block,) values in the shape of its axes; 0 where there is no row."""
    live, table = rows.index >= 0, np.zeros(rows.index.shape)
    if live.any():
        table[live] = values[rows.index[live] - int(rows.index[live].min())]
    return np.where(np.isfinite(table), table, 0.0)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of rows or of a decision: who it is about, where it is, its quarter."""

    labels: tuple[str, ...]
    at: tuple[int, ...]
    quarter: str

    @property
    def label(self) -> str:
        """Who it is about, as people read it."""
        return ", ".join(self.labels)


def named_cells(axes: Axes, own: tuple[str, ...] = ()) -> Iterator[Cell]:
    """Every cell with its labels but the quarter's, and those that its rows have of their ``own``."""
    dims = list(axes)
    for cell in np.ndindex(*(len(labels) for labels in axes.values())):
        at = {dim: str(axes[dim][place]) for dim, place in zip(dims, cell, strict=True)}
        quarter = at.pop("quarter", HORIZON)
        if "after" in at:
            quarter = f"quarter {at.pop('after')} after the horizon"
        yield Cell((*at.values(), *own), tuple(cell), quarter)


def data_of(model: Model) -> list[Datum]:
    """Every datum of a plan, those that give way first before the others.

    Rows of one family and label with one figure, then bounds likewise, in their order.
    """
    found: list[Datum] = []
    for rows in model.constraints.values():
        if (words := rows.family.words) is not None:
            blank = Datum(family=rows.family.name, words=words, unit=rows.family.unit)
            found += _grouped(blank, named_cells(rows.axes, rows.block.labels), rows.index, figures(rows))
    upper = np.concatenate(model.upper) if model.upper else np.empty(0)
    whole = np.concatenate(model.integer) if model.integer else np.empty(0, dtype=bool)
    for variable in model.variables.values():
        if (words := variable.column.words) is None:
            continue
        columns = variable.columns
        limited = (columns >= 0) & np.isfinite(upper[columns]) & (upper[columns] > 0) & ~whole[columns]
        places = np.where(limited, columns, -1)
        own = np.where(limited, upper[columns], 0.0)
        blank = Datum(family=variable.name, words=words, unit=variable.column.unit, is_bound=True)
        found += _grouped(blank, named_cells(variable.axes), places, own)
    return sorted(found, key=lambda datum: not datum.words.first)


def _grouped(blank: Datum, cells: Iterable[Cell], places: Ints, own: Floats) -> list[Datum]:
    groups: dict[tuple[str, float], list[tuple[int, str]]] = {}
    for cell in cells:
        if places[cell.at] >= 0:
            key = cell.label, round(float(own[cell.at]), 9)
            groups.setdefault(key, []).append((int(places[cell.at]), cell.quarter))
    return [
        replace(
            blank, label=label, figure=figure, places=np.array([place for place, _ in found], dtype=np.int64),
            quarters=tuple(quarter for _, quarter in found),
        )
        for (label, figure), found in groups.items()
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
