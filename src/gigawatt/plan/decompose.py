"""The tree by decomposition: its parts in solvers of their own, and planes between them.

    part:  min  cost of its decisions + sum_k p_k t_k   with   its rows,   t_k >= Q_k(x_j) + slope (x - x_j)  for all j

A round goes forward through the parts before the leaves, prices the leaves, and hands planes back. The first part's
minimum is a lower bound; the true cost of decisions that meet all rows is an upper one. The point that is priced lies
between what the forward pass finds and the best point so far (Ben-Ameur and Neto 2007), because the minimum itself
jumps from corner to corner while few planes are known. The first planes come from each leaf planned alone with
foresight. Lumps that are decided before the first branch come whole once the bounds of their relaxation are close.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
import numpy.typing as npt

from gigawatt.core.errors import InfeasibleError, SolverError
from gigawatt.plan.extensive import Extensive
from gigawatt.plan.found import Round, Say, TreePlan, in_order, quiet
from gigawatt.plan.parts import NEVER, Cut, cut, cuts_of
from gigawatt.plan.problem import offset
from gigawatt.plan.recourse import STEEP, Answer, Executor, Foreseen, LeafProblem, PartSolver, Serial, tolerance_of
from gigawatt.plan.tail import Tail

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TOWARDS_MINIMUM = 0.7
"""Where between the best point (0) and the forward pass (1) the next point is priced."""
SLOW = 1e-5
"""Relative progress of a bound below which a round counts as slow; the next prices the forward pass's own point."""
STILL, MOST_STILL = 1e-10, 4
"""Relative progress that is none, and rounds of it after which the bounds are as close as they will get. A round whose
planes say more of its own point than was known makes progress though no bound moves: among many corners that cost
the same, the planes rule out one after another."""
SETTLED, MOST_SWEEPS = 0.1, 20
"""Parts before the leaves agree when what they plan costs at most this share of the gap more than the bound says; and
forward passes of one round in which they may try."""
MOST_RETURNS = 500
"""Times that a forward pass begins anew because nothing could follow; more is a fault of rounding."""
WITHIN = 1e-6
"""By how much, relative, a decision that is held may pass its bounds: the solver's tolerance."""


