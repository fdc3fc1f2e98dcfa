"""A tree of what may happen: branches at quarters, outcomes with probabilities, and who knows what when.

A leaf is one path of outcomes through all branches. Its inputs are the central ones until the first branch and follow
its outcomes from there on. Two leaves are told apart only from the branch on at which their outcomes differ, so what
is decided before is one decision for both. An order is decided ``lead`` quarters before it is accepted.

    outcome of a branch at quarter b, from b on:   demand x factor;  prices x their factors;
                                                   what was to come in quarter q >= b comes in q + late
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.plan.decisions import COLUMNS
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.prices import AS_PLANNED, PricePaths, Prices, mean_prices, price_paths
from gigawatt.plan.service import Service

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one branch may bring.

    Args:
        name: as people say it, ``high demand, late``.
        probability: given that the branch is reached; those of a branch add up to 1.
        demand: (workload, quarter) factor, or one number.
        prices: factors on prices.
        late: (offer), (site) and (commitment) quarters by which deliveries, connections and due dates move.
    """

    name: str
    probability: float
    demand: xr.DataArray | float = 1.0
    prices: Prices = AS_PLANNED
    late_offer: Ints | None = None
    late_site: Ints | None = None
    late_commitment: Ints | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A quarter in which one of several outcomes is learned, before anything of that quarter is decided."""

    quarter: str
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One path through the tree: the outcome taken at each branch, its probability and its inputs."""

    path: tuple[int, ...]
    name: str
    probability: float
    inputs: PlanInputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Branches in order of time over central inputs; ``lead`` gives quarters from order to acceptance by family.

    ``priced`` gives the central inputs at other prices; it is asked where an outcome moves one.

    Raises ValueError with a sentence where branches do not run forward within the horizon, probabilities are negative
    or do not add up to 1, or prices move and ``priced`` is missing. An outcome of probability 0 is carried: its case
    has to be possible and weighs nothing.
    """

    inputs: PlanInputs
    branches: tuple[Branch, ...]
    lead: dict[str, Ints]
    priced: Callable[[PricePaths], PlanInputs] | None = None

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
                if outcome.prices != AS_PLANNED and self.priced is None:
                    raise ValueError(f"'{outcome.name}' moves prices, and nothing says what the plan costs at others")
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
        n, at_prices = len(self.inputs.quarters), {}
        for path in itertools.product(*(range(len(branch.outcomes)) for branch in self.branches)):
            taken = [branch.outcomes[i] for branch, i in zip(self.branches, path, strict=True)]
            paths = price_paths(n, [(b, outcome.prices) for b, outcome in zip(self.places, taken, strict=True)])
            if paths not in at_prices:
                at_prices[paths] = self.priced(paths) if self.priced is not None and paths.moves else self.inputs
            inputs = self._drawing(at_prices[paths], path)
            for place, outcome in zip(self.places, taken, strict=True):
                inputs = follow(inputs, place, outcome)
            found.append(Leaf(
                path=path, name=" > ".join(outcome.name for outcome in taken) or "as planned",
                probability=float(np.prod([outcome.probability for outcome in taken])), inputs=inputs,
            ))  # fmt: skip
        return tuple(found)

    def _drawing(self, d: PlanInputs, path: Sequence[int]) -> PlanInputs:
        """Inputs in which what a path's delays push draws on the supply of the quarter it was ordered for."""
        taken = [branch.outcomes[i] for branch, i in zip(self.branches, path, strict=True)]
        if not any(outcome.late_offer is not None and outcome.late_offer.any() for outcome in taken):
            return d
        meant, _ = self.order_of("add", path)
        tests = d.terms.testing_quarters
        delivered = meant if tests is None else meant - tests.values[:, None].astype(np.int64)
        return replace(d, supply_from=d.add_max_mw.copy(data=np.where(meant >= 0, np.maximum(delivered, -1), -1)))

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
        meant = np.tile(np.arange(n, dtype=np.int64), (lead.size, 1))
        for row in range(lead.size):
            for quarter in range(n):
                meant[row, quarter] = self._meant(axis, path, row, quarter, int(lead[row]))
        placed = meant - lead[:, None]
        stage = (placed[:, :, None] >= np.array(self.places, dtype=np.int64)).sum(axis=2)
        return meant, np.asarray(stage, dtype=np.int64)

    def _meant(self, axis: str, path: Sequence[int], row: int, quarter: int, lead: int) -> int:
        for place, branch, taken in reversed(list(zip(self.places, self.branches, path, strict=True))):
            rows = getattr(branch.outcomes[taken], f"late_{axis}")
            late = int(rows[row]) if rows is not None else 0
            if late and place <= quarter < place + late + lead + (lead == 0):
                if quarter < place + late:
                    return -1
                quarter -= late
        return quarter


