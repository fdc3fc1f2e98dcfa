"""A part of the tree once what came before it is decided, solved again and again, here or in processes.

    Q(x) = min c y   with   lower <= T x + W y <= upper,  y within its bounds

Earlier decisions x are columns held at their values. Only these values change between solves and only planes are
added, so the dual simplex goes on from the last basis; reduced costs of what is held give a plane below Q that touches
it at x.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gigawatt.core.errors import InfeasibleError, SolverError
from gigawatt.plan.live import set_integer
from gigawatt.plan.problem import Problem

if TYPE_CHECKING:
    pass

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


TOLERANCE, LEAF_TOLERANCE = 1e-7, 1e-6
"""Of the rows of the first part, and of those of leaves: wider, as the one would else make the other infeasible by a
hair."""
LUMPS_GAP, LUMPS_S = 1e-3, 30.0
"""Relative gap and time [s] at which branch and bound in the first part ends with the best it has."""
STEEP = 1e-9
"""Slope of a plane below which it is none."""


def tolerance_of(level: int, levels: int) -> float:
    """Tolerance of a part after ``level`` of ``levels`` cuts: wider than that of every part before it."""
    return float(TOLERANCE * (LEAF_TOLERANCE / TOLERANCE) ** (level / levels))


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafProblem:
    """The recourse of a leaf over (held, own) columns, and the problem of everything before it at the leaf's own cost.

    ``at`` gives the place of each held column in the problem before.
    """

    name: str
    problem: Problem
    before: Problem
    at: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Cost of a part and what follows at ``x`` (held), its slope there, and the values of all other columns.

    Where nothing can follow ``x``, cost is inf, and ``slope`` is that of ``short``, the least change of ``x``, summed
    over its entries, that lets something follow.
    """

    cost: float
    slope: Floats
    x: Floats
    y: Floats
    short: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """A leaf planned alone: ``x`` of everything before its recourse, row duals there, and the recourse itself."""

    x: Floats
    dual: Floats
    answer: Answer


