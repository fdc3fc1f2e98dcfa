"""The door to HiGHS: silent, checked, and not believed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scipy.sparse as sp

from gigawatt.core.errors import SolverError
from gigawatt.plan.solver import Ending, Solver


def opened() -> Solver:
    """max 3 a + 2 b  with  a + b <= 4,  a + 3 b <= 6,  0 <= a <= 3: at (3, 1) it is 11."""
    return Solver(
        cost=np.array([-3.0, -2.0]), lower=np.zeros(2), upper=np.array([3.0, np.inf]),
        matrix=sp.csr_array(np.array([[1.0, 1.0], [1.0, 3.0]])), row_lower=np.full(2, -np.inf),
        row_upper=np.array([4.0, 6.0]), row_names=lambda: ["first", "second"],
    )  # fmt: skip


def test_a_small_problem_and_what_it_is_changed_into() -> None:
    solver = opened()
    assert solver.run() is Ending.OPTIMAL
    found = solver.found()
    assert found.objective == pytest.approx(-11.0)
    assert found.x.tolist() == pytest.approx([3.0, 1.0])
    # a third row b <= 0.5: 3 x 3 + 2 x 0.5 = 10; without it 11 again
    solver.add_row(-np.inf, 0.5, np.array([1]), np.array([1.0]))
    assert solver.run() is Ending.OPTIMAL
    assert solver.found().objective == pytest.approx(-10.0)
    solver.drop_rows(2)
    assert solver.n_rows == 2
    # a column c at -5 in the first row alone: c = 4, and a = 0: 3 a is worth less than 5 c; b = 0
    solver.add_columns(np.array([-5.0]), np.zeros(1), np.array([np.inf]), sp.csc_array(np.array([[1.0], [0.0]])))
    assert solver.run() is Ending.OPTIMAL
    assert solver.found().objective == pytest.approx(-20.0)
    assert solver.matrix.toarray().tolist() == [[1.0, 1.0, 1.0], [1.0, 3.0, 0.0]]
    # c only in whole numbers, and the first row at 3.5: c = 3, a = 0.5: 15 + 1.5
    solver.set_integer(np.array([2]), whole=True)
    solver.set_row_bounds(0, -np.inf, 3.5)
    assert solver.run() is Ending.OPTIMAL
    assert solver.found().objective == pytest.approx(-16.5)


def test_no_point_is_said_to_be_none() -> None:
    solver = opened()
    solver.set_row_bounds(0, 7.0, 8.0)
    assert solver.run() is Ending.INFEASIBLE


def test_a_refused_call_is_an_error_with_a_sentence() -> None:
    with pytest.raises(SolverError, match=r"HiGHS [\d.]+ refuses option no_such = 1; this is a fault of gigawatt"):
        opened().set_option("no_such", 1)
    with pytest.raises(SolverError, match="refuses a row"):
        opened().add_row(0.0, 1.0, np.array([7]), np.array([1.0]))


def test_an_answer_that_misses_its_rows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    solver = opened()
    solver._row_upper[1] = 5.0  # what HiGHS holds says 6; at (3, 1) the row adds up to 6, 1 of 1 + 6 too much
    with pytest.raises(SolverError, match=r"a point feasible that passes second by 1\.4e-01 of its size"):
        solver.run()


def test_a_point_that_is_no_number_or_not_whole_is_refused() -> None:
    solver = opened()
    assert solver._missed(np.array([3.0, 1.0]))[0] == 0.0
    for x in ([np.nan, 0.0], [0.0, np.inf]):
        with pytest.raises(SolverError, match="calls a point feasible"):
            solver._refuse_missed(np.array(x))
    solver.set_integer(np.array([0]), whole=True)
    with pytest.raises(SolverError, match=r"passes decision 0 by 5\.0e-01 of its size"):
        solver._refuse_missed(np.array([2.5, 1.0]))


def test_what_is_kept_here_is_what_the_solver_holds() -> None:
    """Solutions are held against a copy of the problem: after every kind of change it is HiGHS' own."""
    solver = opened()
    solver.add_row(-1.0, 9.0, np.array([1]), np.array([2.0]))
    solver.add_rows(sp.csr_array(np.array([[5.0, 0.0]])), np.array([-np.inf]), np.array([7.0]))
    solver.add_columns(
        np.array([1.0]), np.zeros(1), np.array([4.0]), sp.csc_array(np.array([[0.0], [2.0], [0.0], [1.0]]))
    )
    solver.drop_rows(3)
    solver.set_bounds(np.array([0, 2]), np.array([0.5, 0.0]), np.array([2.0, 3.0]))
    solver.set_row_bounds([0, 2], [-5.0, 0.0], [3.0, 8.0])
    held = solver._highs.getLp()
    columns = sp.csc_array(
        (held.a_matrix_.value_, held.a_matrix_.index_, held.a_matrix_.start_), shape=(held.num_row_, held.num_col_)
    )
    assert columns.toarray().tolist() == solver.matrix.toarray().tolist()
    for ours, theirs in zip((*solver.bounds, *solver.row_bounds),
                            (held.col_lower_, held.col_upper_, held.row_lower_, held.row_upper_), strict=True):  # fmt: skip
        assert ours.tolist() == list(theirs)


def in_process(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_where_somebody_else_started_the_threads() -> None:
    """On a machine of many cores, or beside another user of HiGHS, its pool of threads may have begun with several."""
    out = in_process("""
        import highspy, json, numpy as np
        other = highspy.Highs()
        other.setOptionValue("output_flag", False)
        other.setOptionValue("threads", 3)
        other.addVar(0.0, 1.0)
        other.run()
        from tests.unit.plan.test_solver import opened
        solver = opened()
        ending = solver.run()
        print("\\n" + json.dumps([ending.value, solver.found().objective]))
    """)
    assert json.loads(out.strip().splitlines()[-1]) == ["optimal", pytest.approx(-11.0)]


def test_nothing_is_printed() -> None:
    """Some versions print a banner from their constructor, before any option could forbid it."""
    assert in_process("from tests.unit.plan.test_solver import opened; opened().run()") == ""
