"""The fit finds coefficients that made the rows, forgets outliers, and does not see what is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.core.errors import CatalogError
from gigawatt.perf.calibrate import SILICON, calibrate_bench, fit_silicon, read_bench, write
from gigawatt.perf.fit_inference import PRIORS, Fitted, Measured, band_of, fit, left_out, measured_of
from gigawatt.perf.layout import Layout, parse_layout
from gigawatt.perf.operators import SIDES
from gigawatt.perf.precision import settle
from gigawatt.perf.rows import Point

CATALOG = load_catalog()
SHIPPED = CATALOG.calibration("inference-2026")
DATA = Path(__file__).parents[3].parent / "shared" / "data"

# Coefficients away from their priors by about half a deviation, and two backends that differ from the mean.
MOVED = {
    "read": 0.91, "read_experts": 0.83, "read_cache": 0.82, "compute": 0.80, "kernel_s": 5.2e-6, "interference": 0.70,
    "host_s": 6.5e-4, "first_token_s": 2.4e-2, "queue": 0.085, "sequence_s": 1.5e-5,
}  # fmt: skip
TRUTH = Fitted(
    coefficients={name: MOVED.get(name, one[0]) for name, one in PRIORS.items()},
    deviations={},
    offsets={
        "vllm": {"overhead": 1.08, "work": 0.97, "prefill": 1.15, "sequence": 0.9},
        "sglang": {"overhead": 0.93, "work": 1.04, "prefill": 0.87, "sequence": 1.1},
    },
)
SERVED = (
    ("llama-3.1-8b", "fp8", Layout(tp=1)),
    ("llama-3.1-8b", "bf16", Layout(tp=2)),
    ("llama-3.1-70b", "fp8", Layout(tp=4)),
    ("llama-3.1-70b", "fp8", Layout(tp=8)),
    ("gpt-oss-120b", "mxfp4", Layout(tp=4, moe_tp=4)),
    ("qwen3-235b", "fp8", Layout(tp=8, moe_tp=1, moe_ep=8)),
    ("qwen3-235b", "fp8", Layout(tp=4, moe_tp=4)),
)


def made(noise: float = 0.003, seed: int = 1) -> Measured:
    """Rows that the known coefficients make, with a little noise on both times."""
    points = [
        Point(
            system=CATALOG.system(system), model=CATALOG.model(model), layout=layout, prefill_layout=None, batch=batch,
            serving=settle(CATALOG.system(system), CATALOG.model(model), weights), prompt=prompt, output=output,
            concurrency=batch, backend=backend, age_y=0.1,
        )
        for system in ("hgx-h100", "hgx-h200", "hgx-b200")
        for model, weights, layout in SERVED
        for backend in ("vllm", "sglang")
        for batch, prompt, output in ((1.0, 920.0, 920.0), (8.0, 7400.0, 920.0), (32.0, 920.0, 7400.0), (64.0, 920.0, 920.0))
    ]  # fmt: skip
    blank = measured_of(points, np.ones(len(points)), np.ones(len(points)))
    tpot, ttft = TRUTH.predict(blank)
    shake = np.exp(noise * np.random.default_rng(seed).standard_normal((2, len(points))))
    return measured_of(points, 1e3 * tpot * shake[0], 1e3 * ttft * shake[1])


ROWS = made()


def error(predicted: np.ndarray, rows: Measured) -> np.ndarray:  # type: ignore[type-arg]
    return np.abs(predicted / rows.tpot_s - 1.0)


def test_rows_of_known_coefficients_are_predicted_where_left_out() -> None:
    """Every third row is left out. 2 %: the priors pull, each as strongly as three rows."""
    kept = np.arange(len(ROWS.batch)) % 3 > 0
    fitted = fit(ROWS.only(kept))
    hidden = ROWS.only(~kept)
    assert np.median(error(fitted.predict(hidden)[0], hidden)) < 0.01
    assert np.quantile(error(fitted.predict(hidden)[0], hidden), 0.9) < 0.02
    assert fitted.coefficients["interference"] == pytest.approx(MOVED["interference"], rel=0.08)
    assert fitted.offsets["vllm"]["overhead"] > 1.0 > fitted.offsets["sglang"]["overhead"]
    assert all(spread > 0.0 for spread in fitted.deviations.values())


def test_a_chip_left_out_is_predicted() -> None:
    tpot, ttft = left_out(ROWS, "system")
    assert np.median(error(tpot, ROWS)) < 0.02
    assert np.isfinite(ttft).all()


def test_one_row_in_ten_grossly_wrong_moves_little() -> None:
    wrong = np.arange(len(ROWS.batch)) % 10 == 0
    spoilt = replace(ROWS, tpot_s=np.where(wrong, ROWS.tpot_s * 4.0, ROWS.tpot_s))
    tpot, _ = fit(spoilt).predict(ROWS)
    assert np.median(error(tpot, ROWS)) < 0.02
    assert np.quantile(error(tpot, ROWS)[~wrong], 0.9) < 0.04


@pytest.mark.parametrize("by", ["system", "family"])
def test_left_out_does_not_see_its_rows(by: str) -> None:
    """What is measured in a group moves the predictions of all groups but its own."""
    groups = getattr(ROWS, by)
    first = groups == np.unique(groups)[0]
    spoilt = replace(ROWS, tpot_s=np.where(first, 3.0 * ROWS.tpot_s, ROWS.tpot_s))
    before, after = left_out(ROWS, by)[0], left_out(spoilt, by)[0]
    np.testing.assert_array_equal(before[first], after[first])
    assert (before[~first] != after[~first]).any()


def test_progress_names_what_is_left_out_and_counts_evaluations() -> None:
    heard: list[str] = []
    few = ROWS.only(np.isin(ROWS.system, ("hgx-h100", "hgx-h200")) & (ROWS.batch == 8.0))
    left_out(few, "system", heard.append)
    assert heard == ["fit without hgx-h100", "fit without hgx-h200"]
    steps: list[int] = []
    fit(few, lambda count, _: steps.append(count))
    assert steps == list(range(1, len(steps) + 1)) and steps


def test_what_was_not_fitted_counts_as_one() -> None:
    bare = Fitted(coefficients=TRUTH.coefficients, deviations={}, offsets={})
    software = bare.software(ROWS)
    for side in SIDES:
        assert (getattr(software, side) == 1.0).all()


def test_band_of_a_uniform_ratio() -> None:
    """Measured over predicted evenly between 0.5 and 1.5: the middle 80 % is 0.6 to 1.4, half of it 0.75 to 1.25."""
    predicted = np.full(1001, 2.0)
    measured = predicted * np.linspace(0.5, 1.5, 1001)
    assert band_of(predicted, measured) == pytest.approx((0.6, 1.4))
    assert band_of(predicted, measured, share=0.5) == pytest.approx((0.75, 1.25))
    assert band_of(np.ones(1), np.full(1, 1.2)) == pytest.approx((1.2, 1.2))


# One's own cluster


def _bench_file(tmp_path: Path, slower: float, names: str = "llama-3.1-70b") -> Path:
    import json

    rows = []
    for batch in (1, 4, 16, 64):
        point = Point(
            system=CATALOG.system("h200"), model=CATALOG.model("llama-3.1-70b"), layout=Layout(tp=8), batch=float(batch),
            serving=settle(CATALOG.system("h200"), CATALOG.model("llama-3.1-70b"), "fp8"), prefill_layout=None,
            prompt=1000.0, output=500.0, concurrency=float(batch), backend="vllm", age_y=0.0,
        )  # fmt: skip
        blank = measured_of([point], np.ones(1), np.ones(1))
        of_catalog = Fitted(
            coefficients={key: one.value for key, one in SHIPPED.coefficients.items()}, deviations={},
            offsets=SHIPPED.offsets,
        )  # fmt: skip
        tpot, ttft = of_catalog.predict(blank)
        rows.append({
            "model_id": names, "completed": 10, "total_input_tokens": 10_000, "total_output_tokens": 5000,
            "median_tpot_ms": 1e3 * slower * float(tpot[0]), "median_ttft_ms": 1e3 * slower * float(ttft[0]),
            "max_concurrency": batch,
        })  # fmt: skip
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(rows))
    return path


@pytest.mark.parametrize("slower", [0.8, 1.0, 1.3])
def test_a_cluster_is_met_after_its_results(tmp_path: Path, slower: float) -> None:
    model = CATALOG.model("llama-3.1-70b")
    entry, results = calibrate_bench(
        [_bench_file(tmp_path, slower)], name="mine", system="h200", layout=parse_layout("tp8", model), catalog=CATALOG,
        calibration=SHIPPED, weights="fp8",
    )  # fmt: skip
    before, after = (np.array([row[at] for row in results]) for at in (1, 2))
    np.testing.assert_allclose(before, 1.0 / slower - 1.0, atol=1e-6)
    assert np.abs(after).max() < 0.05 + 1e-9
    assert np.abs(after).max() <= np.abs(before).max() + 1e-6
    assert set(entry.offsets["mine"]) == set(SIDES)
    assert {key: value for key, value in entry.offsets.items() if key != "mine"} == SHIPPED.offsets
    again = load_catalog(write(entry, tmp_path / "over", "inference").parents[1]).calibration("inference-2026")
    assert again == entry


def test_results_come_one_a_line_or_as_a_list(tmp_path: Path) -> None:
    listed = read_bench(_bench_file(tmp_path, 1.0))
    import json

    lines = tmp_path / "lines.jsonl"
    lines.write_text("\n".join(json.dumps(row) for row in json.loads((tmp_path / "bench.json").read_text())))
    assert read_bench(lines) == listed
    assert listed[2].concurrency == 16.0 and listed[0].prompt == 1000.0 and listed[0].output == 500.0


def test_flight_is_littles_law_where_no_limit_was_set(tmp_path: Path) -> None:
    """4 requests/s x (0.1 s + 500 x 0.01 s) = 20.4 in flight."""
    path = tmp_path / "open.json"
    path.write_text(
        '{"model_id": "x", "completed": 2, "total_input_tokens": 2000, "total_output_tokens": 1000, '
        '"median_tpot_ms": 10, "median_ttft_ms": 100, "request_throughput": 4, "max_concurrency": null}'
    )
    assert read_bench(path)[0].concurrency == pytest.approx(20.4)


# Public measurements


def test_missing_measurements_are_said(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"silicon_calibration\.csv: there is no such file$"):
        fit_silicon(tmp_path, CATALOG, "2026-11")


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / SILICON).is_file(), reason="needs the measurements of ../shared/data, not here")
def test_the_shipped_fit_is_the_fit_of_the_public_rows() -> None:
    """One fit again. Coefficients have four digits; one in a thousand leaves room for the order of sums."""
    from gigawatt.perf.rows import clean, point_of, read_rows

    rows, _ = clean(read_rows(DATA / SILICON), CATALOG)
    assert len(rows) == SHIPPED.rows
    points = [point_of(row, CATALOG) for row in rows.itertuples()]
    measured = measured_of(points, rows["silicon_tpot_ms"].to_numpy(), rows["silicon_ttft_ms"].to_numpy())
    fitted = fit(measured)
    for name, value in fitted.coefficients.items():
        assert SHIPPED.coefficients[name].value == pytest.approx(value, rel=1e-3), name
    for key, sides in fitted.offsets.items():
        for side, value in sides.items():
            assert SHIPPED.offsets.get(key, {}).get(side, 1.0) == pytest.approx(value, abs=0.006), (key, side)
    tpot, _ = fitted.predict(measured)
    scored = measured.system != "gb200-nvl72"
    median = float(np.median(np.abs(tpot / measured.tpot_s - 1.0)[scored]))
    assert SHIPPED.residuals["in sample, median |TPOT error|"] == pytest.approx(median, abs=2e-4)


def test_the_shipped_residuals_keep_what_is_promised() -> None:
    """The targets of docs/validation.md for times per output token."""
    assert SHIPPED.residuals["in sample, median |TPOT error|"] <= 0.07
    assert SHIPPED.residuals["chip left out, median |TPOT error|"] <= 0.10
    assert SHIPPED.residuals["family left out, median |TPOT error|"] <= 0.12


@pytest.mark.parametrize(("value", "shown"), [("inf", "inf"), ("0", "0.0"), ("", "nan"), ("1e9", "1000000000.0")])
def test_measured_times_that_are_none_are_named_by_row(tmp_path: Path, value: str, shown: str) -> None:
    path = tmp_path / "inferencex_silicon" / "silicon_calibration.csv"
    path.parent.mkdir()
    rows = f"vllm,llama-3.1-8b,h100,1,1,10.5,100\nvllm,llama-3.1-8b,h100,1,1,{value},100\n"
    path.write_text(f"backend,model_path,system,isl,osl,silicon_tpot_ms,silicon_ttft_ms\n{rows}")
    with pytest.raises(CatalogError) as caught:
        fit_silicon(tmp_path, CATALOG, "2026-11")
    assert str(caught.value) == f"{path}, row 2: silicon_tpot_ms is {shown}; 0.1 to 10,000 ms are right"
