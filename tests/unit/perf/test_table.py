"""Step tables by hand, their kernels against slow twins, and files that come back bit for bit."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from gigawatt.core.errors import TableError
from gigawatt.perf import interpolate
from gigawatt.perf.grid import on_grid
from gigawatt.perf.table import BANDS, CALIBRATED, EXTRAPOLATED, MEASURED, PROVENANCE, StepTable, load_table

Floats = npt.NDArray[np.float64]


def fields(**changes: Any) -> dict[str, Any]:
    """decode: 10 ms + 1 ms a sequence + 1 us a sequence and token; prefill: 5 ms + 0.1 ms a token + 1 us a cached one."""
    b, c = np.array([1.0, 10.0, 100.0]), np.array([0.0, 1000.0, 4000.0, 100000.0])
    n, q = np.array([1.0, 100.0, 1000.0]), np.array([0.0, 5000.0])
    decode = 10e-3 + 1e-3 * b[:, None] + 1e-6 * b[:, None] * c[None, :]
    prefill = 5e-3 + 1e-4 * n[:, None] + 1e-6 * q[None, :]
    factors = np.array([0.8, 1.0, 1.5])
    return {
        "system": "box", "model": "m", "layout": "tp8", "precision": "fp8", "software": "vllm 0.24.0",
        "maker": "calibrated", "n_packages": 8, "sources": ("own", 'a "quoted"; key'),
        "sequences": b, "context": c, "decode_s": factors[:, None, None] * decode,
        "new_tokens": n, "cached": q, "prefill_s": factors[:, None, None] * prefill, "shared_s": factors * 4e-3,
        "decode_provenance": np.full((3, 4), MEASURED), "prefill_provenance": np.full((3, 2), CALIBRATED),
        "kv_bytes_per_token": 163840.0, "state_bytes_per_sequence": 0.0, "kv_capacity_tokens": 1e6 / 3.0,
        "load": np.array([0.0, 0.5, 1.0]), "watts": np.array([[1e3, 4e3, 6e3], [2e3, 5e3, 7e3], [3e3, 6e3, 8e3]]),
    } | changes  # fmt: skip


def table(**changes: Any) -> StepTable:
    return StepTable(**fields(**changes))


def test_a_bilinear_law_is_reproduced_inside_the_grid_and_beyond_it() -> None:
    t = table()
    assert t.decode(5, 2500) == pytest.approx(10e-3 + 5e-3 + 5 * 2500e-6)
    assert t.decode(400, 200_000) == pytest.approx(10e-3 + 0.4 + 400 * 0.2)  # both axes exceeded
    assert t.decode(0, 0) == pytest.approx(10e-3)  # below the first point
    assert t.prefill(550, 2000) == pytest.approx(5e-3 + 0.055 + 2e-3)
    assert t.decode(5, 2500, "high") == pytest.approx(1.5 * t.decode(5, 2500))
    assert t.watts_at([0.0, 0.25, 1.0]) == pytest.approx([2e3, 3.5e3, 7e3])
    assert t.watts_at(0.75, "low") == pytest.approx(5e3)


def test_arguments_broadcast() -> None:
    times = table().decode(np.array([[1.0], [7.0]]), np.array([0.0, 50.0, 5000.0]))
    assert times.shape == (2, 3)
    assert times[1, 2] == pytest.approx(10e-3 + 7e-3 + 0.035)


def test_a_mixed_step_counts_the_shared_time_once() -> None:
    t = table()
    both = t.decode(10, 1000) + t.prefill(100, 0)
    assert t.mixed(10, 1000, 100, 0) == pytest.approx(both - 4e-3)
    assert t.mixed([10, 0, 0], 1000, [0, 100, 0], 0) == pytest.approx([0.03, 0.015, 0.0])


def test_a_mixed_step_is_never_shorter_than_either_part() -> None:
    t = table(shared_s=np.array([1.0, 1.0, 1.0]))
    assert t.mixed(10, 1000, 1, 0) == pytest.approx(max(t.decode(10, 1000), t.prefill(1, 0)))
    assert t.mixed(1, 0, 1000, 0) == pytest.approx(t.prefill(1000, 0))


def test_a_time_beyond_the_grid_is_never_negative() -> None:
    steep = np.array([[1e-3, 1.0], [2e-3, 1.0]])  # at 20 sequences more, longer contexts would take less time
    t = table(
        sequences=[1, 2], context=[0, 10], decode_s=np.stack([steep] * 3), decode_provenance=np.zeros((2, 2), np.int8)
    )
    assert t.decode(2, 0) == pytest.approx(2e-3)
    assert t.decode(2000, 20) == 0.0
    assert t.decode(1, -5) == 0.0


def test_an_axis_of_one_point_is_constant() -> None:
    t = table(cached=[0.0], prefill_s=fields()["prefill_s"][:, :, :1], prefill_provenance=np.zeros((3, 1), np.int8))
    assert t.prefill(100, 1e6) == t.prefill(100, 0)


def test_arrays_are_copies_that_cannot_be_written() -> None:
    context = np.array([0.0, 1000.0, 4000.0, 100000.0])
    t = table(context=context)
    context[1] = 7.0
    assert t.context[1] == 1000.0
    with pytest.raises(ValueError, match="read-only"):
        t.decode_s[0, 0, 0] = 1.0


def swapped(name: str, at: tuple[int, ...], value: float) -> Floats:
    array = np.array(fields()[name])
    array[at] = value
    return array


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"decode_s": np.ones((3, 4, 3))}, "decode_s has shape (3, 4, 3); its axes (band, sequences, context) make it (3, 3, 4)"),
        ({"context": [0, 4000, 1000, 100000]}, "context must increase strictly, but context[2] = 1000 follows 4000"),
        ({"sequences": [[1, 2, 3]]}, "sequences has shape (1, 3); an axis is one row of at least one point"),
        ({"cached": [0, math.inf]}, "cached must be finite and not negative"),
        ({"load": [0, 0.5, 2]}, "load reaches 2; it is a share between 0 and 1"),
        ({"prefill_s": swapped("prefill_s", (1, 2, 0), math.nan)}, "prefill_s must be finite and positive, but it is nan at band central, new_tokens 2, cached 0"),
        ({"decode_s": swapped("decode_s", (0, 0, 0), 0.0)}, "decode_s must be finite and positive, but it is 0 at band low, sequences 0, context 0"),
        ({"decode_s": swapped("decode_s", (2, 0, 0), 0.0105)}, "decode_s must keep low <= central <= high, but it is 0.0105 at band high, sequences 0, context 0"),
        ({"decode_s": swapped("decode_s", (0, 1, 1), 0.015)}, "must not fall along context"),
        ({"decode_s": swapped("decode_s", (2, 1, 0), 0.2)}, "must not fall along sequences"),
        ({"prefill_s": swapped("prefill_s", (2, 1, 0), 0.9)}, "prefill_s must not fall along new_tokens"),
        ({"shared_s": [-1, 0, 1]}, "shared_s must be finite and not negative, but it is -1 at band low"),
        ({"watts": np.array([[2e3, 4e3, 6e3]] * 2 + [[1e3, 6e3, 8e3]])}, "watts must keep low <= central <= high"),
        ({"decode_provenance": np.full((3, 4), 3)}, "decode_provenance codes are 0 (measured), 1 (calibrated), 2 (extrapolated), but it is 3 at sequences 0, context 0"),
        ({"maker": "guessed"}, "maker is 'guessed'; it is one of measured, calibrated, dataflow"),
        ({"n_packages": 0}, "n_packages is 0; a replica has at least 1"),
        ({"kv_capacity_tokens": math.nan}, "kv_capacity_tokens is nan; it must be finite and not negative"),
    ],
)  # fmt: skip
def test_a_table_that_contradicts_itself_is_refused_with_what_and_where(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TableError) as caught:
        table(**changes)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("step table of m on box (tp8): ")


def test_a_saved_table_comes_back_bit_for_bit(tmp_path: Path) -> None:
    t = table(decode_s=fields()["decode_s"] * math.pi)
    t.save(tmp_path / "t.nc")
    back = load_table(tmp_path / "t.nc")
    for name in StepTable.__dataclass_fields__:
        held, was = getattr(back, name), getattr(t, name)
        if isinstance(was, np.ndarray):
            assert held.dtype == was.dtype and np.array_equal(held, was), name
        else:
            assert held == was and type(held) is type(was), name


def test_a_file_can_be_read_without_the_code(tmp_path: Path) -> None:
    table(decode_provenance=np.full((3, 4), EXTRAPOLATED)).save(tmp_path / "t.nc")
    with xr.open_dataset(tmp_path / "t.nc", engine="h5netcdf") as data:
        assert all("units" in data[name].attrs for name in data.variables)
        assert data.attrs["maker"] == "calibrated" and data.attrs["model"] == "m"
        assert list(data["band"].values) == list(BANDS)
        assert data["decode_s"].sel(band="central", sequences=10, context=1000) == pytest.approx(0.03)
        flags = data["decode_provenance"]
        assert flags.attrs["flag_meanings"].split()[int(flags[0, 0])] == "extrapolated" == PROVENANCE[2]


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"none\.nc cannot be read as a step table"):
        load_table(tmp_path / "none.nc")
    (tmp_path / "text.nc").write_text("not netCDF", encoding="utf-8")
    with pytest.raises(TableError, match=r"text\.nc cannot be read as a step table"):
        load_table(tmp_path / "text.nc")
    xr.Dataset({"a": 1}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(TableError, match=r"other\.nc is no step table"):
        load_table(tmp_path / "other.nc")
    table().as_dataset().drop_vars("watts").to_netcdf(tmp_path / "less.nc", engine="h5netcdf")
    with pytest.raises(TableError, match=r"less\.nc lacks 'watts'"):
        load_table(tmp_path / "less.nc")
    with pytest.raises(TableError, match="cannot be written"):
        table().save(tmp_path / "no" / "t.nc")


# -- kernels


def grids() -> st.SearchStrategy[tuple[Floats, Floats, Floats]]:
    """(xs, ys, z) with strictly increasing axes; z is any positive surface, rising or not."""

    def axis(low: int) -> st.SearchStrategy[Floats]:
        steps = st.lists(st.integers(1, 400), min_size=1, max_size=6)
        return steps.map(lambda s: low + np.cumsum(np.array(s, dtype=np.float64)))

    def surface(axes: tuple[Floats, Floats]) -> st.SearchStrategy[tuple[Floats, Floats, Floats]]:
        size = len(axes[0]) * len(axes[1])
        values = st.lists(st.floats(1e-4, 1.0), min_size=size, max_size=size)
        return values.map(lambda v: (axes[0], axes[1], np.array(v)))

    return st.tuples(axis(0), axis(-1)).flatmap(surface)


def slow_time(x: float, y: float, xs: Floats, ys: Floats, z: Floats) -> float:
    """Bilinear in plain Python, from its definition as a weighted mean of four corners."""

    def weights(at: float, axis: Floats) -> list[tuple[int, float]]:
        if len(axis) == 1:
            return [(0, 1.0)]
        k = 0
        while k < len(axis) - 2 and at >= axis[k + 1]:
            k += 1
        share = (at - axis[k]) / (axis[k + 1] - axis[k])
        return [(k, 1.0 - share), (k + 1, share)]

    corners = ((u * v * z[i * len(ys) + j]) for i, u in weights(x, xs) for j, v in weights(y, ys))
    return max(math.fsum(corners), 0.0)


@given(grids(), st.floats(0.5, 3000.0), st.floats(0.0, 5000.0))
def test_the_kernel_agrees_with_its_slow_twin_and_with_the_table(
    grid: tuple[Floats, Floats, Floats], x: float, y: float
) -> None:
    xs, ys, z = grid
    size = float(z.max()) * (1.0 + x) * (1.0 + y)  # far outside, corners of this size cancel
    fast = interpolate.bilinear(x, y, xs, ys, z)
    assert fast == pytest.approx(slow_time(x, y, xs, ys, z), rel=1e-9, abs=1e-12 * size)
    assert float(on_grid(x, y, xs, ys, z.reshape(len(xs), len(ys)))) == pytest.approx(fast, rel=1e-9, abs=1e-12 * size)


@given(grids(), st.floats(0.5, 3000.0), st.floats(0.0, 3000.0), st.floats(0.0, 1.0))
def test_the_form_of_a_cell_holds_up_to_its_end(
    grid: tuple[Floats, Floats, Floats], x: float, y: float, share: float
) -> None:
    xs, ys, z = grid
    a, b, c, d, x0, y0, end = interpolate.decode_cell(x, y, xs, ys, z)
    assert end == math.inf or end > y
    at = y + share * (min(end, y + 500.0) - y)
    value = a + b * (x - x0) + c * (at - y0) + d * (x - x0) * (at - y0)
    size = float(z.max()) * (1.0 + x) * (1.0 + at)
    assert max(value, 0.0) == pytest.approx(slow_time(x, at, xs, ys, z), rel=1e-9, abs=1e-12 * size)


def python(code: str, **environment: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_kernels_run_without_compilation() -> None:
    code = (
        "import numpy as np; from gigawatt.perf.interpolate import bilinear;"
        "print(type(bilinear).__name__, bilinear(2.0, 1.0, *[np.array(a) for a in ([1., 3.], [0., 2.], [1., 3., 3., 9.])]))"
    )
    assert python(code, NUMBA_DISABLE_JIT="1") == "function 4.0"  # the middle: (1 + 3 + 3 + 9) / 4


def test_numba_is_imported_by_kernels_only() -> None:
    code = "import sys, gigawatt, gigawatt.perf.table, gigawatt.perf.measured; print('numba' in sys.modules)"
    assert python(code) == "False"


def test_kernels_know_numbers_only() -> None:
    code = (
        "import sys, gigawatt.perf.interpolate;"
        "print(sorted(m for m in sys.modules if m in ('pydantic', 'pandas', 'xarray') or m.startswith('gigawatt.c')))"
    )
    assert python(code) == "[]"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have names where the system gives them")
def test_a_pipe_is_no_table_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.nc")
    with pytest.raises(TableError, match=r"cannot be read as a step table: .*it is a pipe, not a file"):
        load_table(tmp_path / "t.nc")
