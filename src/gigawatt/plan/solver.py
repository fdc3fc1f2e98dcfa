"""The one place that opens HiGHS: silent, of one thread, every call checked, every solution held against its rows.

    min cost x   with   row_lower <= A x <= row_upper,   lower <= x <= upper

What is asked of the solver is kept here too, so that a solution it calls feasible is looked at and not believed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gigawatt.core.errors import SolverError

if TYPE_CHECKING:
    import highspy

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_MISSED = 2e-6
"""By how much a solution may pass a row or bound, relative to 1 + the sizes of what the row adds up: twice the widest
tolerance that is asked of the solver."""


MOST_BROKEN = 1e-5
"""By how much a number that comes whole may miss a whole one: branch and bound takes 1e-6 for whole."""


ROOM_BYTES, ROOM_BYTES_AN_ENTRY = 32 << 20, 500
"""Memory that a run of the solver is granted, and for every row, column and coefficient of the problem [byte].
Judgement, half to four times as much."""


class Ending(Enum):
    """How a run of the solver ended."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    """or unbounded, which no plan is: whatever costs nothing has a bound"""
    DEARER = "costs more than it was to be looked for"
    STOPPED = "stopped at a limit"
    OTHER = "another end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a run left: a point, duals where it has them, and what the solver says of both.

    Args:
        x: (column,) values; empty where there is no point.
        row_dual: (row,) and ``reduced_cost`` (column,): duals; ``has_duals`` where they are more than zeros.
        objective: cost x; ``mip_bound``: no point of whole numbers costs less.
        is_feasible: whether ``x`` meets all rows and bounds, verified here.
    """

    x: Floats
    row_dual: Floats
    reduced_cost: Floats
    has_duals: bool
    is_feasible: bool
    objective: float
    mip_bound: float


