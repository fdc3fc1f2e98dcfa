"""The tree by decomposition: shared decisions in a master, one problem a leaf, and planes between them.

    master:  min risk(m_s x + t_s)   with   A x within bounds,   t_s >= Q_s(x_k) + slope (x - x_k)  for all s, k

Everything that is decided before the last branch is shared and stands in the master; a leaf holds what comes after.
Its minimum is a lower bound; the true cost at any point it allows is an upper one. The point that is priced lies
between the master's minimum and the best point so far (Ben-Ameur and Neto 2007), because the minimum itself jumps from
corner to corner while few planes are known. The first planes come from each leaf planned alone with foresight.
"""

from __future__ import annotations

import time
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gigawatt.core.errors import InfeasibleError, SolverError
from gigawatt.plan.extensive import Extensive
from gigawatt.plan.found import Round, Say, TreePlan, quiet
from gigawatt.plan.problem import Problem, offset, weighed
from gigawatt.plan.recourse import Answer, Executor, LeafProblem, Serial
from gigawatt.plan.tail import Tail

if TYPE_CHECKING:
    import highspy

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TOWARDS_MASTER = 0.7
"""Where between the best point (0) and the master's minimum (1) the next point is priced."""
NO_PLANE_YET = -1e9
"""Lower bound of a leaf's recourse [MUSD] before planes say more."""
SLOW = 1e-5
"""Relative progress of a bound below which a round counts as slow; the next prices the master's own point."""
STILL, MOST_STILL = 1e-10, 4
"""Relative progress that is none, and rounds of it after which the bounds are as close as they will get."""