class Decomposition:
    """Parts and leaves, alive: further questions (other first orders) start from all planes found so far.

    Args:
        whole: the tree.
        tail: how bad outcomes weigh.
        executor: where leaves are solved; closed with this object.
        cuts: branches before which the tree is cut, counted from 1 and ending with the last; by size if not given.
    """

    def __init__(
        self,
        whole: Extensive,
        *,
        tail: Tail | None = None,
        executor: Executor | None = None,
        cuts: Sequence[int] = (),
    ) -> None:
        """Cuts the tree into parts; nothing is solved yet."""
        self.whole, self.tail = whole, tail or Tail()
        self._executor: Executor = executor or Serial()
        self.cuts = tuple(cuts) or cuts_of(whole)
        self._cut: Cut = cut(whole, self.cuts, self.tail)
        self.shared: Ints = np.flatnonzero(self._cut.level < len(self.cuts))
        n_leaves = len(whole.leaves)
        self._early, self._leaves = self._cut.parts[:-n_leaves], self._cut.parts[-n_leaves:]
        self._solvers = [
            PartSolver(part.name, part.problem, part.path.size, tolerance_of(part.level, len(self.cuts)))
            for part in self._early
        ]
        self._before = whole.leaf_cost.tocsc()[:, self.shared].tocsr()
        self._parent = {int(k): (i, n) for i, part in enumerate(self._early) for n, k in enumerate(part.following)}
        self._constant = offset(whole.leaf_constant, whole.probability, self.tail)
        first = self._early[0]
        self._lumps: Ints = np.flatnonzero(np.isin(first.own, whole.lumps))
        self.foreseen: Floats = np.empty(0)
        """(leaf) cost of each leaf planned alone with foresight [MUSD]"""
        self.foreseen_x: list[Floats] = []
        """(leaf) shared decisions of that plan, 0 off its path"""

    def __enter__(self) -> Decomposition:
        """The same object."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lets the executor go."""
        self._executor.close()

    @property
    def lower_bound(self) -> float:
        """Risk-weighted cost if everything were known at the start [MUSD]."""
        return self.tail.of(self.foreseen, self.whole.probability)

    def foresee(self) -> Floats:
        """(leaf) cost of each leaf planned alone; its planes go to the parts. Raises InfeasibleError."""
        if self.foreseen.size:
            return self.foreseen
        found = self._executor.start([
            LeafProblem(
                name=part.name, problem=part.problem, before=one.problem, at=np.searchsorted(one.columns, part.path)
            )
            for part, one in zip(self._leaves, self._cut.before, strict=True)
        ])  # fmt: skip
        costs = []
        for one, before, constant in zip(found, self._cut.before, self.whole.leaf_constant, strict=True):
            x = np.zeros(self.shared.size)
            x[np.searchsorted(self.shared, before.columns)] = one.x
            self.foreseen_x.append(x)
            costs.append(float(before.problem.cost @ one.x) + one.answer.cost + float(constant))
        self.foreseen = np.asarray(costs)
        for i, one in enumerate(found):
            self._learn(len(self._early) + i, one.answer)
        self._learn_foreseen(found)
        return self.foreseen

    def run(
        self,
        *,
        gap: float = 5e-3,
        time_limit_s: float = 180.0,
        most_rounds: int = 1000,
        fixed: tuple[Ints, Floats] | None = None,
        say: Say = quiet,
    ) -> TreePlan:
        """Best plan once its gap is small enough, or what there is when time, rounds or patience (Ctrl-C) end.

        Args:
            gap: relative.
            time_limit_s: since this call; at least one round is made.
            most_rounds: of this call.
            fixed: (columns of the tree, values): decisions that are not open, all before the first branch. Lumps are
                then taken as amounts.
            say: called with a line every round.

        Raises InfeasibleError where no plan meets the limits, SolverError where the solver gives no answer.
        """
        search = _Search(start=time.perf_counter(), limit_s=time_limit_s, most_rounds=most_rounds, gap=gap)
        phases = (False,) if fixed is not None or not self._lumps.size else (False, True)
        try:
            self.foresee()
            search.lower = -np.inf if fixed else self.lower_bound
            self._fix(fixed)
            for whole in phases:
                self._set_whole(whole)
                if whole:
                    say("what comes in lumps and is decided before the first branch now comes whole")
                    search.again()
                self._approach(search, whole=whole, say=say)
                if search.ended not in ("gap", "precision"):
                    break
        except KeyboardInterrupt:
            search.ended = "interrupted"
            if search.best is None:
                raise
        if search.best is None:
            raise SolverError(
                f"no plan of the whole tree was found in {len(search.rounds)} rounds; raise the time limit"
            )
        point, answers, costs = search.best
        x = point[: self.whole.lower.size].copy()
        for part, answer in zip(self._leaves, answers, strict=True):
            x[part.own] = answer.y
        return TreePlan(
            x=x, leaf_cost=costs, lower=in_order(search.lower, search.upper), upper=search.upper,
            rounds=tuple(search.rounds), ended=search.ended, is_whole=whole or (fixed is None and not self._lumps.size),
        )  # fmt: skip

    # --- inside

    def _approach(self, search: _Search, *, whole: bool, say: Say) -> None:
        """Rounds until the bounds are close, or no longer move, or time or rounds are used up."""
        share = 1.0
        while True:
            bound, planned, corner = self._minimum(search.lower, search.upper)
            slow = bound < search.lower + SLOW * abs(search.lower)
            if whole or search.best is None or share == 1.0:
                point = corner
            else:
                point = share * corner + (1.0 - share) * search.best[0]
            answers = self._executor.solve([point[part.path] for part in self._leaves])
            for i, answer in enumerate(answers):
                self._learn(len(self._early) + i, answer)
            self._back(point)
            costs = self._costs(point, np.array([answer.cost for answer in answers]))
            price = self.tail.of(costs, self.whole.probability) if np.isfinite(costs).all() else np.inf
            share = 1.0 if slow and price > search.upper - SLOW * abs(search.upper) else TOWARDS_MINIMUM
            learnt = point is corner and price - planned > STILL * abs(price)
            search.note(bound, price, (point, answers, costs), learnt=learnt)
            say(str(search.rounds[-1]))
            if search.ended:
                return

    def _costs(self, x: Floats, after: Floats) -> Floats:
        """(leaf) cost of each leaf at shared decisions, given what its recourse costs."""
        return np.asarray(self._before @ x[self.shared]) + after + self.whole.leaf_constant

    def _learn(self, number: int, answer: Answer) -> None:
        """A plane for the part before: t - slope x >= Q - slope x_k, or short + slope (x - x_k) <= 0."""
        before, place = self._parent[number]
        part = self._early[before]
        used = np.flatnonzero(np.abs(answer.slope) > STEEP)
        slope, columns = answer.slope[used], part.columns
        order = np.argsort(columns)
        at = order[np.searchsorted(columns, self._cut.parts[number].path[used], sorter=order)]
        floor = -float(slope @ answer.x[used])
        if answer.short > 0.0:
            self._solvers[before].above(floor + answer.short, at, -slope)
        else:
            at = np.append(at, columns.size + place)
            self._solvers[before].above(floor + answer.cost, at, np.append(-slope, 1.0))

    def _learn_foreseen(self, found: list[Foreseen]) -> None:
        """Planes before earlier cuts: what follows costs at least the mean of what it costs with foresight."""
        parts, through, p, n = self._cut.parts, self._cut.through, self.whole.probability, self.whole.lower.size
        usual, grave = 1.0 - self.tail.weight, self.tail.weight / (1.0 - self.tail.level)
        bad = grave * self.tail.gravity(self.foreseen, p)
        floors = np.zeros(len(parts))
        slopes: dict[int, Floats] = {}
        for i, (one, before) in enumerate(zip(found, self._cut.before, strict=True)):
            level, cost = self._cut.level[before.columns], before.problem.cost
            leaf = np.zeros(before.columns.size)
            leaf[np.searchsorted(before.columns, self._leaves[i].path)] = one.answer.slope
            for k in range(1, len(self.cuts)):
                part, held = int(through[i, k]), level < k
                slope = leaf - before.problem.matrix.T @ np.where(before.row_level >= k, one.dual, 0.0)
                after = one.answer.cost + float(cost[~held] @ one.x[~held]) - float(slope[held] @ one.x[held])
                share = float(p[i]) / max(parts[part].probability, NEVER)
                total = slopes.setdefault(part, np.zeros(n + 1))
                total[before.columns[held]] += share * ((usual + bad[i]) * slope[held] + bad[i] * cost[held])
                total[n] -= share * bad[i]
                floors[part] += share * ((usual + bad[i]) * after + bad[i] * float(self.whole.leaf_constant[i]))
        for part, total in slopes.items():
            slope = total[parts[part].path]
            self._learn(part, Answer(cost=float(floors[part]), slope=slope, x=np.zeros(slope.size), y=np.zeros(0)))

    def _minimum(self, lower: float = -np.inf, upper: float = np.inf) -> tuple[float, float, Floats]:
        """(lower bound, cost as planes have it, decisions) of forward passes, repeated until parts agree on what
        follows.
        """
        for _ in range(MOST_SWEEPS):
            x, after, answers = self._forward()
            bound = self._solvers[0].bound() + self._constant
            planned = self.tail.of(self._costs(x, after), self.whole.probability)
            if len(self.cuts) == 1:
                break
            if np.isfinite(upper) and planned - bound <= SETTLED * (upper - max(bound, lower)):
                break
            self._back(x, answers)
        return bound, planned, x

    def _forward(self) -> tuple[Floats, Floats, dict[int, Answer]]:
        """(decisions before the leaves, what planes say the leaves cost, answers) of all parts, each given the ones
        before it; from the first one again where nothing could follow.
        """
        first = len(self._early)
        x, after = np.zeros(self.whole.lower.size + 1), np.full(len(self.whole.leaves), np.nan)
        answers: dict[int, Answer] = {}
        i, returns = 0, 0
        while i < first:
            part = self._early[i]
            answer = self._solvers[i].solve(x[part.path])
            if answer.short > 0.0:
                self._learn(i, answer)
                i, returns = 0, returns + 1
                if returns > MOST_RETURNS:
                    raise SolverError(f"nothing can follow what is decided before '{part.name}', by {answer.short:.1e}")
                continue
            answers[i] = answer
            x[part.own] = answer.y[: part.own.size]
            if part.following[0] >= first:
                after[part.following - first] = answer.y[part.own.size :][: part.following.size]
            i += 1
        return x, after, answers

    def _back(self, x: Floats, known: dict[int, Answer] | None = None) -> None:
        """Planes from the parts before the leaves to the first; those of the last of them may be known."""
        first = len(self._early)
        for i in range(first - 1, 0, -1):
            part = self._early[i]
            fresh = known is None or part.following[0] < first
            self._learn(i, self._solvers[i].solve(x[part.path]) if fresh or known is None else known[i])

    def _fix(self, fixed: tuple[Ints, Floats] | None) -> None:
        """Opens all decisions of the first part, then closes the given ones."""
        part = self._early[0]
        k = part.own.size
        lower, upper = part.problem.lower[:k].copy(), part.problem.upper[:k].copy()
        if fixed is not None:
            at = np.searchsorted(part.own, fixed[0])
            held = np.clip(fixed[1], lower[at], upper[at])
            if (np.abs(held - fixed[1]) > WITHIN * (1.0 + np.abs(fixed[1]))).any():
                raise InfeasibleError("the given orders pass the limits of the tree before its first branch")
            lower[at], upper[at] = held, held
        self._solvers[0].limit(lower, upper)

    def _set_whole(self, whole: bool) -> None:
        """Lumps of the first part as whole numbers, or as amounts."""
        if self._lumps.size:
            self._solvers[0].set_whole(self._lumps, whole)