class PartSolver:
    """A part's problem alive in a solver; the first ``held`` columns are given, the rest are its own.

    Args:
        name: for messages.
        problem: held, own and further columns.
        held: how many are given.
        tolerance: of rows and bounds [their unit].
    """

    def __init__(self, name: str, problem: Problem, held: int, tolerance: float = TOLERANCE) -> None:
        """Opens it; nothing is solved yet."""
        self.name, self.highs = name, problem.open()
        self._held = np.arange(held, dtype=np.int32)
        self._whole = False
        self.highs.setOptionValue("primal_feasibility_tolerance", tolerance)
        self.highs.setOptionValue("mip_rel_gap", LUMPS_GAP)

    def above(self, floor: float, at: Ints, slope: Floats) -> None:
        """One row more:  slope x >= floor  over columns ``at``."""
        self.highs.addRow(floor, np.inf, at.size, at.astype(np.int32), slope)

    def limit(self, lower: Floats, upper: Floats) -> None:
        """Bounds of its first own columns."""
        at = np.arange(self._held.size, self._held.size + lower.size, dtype=np.int32)
        self.highs.changeColsBounds(at.size, at, lower, upper)

    def set_whole(self, own: Ints, whole: bool) -> None:
        """Own columns (numbered from 0) as whole numbers, or as amounts."""
        set_integer(self.highs, own + self._held.size, whole=whole)
        self.highs.setOptionValue("time_limit", LUMPS_S if whole else np.inf)
        self._whole = whole

    def bound(self) -> float:
        """What the part costs at the least where it was last solved [MUSD]: its optimum, or what branch and bound
        leaves.
        """
        info = self.highs.getInfo()
        return float(info.mip_dual_bound if self._whole else info.objective_function_value)

    def solve(self, x: Floats) -> Answer:
        """The part at held columns ``x``. Raises SolverError naming it."""
        import highspy

        highs, held = self.highs, self._held
        enough = (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kTimeLimit)
        highs.changeColsBounds(held.size, held, x, x)
        highs.run()
        if highs.getModelStatus() not in enough:
            highs.clearSolver()  # a basis that has drifted: once more from nothing
            highs.run()
        if highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
            return self._shortfall(x)
        if highs.getModelStatus() not in enough or not np.isfinite(highs.getInfo().objective_function_value):
            raise SolverError(f"'{self.name}' ended with '{highs.modelStatusToString(highs.getModelStatus())}'")
        solution = highs.getSolution()
        y = np.asarray(solution.col_value)[held.size :]
        slope = np.asarray(solution.col_dual)[: held.size] if solution.dual_valid else np.zeros(held.size)
        return Answer(cost=float(highs.getInfo().objective_function_value), slope=slope, x=x, y=y)

    def _shortfall(self, x: Floats) -> Answer:
        """min sum |z - x| over what could be held instead, and its slope.   z - up + down = x"""
        import highspy

        if not self._held.size:
            raise InfeasibleError("no plan meets the limits of all nodes of the tree at once")
        other, n, held = highspy.Highs(), self.highs.getNumCol(), self._held  # type: ignore[no-untyped-call]
        other.setOptionValue("output_flag", False)
        other.passModel(self.highs.getLp())
        other.changeColsCost(n, np.arange(n, dtype=np.int32), np.zeros(n))
        other.changeColsBounds(held.size, held, np.full(held.size, -np.inf), np.full(held.size, np.inf))
        other.addVars(2 * held.size, np.zeros(2 * held.size), np.full(2 * held.size, np.inf))
        other.changeColsCost(2 * held.size, np.arange(n, n + 2 * held.size, dtype=np.int32), np.ones(2 * held.size))
        eye, rows = sp.eye_array(held.size), other.getNumRow()
        moved = sp.csr_array(sp.hstack([eye, sp.csr_array((held.size, n - held.size)), -eye, eye]))
        other.addRows(
            held.size, x, x, moved.nnz, moved.indptr.astype(np.int32), moved.indices.astype(np.int32), moved.data
        )
        other.run()
        if other.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise InfeasibleError(f"no plan meets the limits of '{self.name}', whatever comes before it")
        short = float(other.getInfo().objective_function_value)
        slope = np.asarray(other.getSolution().row_dual)[rows:]
        return Answer(cost=np.inf, slope=slope, x=x, y=np.zeros(n - held.size), short=short)


class LeafSolver:
    """A leaf's recourse, which begins at the basis of the leaf planned alone."""

    def __init__(self, leaf: LeafProblem) -> None:
        """Opens it; nothing is solved yet."""
        self._leaf = leaf
        self.part = PartSolver(leaf.name, leaf.problem, leaf.at.size, LEAF_TOLERANCE)

    def foresee(self) -> Foreseen:
        """The leaf alone, everything known from the start. Raises InfeasibleError naming the leaf."""
        import highspy

        before, own, held = self._leaf.before, self._leaf.problem, self._leaf.at.size
        n, rows = before.cost.size, before.matrix.shape[0]
        place = sp.csr_array((np.ones(held), (np.arange(held), self._leaf.at)), shape=(held, n))
        columns = sp.csc_array(own.matrix)
        link, mine = sp.csr_array(columns[:, :held] @ place), columns[:, held:]
        blank = sp.csr_array((rows, own.cost.size - held))
        whole = Problem(
            cost=np.concatenate([before.cost, own.cost[held:]]),
            lower=np.concatenate([before.lower, own.lower[held:]]),
            upper=np.concatenate([before.upper, own.upper[held:]]),
            matrix=sp.csr_array(sp.vstack([sp.hstack([before.matrix, blank]), sp.hstack([link, mine])])),
            row_lower=np.concatenate([before.row_lower, own.row_lower]),
            row_upper=np.concatenate([before.row_upper, own.row_upper]),
        ).open()  # fmt: skip
        whole.run()
        if whole.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise InfeasibleError(
                f"no plan meets the limits of '{self._leaf.name}', even if everything is known at the start; "
                "plan that case alone to see which limits are in conflict"
            )
        solution, basis = whole.getSolution(), whole.getBasis()
        values, duals = np.asarray(solution.col_value), np.asarray(solution.row_dual)
        start = highspy.HighsBasis()
        start.col_status = [highspy.HighsBasisStatus.kLower] * held + list(basis.col_status[n:])
        start.row_status = basis.row_status[rows:]
        start.valid, start.alien = True, True
        self.part.highs.setBasis(start)
        y, x = values[n:], values[:n]
        slope = -(columns[:, :held].T @ duals[rows:])
        answer = Answer(cost=float(own.cost[held:] @ y), slope=slope, x=x[self._leaf.at], y=y)
        return Foreseen(x=x, dual=duals[:rows], answer=answer)


