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
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gigawatt.core.errors import InfeasibleError, SolverError
from gigawatt.plan.problem import Problem
from gigawatt.plan.solver import Ending, Solver

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
        self.name, self.solver = name, problem.open()
        self._held = np.arange(held)
        self._whole = False
        self.solver.set_option("primal_feasibility_tolerance", tolerance)
        self.solver.set_option("mip_rel_gap", LUMPS_GAP)

    def above(self, floor: float, at: Ints, slope: Floats) -> None:
        """One row more:  slope x >= floor  over columns ``at``."""
        self.solver.add_row(floor, np.inf, at, slope)

    def limit(self, lower: Floats, upper: Floats) -> None:
        """Bounds of its first own columns."""
        self.solver.set_bounds(np.arange(self._held.size, self._held.size + lower.size), lower, upper)

    def set_whole(self, own: Ints, whole: bool) -> None:
        """Own columns (numbered from 0) as whole numbers, or as amounts."""
        self.solver.set_integer(own + self._held.size, whole=whole)
        self._whole = whole

    def bound(self) -> float:
        """What the part costs at the least where it was last solved [MUSD]: its optimum, or what branch and bound
        leaves.
        """
        found = self.solver.found()
        return found.mip_bound if self._whole else found.objective

    def solve(self, x: Floats) -> Answer:
        """The part at held columns ``x``. Raises SolverError naming it."""
        solver, held = self.solver, self._held
        enough, limit = (Ending.OPTIMAL, Ending.STOPPED), LUMPS_S if self._whole else np.inf
        solver.set_bounds(held, x, x)
        ending = solver.run(time_limit_s=limit)
        if ending not in enough:
            solver.forget()  # a basis that has drifted: once more from nothing
            ending = solver.run(time_limit_s=limit)
        if ending is Ending.INFEASIBLE:
            return self._shortfall(x)
        found = solver.found()
        if ending not in enough or not np.isfinite(found.objective):
            raise SolverError(f"'{self.name}' ended with '{solver.status}'; please report the scenario")
        slope = found.reduced_cost[: held.size] if found.has_duals else np.zeros(held.size)
        return Answer(cost=found.objective, slope=slope, x=x, y=found.x[held.size :])

    def _shortfall(self, x: Floats) -> Answer:
        """min sum |z - x| over what could be held instead, and its slope.   z - up + down = x"""
        if not self._held.size:
            raise InfeasibleError("no plan meets the limits of all nodes of the tree at once")
        n, held, rows = self.solver.n_columns, self._held.size, self.solver.n_rows
        (lower, upper), (row_lower, row_upper) = self.solver.bounds, self.solver.row_bounds
        lower[:held], upper[:held] = -np.inf, np.inf
        eye, moves = sp.eye_array(held), np.zeros(2 * held)
        moved = sp.hstack([eye, sp.csr_array((held, n - held)), -eye, eye])
        other = Solver(
            cost=np.append(np.zeros(n), moves + 1.0),
            lower=np.append(lower, moves), upper=np.append(upper, moves + np.inf),
            matrix=sp.csr_array(sp.vstack([sp.hstack([self.solver.matrix, sp.csr_array((rows, 2 * held))]), moved])),
            row_lower=np.append(row_lower, x), row_upper=np.append(row_upper, x),
        )  # fmt: skip
        if other.run() is not Ending.OPTIMAL:
            raise InfeasibleError(f"no plan meets the limits of '{self.name}', whatever comes before it")
        found = other.found()
        return Answer(
            cost=np.inf, slope=found.row_dual[rows:], x=x, y=np.zeros(n - held), short=found.objective
        )  # fmt: skip


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
        ending = whole.run()
        if ending is Ending.INFEASIBLE:
            raise InfeasibleError(
                f"no plan meets the limits of '{self._leaf.name}', even if everything is known at the start; "
                "plan that case alone to see which limits are in conflict"
            )
        if ending is not Ending.OPTIMAL:
            raise SolverError(f"'{self._leaf.name}' alone ended with '{whole.status}'; please report the scenario")
        found, basis = whole.found(), whole.basis()
        values, duals = found.x, found.row_dual
        start = highspy.HighsBasis()
        start.col_status = [highspy.HighsBasisStatus.kLower] * held + list(basis.col_status[n:])
        start.row_status = basis.row_status[rows:]
        start.valid, start.alien = True, True
        self.part.solver.start_at(start)
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
