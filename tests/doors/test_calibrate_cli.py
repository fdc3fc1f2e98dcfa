"""``gigawatt calibrate`` as people meet it: what is printed and written, and the sentence for every wrong word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.perf.calibrate import SILICON
from gigawatt.perf.measured import is_installed
from tests.doors import inside

DATA = Path(__file__).parents[2].parent / "shared" / "data"
RESULT: dict[str, Any] = {
    "model_id": "meta-llama/Llama-3.1-70B-Instruct", "completed": 640, "total_input_tokens": 589_824,
    "total_output_tokens": 589_824, "median_tpot_ms": 14.0, "median_ttft_ms": 150.0, "max_concurrency": 64,
    "request_throughput": 4.5,
}  # fmt: skip
CLUSTER = ("--name", "my-cluster", "--system", "h200", "--layout", "tp8")


def gigawatt(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gigawatt", *words], capture_output=True, text=True, cwd=cwd, check=False, timeout=600,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip


def refused(*words: str, cwd: Path) -> str:
    """Sentence on standard error of a call that fails; nothing on standard output, nothing written."""
    said = inside.refused("calibrate", *words, cwd=cwd)
    assert not (cwd / "calibrated").exists()
    return said


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A folder with results of three loads."""
    for batch, tpot in ((1, 9.0), (16, 10.5), (64, 14.0)):
        row = RESULT | {"max_concurrency": batch, "median_tpot_ms": tpot, "median_ttft_ms": 60.0 + batch}
        (tmp_path / f"c{batch}.json").write_text(json.dumps(row))
    return tmp_path


def test_a_cluster_is_calibrated_and_used(bench: Path) -> None:
    files = [word for batch in (1, 16, 64) for word in ("--bench", f"c{batch}.json")]
    done = gigawatt("calibrate", *files, *CLUSTER, "--weights", "fp8", cwd=bench)
    assert done.returncode == 0, done.stderr
    assert "fit of 3 results" in done.stderr
    lines = done.stdout.splitlines()
    assert "error before" in done.stdout and "error after" in done.stdout
    rows = [line.split("│")[1:-1] for line in lines if " ms " in line]
    assert [row[0].strip() for row in rows] == ["1", "16", "64"]
    assert [row[3].strip() for row in rows] == ["9.00 ms", "10.50 ms", "14.00 ms"]
    before, after = (sum(abs(float(row[at].strip(" %"))) for row in rows) for at in (4, 5))
    assert after < before
    assert lines[-2] == "calibrated/calibration/inference.yaml is written."
    assert (
        lines[-1] == "Use it: gigawatt perf llama-3.1-70b --systems hgx-h200 --backend my-cluster --catalog calibrated"
    )
    entry = load_catalog(bench / "calibrated").calibration("inference-2026")
    assert "my-cluster" in entry.offsets and "vllm" in entry.offsets
    table = "backend,model_path,system,isl,osl,precision,tp_size,batch_size\n"
    (bench / "rows.csv").write_text(
        table + "".join(f"{name},llama-3.1-70b,h200,1024,1024,fp8,8,64\n" for name in ("my-cluster", "vllm"))
    )
    used = gigawatt("perf", "predict", "rows.csv", "--out", "out.csv", "--catalog", "calibrated", cwd=bench)
    assert used.returncode == 0, used.stderr
    import pandas as pd

    mine, shipped = pd.read_csv(bench / "out.csv").itertuples()
    assert abs(mine.tpot_ms - 14.0) < abs(shipped.tpot_ms - 14.0)
    assert "not measured" not in mine.note


def test_several_results_in_one_file_and_another_folder(bench: Path) -> None:
    (bench / "all.jsonl").write_text("\n".join(json.dumps(RESULT | {"max_concurrency": n}) for n in (32, 64)))
    done = gigawatt("calibrate", "--bench", "all.jsonl", *CLUSTER, "--out", "mine", cwd=bench)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2] == "mine/calibration/inference.yaml is written."
    assert (bench / "mine" / "calibration" / "inference.yaml").is_file()


