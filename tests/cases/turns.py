"""Outcomes of trees over inputs made by hand: demand by a factor, deliveries late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.lateness import moved
from gigawatt.plan.tree import Outcome, Tree

Ints = npt.NDArray[np.int64]


def turn(name: str, probability: float, demand: float = 1.0, late_offer: Ints | None = None) -> Outcome:
    return Outcome(name=name, probability=probability, brings=(demand,), late_offer=late_offer)


def over(inputs: PlanInputs) -> Callable[[Sequence[tuple[int, Outcome]]], PlanInputs]:
    """Inputs of a path: demand times its factors, deliveries and takes as late as they are."""

    def at(taken: Sequence[tuple[int, Outcome]]) -> PlanInputs:
        d = inputs
        for place, outcome in taken:
            demand = d.demand.copy(deep=True)
            demand[:, :, place:] *= outcome.brings[0]
            d = replace(d, demand=demand)
            if outcome.late_offer is not None:
                d = _late(d, place, outcome.late_offer)
        return d

    return at


def _late(d: PlanInputs, place: int, late: Ints) -> PlanInputs:
    def rows(values: npt.NDArray[np.float64], by: Ints, gap: float | None) -> npt.NDArray[np.float64]:
        return np.array([moved(row, [(place, int(k))], 0.0, gap) for row, k in zip(values, by, strict=True)])

    terms, held = d.terms, d.stock_min_mw.values
    if terms.takes is not None:
        by = (terms.takes.member.values * late).max(axis=1).astype(np.int64)
        owed = terms.takes.mw.copy(data=np.minimum(terms.takes.mw.values, rows(terms.takes.mw.values, by, None)))
        terms = replace(terms, takes=replace(terms.takes, mw=owed))
    return replace(
        d, terms=terms, add_max_mw=d.add_max_mw.copy(data=rows(d.add_max_mw.values, late, 0.0)),
        stock_min_mw=d.stock_min_mw.copy(data=np.minimum(held, rows(held, late, None))),
    )  # fmt: skip


def mean(outcomes: Sequence[Outcome]) -> Outcome:
    n = next((outcome.late_offer.size for outcome in outcomes if outcome.late_offer is not None), 0)
    zero = np.zeros(n, dtype=np.int64)
    late = np.sum([o.probability * (zero if o.late_offer is None else o.late_offer) for o in outcomes], axis=0)
    demand = sum(outcome.probability * outcome.brings[0] for outcome in outcomes)
    return turn("mean", 1.0, demand, np.floor(late + 0.5).astype(np.int64) if n else None)


def with_inputs(tree: Tree, inputs: PlanInputs) -> Tree:
    """The same branches over other inputs."""
    return replace(tree, inputs=inputs, at=over(inputs))