class Solver:
    """A linear problem, with whole numbers or without, alive in HiGHS.

    Args:
        cost: (column,) of the objective.
        lower: (column,) bounds, and ``upper``.
        matrix: (row, column)
        row_lower: (row,) bounds, and ``row_upper``.
        row_names: gives the names of rows, for messages.

    Raises SolverError from every method where HiGHS answers with an error.
    """

    def __init__(
        self,
        *,
        cost: Floats,
        lower: Floats,
        upper: Floats,
        matrix: sp.csr_array,
        row_lower: Floats,
        row_upper: Floats,
        row_names: Callable[[], list[str]] | None = None,
    ) -> None:
        """Opens it; nothing is solved yet."""
        self._highs = _open()
        self._names = row_names
        self._matrix = sp.csr_array((0, cost.size))
        self._sizes: sp.csr_array | None = None
        self._lower, self._upper = np.empty(0), np.empty(0)
        self._row_lower, self._row_upper = np.empty(0), np.empty(0)
        self._whole = np.zeros(cost.size, dtype=bool)
        self._added: list[tuple[Ints, Floats]] = []
        self._add_bare_columns(cost, lower, upper)
        self.add_rows(matrix, row_lower, row_upper)

    # --- what it holds

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return int(self._lower.size)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self._row_lower.size)

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """(column,) bounds as they are now, each an array of its own."""
        return self._lower.copy(), self._upper.copy()

    @property
    def row_bounds(self) -> tuple[Floats, Floats]:
        """(row,) bounds as they are now, each an array of its own."""
        return self._row_lower.copy(), self._row_upper.copy()

    @property
    def matrix(self) -> sp.csr_array:
        """(row, column) coefficients."""
        if self._added:
            size = np.array([0] + [at.size for at, _ in self._added])
            rows = sp.csr_array(
                (np.concatenate([v for _, v in self._added]), np.concatenate([at for at, _ in self._added]),
                 np.cumsum(size)), shape=(len(self._added), self.n_columns),
            )  # fmt: skip
            self._matrix = sp.csr_array(sp.vstack([self._matrix, rows]))
            self._added, self._sizes = [], None
        return self._matrix

    # --- changes

    def set_option(self, name: str, value: float | str | bool) -> None:
        """One of HiGHS' options."""
        _checked(self._highs.setOptionValue(name, value), f"option {name} = {value}")

    @contextmanager
    def option(self, name: str, value: float | str | bool) -> Iterator[None]:
        """One of HiGHS' options for a while."""
        kept = self._highs.getOptionValue(name)[1]
        self.set_option(name, value)
        try:
            yield
        finally:
            self.set_option(name, kept)

    def set_cost(self, at: Ints, cost: Floats) -> None:
        """Objective of columns ``at``."""
        _checked(self._highs.changeColsCost(at.size, at.astype(np.int32), cost), "costs")

    def set_bounds(self, at: Ints, lower: Floats, upper: Floats) -> None:
        """Bounds of columns ``at``."""
        self._lower[at], self._upper[at] = lower, upper
        _checked(self._highs.changeColsBounds(at.size, at.astype(np.int32), lower, upper), "bounds")

    def set_row_bounds(self, at: npt.ArrayLike, lower: npt.ArrayLike, upper: npt.ArrayLike) -> None:
        """Bounds of rows ``at``, one or several."""
        at, lower, upper = np.atleast_1d(at), np.atleast_1d(lower), np.atleast_1d(upper)
        self._row_lower[at], self._row_upper[at] = lower, upper
        for row, low, high in zip(at.tolist(), lower.tolist(), upper.tolist(), strict=True):
            _checked(self._highs.changeRowBounds(row, low, high), "bounds of a row")

    def set_integer(self, at: Ints, *, whole: bool) -> None:
        """Columns ``at`` made whole numbers, or continuous."""
        import highspy

        if at.size:
            kind = highspy.HighsVarType.kInteger if whole else highspy.HighsVarType.kContinuous
            kinds = np.full(at.size, int(kind), dtype=np.uint8)
            self._whole[at] = whole
            _checked(self._highs.changeColsIntegrality(at.size, at.astype(np.int32), kinds), "whole numbers")

    def add_rows(self, matrix: sp.csr_array, lower: Floats, upper: Floats) -> None:
        """Rows below those there are."""
        held = self.matrix
        status = self._highs.addRows(
            matrix.shape[0], lower, upper, matrix.nnz, matrix.indptr.astype(np.int32),
            matrix.indices.astype(np.int32), matrix.data,
        )  # fmt: skip
        _checked(status, "rows")
        self._matrix = sp.csr_array(sp.vstack([held, matrix])) if held.shape[0] else matrix
        self._sizes = None
        self._row_lower, self._row_upper = np.append(self._row_lower, lower), np.append(self._row_upper, upper)

    def add_row(self, lower: float, upper: float, at: Ints, values: Floats) -> None:
        """One row more."""
        _checked(self._highs.addRow(lower, upper, at.size, at.astype(np.int32), values), "a row")
        self._added.append((np.asarray(at, dtype=np.int64), np.asarray(values, dtype=np.float64)))
        self._row_lower, self._row_upper = np.append(self._row_lower, lower), np.append(self._row_upper, upper)

    def add_columns(self, cost: Floats, lower: Floats, upper: Floats, matrix: sp.csc_array) -> None:
        """Columns to the right of those there are; ``matrix`` (row, new column)."""
        held = self.matrix
        for k in range(cost.size):
            column = slice(matrix.indptr[k], matrix.indptr[k + 1])
            status = self._highs.addCol(
                cost[k], lower[k], upper[k], matrix.indptr[k + 1] - matrix.indptr[k],
                matrix.indices[column].astype(np.int32), matrix.data[column],
            )  # fmt: skip
            _checked(status, "a column")
        self._matrix, self._sizes = sp.csr_array(sp.hstack([held, matrix])), None
        self._lower, self._upper = np.append(self._lower, lower), np.append(self._upper, upper)
        self._whole = np.append(self._whole, np.zeros(cost.size, dtype=bool))

    def drop_rows(self, first: int) -> None:
        """Takes rows from number ``first`` on out again."""
        held, last = self.matrix, self.n_rows
        if first < last:
            at = np.arange(first, last, dtype=np.int32)
            _checked(self._highs.deleteRows(at.size, at), "taking rows out")
            self._matrix, self._sizes = sp.csr_array(held[:first]), None
            self._row_lower, self._row_upper = self._row_lower[:first], self._row_upper[:first]

    # --- where it stands

    def basis(self) -> highspy.HighsBasis:
        """The basis it stands at; look at ``valid``."""
        return self._highs.getBasis()

    def start_at(self, basis: highspy.HighsBasis) -> None:
        """Goes on from a basis."""
        _checked(self._highs.setBasis(basis), "the basis to start from")

    def basic(self) -> Ints:
        """What is basic, in the order in which the basis is factored: a column, or -1 - row."""
        import highspy

        status, basic = self._highs.getBasicVariables()  # type: ignore[attr-defined]
        if status != highspy.HighsStatus.kOk:  # something changed since the last run: no factor is at hand
            self.run()
            status, basic = self._highs.getBasicVariables()  # type: ignore[attr-defined]
            _checked(status, "the basis")
        return np.asarray(basic, dtype=np.int64)

    def basis_solve(self, right: Floats) -> Floats:
        """B^-1 right, of what is ``basic`` and in its order: how it moves with right-hand sides."""
        status, answer = self._highs.getBasisSolve(right)  # type: ignore[attr-defined]
        _checked(status, "a direction from its basis")
        return np.asarray(answer)

    def suggest(self, x: Floats) -> None:
        """A point that branch and bound may begin with."""
        import highspy

        solution = highspy.HighsSolution()
        solution.col_value = x.tolist()
        _checked(self._highs.setSolution(solution), "the point to start from")

    def forget(self) -> None:
        """Lets go of basis and solution; the problem stays."""
        _checked(self._highs.clearSolver(), "forgetting a basis")

    # --- answers

    def run(self, *, time_limit_s: float = np.inf, most: float = np.inf) -> Ending:
        """Solves it from where it stands, in the time that this run is given; what costs over ``most`` only so far."""
        import highspy

        self.set_option("objective_bound", most)

        passed = 0.0 if self._whole.any() else self._highs.getRunTime()  # that of branch and bound starts anew
        self.set_option("time_limit", time_limit_s + passed)
        ending = self._ended()
        if ending is Ending.OPTIMAL and self._missed(self._point())[0] > MOST_MISSED:
            self.forget()  # a basis that has drifted: once more from nothing
            ending = self._ended()
            if ending is Ending.OPTIMAL:
                self._refuse_missed(self._point())
        if ending is Ending.STOPPED:
            claimed = self._highs.getInfo().primal_solution_status
            if claimed == highspy.SolutionStatus.kSolutionStatusFeasible:
                self._refuse_missed(self._point())
        return ending

    def found(self) -> Found:
        """What the last run left."""
        import highspy

        solution, info = self._highs.getSolution(), self._highs.getInfo()
        feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        return Found(
            x=np.asarray(solution.col_value) if solution.value_valid else np.empty(0),
            row_dual=np.asarray(solution.row_dual),
            reduced_cost=np.asarray(solution.col_dual),
            has_duals=bool(solution.dual_valid),
            is_feasible=bool(feasible),
            objective=float(info.objective_function_value),
            mip_bound=float(info.mip_dual_bound),
        )

    @property
    def status(self) -> str:
        """How the last run ended, in HiGHS' words."""
        return str(self._highs.modelStatusToString(self._highs.getModelStatus()))

    # --- inside

    def _add_bare_columns(self, cost: Floats, lower: Floats, upper: Floats) -> None:
        n = cost.size
        _checked(self._highs.addVars(n, lower, upper), "columns")
        _checked(self._highs.changeColsCost(n, np.arange(n, dtype=np.int32), cost), "costs")
        self._lower, self._upper = lower.astype(np.float64), upper.astype(np.float64)

    def _ended(self) -> Ending:
        """Runs HiGHS; its pool of threads is begun anew where somebody else began it with more than one."""
        import highspy

        _need_room(ROOM_BYTES + ROOM_BYTES_AN_ENTRY * (self.matrix.nnz + self.n_rows + self.n_columns))
        if self._highs.run() == highspy.HighsStatus.kError:
            self._highs.resetGlobalScheduler(True)
            _checked(self._highs.run(), "solving")
        status, kinds = self._highs.getModelStatus(), highspy.HighsModelStatus
        if status == kinds.kNotset:
            raise SolverError(
                f"HiGHS {solver_version()} did not solve the problem and does not say why; this is a fault "
                "of gigawatt or of the solver and not of the scenario: please report it"
            )
        endings = {
            kinds.kOptimal: Ending.OPTIMAL, kinds.kInfeasible: Ending.INFEASIBLE,
            kinds.kUnboundedOrInfeasible: Ending.INFEASIBLE, kinds.kTimeLimit: Ending.STOPPED,
            kinds.kIterationLimit: Ending.STOPPED, kinds.kInterrupt: Ending.STOPPED,
            kinds.kObjectiveBound: Ending.DEARER,
        }  # fmt: skip
        return endings.get(status, Ending.OTHER)

    def _missed(self, x: Floats) -> tuple[float, int]:
        """(by how much rows and bounds are passed at the most, relative; which: a row, or -1 - a column)."""
        if not np.isfinite(x).all():
            return np.inf, -1 - int(np.isfinite(x).argmin())
        matrix = self.matrix
        if self._sizes is None:
            self._sizes = abs(matrix)
        size = 1.0 + self._sizes @ np.abs(x)
        of_rows = _beyond(matrix @ x, self._row_lower, self._row_upper) / size
        of_bounds = _beyond(x, self._lower, self._upper) / (1.0 + np.abs(x))
        broken = np.where(self._whole, np.abs(x - np.round(x)), 0.0)
        of_bounds = np.maximum(of_bounds, np.where(broken > MOST_BROKEN, broken, 0.0))
        if of_rows.max(initial=0.0) >= of_bounds.max(initial=0.0):
            return float(of_rows.max(initial=0.0)), int(of_rows.argmax()) if of_rows.size else 0
        return float(of_bounds.max()), -1 - int(of_bounds.argmax())

    def _point(self) -> Floats:
        return np.asarray(self._highs.getSolution().col_value, dtype=np.float64)

    def _refuse_missed(self, x: Floats) -> None:
        missed, which = self._missed(x)
        if missed <= MOST_MISSED:
            return
        where = f"decision {-1 - which}" if which < 0 else f"limit {which}"
        names = self._names() if self._names and which >= 0 else []
        raise SolverError(
            f"HiGHS calls a point feasible that passes {names[which] if 0 <= which < len(names) else where} by "
            f"{missed:.1e} of its size, more than {MOST_MISSED:.0e}; please report the scenario"
        )


