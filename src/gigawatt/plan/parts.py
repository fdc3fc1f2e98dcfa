"""The tree cut into parts: what is decided between two cuts on one path is one problem.

Cut before the last branch alone, all nodes before it are one part and every leaf is one; cut before every branch, every
node is a part. A part's problem stands over

    path:       columns of earlier parts that it or what follows it needs, held at what was decided there
    own:        its own columns
    following:  one column a following part, for the cost of what follows
    over:       where a tail weighs, in the parts before leaves, how far each leaf passes the value at risk

and has the rows whose latest decision is its own. The value at risk t is a column of the first part, numbered behind
all columns of the tree;  over_s >= cost of leaf s - t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gigawatt.plan.extensive import Extensive
from gigawatt.plan.problem import Problem
from gigawatt.plan.tail import Tail

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NO_PLANE_YET = -1e9
"""Lower bound of the cost of what follows a part [MUSD] before planes say more."""
MOST_TOGETHER = 30_000
"""Columns up to which nodes that follow each other stay one part; more parts need more rounds, a larger one more time
in each."""
NEVER = 1e-300
"""Smallest probability that is divided by: what follows a part that is never reached has no share in anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part; ``path`` and ``own`` number columns of the tree, ``following`` parts; its problem has them so.

    ``probability`` is that of reaching it; ``level`` counts the cuts before it.
    """

    name: str
    level: int
    probability: float
    path: Ints
    own: Ints
    following: Ints
    problem: Problem

    @property
    def columns(self) -> Ints:
        """Columns of the tree that it stands over, held and own."""
        return np.concatenate([self.path, self.own])


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """All decisions before one leaf's own part, at that leaf's cost: their columns in the tree and the cuts before each
    row.
    """

    problem: Problem
    columns: Ints
    row_level: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The tree in parts, the first one first and leaves last.

    ``through`` (leaf, level) gives the part a leaf passes, ``level`` (column) the cuts before a decision.
    """

    parts: tuple[Part, ...]
    through: Ints
    level: Ints
    before: tuple[Before, ...]


def cuts_of(whole: Extensive, most: int = MOST_TOGETHER) -> tuple[int, ...]:
    """Branches to cut before, from 1: the last one, and earlier ones where a part would pass ``most`` columns."""
    last, cuts, begins = len(whole.tree.branches), [], 0
    for stage in range(1, last):
        together = (whole.stage >= begins) & (whole.stage <= stage)
        parts = np.unique(whole.node[whole.stage == begins]).size
        if together.sum() > most * parts:
            cuts.append(stage)
            begins = stage
    return (*cuts, last)


def cut(whole: Extensive, branches: Sequence[int], tail: Tail) -> Cut:
    """The tree cut before the given branches, counted from 1, the last of which is that of the leaves."""
    return _Knife(whole, branches, tail).cut()