@dataclass(slots=True, kw_only=True)
class _Search:
    """Bounds and best point so far of one call, and when it ends."""

    start: float
    limit_s: float
    most_rounds: int
    gap: float
    lower: float = -np.inf
    upper: float = np.inf
    best: tuple[Floats, list[Answer], Floats] | None = None
    rounds: list[Round] = field(default_factory=list)
    still: int = 0
    ended: str = ""

    def again(self) -> None:
        """The same question with lumps whole: what was found so far is no plan of it, the lower bound stays."""
        self.upper, self.best, self.still, self.ended = np.inf, None, 0, ""

    def note(self, bound: float, price: float, point: tuple[Floats, list[Answer], Floats], *, learnt: bool) -> None:
        """Takes in what a round found; ``learnt``: its planes say more of its own point than was known."""
        first = not (np.isfinite(self.lower) and np.isfinite(self.upper))
        moved = bound > self.lower + STILL * abs(self.lower) or price < self.upper - STILL * abs(self.upper)
        self.still = 0 if moved or first or learnt else self.still + 1
        self.lower = max(self.lower, bound)
        if price < self.upper:
            self.upper, self.best = price, point
        seconds = time.perf_counter() - self.start
        in_order(self.lower, self.upper)
        self.upper = max(self.lower, self.upper)  # by rounding, an optimum can cost less than its own bound
        self.rounds.append(Round(number=len(self.rounds) + 1, lower=self.lower, upper=self.upper, seconds=seconds))
        if self.rounds[-1].gap <= self.gap:
            self.ended = "gap"
        elif seconds > self.limit_s:
            self.ended = "time"
        elif self.still >= MOST_STILL:
            self.ended = "precision"
        elif len(self.rounds) >= self.most_rounds:
            self.ended = "rounds"
