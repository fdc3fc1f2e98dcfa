"""``gigawatt perf`` as people and scripts meet it: text, JSON, page, step table, and what bad input is told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.catalog.schema import System
from gigawatt.cli.perf import _limits
from gigawatt.perf.search import basis_of, task_of
from gigawatt.perf.serving import serving_point
from gigawatt.perf.table import load_table
from tests.doors.inside import gigawatt, refused

FEW = ("--systems", "hgx-h200,gb300-nvl72", "--isl", "4000", "--osl", "1000")
CONFIG = {
    "model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072,
}  # fmt: skip


def test_a_line_a_system_best_first() -> None:
    done = gigawatt("perf", "deepseek-r1", *FEW, "--slo", "ttft=2s,speed=30,p=99")
    assert done.returncode == 0, done.stderr
    assert "30 tok/s per user (1.15 x median time) and 2 s to the first token (2.46 x" in done.stdout
    lines = done.stdout.splitlines()
    places = [next(i for i, line in enumerate(lines) if line.startswith(name)) for name in ("gb300-nvl72", "hgx-h200")]
    assert places[0] < places[1]
    assert all("calibrated" in lines[at] and re.search(r"tp\d+", lines[at]) for at in places)
    assert "no or few rows of this chip: gb300-nvl72" in done.stdout
    assert max(map(len, lines)) <= 140


def test_json_is_alone_and_its_parts_agree() -> None:
    done = gigawatt("perf", "deepseek-r1", *FEW, "--prefix-hit", "0.5", "--slo", "speed=40 tok/s", "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert (data["model"], data["cached_tokens"], data["speed_limit_tokens_per_s_user"]) == ("deepseek-r1", 2000, 40)
    assert [row["id"] for row in data["systems"]] == ["hgx-h200", "gb300-nvl72"]
    for row in data["systems"]:
        assert row["reason"] == "" and row["maker"] == "calibrated"
        assert row["speed_tokens_per_s_user"] >= 40
        assert row["tokens_per_s_per_w_low"] <= row["tokens_per_s_per_w"] <= row["tokens_per_s_per_w_high"]
        assert row["tokens_per_s_unit"] / row["it_power_unit_w"] == pytest.approx(row["tokens_per_s_per_w"])
        assert row["tokens_per_s_package"] * row["n_packages_unit"] == pytest.approx(row["tokens_per_s_unit"])
        speeds = [point["speed_tokens_per_s_user"] for point in row["frontier"]]
        rates = [point["tokens_per_s_per_w"] for point in row["frontier"]]
        assert speeds == sorted(speeds) and rates == sorted(rates, reverse=True)
        assert row["layout"] in {point["layout"] for point in row["frontier"]}


def test_all_systems_that_can_be_planned_are_searched() -> None:
    data = json.loads(gigawatt("perf", "llama-70b", "--json").stdout)
    wanted = [one.id for one in load_catalog().all(System) if one.package and one.status in ("shipping", "announced")]
    assert [row["id"] for row in data["systems"]] == wanted
    assert {row["maker"] for row in data["systems"]} == {"calibrated", "dataflow"}


def test_an_alias_options_and_an_objective_are_heard() -> None:
    plain = ("perf", "gptoss", "--systems", "b200", "--slo", "speed=250", "--json")
    first, faster, unasked = (
        json.loads(gigawatt(*plain, *more).stdout) for more in (("--speculate", "off"), ("--speculate", "3x0.75"), ())
    )
    assert first["model"] == "gpt-oss-120b" and first["systems"][0]["id"] == "hgx-b200"
    assert unasked["systems"] == faster["systems"]  # 3x0.75 is the catalogue's, and serves more here
    assert first["systems"][0]["speculation"]["tokens"] == 0 and faster["systems"][0]["speculation"]["tokens"] == 3
    assert faster["systems"][0]["tokens_per_s_per_w"] > first["systems"][0]["tokens_per_s_per_w"]
    other = json.loads(gigawatt(*plain, "--objective", "package", "--backend", "vllm", "--kv", "bf16").stdout)
    assert other["objective"] == "package" and other["backend"] == "vllm"
    assert other["systems"][0]["precision"] == "mxfp4 weights, fp8 arithmetic, bf16 cache"


@pytest.mark.parametrize(("name", "near"), [("coding-interactive", 1e-9), ("open-chat-70b", 1e-3)])
def test_perf_compare_and_plan_agree_on_a_class(name: str, near: float) -> None:
    # --isl takes whole tokens, and open-chat-70b has 1,154.7
    workload = load_catalog().workload(name)
    task, slo = task_of(workload, load_catalog().model(workload.model or "")), workload.slo
    assert slo and slo.speed and slo.ttft
    words = ["perf", task.model.id, "--systems", "gb300,vr200", "--isl", f"{task.prompt:.0f}", "--osl"]
    words += [f"{task.output:.0f}", "--prefix-hit", f"{task.cached / task.prompt}"]
    words += ["--slo", f"speed={slo.speed.value},ttft={slo.ttft.value}s,p={100 * slo.percentile.value}"]
    rows = json.loads(gigawatt(*words, "--objective", "package", "--json").stdout)["systems"]
    others = json.loads(gigawatt("compare", "gb300", "vr200", "--json").stdout)
    basis = basis_of(load_catalog())
    for row, other in zip(rows, others, strict=True):
        ours, theirs = row["planned"], other["serving"][name]
        assert row["speculation"] == theirs["speculation"] == {"tokens": 3, "accepted": 0.75}
        for key in ("tokens_per_s", "tokens_per_s_per_w", "speed_tokens_per_s_user", "batch_size"):
            assert ours[key] == pytest.approx(theirs[key], rel=near)
        assert row["tokens_per_s_unit"] * (1 - row["headroom_frac"][1]) == pytest.approx(
            theirs["tokens_per_s"], rel=near
        )
        point = serving_point(load_catalog().system(row["id"]), workload, task.model, basis)
        assert point.draft_tokens == 3 and point.output_tokens_per_s == pytest.approx(theirs["tokens_per_s"])
    text = gigawatt(*words).stdout
    assert "drafts 3 tokens, accepted 0.75" in text and "As plans and gigawatt compare count" in text
    assert "without drafts" in gigawatt(*words, "--speculate", "off").stdout
    assert "drafts 3 tokens, accepted 0.75" in " ".join(gigawatt("compare", "gb300").stdout.split())


def test_a_hybrid_is_named_with_a_plus() -> None:
    data = json.loads(gigawatt("perf", "gptoss", "--systems", "vr-nvl72+groq-3-lpx", "--json").stdout)
    row = data["systems"][0]
    assert row["id"] == "vr-nvl72+groq-3-lpx" and row["maker"] == "dataflow" and "groq-3-lpx" in row["layout"]


def test_options_may_stand_before_the_model() -> None:
    assert gigawatt("perf", "--systems", "hgx-h100", "llama-8b").returncode == 0


def test_a_page_needs_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.html"
    done = gigawatt("perf", "deepseek-r1", *FEW, "--slo", "speed=30", "--plot", str(path))
    assert done.returncode == 0 and f"Page: {path}" in done.stdout
    text = path.read_text()
    figure = json.loads(re.findall(r'data-figure="figure-frontier">(.*?)</script>', text, flags=re.DOTALL)[0])
    named = [trace["name"] for trace in figure["data"] if trace.get("name")]
    assert named == ["NVIDIA HGX H200", "NVIDIA GB300 NVL72"]
    assert "tok/s" in figure["layout"]["xaxis"]["title"]["text"] and figure["layout"]["xaxis"]["type"] == "log"
    assert "MW" in figure["layout"]["yaxis"]["title"]["text"]
    assert not re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="', text.replace('href="data:,"', ""))
    nowhere = refused("perf", "deepseek-r1", *FEW, "--plot", str(tmp_path / "no" / "out.html"))
    assert nowhere.startswith("OutputError: cannot write to ") and nowhere.endswith(
        "there is no folder no; make it or choose another file"
    )


def test_a_step_table_is_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "steps.nc"
    done = gigawatt("perf", "llama-70b", "--systems", "hgx-h200", "--slo", "speed=20", "--table", str(path))
    assert done.returncode == 0, done.stderr
    table = load_table(path)
    assert table.system == "hgx-h200" and table.software == "mean, a step verifies 3 drafted tokens"
    assert table.effort is not None and table.effort.decode_s.shape[0] == 2  # arithmetic and memory


def test_a_step_table_with_speculation_is_of_a_verify_step(tmp_path: Path) -> None:
    path = tmp_path / "steps.nc"
    plain = ("perf", "llama-70b", "--systems", "cs-3", "--slo", "speed=20", "--table", str(path))
    done = gigawatt(*plain, "--speculate", "3x0.7")
    assert done.returncode == 0, done.stderr
    assert load_table(path).software == "dataflow-2026, a step verifies 3 drafted tokens"
    nowhere = refused(*plain[:-1], str(tmp_path / "no" / "steps.nc"))
    assert nowhere.startswith("OutputError: cannot write to ")
    assert nowhere.endswith("no/steps.nc': there is no folder no; make it or choose another file")


def test_a_configuration_takes_the_place_of_a_model(tmp_path: Path) -> None:
    path = tmp_path / "my_model_config.json"
    path.write_text(json.dumps(CONFIG))
    data = json.loads(gigawatt("perf", "--model-config", str(path), "--systems", "hgx-h100", "--json").stdout)
    assert data["model"] == "my-model" and data["systems"][0]["reason"] == ""


def test_rows_of_a_file_get_times(tmp_path: Path) -> None:
    path, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    path.write_text(
        "backend,model_path,system,isl,osl,concurrency,batch_size,tp_size\n"
        "vllm,meta-llama/Llama-3.1-70B-Instruct,h200_sxm,1024,1024,16,16,8\n"
        "vllm,meta-llama/Llama-3.1-70B-Instruct,abacus,1024,1024,16,16,8\n"
    )
    done = gigawatt("perf", "predict", str(path), "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "1 of 2 rows predicted" in done.stdout
    assert "1 rows without times: " in done.stderr
    head, first, second = out.read_text().splitlines()
    assert "tpot_ms_low,tpot_ms,tpot_ms_high,ttft_ms,maker,note" in head
    assert "calibrated" in first and "calibrated" not in second


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("lama-70b",), "CatalogError: no model is called 'lama-70b'; did you mean "),
        (("llama-70b", "--systems", "h10"), "CatalogError: no system is called 'h10'; did you mean "),
        (
            ("llama-70b", "--systems", "vr-nvl72+hgx-h100"),
            "CatalogError: 'vr-nvl72+hgx-h100' is no hybrid; join a system and one that keeps weights in SRAM: A+B",
        ),
        *((("llama-70b", "--slo", slo), f"{kind}Error: {said} --slo ttft=2s,speed=50,p=99") for slo, kind, said in (
            ("ttft=2", "Unit", "'2' has no unit; write for example"),
            ("ttft=2s;speed=30", "Catalog", "'ttft=2s;speed=30' is no limit; write for example"),
            ("ttft=2s speed=30", "Catalog", "'ttft=2s speed=30' is no limit; write for example"),
            ("ttft=2s;", "Unit", "'2s;' does not read as a number with a unit; write for example"),
            ("tpot=33", "Unit", "'33' has no unit; write for example"),
            ("p=50%%", "Unit", "'50% %' does not read as a number with a unit; write for example"),
            ("p=50 percent", "Unit", "'50 percent %' does not read as a number with a unit; write for example"),
        )),
        (
            ("llama-70b", "--slo", "speed=50%"),
            "UnitError: '50%' is not a token rate; write for example --slo ttft=2s,speed=50,p=99 "
            "(units: tok/s, ktok/s, Mtok/s, tok/day)",
        ),
        *((("llama-70b", option, value), f"UnitError: '{said}': a comma parts thousands, as in 1,234; write {right}, "
           "with a decimal point") for option, value, said, right in (
            ("--slo", "ttft=0,5s", "0,5s", "0.5"), ("--slo", "p=99,ttft=1,5 s", "1,5 s", "1.5"),
            ("--speculate", "3x0,7", "0,7", "0.7"),
        )),
        (
            ("llama-70b", "--slo", "tpot=33ms,speed=30"),
            "CatalogError: the limit 'speed' is given twice; write it once, for example speed, or tpot, its inverse, as "
            "speed=30",
        ),
        (("llama-70b", "--slo", "tpot=0s"), "CatalogError: the limit 'tpot' must be above 0; write for example tpot=20ms"),
        (
            ("llama-70b", "--speculate", "3x1.5"),
            "CatalogError: '3x1.5' is no speculation; write tokens x probability to keep each, for example 3x0.7",
        ),
        (
            ("llama-70b", "--slo", "fast"),
            "CatalogError: 'fast' is no limit; write for example --slo ttft=2s,speed=50,p=99",
        ),
        (
            ("llama-70b", "--slo", "p=100"),
            "CatalogError: a percentile lies between 0 and 100, not at 100; write for example p=99",
        ),
        (("llama-70b", "--slo", "speed=0"), "CatalogError: the limit 'speed' must be above 0; write for example speed=50"),
        (
            ("llama-70b", "--backend", "tgi"),
            "CatalogError: no backend is called 'tgi'; known are vllm, sglang, trtllm",
        ),
        (("llama-70b", "--weights", "fp2"), "CatalogError: 'fp2' is no way to store weights; known are fp16, bf16, "),
        (("llama-70b", "--kv", "int2"), "CatalogError: 'int2' is no way to keep the cache; known are bf16, fp8"),
        (
            ("llama-70b", "--speculate", "3"),
            "CatalogError: '3' is no speculation; write tokens x probability to keep each, for example 3x0.7",
        ),
        (
            ("llama-70b", "--objective", "love"),
            "CatalogError: 'love' is no objective; known are package, mw, dollar",
        ),
        (
            ("--isl", "5"),
            "CatalogError: name a model or give --model-config, one of both; 'gigawatt show models' lists them",
        ),
        (
            ("llama-70b", "--table", "x.nc"),
            "CatalogError: --table takes one system; name it with --systems",
        ),
        (
            ("deepseek-r1", "--systems", "hgx-h100", "--max-packages", "4"),
            "CatalogError: DeepSeek-R1 (fp8_block weights, the cache of one request) does not fit tp4 on NVIDIA HGX "
            "H100: 392 GB are missing, ",
        ),
        (
            ("llama-70b", "--systems", "vr-nvl144-cpx", "--weights", "fp8"),
            "CatalogError: NVIDIA Vera Rubin NVL144 CPX cannot compute with fp8 weights; it has fp4",
        ),
        (("llama-70b", "--systems", "jalapeno"), "CatalogError: performance undisclosed: "),
    ],
)  # fmt: skip
def test_bad_input_is_told_in_a_sentence(words: tuple[str, ...], sentence: str) -> None:
    said = refused("perf", *words)
    assert said.startswith(sentence)
    if not sentence.endswith((" ", ", ")):
        assert said == sentence


def test_limits_of_an_slo() -> None:
    """A time between tokens of 40 ms is 1 / 0.04 = 25 tokens a second; a comma between digits is theirs."""
    assert _limits("tpot=40ms") == {"speed": 25.0} == _limits("speed=25") == _limits("speed=25 tok/s")
    assert _limits("ttft=1,500ms, speed=1,000,p=p95") == {"ttft": 1.5, "speed": 1000.0, "p": 0.95}
    assert _limits("p=99.9%") == {"p": 0.999} and _limits("") == {}


def test_one_that_cannot_stands_below_those_that_can() -> None:
    done = gigawatt("perf", "deepseek-r1", "--systems", "hgx-h200,vr-nvl144-cpx", "--slo", "speed=20")
    assert done.returncode == 0
    assert "NVIDIA Vera Rubin NVL144 CPX cannot compute with fp8_block weights; it has fp4" in done.stdout
    missed = gigawatt("perf", "deepseek-r1", "--systems", "hgx-h200", "--slo", "speed=2000")
    assert missed.returncode == 0 and "2,000 are asked for" in missed.stdout
