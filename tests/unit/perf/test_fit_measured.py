"""Correction of measured kernels: factors found again from made-up rows, times of rows, and what is told without them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.perf import fit_measured, measured_rows, predict
from gigawatt.perf.fit_measured import ERROR, Asked, ask, corrections, factors
from gigawatt.perf.measured import INSTALL, Kernels
from gigawatt.perf.rows import point_of
from tests.cases.kernels import Stub

CATALOG = load_catalog()
SHIPPED = CATALOG.calibration("measured-2026")
KERNELS = Kernels(engine=Stub(), software="vllm 0.24.0", kv_bytes_per_token=40_960.0, kv_capacity_tokens=3e6)
ROW = {
    "backend": "vllm", "model_path": "llama-3.1-70b", "system": "h200", "isl": 1000, "osl": 500, "tp_size": 8,
    "batch_size": 17,
}  # fmt: skip


def test_factors_are_found_again() -> None:
    rng = np.random.default_rng(1)
    asked = Asked(
        decode_s=rng.uniform(0.005, 0.05, 200), prefill_s=rng.uniform(0.05, 2.0, 200),
        others=rng.uniform(0.0, 0.1, 200), reasons=("",) * 200,
    )  # fmt: skip
    backend = np.array(["vllm", "trtllm"] * 100)
    times = np.where(
        backend == "vllm", asked.tpot_s(np.array(1.2), np.array(0.8)), asked.tpot_s(np.array(0.9), np.array(1.1))
    )
    found = factors(asked, backend, times)
    assert found["vllm"] == pytest.approx((1.2, 0.8), rel=0.01)
    assert found["trtllm"] == pytest.approx((0.9, 1.1), rel=0.01)
    assert found["sglang"] == (1.0, 1.0)  # no rows


def test_rows_are_asked_of_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """17 sequences at 900 + 225 tokens: 8 + 17 (1 + 0.1125) ms a step; 900 tokens: 6 + 90 ms; 16 others over 450."""
    monkeypatch.setattr(fit_measured, "why_not", lambda *_: "")
    monkeypatch.setattr(fit_measured, "compile_kernels", lambda *_: KERNELS)
    points = [point_of(SimpleNamespace(**ROW | {"backend": name}), CATALOG) for name in ("vllm", "tgi")]
    asked = ask(points)
    assert asked.decode_s[0] == pytest.approx((8 + 17 * 1.1125) * 1e-3)
    assert asked.prefill_s[0] == pytest.approx(96e-3) and asked.others[0] == pytest.approx(16 / 450)
    assert asked.reasons == ("", "no kernels are measured for the backend 'tgi'; there are vllm, sglang, trtllm")
    assert list(asked.is_known) == [True, False]


def test_rows_of_a_file_by_their_maker(monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    frame = pd.DataFrame([ROW, ROW | {"backend": "tgi"}, ROW | {"system": "cs-3"}])
    monkeypatch.setattr(measured_rows, "is_installed", lambda: False)
    plain = predict.predict_rows(frame, CATALOG)
    assert list(plain["maker"]) == ["calibrated", "calibrated", "dataflow"]
    none = predict.predict_rows(frame, CATALOG, maker="measured")
    assert list(none["maker"]) == ["", "", ""] and none["note"][0] == INSTALL
    assert none["note"][2] == "no kernels are measured on Cerebras CS-3"
    monkeypatch.setattr(measured_rows, "is_installed", lambda: True)
    monkeypatch.setattr(fit_measured, "why_not", lambda *_: "")
    monkeypatch.setattr(fit_measured, "compile_kernels", lambda *_: KERNELS)
    assert list(predict.predict_rows(frame, CATALOG)["maker"]) == ["calibrated", "calibrated", "dataflow"]
    some = predict.predict_rows(frame, CATALOG, maker="measured")
    assert list(some["maker"]) == ["measured", "", ""]
    decode, prefill = corrections(SHIPPED, "vllm")
    by_hand = decode.value * (8 + 17 * 1.1125) + prefill.value * 16 / 450 * 96
    assert some["tpot_ms"][0] == pytest.approx(by_hand)
    assert some["tpot_ms_low"][0] < some["tpot_ms"][0] < some["tpot_ms_high"][0]


def test_the_shipped_correction_says_how_far_off_it_is() -> None:
    assert 0.05 < SHIPPED.residuals[ERROR] < 0.14