class Decomposition:
    """Master and leaves, alive: further questions (other first orders) start from all planes found so far.

    Args:
        whole: the tree.
        tail: how bad outcomes weigh.
        executor: where leaves are solved; closed with this object.
    """

    def __init__(self, whole: Extensive, *, tail: Tail | None = None, executor: Executor | None = None) -> None:
        """Cuts the tree into parts; nothing is solved yet."""
        self.whole, self.tail = whole, tail or Tail()
        self._executor: Executor = executor or Serial()
        last = len(whole.tree.branches)
        self.shared: Ints = np.flatnonzero(whole.stage < last)
        self.owned = [np.flatnonzero((whole.stage == last) & (whole.node == i)) for i in range(len(whole.leaves))]
        master, self._weights, problems = _parts(whole, self.shared, self.owned)
        self._master = _with_planes(master, self._weights, whole, self.tail)
        self._highs: highspy.Highs = self._master.open()
        self._paths = [problem.path for problem in problems]
        self._problems = problems
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
        """(leaf) cost of each leaf planned alone; its planes go to the master. Raises InfeasibleError."""
        if self.foreseen.size:
            return self.foreseen
        answers = self._executor.start(self._problems)
        self._learn(answers)
        costs = []
        for i, answer in enumerate(answers):
            x = np.zeros(self.shared.size)
            x[self._paths[i]] = answer.x
            self.foreseen_x.append(x)
            costs.append(float(self._weights[i] @ x) + answer.cost + float(self.whole.leaf_constant[i]))
        self.foreseen = np.asarray(costs)
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
            fixed: (columns of the tree, values): decisions that are not open, all shared.
            say: called with a line every round.

        Raises InfeasibleError where no plan meets the limits, SolverError where the solver gives no answer.
        """
        start = time.perf_counter()
        rounds: list[Round] = []
        best: tuple[Floats, list[Answer], Floats] | None = None
        lower, upper, ended, share, still = -np.inf, np.inf, "rounds", 1.0, 0
        try:
            self.foresee()
            lower = -np.inf if fixed else self.lower_bound
            self._fix(fixed)
            while len(rounds) < most_rounds:
                bound, corner = self._minimum()
                slow, moved = bound < lower + SLOW * abs(lower), bound > lower + STILL * abs(lower)
                lower = max(lower, bound)
                point = corner if best is None else share * corner + (1.0 - share) * best[0]
                answers = self._executor.solve([point[path] for path in self._paths])
                self._learn(answers)
                costs = np.array([float(w @ point) + a.cost for w, a in zip(self._weights, answers, strict=True)])
                costs += self.whole.leaf_constant
                price = self.tail.of(costs, self.whole.probability) if np.isfinite(costs).all() else np.inf
                share = 1.0 if slow and price > upper - SLOW * abs(upper) else TOWARDS_MASTER
                still = 0 if moved or price < upper - STILL * abs(upper) else still + 1
                if price < upper:
                    upper, best = price, (point, answers, costs)
                rounds.append(Round(
                    number=len(rounds) + 1, lower=min(lower, upper), upper=upper, seconds=time.perf_counter() - start
                ))  # fmt: skip
                say(str(rounds[-1]))
                if rounds[-1].gap <= gap:
                    ended = "gap"
                    break
                if time.perf_counter() - start > time_limit_s:
                    ended = "time"
                    break
                if still >= MOST_STILL:
                    ended = "precision"
                    break
        except KeyboardInterrupt:
            if best is None:
                raise
            ended = "interrupted"
        if best is None:
            raise SolverError(f"no plan of the whole tree was found in {len(rounds)} rounds; raise the time limit")
        x = np.zeros(self.whole.lower.size)
        x[self.shared] = best[0]
        for own, answer in zip(self.owned, best[1], strict=True):
            x[own] = answer.y
        return TreePlan(x=x, leaf_cost=best[2], lower=min(lower, upper), upper=upper, rounds=tuple(rounds), ended=ended)

    # --- inside

    def _learn(self, answers: list[Answer]) -> None:
        """One plane a leaf: t_s - slope x >= Q_s - slope x_k, or short + slope (x - x_k) <= 0 where nothing follows."""
        for i, (path, answer) in enumerate(zip(self._paths, answers, strict=True)):
            used = np.flatnonzero(np.abs(answer.slope) > 1e-9)
            if answer.short > 0.0:
                at, slope = path[used].astype(np.int32), answer.slope[used]
                self._highs.addRow(-np.inf, float(slope @ answer.x[used]) - answer.short, at.size, at, slope)
                continue
            at = np.append(path[used], self.shared.size + i).astype(np.int32)
            slope = answer.slope[used]
            floor = answer.cost - float(slope @ answer.x[used])
            self._highs.addRow(floor, np.inf, at.size, at, np.append(-slope, 1.0))

    def _minimum(self) -> tuple[float, Floats]:
        """(lower bound, shared decisions) of the master as it stands."""
        import highspy

        highs = self._highs
        highs.run()
        if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            highs.clearSolver()
            highs.run()
        status = highs.getModelStatus()
        if status == highspy.HighsModelStatus.kInfeasible:
            raise InfeasibleError("no plan meets the limits of all nodes before the last branch at once")
        if status != highspy.HighsModelStatus.kOptimal:
            raise SolverError(f"the master ended with '{highs.modelStatusToString(status)}'")
        values = np.asarray(highs.getSolution().col_value)[: self.shared.size]
        constant = offset(self.whole.leaf_constant, self.whole.probability, self.tail)
        return float(highs.getInfo().objective_function_value) + constant, values

    def _fix(self, fixed: tuple[Ints, Floats] | None) -> None:
        """Bounds of the master as they were, with some decisions held."""
        lower, upper = self.whole.lower[self.shared].copy(), self.whole.upper[self.shared].copy()
        if fixed is not None:
            at = np.searchsorted(self.shared, fixed[0])
            held = np.clip(fixed[1], lower[at], upper[at])
            lower[at], upper[at] = held, held
        self._highs.changeColsBounds(lower.size, np.arange(lower.size, dtype=np.int32), lower, upper)


def _parts(whole: Extensive, shared: Ints, owned: list[Ints]) -> tuple[Problem, Floats, list[LeafProblem]]:
    """(rows of shared decisions alone, (leaf, shared) cost of each leaf, the leaves)."""
    last = len(whole.tree.branches)
    matrix, n_rows = whole.matrix, whole.matrix.shape[0]
    row = np.repeat(np.arange(n_rows), np.diff(matrix.indptr))
    late = whole.stage[matrix.indices] == last
    owner = np.full(n_rows, -1, dtype=np.int64)
    owner[row[late]] = whole.node[matrix.indices[late]]
    number = np.empty(whole.stage.size, dtype=np.int64)
    number[shared] = np.arange(shared.size)
    weights = np.asarray(whole.leaf_cost.tocsc()[:, shared].todense(), dtype=np.float64)
    cost = whole.leaf_cost.tocsc()

    def part(rows: Ints, columns: Ints) -> sp.csr_array:
        return sp.csr_array(sp.csc_array(matrix[rows])[:, columns])

    first = np.flatnonzero(owner < 0)
    head = part(first, shared)
    master = Problem(
        cost=np.zeros(shared.size), lower=whole.lower[shared], upper=whole.upper[shared], matrix=head,
        row_lower=whole.row_lower[first], row_upper=whole.row_upper[first],
    )  # fmt: skip
    ahead = _implied(whole, shared, np.flatnonzero(owner >= 0))
    problems = []
    for i, (leaf, mine) in enumerate(zip(whole.leaves, owned, strict=True)):
        through = np.array([whole.tree.group(leaf.path, stage) for stage in range(last)])
        on_path = whole.node[shared] == through[whole.stage[shared]]
        path = np.flatnonzero(on_path)
        rows = np.flatnonzero(owner == i)
        inside = np.asarray(abs(head) @ (~on_path).astype(float)).ravel() == 0.0
        before = Problem(
            cost=weights[i][path], lower=master.lower[path], upper=master.upper[path],
            matrix=sp.csr_array(sp.csc_array(head[inside])[:, path]),
            row_lower=master.row_lower[inside], row_upper=master.row_upper[inside],
        )  # fmt: skip
        own = Problem(
            cost=np.asarray(cost[:, mine].tocsr()[[i]].todense(), dtype=np.float64).ravel(),
            lower=whole.lower[mine], upper=whole.upper[mine], matrix=part(rows, mine),
            row_lower=whole.row_lower[rows], row_upper=whole.row_upper[rows],
        )  # fmt: skip
        problems.append(LeafProblem(name=leaf.name, own=own, link=part(rows, shared[path]), path=path, before=before))
    stacked = replace(
        master, matrix=sp.csr_array(sp.vstack([head, ahead[0]])),
        row_lower=np.concatenate([master.row_lower, ahead[1]]), row_upper=np.concatenate([master.row_upper, ahead[2]]),
    )  # fmt: skip
    return stacked, weights, problems


def _implied(whole: Extensive, shared: Ints, rows: Ints) -> tuple[sp.csr_array, Floats, Floats]:
    """What rows of leaves say of shared decisions whatever follows: (matrix, lower, upper), each row once.

    The leaf's part of a row lies between sums of its columns' bounds: of an amount that must not be passed over all
    quarters, what is decided before the last branch alone must not pass it. The master would learn it plane by plane.
    """
    late = whole.stage == len(whole.tree.branches)
    matrix = whole.matrix[rows]
    own = sp.coo_array(sp.csc_array(matrix)[:, np.flatnonzero(late)])
    at, side = np.flatnonzero(late)[own.coords[1]], own.data > 0.0
    least, most = np.zeros(rows.size), np.zeros(rows.size)
    np.add.at(least, own.coords[0], own.data * np.where(side, whole.lower[at], whole.upper[at]))
    np.add.at(most, own.coords[0], own.data * np.where(side, whole.upper[at], whole.lower[at]))
    lower, upper = whole.row_lower[rows] - most, whole.row_upper[rows] - least
    part = sp.csr_array(sp.csc_array(matrix)[:, shared])
    part.sort_indices()
    says = (np.isfinite(lower) | np.isfinite(upper)) & (np.diff(part.indptr) > 0)
    once: dict[bytes, int] = {}
    low, high = np.full(rows.size, -np.inf), np.full(rows.size, np.inf)
    for row in np.flatnonzero(says).tolist():
        cells = slice(part.indptr[row], part.indptr[row + 1])
        same = once.setdefault(part.indices[cells].tobytes() + part.data[cells].tobytes(), row)
        low[same], high[same] = max(low[same], lower[row]), min(high[same], upper[row])
    kept = np.fromiter(once.values(), dtype=np.int64, count=len(once))
    return sp.csr_array(part[kept]), low[kept], high[kept]


def _with_planes(master: Problem, weights: Floats, whole: Extensive, tail: Tail) -> Problem:
    """The master over (x, t): the recourse of every leaf as one column, held up by the planes to come."""
    leaves = len(whole.leaves)
    wider = Problem(
        cost=np.zeros(master.cost.size + leaves), lower=np.concatenate([master.lower, np.full(leaves, NO_PLANE_YET)]),
        upper=np.concatenate([master.upper, np.full(leaves, np.inf)]),
        matrix=sp.csr_array(sp.hstack([master.matrix, sp.csr_array((master.matrix.shape[0], leaves))])),
        row_lower=master.row_lower, row_upper=master.row_upper,
    )  # fmt: skip
    leaf_cost = sp.csr_array(sp.hstack([sp.csr_array(weights), sp.eye_array(leaves)]))
    return weighed(wider, leaf_cost, whole.leaf_constant, whole.probability, tail)
