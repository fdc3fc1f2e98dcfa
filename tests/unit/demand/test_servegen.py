from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from gigawatt.core.errors import TraceError
from gigawatt.demand.servegen import read_loads
from gigawatt.demand.synthetic import windows
from gigawatt.demand.traces import read_trace

DATA = Path(__file__).parents[4] / "shared" / "data" / "servegen"


def pool(folder: Path, name: str = "m") -> Path:
    """Two clients: one with lengths and bursts, one with neither, and one that never sends."""
    path = folder / name
    path.mkdir(parents=True)
    (path / "chunk-0-trace.csv").write_text("0,2.0,3.0,Gamma,0.1,1\n600,6.0,1.0,Weibull,1,1\n")
    (path / "chunk-1-trace.csv").write_text("0,1.0,,,0,0\n600,0,,,0,0\n")
    (path / "chunk-2-trace.csv").write_text("0,0,,,0,0\n600,0,,,0,0\n")
    lengths = {"0": {"input_tokens": "{10: 0.5, 30: 0.5}", "output_tokens": "{4: 1.0}"},
               "21600": {"input_tokens": "{}", "output_tokens": "{}"}}  # fmt: skip
    (path / "chunk-0-dataset.json").write_text(json.dumps(lengths))
    return path


def test_clients_of_a_folder_and_of_an_archive(tmp_path: Path) -> None:
    first, second = read_loads(pool(tmp_path))
    assert first.rate_per_s.tolist() == [2.0, 6.0] and first.bin_s == 600.0 and first.stream.name == "m"
    assert first.cv == pytest.approx((2 * 3 + 6 * 1) / 8) and first.family == "weibull"
    assert first.input.mean == 20.0 and first.output.mean == 4.0
    assert second.cv == 1.0 and second.input.mean == 20.0  # lengths of the others
    with tarfile.open(tmp_path / "m.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "m", "data/language/m")
    assert [one.cv for one in read_loads(tmp_path / "m.tar.gz")] == [first.cv, 1.0]


def test_read_as_a_trace_it_is_drawn(tmp_path: Path) -> None:
    trace = read_trace(pool(tmp_path), limit=300)
    assert trace.format == "servegen" and len(trace.requests) == 300 and "drawn with seed 0" in trace.notes[0]
    assert np.array_equal(trace.requests.arrival_s, read_trace(tmp_path / "m", limit=300).requests.arrival_s)
    (tmp_path / "sum.csv").write_text("window_start_s,requests_per_s\n0,10\n600,20\n")
    assert read_trace(tmp_path / "sum.csv", limit=5_000).requests.summary().rate_per_s == pytest.approx(10.0, rel=0.1)


def test_what_is_not_servegen_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="holds no chunk"):
        read_loads(tmp_path)
    pool(tmp_path, "a")
    pool(tmp_path, "b")
    with pytest.raises(TraceError, match="holds the pools a, b; name one"):
        read_loads(tmp_path)
    assert len(read_loads(tmp_path, pool="b")) == 2
    with pytest.raises(TraceError, match="no pool 'c'"):
        read_loads(tmp_path, pool="c")
    (tmp_path / "a" / "chunk-0-trace.csv").write_text("0,2.0,3.0,Gamma,0.1,1\n600,x,1.0,Weibull,1,1\n")
    with pytest.raises(TraceError, match=r"row 2: .* does not parse"):
        read_loads(tmp_path / "a")
    with pytest.raises(TraceError, match="cannot be read"):
        read_loads(tmp_path / "none.tar.gz")


@pytest.mark.parametrize(("name", "ratio"), [("m-large", 2.98), ("m-mid", 1.92), ("m-small", 3.30)])
def test_peaks_as_published(name: str, ratio: float) -> None:
    path = DATA / f"aggregate_rate_language_{name}.csv"
    if not path.is_file():
        pytest.skip("ServeGen's rates are not beside the project")
    (load,) = read_loads(path)
    assert len(load.rate_per_s) == 2016 and load.rate_per_s.max() / load.rate_per_s.mean() == pytest.approx(
        ratio, abs=0.005
    )


def test_bursty_clients_of_a_published_model() -> None:
    path = DATA / "language_m-small.tar.gz"
    if not path.is_file():
        pytest.skip("ServeGen's clients are not beside the project")
    loads = read_loads(path)
    rates = np.array([one.rate_per_s for one in loads]).sum(axis=0)
    assert len(loads) > 30 and max(one.cv for one in loads) > 2.0
    n = sum(len(one) for one in windows(loads, seed=1, horizon_s=1200.0))
    assert n == pytest.approx(600.0 * rates[:2].sum(), rel=0.2)  # bursts of the largest clients
