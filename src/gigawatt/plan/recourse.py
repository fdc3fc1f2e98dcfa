"""A part of the tree once what came before it is decided, solved again and again, here or in processes.

    Q(x) = min c y   with   lower <= T x + W y <= upper,  y within its bounds

Earlier decisions x are columns held at their values. Only these values change between solves and only planes are
added, so the dual simplex goes on from the last basis; reduced costs of what is held give a plane below Q that touches
it at x.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gigawatt.core.errors import GigawattError, InfeasibleError, SolverError
from gigawatt.plan.problem import Problem
from gigawatt.plan.solver import Ending, Solver
from gigawatt.plan.workers import ended, started

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


TOLERANCE, LEAF_TOLERANCE = 1e-7, 1e-6
"""Of the rows of the first part, and of those of leaves: wider, as the one would else make the other infeasible by a
hair."""
LUMPS_GAP, LUMPS_S = 1e-3, 30.0
"""Relative gap and time [s] at which branch and bound in the first part ends with the best it has."""
MOST_LOST = 3
"""Workers that may end on their own and are started again; one more, and there is a reason."""
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
        self.take(problems)
        return [leaf.foresee() for leaf in self._leaves]

    def take(self, problems: Sequence[LeafProblem]) -> None:
        """Takes the leaves in without a look at each one alone."""
        self._leaves = [LeafSolver(problem) for problem in problems]

    def solve(self, points: Sequence[Floats]) -> list[Answer]:
        """See ``Executor``."""
        return [leaf.part.solve(x) for leaf, x in zip(self._leaves, points, strict=True)]

    def close(self) -> None:
        """See ``Executor``."""
        self._leaves = []


class Processes:
    """Leaves dealt out to processes, each of which keeps its own; a leaf sees the same solves in the same order.

    A worker that ends on its own (as for lack of memory) is named on standard error and started again with its leaves;
    their solvers then begin anew, so that of plans that cost the same another may be found. No worker outlives this
    process, however it ends.
    """

    def __init__(self, count: int = 2) -> None:
        """Starts ``count`` processes."""
        self._running: list[Any] = []
        self._ends: list[Connection] = []
        for _ in range(count):
            process, end = started(_serve)
            self._running.append(process)
            self._ends.append(end)
        self._problems: Sequence[LeafProblem] = ()
        self._owner: list[int] = []
        self._ticket = 0
        self._lost = 0

    def start(self, problems: Sequence[LeafProblem]) -> list[Foreseen]:
        """See ``Executor``."""
        self._problems = problems
        self._owner = [i % len(self._ends) for i in range(len(problems))]
        return self._ask("start", problems)

    def solve(self, points: Sequence[Floats]) -> list[Answer]:
        """See ``Executor``."""
        return self._ask("solve", points)

    def close(self) -> None:
        """Ends the processes."""
        for process, end in zip(self._running, self._ends, strict=True):
            process.kill()
            process.join()
            end.close()

    # --- inside

    def _ask(self, what: str, parts: Sequence[Any]) -> list[Any]:
        """(leaf) answers; those that an ended worker owes are asked of one that takes its place."""
        self._ticket += 1  # an interrupt may have left answers to an earlier question in a pipe
        for number in range(len(self._ends)):
            with suppress(OSError):  # an ended worker is found when its answer is looked for
                self._send(number, what, parts)
        answers = [self._answer(number, what, parts) for number in range(len(self._ends))]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        taken = [iter(answer) for answer in answers]
        return [next(taken[owner]) for owner in self._owner]

    def _send(self, number: int, what: str, parts: Sequence[Any]) -> None:
        self._ends[number].send((self._ticket, what, self._of(number, parts)))

    def _of(self, number: int, parts: Sequence[Any]) -> list[Any]:
        """What of (leaf) parts is a worker's."""
        return [part for part, owner in zip(parts, self._owner, strict=True) if owner == number]

    def _answer(self, number: int, what: str, parts: Sequence[Any]) -> Any:
        """A worker's answer to the last question; those to earlier ones are let go."""
        while True:
            try:
                ticket, answer = self._ends[number].recv()
            except (EOFError, OSError):
                self._replace(number)
                with suppress(OSError):  # the next one may end too
                    if what != "start":
                        self._ends[number].send((0, "take", self._of(number, self._problems)))
                    self._send(number, what, parts)
                continue
            if ticket == self._ticket:
                return answer

    def _replace(self, number: int) -> None:
        """A new worker in place of one that ended. Raises SolverError where too many have."""
        process = self._running[number]
        self._ends[number].close()
        process.join()
        self._lost += 1
        mine = self._of(number, self._problems)
        said = f"worker {number + 1} of {len(self._ends)} {ended(process.exitcode)}"
        if self._lost > MOST_LOST:
            raise SolverError(
                f"{said}, as {MOST_LOST} before it: too little memory, perhaps; fewer --workers need less"
            )
        print(f"  {said}: its {len(mine)} cases are planned again", file=sys.stderr)
        self._running[number], self._ends[number] = started(_serve)


def _serve(end: Connection) -> None:
    """Answers requests until the other end goes."""
    serial = Serial()
    while True:
        ticket, what, parts = end.recv()
        try:
            answer: Any = getattr(serial, what)(parts)
        except GigawattError as error:
            answer = error
        except MemoryError:
            os._exit(1)  # named, and started again
        except Exception as error:
            answer = SolverError(f"a worker failed: {type(error).__name__}: {error}")
        end.send((ticket, answer))