def mean_of(tree: Tree) -> Tree:
    """The tree in which every branch brings the probability-weighted mean of its outcomes, and nothing else.

    Demand and prices take their means; lateness takes its mean in quarters, rounded to a whole one, a half upwards.
    Branches are independent, so the mean of a product over branches is the product of their means.
    """
    return replace(
        tree, branches=tuple(Branch(quarter=b.quarter, outcomes=(_mean(b.outcomes),)) for b in tree.branches)
    )


def _mean(outcomes: tuple[Outcome, ...]) -> Outcome:
    demand: xr.DataArray | float = 0.0
    for outcome in outcomes:
        demand = demand + outcome.probability * outcome.demand

    def late(name: str) -> Ints | None:
        rows = [(o.probability, getattr(o, name)) for o in outcomes if getattr(o, name) is not None]
        return np.floor(np.sum([p * row for p, row in rows], axis=0) + 0.5).astype(np.int64) if rows else None

    return Outcome(
        name="mean", probability=1.0, demand=demand, prices=mean_prices([(o.probability, o.prices) for o in outcomes]),
        late_offer=late("late_offer"), late_site=late("late_site"), late_commitment=late("late_commitment"),
    )  # fmt: skip


def _asked(d: PlanInputs, scaled: Callable[[xr.DataArray, xr.DataArray], xr.DataArray]) -> Service | None:
    """What tiers of speed, regions of users and steps of a curve take at most moves with the demand of their class."""
    service = d.service
    if service is None:
        return None
    shares, curve = service.shares, service.curve
    if shares is not None:
        first = shares.member.transpose("share", "lane").values.argmax(axis=1)
        classes = xr.DataArray(d.lane_workload.values[first], dims="share")
        shares = replace(shares, most=scaled(shares.most, classes))
    if curve is not None:
        curve = replace(curve, most=scaled(curve.most, curve.workload))
    return replace(service, shares=shares, curve=curve)


def _of_class(factor: xr.DataArray | float, classes: xr.DataArray) -> xr.DataArray | float:
    """The factor of each row's class, in the place of the class itself."""
    if not isinstance(factor, xr.DataArray) or "workload" not in factor.dims:
        return factor
    rows = xr.DataArray([str(name) for name in classes.values], dims=classes.dims)
    return factor.sel(workload=rows).drop_vars("workload")


def follow(d: PlanInputs, place: int, outcome: Outcome) -> PlanInputs:
    """Inputs that take an outcome from the quarter at ``place`` on.

    What is late moves by its quarters: the connection of a site, the first quarter of an offer and its minimum take,
    a take over several sites by the latest of them, the dates of a commitment. A vendor's supply does not shrink.
    Prices are not moved here: see ``Tree.priced``.
    """
    n = len(d.quarters)
    after = xr.DataArray((np.arange(n) >= place).astype(float), dims="quarter", coords={"quarter": list(d.quarters)})

    def scaled(values: xr.DataArray, factor: xr.DataArray | float) -> xr.DataArray:
        changed: xr.DataArray = (values * (1.0 + after * (factor - 1.0))).transpose(*values.dims)
        return changed

    def moved(values: xr.DataArray, late: Ints | None, first: float | None) -> xr.DataArray:
        """Rows of (row, quarter) moved; in the gap stands what stood before, or ``first``."""
        if late is None or not late.any():
            return values
        table = np.array(values.values, dtype=float)
        for row, k in enumerate(late.tolist()):
            for quarter in range(n - 1, place - 1, -1) if k else ():
                source = quarter - k
                if source >= place:
                    table[row, quarter] = values.values[row, source]
                else:
                    table[row, quarter] = values.values[row, place - 1] if first is None else first
        return values.copy(data=table)

    take = moved(d.stock_min_mw, outcome.late_offer, None)
    terms = d.terms
    if terms.takes is not None and outcome.late_offer is not None:
        owed, members = terms.takes.mw, terms.takes.member.transpose("take", "offer").values > 0
        later = moved(owed, (members * outcome.late_offer).max(axis=1, initial=0), None)
        terms = replace(terms, takes=replace(terms.takes, mw=later.where(later < owed, owed)))
    return replace(
        d,
        terms=terms,
        demand=scaled(d.demand, outcome.demand),
        service=_asked(d, lambda values, labels: scaled(values, _of_class(outcome.demand, labels))),
        add_max_mw=moved(d.add_max_mw, outcome.late_offer, 0.0),
        stock_min_mw=take.where(take < d.stock_min_mw, d.stock_min_mw),
        connection_mw=moved(d.connection_mw, outcome.late_site, None),
        commitment_mw=moved(d.commitment_mw, outcome.late_commitment, None),
    )
