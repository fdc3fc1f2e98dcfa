"""A tree of what may happen: branches at quarters, outcomes with probabilities, and who knows what when.

A leaf is one path of outcomes through all branches. Its inputs are the central ones until the first branch and follow
its outcomes from there on. Two leaves are told apart only from the branch on at which their outcomes differ, so what
is decided before is one decision for both. An order is decided ``lead`` quarters before it is accepted, and what was
on order comes as late as its outcomes say.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.plan.decisions import COLUMNS
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.lateness import drawn_from, meant_for

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one branch may bring.

    Args:
        name: as people say it, ``high demand, late``.
        probability: given that the branch is reached; those of a branch add up to 1.
        brings: what changes from the branch on, as ``Tree.at`` reads it.
        late_offer: (offer) quarters by which what is ordered comes later, and ``late_site`` (site) what is built.
        late_site: see above.
    """

    name: str
    probability: float
    brings: tuple[Any, ...] = ()
    late_offer: Ints | None = None
    late_site: Ints | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A quarter in which one of several outcomes is learned, before anything of that quarter is decided."""

    quarter: str
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One path through the tree: the outcome taken at each branch, its probability and its inputs.

    ``supply_from`` (offer, quarter) is that of the inputs, by who ordered what when in a tree; None where nothing is
    late.
    """

    path: tuple[int, ...]
    name: str
    probability: float
    inputs: PlanInputs
    supply_from: xr.DataArray | None = None

    @property
    def ordered(self) -> PlanInputs:
        """Inputs in which what is pushed draws on the supply of the quarter it was ordered for in the tree."""
        return self.inputs if self.supply_from is None else replace(self.inputs, supply_from=self.supply_from)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Branches in order of time over central inputs; ``lead`` gives quarters from order to acceptance by family.

    ``at`` gives the inputs of a path: of (place of the branch's quarter, outcome) in order. ``mean`` is the mean of
    outcomes, where the mean case is asked for.

    Raises ValueError with a sentence where branches do not run forward within the horizon, or probabilities are
    negative or do not add up to 1. An outcome of probability 0 is carried: its case has to be possible and weighs
    nothing.
    """

    inputs: PlanInputs
    branches: tuple[Branch, ...]
    lead: dict[str, Ints]
    at: Callable[[Sequence[tuple[int, Outcome]]], PlanInputs]
    mean: Callable[[Sequence[Outcome]], Outcome] | None = None

    def __post_init__(self) -> None:
        """Checks order and probabilities."""
        quarters = self.inputs.quarters
        for branch in self.branches:
            if branch.quarter not in quarters:
                raise ValueError(
                    f"'{branch.quarter}' is no quarter of the horizon, which runs from {quarters[0]} to {quarters[-1]}"
                )
            if branch.quarter == quarters[0]:
                raise ValueError(
                    f"a branch at {branch.quarter} tells nothing apart: the horizon runs from {quarters[0]} to "
                    f"{quarters[-1]}, and a branch lies after its first quarter"
                )
            for outcome in branch.outcomes:
                if not outcome.probability >= 0.0:
                    raise ValueError(
                        f"'{outcome.name}' at {branch.quarter} has probability {outcome.probability:g}; "
                        "0 or more is right"
                    )
            total = sum(outcome.probability for outcome in branch.outcomes)
            if abs(total - 1.0) > 1e-9:
                raise ValueError(f"the probabilities of the branch at {branch.quarter} add up to {total:.6g}, not 1")
        places = self.places
        if any(later <= earlier for earlier, later in itertools.pairwise(places)):
            raise ValueError("branches run forward: " + ", ".join(branch.quarter for branch in self.branches))

    @property
    def places(self) -> tuple[int, ...]:
        """Position of each branch's quarter."""
        return tuple(self.inputs.quarters.index(branch.quarter) for branch in self.branches)

    def leaves(self) -> tuple[Leaf, ...]:
        """All paths, the last branch changing fastest."""
        found = []
        for path in itertools.product(*(range(len(branch.outcomes)) for branch in self.branches)):
            taken = [branch.outcomes[i] for branch, i in zip(self.branches, path, strict=True)]
            inputs = self.at(list(zip(self.places, taken, strict=True)))
            found.append(Leaf(
                path=path, name=" > ".join(outcome.name for outcome in taken) or "as planned",
                probability=float(np.prod([outcome.probability for outcome in taken])), inputs=inputs,
                supply_from=self._drawing(inputs, path),
            ))  # fmt: skip
        return tuple(found)

    def _drawing(self, d: PlanInputs, path: Sequence[int]) -> xr.DataArray | None:
        """(offer, quarter) place of the quarter whose supply an acceptance draws on; None where nothing is late."""
        taken = [branch.outcomes[i] for branch, i in zip(self.branches, path, strict=True)]
        if not any(outcome.late_offer is not None and outcome.late_offer.any() for outcome in taken):
            return None
        tests = d.terms.testing_quarters
        lag = np.zeros(d.add_max_mw.sizes["offer"]) if tests is None else tests.values
        return drawn_from(self.order_of("add", path)[0], lag.astype(np.int64), d.add_max_mw)

    def known(self) -> Ints:
        """(quarter) branches known in each quarter."""
        quarters = np.arange(len(self.inputs.quarters))
        return np.asarray((quarters[:, None] >= np.array(self.places, dtype=np.int64)).sum(axis=1), dtype=np.int64)

    def group(self, path: Sequence[int], stage: int) -> int:
        """Number of the node a leaf passes through after ``stage`` branches."""
        number = 0
        for branch, taken in zip(self.branches[:stage], path[:stage], strict=True):
            number = number * len(branch.outcomes) + taken
        return number

    def order_of(self, family: str, path: Sequence[int]) -> tuple[Ints, Ints]:
        """Which order arrives when, on one path: ((row, quarter) quarter it was meant for, -1 for none; its stage).

        An order is placed ``lead`` before the quarter it is meant for. What was placed before a branch that brings
        delay, for a quarter from the branch on, comes ``late`` quarters after it was meant to; so nothing arrives in
        the first ``late`` quarters, and what is ordered knowing of the delay comes behind what was ordered before.
        """
        axis, lead, n = COLUMNS[family].axes[0], self.lead[family], len(self.inputs.quarters)
        outcomes = [branch.outcomes[taken] for branch, taken in zip(self.branches, path, strict=True)]
        rows = [getattr(outcome, f"late_{axis}") for outcome in outcomes]
        late = [np.zeros(lead.size, dtype=np.int64) if row is None else row for row in rows]
        meant = np.array([
            meant_for(n, int(lead[row]), [(place, int(k[row])) for place, k in zip(self.places, late, strict=True)])
            for row in range(lead.size)
        ])  # fmt: skip
        placed = meant - lead[:, None]
        stage = (placed[:, :, None] >= np.array(self.places, dtype=np.int64)).sum(axis=2)
        return meant, np.asarray(stage, dtype=np.int64)


def mean_of(tree: Tree) -> Tree:
    """The tree in which every branch brings the probability-weighted mean of its outcomes, and nothing else.

    Branches are independent, so the mean of a product over branches is the product of their means.
    """
    assert tree.mean is not None
    means = [replace(branch, outcomes=(tree.mean(branch.outcomes),)) for branch in tree.branches]
    return replace(tree, branches=tuple(means))