class _Knife:
    """Numbers of parts: those of one level follow each other, in the order of the nodes they begin with."""

    def __init__(self, whole: Extensive, branches: Sequence[int], tail: Tail) -> None:
        self.whole, self.tail = whole, tail
        self.cuts = len(branches)
        self.begins = np.array([0, *branches], dtype=np.int64)  # branches known where a level begins
        sizes = [len(branch.outcomes) for branch in whole.tree.branches]
        self.nodes = np.cumprod([1, *sizes])  # nodes after so many branches
        self.first = np.concatenate([[0], np.cumsum(self.nodes[self.begins])])  # first part of each level
        self.count = int(self.first[-1])
        self.level = np.searchsorted(self.begins[1:], whole.stage, side="right")
        within = self.nodes[whole.stage] // self.nodes[self.begins[self.level]]  # nodes of a stage in one part
        of_column = self.first[self.level] + whole.node // within
        leaves = len(whole.leaves)
        self.through = self.first[:-1] + np.arange(leaves)[:, None] // (leaves // self.nodes[self.begins])
        self.matrix, self.low, self.high = with_implied(whole, self.level, self.cuts)
        self.row = np.repeat(np.arange(self.low.size), np.diff(self.matrix.indptr))
        self.of_row = np.zeros(self.low.size, dtype=np.int64)
        np.maximum.at(self.of_row, self.row, of_column[self.matrix.indices])
        self.own_of, self.rows_of = _grouped(of_column, self.count), _grouped(self.of_row, self.count)
        p = whole.probability
        self.reached = np.bincount(self.through.ravel(), weights=np.repeat(p, self.cuts + 1), minlength=self.count)
        self.mean_cost = np.append(whole.leaf_cost.T @ p, 0.0)

    def cut(self) -> Cut:
        """From the leaves to the first part: what a part holds is what it or what follows it needs of earlier ones."""
        parts: dict[int, Part] = {}
        for number in range(self.count - 1, -1, -1):
            parts[number] = self._part(number, parts)
        return Cut(
            parts=tuple(parts[number] for number in range(self.count)), through=self.through, level=self.level,
            before=self._before(),
        )  # fmt: skip

    def _part(self, number: int, known: dict[int, Part]) -> Part:
        whole, tail, n = self.whole, self.tail, self.whole.lower.size
        level = int(np.searchsorted(self.first, number, side="right")) - 1
        following = np.zeros(0, dtype=np.int64)
        if level < self.cuts:
            following = np.unique(self.through[self.through[:, level] == number, level + 1])
        leaves = following - int(self.first[-2]) if level == self.cuts - 1 else following[:0]
        weighed = tail.weight > 0.0 and leaves.size > 0
        rows, own = self.rows_of[number], self.own_of[number]
        if number == 0 and tail.weight > 0.0:
            own = np.append(own, n)
        needs = np.zeros(n + 1, dtype=bool)
        needs[self.matrix[rows].indices] = True
        for k in following.tolist():
            needs[known[k].path] = True
        if weighed:
            needs[whole.leaf_cost[leaves].indices] = needs[n] = True
        needs[own] = False
        if weighed:  # a leaf's own columns are paid through what follows
            for k in following.tolist():
                needs[known[k].own] = False
        path = np.flatnonzero(needs)
        if level == self.cuts:
            leaf = number - int(self.first[-2])
            cost, name = self._leaf_cost(leaf)[own], whole.leaves[leaf].name
        else:
            cost = self.mean_cost[own] / max(self.reached[number], NEVER) * (1.0 - tail.weight)
            name = self._name(number, level)
        if number == 0 and tail.weight > 0.0:
            cost[-1] = tail.weight
        share = self.reached[following] / max(self.reached[number], NEVER)
        after = share * (1.0 - tail.weight) if weighed else share
        problem = self._problem(rows, path, own, cost, after)
        if weighed:
            problem = self._with_tail(problem, np.concatenate([path, own]), leaves, share)
        return Part(
            name=name, level=level, probability=float(self.reached[number]), path=path, own=own, following=following,
            problem=problem,
        )  # fmt: skip

    def _leaf_cost(self, leaf: int) -> Floats:
        cost = np.zeros(self.whole.lower.size + 1)
        row = self.whole.leaf_cost[[leaf]]
        cost[row.indices] = row.data
        return cost

    def _name(self, number: int, level: int) -> str:
        """What has happened on the way to a part."""
        known, tree = int(self.begins[level]), self.whole.tree
        leaf = self.whole.leaves[int(np.argmax(self.through[:, level] == number))]
        taken = [b.outcomes[i].name for b, i in zip(tree.branches[:known], leaf.path[:known], strict=True)]
        return " > ".join(taken) or "the start"

    def _problem(self, rows: Ints, path: Ints, own: Ints, cost: Floats, after: Floats) -> Problem:
        """Rows over held and own columns, and one column for each part that follows."""
        whole, columns = self.whole, np.concatenate([path, own])
        number = np.empty(whole.lower.size + 1, dtype=np.int64)
        number[columns] = np.arange(columns.size)
        lower, upper = np.append(whole.lower, -np.inf), np.append(whole.upper, np.inf)
        mine = self.matrix[rows]
        return Problem(
            cost=np.concatenate([np.zeros(path.size), cost, after]),
            lower=np.concatenate([lower[columns], np.full(after.size, NO_PLANE_YET)]),
            upper=np.concatenate([upper[columns], np.full(after.size, np.inf)]),
            matrix=sp.csr_array(
                (mine.data, number[mine.indices], mine.indptr), shape=(rows.size, columns.size + after.size)
            ),
            row_lower=self.low[rows], row_upper=self.high[rows],
        )  # fmt: skip

    def _with_tail(self, problem: Problem, columns: Ints, leaves: Ints, share: Floats) -> Problem:
        """over_s + t - (cost before the leaf)_s - (what follows)_s >= constant_s,  over >= 0."""
        whole, tail, count = self.whole, self.tail, leaves.size
        cost = sp.csc_array(sp.hstack([whole.leaf_cost[leaves], sp.csr_array((count, 1))]))[:, columns]
        at_risk = np.flatnonzero(columns == whole.lower.size)
        t = sp.csr_array((np.ones(count), (np.arange(count), at_risk.repeat(count))), shape=(count, columns.size))
        over = sp.hstack([t - cost, -sp.eye_array(count), sp.eye_array(count)])
        above = sp.hstack([problem.matrix, sp.csr_array((problem.matrix.shape[0], count))])
        return Problem(
            cost=np.concatenate([problem.cost, tail.weight * share / (1.0 - tail.level)]),
            lower=np.concatenate([problem.lower, np.zeros(count)]),
            upper=np.concatenate([problem.upper, np.full(count, np.inf)]),
            matrix=sp.csr_array(sp.vstack([above, over])),
            row_lower=np.concatenate([problem.row_lower, whole.leaf_constant[leaves]]),
            row_upper=np.concatenate([problem.row_upper, np.full(count, np.inf)]),
        )  # fmt: skip

    def _before(self) -> tuple[Before, ...]:
        """For each leaf what is decided before its own part, with the rows that speak of nothing else."""
        whole, found = self.whole, []
        shared = np.flatnonzero(self.of_row[: whole.row_lower.size] < self.first[-2])
        head = self.matrix[shared]
        row = np.repeat(np.arange(shared.size), np.diff(head.indptr))
        row_level = np.searchsorted(self.first, self.of_row[shared], side="right") - 1
        for leaf in range(len(whole.leaves)):
            own = np.concatenate([self.own_of[k] for k in self.through[leaf, :-1].tolist()])
            on_path = whole.node[own] == leaf // (len(whole.leaves) // self.nodes[whole.stage[own]])
            columns = np.sort(own[on_path])
            inside = np.zeros(whole.lower.size, dtype=bool)
            inside[columns] = True
            mine = np.bincount(row, weights=~inside[head.indices], minlength=shared.size) == 0
            problem = self._problem(shared[mine], columns[:0], columns, self._leaf_cost(leaf)[columns], np.zeros(0))
            found.append(Before(problem=problem, columns=columns, row_level=row_level[mine]))
        return tuple(found)