def test_what_is_missing_is_said(bench: Path) -> None:
    assert refused(cwd=bench) == (
        "CatalogError: give either --data FOLDER or --bench FILE (with --name, --system and --layout)"
    )
    assert refused("--data", ".", "--bench", "c1.json", cwd=bench).startswith("CatalogError: give either --data")
    assert refused("--bench", "c1.json", cwd=bench) == (
        "CatalogError: --bench needs --name, for example --name my-cluster --system h200 --layout tp8"
    )
    assert "--bench needs --system" in refused("--bench", "c1.json", "--name", "x", cwd=bench)
    assert "--bench needs --layout" in refused("--bench", "c1.json", "--name", "x", "--system", "h200", cwd=bench)
    assert refused("--data", "nowhere", cwd=bench) == (
        "CatalogError: nowhere is not a folder; give the one that holds inferencex_silicon/silicon_calibration.csv"
    )
    assert refused("--data", ".", cwd=bench) == (
        "CatalogError: inferencex_silicon/silicon_calibration.csv: there is no such file"
    )


def test_a_folder_that_cannot_be_is_refused_before_the_fit(bench: Path) -> None:
    assert refused("--bench", "c1.json", *CLUSTER, "--out", "c1.json", cwd=bench) == (
        "OutputError: cannot write to 'c1.json': it is not a folder; choose another folder"
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("--bench", "none.json", *CLUSTER), "none.json: No such file or directory"),
        (("--bench", "text.json", *CLUSTER), "text.json: is not JSON (line 1: Expecting value)"),
        (("--bench", "empty.json", *CLUSTER), "empty.json: no result stands in it"),
        (("--bench", "number.json", *CLUSTER), "number.json, result 1: must be an object as 'vllm bench serve --save-result' writes it"),
        (("--bench", "keys.json", *CLUSTER), "keys.json, result 1: completed is missing or not above 0; 'vllm bench serve --save-result' writes it"),
        (("--bench", "nameless.json", *CLUSTER), "the results do not name their model; give --model"),
        (("--bench", "c1.json", "--bench", "other.json", *CLUSTER), "the results name several models (gpt-oss-120b, meta-llama/Llama-3.1-70B-Instruct); calibrate with the files of one, or give --model"),
        (("--bench", "c1.json", "--name", "vllm", *CLUSTER[2:]), "'vllm' cannot name a cluster: lower case letters, digits, hyphens, and not vllm, sglang, trtllm"),
        (("--bench", "c1.json", "--name", "My/Cluster", *CLUSTER[2:]), "'My/Cluster' cannot name a cluster: lower case letters, digits, hyphens, and not vllm, sglang, trtllm"),
        (("--bench", "c1.json", *CLUSTER, "--backend", "tgi"), "'tgi' is no backend that was measured; known are vllm, sglang, trtllm"),
        (("--bench", "c1.json", *CLUSTER, "--model", "zzz/qqq"), "no model is called 'zzz/qqq'; 'gigawatt show models' lists them."),
        (("--bench", "c1.json", *CLUSTER, "--weights", "fp3"), "'fp3' is no way to store weights; known are "),
        (("--bench", "c1.json", *CLUSTER[:2], "--system", "h300", "--layout", "tp8"), "no system is called 'h300'; did you mean "),
        (("--bench", "c1.json", *CLUSTER[:2], "--system", "cs-3", "--layout", "tp8"), "Cerebras CS-3 cannot be calibrated from benchmarks; it is a dataflow machine"),
        (("--bench", "c1.json", *CLUSTER[:4], "--layout", "tp8q"), "'tp8q' is no layout; write for example tp8, 'tp1 dp8 ep8' or 'tp4 pp2'"),
        (("--bench", "c1.json", *CLUSTER[:4], "--layout", "tp3"), "Llama 3.1 70B has 64 heads, which 3 tensor ranks cannot share evenly"),
        (("--bench", "c1.json", *CLUSTER[:4], "--layout", "tp16"), "tp16 needs 16 packages in one scale-up domain; NVIDIA HGX H200 has 8"),
        (("--bench", "c1.json", *CLUSTER[:4], "--layout", "dp2"), "Llama 3.1 70B has no experts to share; attention ranks would be replicas of their own"),
    ],
)  # fmt: skip
def test_every_wrong_word_gets_a_sentence(bench: Path, given: tuple[str, ...], sentence: str) -> None:
    (bench / "text.json").write_text("results of Tuesday")
    (bench / "empty.json").write_text("[]")
    (bench / "number.json").write_text("[3]")
    (bench / "keys.json").write_text(json.dumps({name: value for name, value in RESULT.items() if name != "completed"}))
    (bench / "nameless.json").write_text(
        json.dumps({name: value for name, value in RESULT.items() if name != "model_id"})
    )
    (bench / "other.json").write_text(json.dumps(RESULT | {"model_id": "gpt-oss-120b"}))
    assert refused(*given, cwd=bench).startswith(f"CatalogError: {sentence}")