def _need_room(n_bytes: int) -> None:
    """Raises MemoryError where the limit on this process leaves less: in the solver it would end without a word."""
    try:
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        if most == resource.RLIM_INFINITY:
            return
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):  # no such limits, or no such count: the solver has to try
        return
    if most - used < n_bytes:
        raise MemoryError(f"the solver needs {n_bytes >> 20:,} MiB more, and {max(0, most - used) >> 20:,} are left")


def solver_version() -> str:
    """Version of HiGHS."""
    from importlib.metadata import version

    return version("highspy")


def _beyond(value: Floats, low: Floats, high: Floats) -> Floats:
    return np.asarray(np.maximum(np.maximum(low - value, value - high), 0.0))


def _open() -> highspy.Highs:
    """An empty, silent instance of one thread, which a plan's order of steps, and so its answer, is the same with."""
    import highspy

    with _stdout_aside():  # its constructor prints a banner before an option could forbid it
        highs = highspy.Highs()  # type: ignore[no-untyped-call]
    for name, value in (("output_flag", False), ("threads", 1), ("random_seed", 0)):
        _checked(highs.setOptionValue(name, value), f"option {name}")
    return highs


@contextmanager
def _stdout_aside() -> Iterator[None]:
    """What C code prints to standard output goes nowhere."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # standard output is closed: nothing can be printed there
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _checked(status: Any, what: str) -> None:
    """Raises SolverError where HiGHS answers with an error; a warning is none."""
    import highspy

    if status == highspy.HighsStatus.kError:
        raise SolverError(
            f"HiGHS {solver_version()} refuses {what}; this is a fault of gigawatt or of the solver and not of the "
            "scenario: please report it"
        )
