"""Rows: what blanks mean, and each cleaning rule on a few hand-made rows."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.core.errors import CatalogError
from gigawatt.perf.layout import Layout
from gigawatt.perf.rows import (
    NOW_Y,
    RULES,
    age_of,
    clean,
    length_ratio,
    lower_bound_s,
    point_of,
    read_rows,
    storage_of,
)

CATALOG = load_catalog()
COLUMNS: dict[str, Any] = {
    "id": "", "silicon_data_source": None, "backend": "vllm", "backend_version": "0.19.0",
    "model_path": "meta-llama/Llama-3.1-70B-Instruct", "system": "h200_sxm", "precision": "fp8", "mode": "agg",
    "isl": 1024, "osl": 1024, "gemm_quant_mode": "fp8", "moe_quant_mode": None, "batch_size": 16.0, "tp_size": 8.0,
    "pp_size": 1.0, "attention_dp_size": 1.0, "moe_tp_size": 1.0, "moe_ep_size": 1.0, "silicon_ttft_ms": 100.0,
    "silicon_tpot_ms": 12.0, "suspect": None,
}  # fmt: skip
DEEPSEEK = {"model_path": "deepseek-ai/DeepSeek-V3", "gemm_quant_mode": "fp8_block", "moe_quant_mode": "fp8_block",
            "backend": "sglang", "backend_version": "0.5.9", "moe_tp_size": 8.0}  # fmt: skip


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    """Rows with all columns; what is not given is a plain row. Times differ a little, so that none is a repeat."""
    given = [COLUMNS | {"id": str(at), "silicon_ttft_ms": 100.0 + at} | row for at, row in enumerate(rows)]
    return pd.DataFrame(given)


def row(**given: Any) -> Any:
    """One row as the functions take it."""
    return next(frame(given).itertuples())


def left_out(*rows: dict[str, Any]) -> list[str]:
    """Rule by row, empty where the row is used."""
    kept, dropped = clean(frame(*rows), CATALOG)
    rules = dict(zip(dropped["id"], dropped["left_out"], strict=True))
    assert sorted([*kept["id"], *dropped["id"]]) == [str(at) for at in range(len(rows))]
    assert set(rules.values()) <= set(RULES)
    return [rules.get(str(at), "") for at in range(len(rows))]


# Cleaning rules


def test_plain_rows_stay_and_keep_their_columns() -> None:
    kept, dropped = clean(frame({}, {"batch_size": 32.0, "silicon_tpot_ms": 14.0}), CATALOG)
    assert len(kept) == 2 and not len(dropped)
    assert {"model_id", "shape", "dp"} <= set(kept.columns) and not {"_ttft", "_tpot"} & set(kept.columns)
    assert list(kept["model_id"]) == ["llama-3.1-70b"] * 2


def test_suspect_rows_are_left_out_first() -> None:
    found = left_out(
        {},
        {"suspect": "repeated"},
        {"suspect": "misfiled", "mode": "disagg"},
        {"batch_size": 32.0, "silicon_tpot_ms": 13.0},
    )
    assert found == ["", "suspect", "suspect", ""]


def test_disaggregated_rows_are_scored_apart() -> None:
    assert left_out({}, {"mode": "disagg"}, {"mode": "disagg", "system": "b200_sxm"}) == [
        "",
        "disaggregated",
        "disaggregated",
    ]


def test_a_measurement_counts_once() -> None:
    same = {"silicon_ttft_ms": 80.0, "silicon_tpot_ms": 11.0}
    assert left_out({}, same, same, same | {"silicon_ttft_ms": 80.001}, {"batch_size": 32.0, "silicon_tpot_ms": 13.0}) == [
        "", "", "repeat", "", ""]  # fmt: skip


def test_times_count_as_the_same_to_a_microsecond() -> None:
    same = {"silicon_ttft_ms": 80.0, "silicon_tpot_ms": 11.0}
    assert left_out(same, {"silicon_ttft_ms": 80.0004, "silicon_tpot_ms": 11.00004}) == ["", "repeat"]
    assert left_out(same, same | {"system": "h100_sxm"}) == ["", ""]
    assert left_out(same, same | {"osl": 8192}) == ["", ""]


def test_a_measurement_filed_under_two_layouts_is_not_used_at_all() -> None:
    same = {"silicon_ttft_ms": 80.0, "silicon_tpot_ms": 11.0}
    assert left_out({}, same, same | {"tp_size": 4.0}, same | {"batch_size": 32.0}) == [
        "", "two layouts", "two layouts", "two layouts"]  # fmt: skip


def test_images_frozen_in_development_are_left_out_nightly_builds_not() -> None:
    rows = [{"backend_version": version, "batch_size": batch, "silicon_tpot_ms": 10.0 + batch / 16}
            for batch, version in ((16.0, "0.5.8"), (32.0, "1.0-dev"), (48.0, None), (64.0, "nightly-1-dev"))]  # fmt: skip
    assert left_out(*rows) == ["", "development image", "development image", ""]


def test_blank_versions_stay_where_no_image_was_frozen() -> None:
    assert left_out(
        {"backend_version": None}, {"backend_version": None, "batch_size": 32.0, "silicon_tpot_ms": 13.0}
    ) == ["", ""]


def test_rows_that_must_speculate_are_left_out() -> None:
    """Two versions of one setting; at batch 32 one takes 15 of the 23 ms that the slower takes (0.65)."""
    slow = [
        DEEPSEEK | {"batch_size": b, "silicon_tpot_ms": t, "backend_version": "0.5.8"}
        for b, t in ((16.0, 20.0), (64.0, 26.0))
    ]
    fast = DEEPSEEK | {"batch_size": 32.0, "silicon_tpot_ms": 15.0, "backend_version": "0.5.9"}
    near = DEEPSEEK | {"batch_size": 32.0, "silicon_tpot_ms": 18.0, "backend_version": "0.5.6"}
    assert left_out(*slow, fast, near) == ["", "", "speculation", ""]


def test_an_image_of_which_half_speculates_is_left_out_whole() -> None:
    """The row at batch 16 would pass (0.9); its image is left out with the one at 64 (0.58)."""
    slow = [
        DEEPSEEK | {"batch_size": b, "silicon_tpot_ms": t, "backend_version": "0.5.8"}
        for b, t in ((16.0, 20.0), (64.0, 26.0))
    ]
    fast = [
        DEEPSEEK | {"batch_size": b, "silicon_tpot_ms": t, "backend_version": "0.5.9"}
        for b, t in ((16.0, 18.0), (64.0, 15.0))
    ]
    assert left_out(*slow, *fast) == ["", "", "speculation", "speculation"]


def test_models_without_draft_layers_do_not_speculate() -> None:
    rows = [{"batch_size": b, "silicon_tpot_ms": t, "backend_version": v}
            for b, t, v in ((16.0, 20.0, "0.18.0"), (64.0, 26.0, "0.18.0"), (32.0, 15.0, "0.19.0"))]  # fmt: skip
    assert left_out(*rows) == ["", "", ""]


def test_runs_whose_time_falls_with_batch_are_left_out() -> None:
    """12 ms at 16 sequences and 8 at 64 is below three quarters; 10 would not be."""

    def run(last: float) -> list[dict[str, Any]]:
        return [{"batch_size": b, "silicon_tpot_ms": t} for b, t in ((4.0, 9.0), (16.0, 12.0), (64.0, last))]

    assert left_out(*run(8.0)) == ["not monotone"] * 3
    assert left_out(*run(10.0)) == ["", "", ""]
    other = {"batch_size": 64.0, "silicon_tpot_ms": 8.0, "backend_version": "0.18.0"}
    assert left_out(*run(10.0)[:2], other) == ["", "", ""]  # another version is another run


def test_rows_faster_than_memory_are_left_out() -> None:
    """70.6 G weights in fp8 over 8 packages at 4.8 TB/s: 1.84 ms for the weights alone."""
    bound = float(lower_bound_s([point_of(row(batch_size=1.0, isl=10, osl=10), CATALOG)])[0])
    assert bound == pytest.approx(70.55e9 / 8 / 4.8e12, rel=0.03)
    times = [
        {"batch_size": 1.0, "isl": 10, "osl": 10, "silicon_tpot_ms": 1e3 * bound * share} for share in (0.98, 1.02)
    ]
    assert left_out({}, times[0], times[1] | {"backend_version": "0.18.0"}) == ["", "below the bound", ""]


# What blanks mean


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"gemm_quant_mode": "nvfp4", "precision": "fp8"}, "nvfp4"),  # the quantisation mode comes first
        ({"gemm_quant_mode": "float16", "precision": "fp8"}, "fp16"),
        ({"gemm_quant_mode": None, "model_path": "nvidia/Qwen3-32B-NVFP4", "precision": "bf16"}, "nvfp4"),  # the upload
        ({"gemm_quant_mode": None, "precision": "fp8"}, "fp8"),
        ({"gemm_quant_mode": None, "precision": "fp4"}, "nvfp4"),
        ({"gemm_quant_mode": None, "precision": None}, "bf16"),  # as released
        ({"gemm_quant_mode": None, "precision": "bf16"}, "bf16"),
        ({"model_path": "openai/gpt-oss-120b", "gemm_quant_mode": "fp8", "precision": "fp8"}, "mxfp4"),  # as released
        (DEEPSEEK | {"gemm_quant_mode": "fp8_block", "moe_quant_mode": "nvfp4"}, "nvfp4"),  # experts come first
        (DEEPSEEK | {"gemm_quant_mode": None, "moe_quant_mode": None, "precision": "fp8"}, "fp8_block"),
        (DEEPSEEK | {"gemm_quant_mode": None, "moe_quant_mode": None, "precision": None}, "fp8_block"),
    ],
)
def test_how_weights_are_stored(given: dict[str, Any], stored: str) -> None:
    one = row(**given)
    assert storage_of(one, CATALOG.model(one.model_path)) == stored


@pytest.mark.parametrize(
    ("given", "years"),
    [
        ({"backend_version": "0.19.0"}, 0.0),
        ({"backend_version": "0.12.0"}, NOW_Y - 2025.95),
        ({"backend_version": "0.12"}, NOW_Y - 2025.95),
        ({"backend_version": "0.120"}, 0.3),  # not of the line 0.12
        ({"backend": "trtllm", "backend_version": "1.0.0rc6"}, NOW_Y - 2025.55),
        ({"backend": "sglang", "backend_version": "0.19.0"}, 0.3),  # that line is another backend's
        (
            {"backend_version": None, "silicon_data_source": "x; measured=2025-10-01T00:00:00.000Z; y"},
            NOW_Y - 2025.75 - 1 / 365,
        ),
        ({"backend_version": None, "silicon_data_source": "measured=2027-01-01T00"}, 0.0),  # never below 0
        ({"backend_version": None, "silicon_data_source": "measured=soon"}, 0.3),
        ({"backend_version": None}, 0.3),
    ],
)
def test_age_of_software(given: dict[str, Any], years: float) -> None:
    assert age_of(row(**given)) == pytest.approx(years, abs=1e-9)


def test_lengths_are_nine_tenths_of_the_nominal_ones_unless_fixed() -> None:
    assert length_ratio(row()) == length_ratio(row(silicon_data_source="db-dump/2026")) == 0.9
    assert length_ratio(row(silicon_data_source="source_file=/results/a.csv")) == 1.0
    point = point_of(row(), CATALOG)
    assert (point.prompt, point.output) == pytest.approx((921.6, 921.6))


@pytest.mark.parametrize(
    ("given", "layout"),
    [
        ({"tp_size": 4.0}, Layout(tp=4)),
        ({"tp_size": 4.0, "pp_size": 2.0, "attention_dp_size": None}, Layout(tp=4, pp=2)),
        ({"tp_size": None}, Layout(tp=1)),
        (DEEPSEEK | {"moe_tp_size": 1.0, "moe_ep_size": 8.0}, Layout(tp=8, moe_tp=1, moe_ep=8)),
        (DEEPSEEK | {"moe_tp_size": None, "moe_ep_size": None}, Layout(tp=8, moe_tp=8, moe_ep=1)),  # tensor parallel
        # attention ranks fill the packages of the experts
        (DEEPSEEK | {"tp_size": 1.0, "attention_dp_size": None, "moe_tp_size": 1.0, "moe_ep_size": 8.0}, Layout(tp=1, dp=8, moe_tp=1, moe_ep=8)),
        (DEEPSEEK | {"tp_size": 1.0, "attention_dp_size": 8.0, "moe_tp_size": 1.0, "moe_ep_size": 8.0}, Layout(tp=1, dp=8, moe_tp=1, moe_ep=8)),
    ],
)  # fmt: skip
def test_layouts(given: dict[str, Any], layout: Layout) -> None:
    assert point_of(row(**given), CATALOG).layout == layout


def test_disaggregated_rows_have_two_layouts() -> None:
    one = row(
        **DEEPSEEK, mode="disagg", prefill_tp_size=8.0, prefill_moe_tp_size=8.0, decode_tp_size=1.0,
        decode_attention_dp_size=32.0, decode_moe_ep_size=32.0, decode_batch_size=64.0,
    )  # fmt: skip
    point = point_of(one, CATALOG)
    assert point.prefill_layout == Layout(tp=8, moe_tp=8)
    assert point.layout == Layout(tp=1, dp=32, moe_tp=1, moe_ep=32)
    assert point.batch == 64.0


def test_requests_in_flight_are_those_stated_else_those_of_all_ranks() -> None:
    said = "db-dump; silicon_concurrency=48; measured=2026-04-22T00"
    assert point_of(row(silicon_data_source=said), CATALOG).concurrency == 48.0
    many = DEEPSEEK | {"tp_size": 1.0, "attention_dp_size": 8.0, "moe_tp_size": 1.0, "moe_ep_size": 8.0}
    assert point_of(row(**many), CATALOG).concurrency == 16.0 * 8
    assert point_of(row(silicon_data_source="silicon_concurrency=many"), CATALOG).concurrency == 16.0


# Messages


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"isl": 0}, "isl is 0; it must be a number above 0"),
        ({"osl": float("nan")}, "isl and osl are needed; write the mean tokens of prompt and answer"),
        ({"tp_size": "eight"}, "tp_size is 'eight'; it must be a number"),
        ({"tp_size": 2.5}, "tp_size is 2.5; it must be a whole number above 0"),
        ({"batch_size": -1.0}, "batch_size is -1; it must be a number above 0"),
        ({"mode": "split"}, "mode is 'split'; known are agg and disagg"),
        ({"isl": 200_000}, "Llama 3.1 70B takes 131,072 tokens of context at most, not 180,922"),
        ({"system": "h300"}, "no system is called 'h300'; did you mean "),
        ({"model_path": "none/such-model-xyzzy"}, "no model is called 'none/such-model-xyzzy'; "),
        ({"gemm_quant_mode": "nvfp4", "system": "jalapeno"}, "jalapeno cannot be planned: "),
    ],
)
def test_rows_that_cannot_be_read_say_why(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CatalogError) as caught:
        point_of(row(**given), CATALOG)
    assert str(caught.value).startswith(sentence)


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with pytest.raises(CatalogError, match=r"rows\.csv: there is no such file$"):
        read_rows(path)
    path.write_text("")
    with pytest.raises(CatalogError, match=r"rows\.csv: is not a CSV table \(No columns to parse from file\)$"):
        read_rows(path)
    path.write_text("backend,model_path,isl,osl\nvllm,x,1,1\n")
    with pytest.raises(
        CatalogError,
        match=r"rows\.csv: lacks the column system; needed are backend, model_path, system, isl, osl and a layout, comma-separated$",
    ):
        read_rows(path)
    path.write_bytes(b"backend,model_path,system,isl,osl\n\xff\xfe,1,2,3,4\n")
    with pytest.raises(CatalogError, match=r"rows\.csv: is not a CSV table"):
        read_rows(path)
    with pytest.raises(CatalogError, match=r"cannot be read \(Is a directory\)$"):
        read_rows(tmp_path)


def test_a_bare_row_needs_five_columns_only() -> None:
    bare = namedtuple("Bare", ["backend", "model_path", "system", "isl", "osl"])
    point = point_of(bare("vllm", "llama-3.1-8b", "h100", 1000, 100), CATALOG)
    assert point.layout == Layout() and point.batch == 1.0 and point.serving.weights == "bf16"


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("r.csv", b"backend,model_path,system,isl,osl\n", "r.csv: holds a header and no row; a row a serving point is right"),
        ("r.csv", b"PK\x03\x04rest", "r.csv: is a zip archive; unpack it to CSV"),
        ("r.csv.zip", b"backend,model_path,system,isl,osl\n", "r.csv.zip: is named as a zip archive; unpack it to CSV"),
        ("r.csv", b"backend,model_path,system,isl,isl,osl\nv,m,s,1,2,3\n", "r.csv: names the column isl twice; each name once is right"),
        ("r.csv", b"backend,model_path,system,isl,osl\nv,m,s,1,2\nv,m,s,1,2,3\n", "r.csv: row 2 has 6 fields where the header names 5"),
        ("r.csv.gz", b"abc", "r.csv.gz: cannot be read (Not a gzipped file (b'ab'))"),
    ],
)  # fmt: skip
def test_tables_that_are_none_say_so(tmp_path: Path, name: str, data: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CatalogError) as caught:
        read_rows(tmp_path / name)
    assert str(caught.value) == f"{tmp_path}/{sentence}"


@pytest.mark.parametrize("value", ["\u0668", "1_0", "0x10", True, "1,5"])
def test_what_only_looks_like_a_number(value: Any) -> None:
    with pytest.raises(CatalogError) as caught:
        point_of(row(batch_size=value), CATALOG)
    assert str(caught.value) == f"batch_size is '{value}'; it must be a number"


@pytest.mark.parametrize("date", ["\u00b2\u00b2\u00b2\u00b2-01-01", "2026-01-\u0661"])
def test_a_date_of_other_digits_is_none(date: str) -> None:
    """Its software then counts as of the start of 2026, 0.3 years before April."""
    old = row(backend_version="", silicon_data_source=f"measured={date};silicon_concurrency=\u00b2")
    assert point_of(old, CATALOG).age_y == pytest.approx(0.3)