@pytest.fixture
def fewer(tmp_path: Path) -> Path:
    """The public data with the points of one backend and two families only; all fits of the rest are whole."""
    import pandas as pd

    folder = tmp_path / "data"
    folder.mkdir()
    for one in DATA.iterdir():
        if one.name != SILICON.parts[0]:
            (folder / one.name).symlink_to(one)
    rows = pd.read_csv(DATA / SILICON)
    rows = rows[(rows["backend"] == "vllm") & rows["model_path"].str.contains("Llama-3|gpt-oss")]
    (folder / SILICON).parent.mkdir()
    rows.to_csv(folder / SILICON, index=False)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / SILICON).is_file(), reason="needs the measurements of ../shared/data, not here")
def test_public_data_is_fitted_again(tmp_path: Path, fewer: Path) -> None:
    """That all rows give the shipped coefficients of inference is a test of the fit, in tests/unit/perf."""
    done = gigawatt("calibrate", "--data", str(fewer), "--out", "again", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    names = ["inference", "power", *(["measured"] if is_installed() else []), "dataflow"]
    assert lines[-len(names) - 1 :] == [
        *(f"again/calibration/{name}.yaml" for name in names), "Use them with --catalog again"
    ]  # fmt: skip
    assert "chip left out, median |TPOT error|" in done.stdout
    assert "chip and family left out, median |TPOT error|" in done.stdout
    assert "fit without hgx-b200" in done.stderr and "fit of node power" in done.stderr
    book, shipped = load_catalog(tmp_path / "again"), load_catalog()
    assert len(book.overlaid) == len(names)
    assert set(book.calibration("inference-2026").coefficients) == set(
        shipped.calibration("inference-2026").coefficients
    )
    for name, rel in (("power-2026", 0.02), ("dataflow-2026", 2e-3)):
        for key, one in shipped.calibration(name).coefficients.items():
            assert book.calibration(name).coefficients[key].value == pytest.approx(one.value, rel=rel), (name, key)
    fresh, before = book.calibration("dataflow-2026").residuals, shipped.calibration("dataflow-2026").residuals
    assert fresh == pytest.approx(before, abs=2e-3)
    for one in book.calibration("power-2026").coefficients.values():
        assert one.value == float(f"{one.value:.4g}")


PRINTED = "; 'vllm bench serve --save-result' writes it"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"median_tpot_ms": float("inf")}, "median_tpot_ms is inf; 0.1 to 10,000 ms are right"),
        ({"completed": float("inf")}, "completed is inf; 1 to 1,000,000,000 requests are right"),
        ({"max_concurrency": float("inf")}, "max_concurrency is inf; 1 to 100,000 requests in flight are right"),
        ({"max_concurrency": float("nan")}, "max_concurrency is nan; 1 to 100,000 requests in flight are right"),
        ({"max_concurrency": 1e9}, "max_concurrency is 1e+09; 1 to 100,000 requests in flight are right"),
        ({"max_concurrency": 0}, "max_concurrency is missing or not above 0" + PRINTED),
        ({"median_tpot_ms": 1e12}, "median_tpot_ms is 1e+12; 0.1 to 10,000 ms are right"),
        ({"median_tpot_ms": 1e-9}, "median_tpot_ms is 1e-09; 0.1 to 10,000 ms are right"),
        ({"median_tpot_ms": "14"}, "median_tpot_ms is '14'; a number above 0, without quotes, is right"),
        ({"median_tpot_ms": "14,5"}, "median_tpot_ms is '14,5'; a number above 0, without quotes, is right"),
        ({"median_tpot_ms": -1}, "median_tpot_ms is -1; a number above 0, without quotes, is right"),
        ({"median_tpot_ms": True}, "median_tpot_ms is True; a number above 0, without quotes, is right"),
        ({"median_ttft_ms": 1e10}, "median_ttft_ms is 1e+10; 0.1 to 3,600,000 ms are right"),
        ({"total_input_tokens": 10**12}, "total_input_tokens over completed is 1.5625e+09; 1 to 10,000,000 tokens a request are right"),
        ({"total_input_tokens": 320}, "total_input_tokens over completed is 0.5; 1 to 10,000,000 tokens a request are right"),
        ({"total_output_tokens": 320}, "total_output_tokens over completed is 0.5; 1 to 10,000,000 tokens a request are right"),
        ({"total_input_tokens": 640 * 140_000}, "140,922 tokens a request are more than the 131,072 that Llama 3.1 70B takes"),
        ({"model_id": ["a"]}, "model_id is ['a']; the name of a model is right"),
    ],
)  # fmt: skip
def test_what_no_cluster_measures_is_named_by_field_and_file(
    tmp_path: Path, changed: dict[str, Any], sentence: str
) -> None:
    (tmp_path / "r.json").write_text(json.dumps(RESULT | changed))
    assert refused("--bench", "r.json", *CLUSTER, cwd=tmp_path) == f"CatalogError: r.json, result 1: {sentence}"


