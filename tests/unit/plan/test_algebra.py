"""Expressions against plain numpy, and the LP text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from gigawatt.plan.algebra import Expression, Model, lp_text
from gigawatt.plan.metadata import MW, Column, Family, Words

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 5))


def variable(shape: tuple[int, int], mask: npt.NDArray[np.bool_] | None = None) -> tuple[Model, Expression]:
    m = Model()
    axes = {
        "row": tuple(f"r{i}" for i in range(shape[0])),
        "quarter": tuple(f"q{i}" for i in range(shape[1])),
    }
    where = (
        None
        if mask is None
        else xr.DataArray(mask, dims=("row", "quarter"), coords={k: list(v) for k, v in axes.items()})
    )
    m.add_variable(Column(("row", "quarter"), MW, "x", name="x"), axes, mask=where)
    return m, m.expression("x")


def at(e: Expression, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shape = tuple(len(labels) for labels in e.axes.values())
    return np.asarray(e.matrix @ values.ravel() + e.const).reshape(shape)


@given(SHAPES, st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_operations_are_those_of_numpy(shape: tuple[int, int], steps: int, seed: int) -> None:
    _, x = variable(shape)
    v = np.random.default_rng(seed).normal(size=shape)
    assert np.allclose(at(x.cumsum("quarter"), v), v.cumsum(axis=1))
    assert np.allclose(at(x.sum("row"), v), v.sum(axis=0))
    assert np.allclose(at(x.sum("row", "quarter"), v), v.sum())
    moved = np.zeros_like(v)
    if steps < shape[1]:
        moved[:, steps:] = v[:, : shape[1] - steps]
    assert np.allclose(at(x.shift("quarter", steps), v), moved)
    assert np.allclose(at(x.change("quarter").cumsum("quarter"), v), v)
    assert np.allclose(at(2.0 * x - x + 1.0, v), v + 1.0)
    assert np.allclose(at(x.along("block", ["a", "b"], 1), v), np.stack([v, v], axis=1))
    weight = np.random.default_rng(seed + 1).normal(size=(3, shape[0]))
    table = xr.DataArray(weight, dims=("out", "row"), coords={"out": list("abc"), "row": list(x.axes["row"])})
    assert np.allclose(at(x.dot(table, "row"), v), weight @ v)


@given(SHAPES, st.integers(0, 2**32 - 1))
def test_groups_add_up(shape: tuple[int, int], seed: int) -> None:
    _, x = variable(shape)
    rng = np.random.default_rng(seed)
    v, labels = rng.normal(size=shape), rng.choice(["a", "b"], size=shape[0])
    by = xr.DataArray(labels, dims="row", coords={"row": list(x.axes["row"])})
    grouped = at(x.group(by, "pool", ["a", "b", "c"]), v)
    for i, name in enumerate("abc"):
        assert np.allclose(grouped[i], v[labels == name].sum(axis=0))


def test_masked_cells_get_no_column_and_count_as_zero() -> None:
    m, x = variable((2, 2), np.array([[True, False], [True, True]]))
    assert m.n_columns == 3
    assert at(x, np.array([1.0, 2.0, 3.0])).tolist() == [[1.0, 0.0], [2.0, 3.0]]


def test_mismatched_labels_and_nan_are_refused() -> None:
    _, x = variable((2, 2))
    with pytest.raises(ValueError, match="does not match"):
        x * xr.DataArray([1.0, 2.0], dims="row", coords={"row": ["r0", "other"]})
    with pytest.raises(ValueError, match="nan"):
        x * xr.DataArray([1.0, np.nan], dims="row", coords={"row": ["r0", "r1"]})
    with pytest.raises(ValueError, match="axes differ"):
        x + x.sum("row")


def test_rows_that_hold_without_a_decision_are_dropped_and_impossible_ones_kept() -> None:
    m, x = variable((2, 1), np.array([[True], [False]]))
    m.add_rows(Family("fine", MW, "x is small"), x, "<=", 1.0)
    assert m.n_rows == 1
    m.add_rows(Family("never", MW, "x is large"), x, ">=", 1.0)
    assert m.n_rows == 3


def test_lp_text_is_readable() -> None:
    m, x = variable((1, 2))
    m.add_rows(Family("cap", MW, Words("the cap")), x.cumsum("quarter"), "<=", 3.0)
    m.minimise(-1.0 * x + 5.0)
    assert lp_text(m).splitlines() == [
        "minimize",
        " obj: -1 x(r0,q0) -1 x(r0,q1)",
        "subject to",
        " cap(r0,q0): +1 x(r0,q0) <= 3",
        " cap(r0,q1): +1 x(r0,q0) +1 x(r0,q1) <= 3",
        "bounds",
        "end",
    ]
    assert m.constant == 10.0
