"""What follows once the shared decisions are known: one small problem a leaf, solved again and again, here or in
processes.

    Q_s(x) = min c y   with   lower - T x <= W y <= upper - T x,  y within its bounds

Only right-hand sides change between solves, so the dual simplex goes on from the last basis. The row duals give a
plane below Q_s that touches it at x.
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
from gigawatt.plan.problem import Problem

if TYPE_CHECKING:
    import highspy

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


LEAF_TOLERANCE = 1e-6
"""Of a leaf's rows: ten times the master's, whose own tolerance would else make a leaf infeasible by a hair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafProblem:
    """The recourse of a leaf, and the part of the shared decisions that lies on its path.

    ``path`` numbers that part within the shared decisions; ``before`` is the problem of that part alone, at the
    leaf's own cost; ``link`` is T over that part.
    """

    name: str
    own: Problem
    link: sp.csr_array
    path: Ints
    before: Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Cost of a leaf's recourse at ``x`` (its path), its slope there, and its decisions.

    Where nothing can follow ``x``, cost is inf, and ``slope`` is that of ``short``, the least by which rows are missed.
    """

    cost: float
    slope: Floats
    x: Floats
    y: Floats
    short: float = 0.0


class LeafSolver:
    """A leaf's problem alive in a solver."""

    def __init__(self, problem: LeafProblem) -> None:
        """Nothing is built yet."""
        self.problem = problem
        self._highs: highspy.Highs | None = None
        self._coupled = np.flatnonzero(np.diff(problem.link.indptr))

    def foresee(self) -> Answer:
        """The leaf alone, everything known from the start; its basis is where the recourse begins.

        Raises InfeasibleError naming the leaf.
        """
        import highspy

        before, own, link = self.problem.before, self.problem.own, self.problem.link
        n, rows = before.cost.size, before.matrix.shape[0]
        blank = sp.csr_array((rows, own.cost.size))
        whole = Problem(
            cost=np.concatenate([before.cost, own.cost]), lower=np.concatenate([before.lower, own.lower]),
            upper=np.concatenate([before.upper, own.upper]),
            matrix=sp.csr_array(sp.vstack([sp.hstack([before.matrix, blank]), sp.hstack([link, own.matrix])])),
            row_lower=np.concatenate([before.row_lower, own.row_lower]),
            row_upper=np.concatenate([before.row_upper, own.row_upper]),
        ).open()  # fmt: skip
        whole.run()
        if whole.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise InfeasibleError(
                f"no plan meets the limits of '{self.problem.name}', even if everything is known at the start; "
                "plan that case alone to see which limits are in conflict"
            )
        solution, basis = whole.getSolution(), whole.getBasis()
        values, duals = np.asarray(solution.col_value), np.asarray(solution.row_dual)
        self._highs = own.open()
        start = highspy.HighsBasis()
        start.col_status, start.row_status = basis.col_status[n:], basis.row_status[rows:]
        start.valid, start.alien = True, True
        self._highs.setBasis(start)
        self._highs.setOptionValue("primal_feasibility_tolerance", LEAF_TOLERANCE)
        y = values[n:]
        return Answer(cost=float(own.cost @ y), slope=-(link.T @ duals[rows:]), x=values[:n], y=y)

    def solve(self, x: Floats) -> Answer:
        """The recourse at shared decisions ``x`` (path). Raises SolverError naming the leaf."""
        import highspy

        own, link = self.problem.own, self.problem.link
        if self._highs is None:
            raise SolverError(f"'{self.problem.name}' is foreseen before its recourse is asked for")
        highs, used = self._highs, link @ x
        for row in self._coupled.tolist():
            highs.changeRowBounds(row, float(own.row_lower[row] - used[row]), float(own.row_upper[row] - used[row]))
        highs.run()
        if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            highs.clearSolver()  # a basis that has drifted: once more from nothing
            highs.run()
        if highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
            return self._shortfall(x, used)
        if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise SolverError(
                f"the recourse of '{self.problem.name}' ended with '"
                f"{highs.modelStatusToString(highs.getModelStatus())}'"
            )
        solution = highs.getSolution()
        y, duals = np.asarray(solution.col_value), np.asarray(solution.row_dual)
        return Answer(cost=float(own.cost @ y), slope=-(link.T @ duals), x=x, y=y)

    def _shortfall(self, x: Floats, used: Floats) -> Answer:
        """min sum of what rows that hold shared decisions are missed by, and its slope."""
        own, link, at = self.problem.own, self.problem.link, self._coupled
        missed = sp.csr_array((np.ones(at.size), (at, np.arange(at.size))), shape=(own.row_lower.size, at.size))
        highs = Problem(
            cost=np.concatenate([np.zeros(own.cost.size), np.ones(2 * at.size)]),
            lower=np.concatenate([own.lower, np.zeros(2 * at.size)]),
            upper=np.concatenate([own.upper, np.full(2 * at.size, np.inf)]),
            matrix=sp.csr_array(sp.hstack([own.matrix, missed, -missed])),
            row_lower=own.row_lower - used, row_upper=own.row_upper - used,
        ).open()  # fmt: skip
        highs.run()
        solution = highs.getSolution()
        short = float(highs.getInfo().objective_function_value)
        slope = -(link.T @ np.asarray(solution.row_dual))
        return Answer(cost=np.inf, slope=slope, x=x, y=np.zeros(own.cost.size), short=short)


class Executor(Protocol):
    """Where leaves are solved. Answers come in the order of the leaves and do not depend on the executor."""

    def start(self, problems: Sequence[LeafProblem]) -> list[Answer]:
        """Takes the leaves in; (leaf) each one foreseen."""

    def solve(self, points: Sequence[Floats]) -> list[Answer]:
        """(leaf) the recourse at each leaf's part of the shared decisions."""

    def close(self) -> None:
        """Lets go of what it holds."""


class Serial:
    """All leaves one after another in this process."""

    def __init__(self) -> None:
        """Holds no leaf yet."""
        self._leaves: list[LeafSolver] = []

    def start(self, problems: Sequence[LeafProblem]) -> list[Answer]:
        """See ``Executor``."""
        self._leaves = [LeafSolver(problem) for problem in problems]
        return [leaf.foresee() for leaf in self._leaves]

    def solve(self, points: Sequence[Floats]) -> list[Answer]:
        """See ``Executor``."""
        return [leaf.solve(x) for leaf, x in zip(self._leaves, points, strict=True)]

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

    def start(self, problems: Sequence[LeafProblem]) -> list[Answer]:
        """See ``Executor``."""
        self._owner = [i % len(self._ends) for i in range(len(problems))]
        return self._ask("start", problems)

    def solve(self, points: Sequence[Floats]) -> list[Answer]:
        """See ``Executor``."""
        return self._ask("solve", points)

    def _ask(self, what: str, parts: Sequence[Any]) -> list[Answer]:
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