class Executor(Protocol):
    """Where leaves are solved. Answers come in the order of the leaves and do not depend on the executor."""

    def start(self, problems: Sequence[LeafProblem]) -> list[Foreseen]:
        """Takes the leaves in; (leaf) each one foreseen."""

    def solve(self, points: Sequence[Floats]) -> list[Answer]:
        """(leaf) the recourse at what is held of each leaf."""

    def close(self) -> None:
        """Lets go of what it holds."""


class Serial:
    """All leaves one after another in this process."""

    def __init__(self) -> None:
        """Holds no leaf yet."""
        self._leaves: list[LeafSolver] = []

    def start(self, problems: Sequence[LeafProblem]) -> list[Foreseen]:
        """See ``Executor``."""
        self._leaves = [LeafSolver(problem) for problem in problems]
        return [leaf.foresee() for leaf in self._leaves]

    def solve(self, points: Sequence[Floats]) -> list[Answer]:
        """See ``Executor``."""
        return [leaf.part.solve(x) for leaf, x in zip(self._leaves, points, strict=True)]

    def close(self) -> None:
        """See ``Executor``."""
        self._leaves = []


class Processes:
    """Leaves dealt out to processes, each of which keeps its own; a leaf sees the same solves in the same order."""

    def __init__(self, count: int = 2) -> None:
        """Starts ``count`` processes."""
        context = multiprocessing.get_context("spawn")
        self._ends: list[Connection] = []
        self._running: list[Any] = []
        for _ in range(count):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there,), daemon=True)
            process.start()
            there.close()
            self._ends.append(here)
            self._running.append(process)
        self._owner: list[int] = []
        self._ticket = 0

    def start(self, problems: Sequence[LeafProblem]) -> list[Foreseen]:
        """See ``Executor``."""
        self._owner = [i % len(self._ends) for i in range(len(problems))]
        return self._ask("start", problems)

    def solve(self, points: Sequence[Floats]) -> list[Answer]:
        """See ``Executor``."""
        return self._ask("solve", points)

    def _ask(self, what: str, parts: Sequence[Any]) -> list[Any]:
        self._ticket += 1  # an interrupt may have left answers to an earlier question in a pipe
        for number, end in enumerate(self._ends):
            mine = [part for part, owner in zip(parts, self._owner, strict=True) if owner == number]
            end.send((self._ticket, what, mine))
        answers = [_answer(end, self._ticket) for end in self._ends]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        taken = [iter(answer) for answer in answers]
        return [next(taken[owner]) for owner in self._owner]

    def close(self) -> None:
        """Ends the processes."""
        for process in self._running:
            process.terminate()
            process.join()
        for end in self._ends:
            end.close()


def _answer(end: Connection, ticket: int) -> Any:
    """The answer to one question; those to earlier ones are let go."""
    while True:
        number, answer = end.recv()
        if number == ticket:
            return answer


def _serve(end: Connection) -> None:
    """Answers requests until the other end goes; an interrupt is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serial = Serial()
    while True:
        try:
            ticket, what, parts = end.recv()
        except EOFError:
            return
        try:
            end.send((ticket, serial.start(parts) if what == "start" else serial.solve(parts)))
        except (InfeasibleError, SolverError) as error:
            end.send((ticket, error))
