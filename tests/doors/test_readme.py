"""README.md is true: its figure and numbers are those of a run, and its commands run as they are written."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from gigawatt.study.results import Results
from tests.doors.inside import gigawatt

HERE = Path(__file__).parents[2]
PAGE = (HERE / "README.md").read_text(encoding="utf-8")
NOT_RUN = {
    "make": "installs, or is this suite",
    "gigawatt replay mooncake-conversation": "downloads a trace",
}
CONFIG = {
    "_name_or_path": "my-model", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "torch_dtype": "bfloat16",
    "model_type": "llama", "architectures": ["LlamaForCausalLM"],
}  # fmt: skip
BENCH = {
    "model_id": "meta-llama/Llama-3.1-70B-Instruct", "completed": 640, "total_input_tokens": 589_824,
    "total_output_tokens": 589_824, "median_tpot_ms": 14.0, "median_ttft_ms": 150.0, "max_concurrency": 64,
    "request_throughput": 4.5,
}  # fmt: skip


def commands() -> Iterator[str]:
    """Every command line of the page, in blocks and in prose, each once, without its comment."""
    blocks = re.findall(r"```\n(.*?)```", PAGE, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`(gigawatt [^`]+)`", PAGE)
    yield from dict.fromkeys(shlex.join(shlex.split(line, comments=True)) for line in lines if line[:1] != ".")


def marked(command: str) -> object:
    reason = next((why for start, why in NOT_RUN.items() if command.startswith(start)), None)
    marks = [pytest.mark.skip(reason=reason)] if reason else [pytest.mark.slow]
    return pytest.param(command, marks=marks, id=command[:60])


of_the_lock = pytest.mark.skipif(
    os.environ.get("GIGAWATT_LOCKED") == "0", reason="another solver may take another of plans that cost the same"
)


@pytest.fixture(scope="module")
def readme() -> ModuleType:
    """benchmarks/readme.py, which `make readme` runs."""
    spec = importlib.util.spec_from_file_location("readme", HERE / "benchmarks" / "readme.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the commands speak of: a scenario, a trace, a model's configuration, a measurement."""
    assert gigawatt("new", "my.yaml", cwd=tmp_path).returncode == 0
    rows = "".join(f"{k / 10},{100 + k},{10 + k % 7}\n" for k in range(50))
    (tmp_path / "requests.csv").write_text("arrival_s,input_tokens,output_tokens\n" + rows)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "result.json").write_text(json.dumps(BENCH))
    return tmp_path


@of_the_lock
@pytest.mark.slow
def test_numbers_are_those_of_the_run(announcement: Results, readme: ModuleType) -> None:
    texts = readme.texts(announcement)
    assert [match[2] for match in readme.MARKED.finditer(PAGE)] == list(texts)
    assert readme.filled(PAGE, texts) == PAGE, "'make readme' writes them anew"


@of_the_lock
@pytest.mark.slow
def test_the_figure_is_that_of_the_run(announcement: Results, readme: ModuleType) -> None:
    """The same drawing, to the two pixels (0.07 GW) by which plans within the integer gap may differ."""
    assert f"]({readme.FIGURE})" in PAGE
    drawn, now = (HERE / readme.FIGURE).read_text(encoding="utf-8"), readme.figure(announcement)
    ElementTree.fromstring(drawn)
    number = re.compile(r"-?\d+(?:\.\d+)?")
    assert number.sub("#", drawn) == number.sub("#", now), "'make readme' draws it anew"
    before, after = ([float(text) for text in number.findall(page)] for page in (drawn, now))
    assert before == pytest.approx(after, abs=2.0), "'make readme' draws it anew"


def test_marks_are_filled_and_kept(readme: ModuleType) -> None:
    page = "a <!-- readme:catalogue -->old<!-- readme --> b"
    assert readme.filled(page, {"catalogue": "new"}) == "a <!-- readme:catalogue -->new<!-- readme --> b"
    with pytest.raises(KeyError, match="catalogue"):
        readme.filled(page, {})


def test_commands_are_found() -> None:
    found = list(commands())
    assert "gigawatt new my.yaml" in found and "gigawatt show systems vr200" in found
    assert len(found) > 20


@pytest.mark.parametrize("command", [marked(command) for command in commands()])
def test_a_command_runs_as_written(command: str, folder: Path) -> None:
    words = shlex.split(command)[1:]
    if words == ["new", "my.yaml"]:
        (folder / "my.yaml").unlink()
    if words[0] == "cite":
        assert gigawatt("run", "my.yaml", cwd=folder).returncode == 0
        (run,) = (folder / "runs").iterdir()
        words[1] = f"runs/{run.name}"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    done = gigawatt(*words, cwd=folder)
    assert done.returncode == 0, done.stderr
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert done.stdout.strip() or after != before


def test_python_runs_as_written(monkeypatch: pytest.MonkeyPatch, neocloud: Results) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    monkeypatch.setattr("gigawatt.run", lambda name: {"neocloud": neocloud}[name])
    lines = [line.partition("  #")[0] for line in block.splitlines() if line.strip()]
    seen: dict[str, object] = {}
    for line in lines[:2]:
        exec(line, seen)
    cost, stock, book = (eval(line, seen) for line in lines[2:])
    assert cost and all(usd > 0.0 for usd in cost.values())
    assert stock.dims == ("offer", "quarter") and {"payer", "payee", "kind"} <= set(book.columns)