@pytest.mark.parametrize("tpot", [0.2, 9000.0])
def test_a_time_of_another_system_or_unit_is_not_fitted(tmp_path: Path, tpot: float) -> None:
    """14 ms are expected: 0.2 would read the weights 70 times faster, 9,000 are likely microseconds."""
    (tmp_path / "r.json").write_text(json.dumps(RESULT | {"median_tpot_ms": tpot}))
    found = refused("--bench", "r.json", *CLUSTER, cwd=tmp_path)
    assert found.startswith(
        f"CatalogError: r.json, result 1: median_tpot_ms is {tpot:g} where Llama 3.1 70B on NVIDIA HGX"
    )
    assert found.endswith("more than 20 times off, the unit, --system, --layout or --model is another")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"[" * 100_000, "r.json: lists and objects stand more than 64 deep within each other"),
        (b"\xff\xfe\x00", "r.json: is no UTF-8 text; the JSON of 'vllm bench serve --save-result' is right"),
        (b'{"completed": 1, "completed": 2}', "r.json: the key 'completed' stands twice"),
        (b'{"total_input_tokens": ' + b"9" * 400 + b"}", "r.json: 'total_input_tokens' holds a whole number of 400 digits; up to 40 are read"),
        (b'{"completed": 1}\n{"completed"\n', "r.json: is not JSON (line 2: Expecting ':' delimiter)"),
    ],
)  # fmt: skip
def test_results_that_are_no_json(tmp_path: Path, data: bytes, sentence: str) -> None:
    (tmp_path / "r.json").write_bytes(data)
    assert refused("--bench", "r.json", *CLUSTER, cwd=tmp_path) == f"CatalogError: {sentence}"


def test_other_digits_and_what_is_no_file(bench: Path) -> None:
    os.mkfifo(bench / "pipe.json")
    assert refused("--bench", "pipe.json", *CLUSTER, cwd=bench) == "CatalogError: pipe.json: it is a pipe, not a file"
    assert refused("--bench", "/dev/zero", *CLUSTER, cwd=bench) == "CatalogError: /dev/zero: it is a device, not a file"
    for layout in ("tp\u0668", "tp" + "8" * 5000):
        given = ("--bench", "c1.json", *CLUSTER[:4], "--layout", layout)
        assert "is no layout; write for example tp8" in refused(*given, cwd=bench)