def _grouped(number: Ints, count: int) -> list[Ints]:
    """Positions of each number below ``count``, in order."""
    order = np.argsort(number, kind="stable")
    return np.split(order, np.searchsorted(number[order], np.arange(1, count)))


def with_implied(whole: Extensive, level: Ints, cuts: int) -> tuple[sp.csr_array, Floats, Floats]:
    """(matrix, lower, upper) of the tree, and below it what rows say of decisions before each cut whatever follows.

    The later part of a row lies between sums of its columns' bounds: of an amount that must not be passed over all
    quarters, what is decided before a cut alone must not pass it. Planes would say it one by one.
    """
    matrix, n_rows = whole.matrix, whole.row_lower.size
    row = np.repeat(np.arange(n_rows), np.diff(matrix.indptr))
    matrices, lows, highs = [matrix], [whole.row_lower], [whole.row_upper]
    for k in range(1, cuts + 1):
        late = level[matrix.indices] >= k
        at, value = matrix.indices[late], matrix.data[late]
        side = value > 0.0
        least = np.bincount(row[late], value * np.where(side, whole.lower[at], whole.upper[at]), n_rows)
        most = np.bincount(row[late], value * np.where(side, whole.upper[at], whole.lower[at]), n_rows)
        rows = np.unique(row[late])
        early = matrix[rows]
        early.data[level[early.indices] >= k] = 0.0
        early.eliminate_zeros()
        early.sort_indices()
        lower, upper = whole.row_lower[rows] - most[rows], whole.row_upper[rows] - least[rows]
        says = (np.isfinite(lower) | np.isfinite(upper)) & (np.diff(early.indptr) > 0)
        once: dict[bytes, int] = {}
        low, high = np.full(rows.size, -np.inf), np.full(rows.size, np.inf)
        for i in np.flatnonzero(says).tolist():
            cells = slice(early.indptr[i], early.indptr[i + 1])
            same = once.setdefault(early.indices[cells].tobytes() + early.data[cells].tobytes(), i)
            low[same], high[same] = max(low[same], lower[i]), min(high[same], upper[i])
        kept = np.fromiter(once.values(), dtype=np.int64, count=len(once))
        matrices.append(early[kept])
        lows.append(low[kept])
        highs.append(high[kept])
    return sp.csr_array(sp.vstack(matrices)), np.concatenate(lows), np.concatenate(highs)
