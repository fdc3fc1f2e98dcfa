"""Terminals, limits and streams of every kind: the work is done and shown as well as they can, or a sentence says why."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.doors.inside import called
from tests.doors.processes import ran

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits are those of a shell on Linux")


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """The starter scenario under a title that ASCII does not have."""
    assert called("new", "s.yaml", cwd=tmp_path)[0] == 0
    text = (tmp_path / "s.yaml").read_text(encoding="utf-8")
    text = text.replace("title: A 5 MW", "title: Größe “5 MW” 🙂 a")
    assert "🙂" in text
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("env", "title"),
    [
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, 'Gr\\xf6\\xdfe "5 MW" \\U0001f642'),
        ({"PYTHONIOENCODING": "latin-1"}, 'Gr\udcf6\udcdfe "5 MW" \\U0001f642'),
    ],
    ids=["C", "latin-1"],
)
def test_letters_a_terminal_lacks_are_shown_by_others(scenario: Path, env: dict[str, str], title: str) -> None:
    done = ran("run", "s.yaml", cwd=scenario, env=env)
    assert done.returncode == 0 and done.stdout.startswith(title) and "Traceback" not in done.stderr


def test_json_is_json_on_an_ascii_terminal(scenario: Path) -> None:
    done = ran("show", "systems", "--json", cwd=scenario, env={"PYTHONIOENCODING": "ascii"})
    assert done.stdout.isascii() and json.loads(done.stdout) == json.loads(called("show", "systems", "--json")[1])


@pytest.mark.parametrize(
    ("shell", "words", "code", "sentence"),
    [
        ("ulimit -v 250000;", ("validate", "s.yaml"), 1, "MemoryError: too little memory under the limit of 0.26 GB"),
        ("ulimit -f 50;", ("run", "s.yaml"), 1, "ScenarioError: cannot write the run to runs/starter-"),
        ("ulimit -t 2;", ("run", "announcement"), 152, "the limit on processor time (ulimit -t) is reached: stopped"),
        ("ulimit -S -t 1;", ("run", "announcement"), 152, "the limit on processor time (ulimit -t) is reached: stop"),
        ("exec >/dev/full;", ("show", "systems"), 1, "FileError: what was to be written finds no place: No space left"),
        ("exec >/dev/full;", ("show", "systems", "--json"), 1, "FileError: what was to be written finds no place: No"),
    ],
)
def test_limits_end_in_a_sentence(scenario: Path, shell: str, words: tuple[str, ...], code: int, sentence: str) -> None:
    done = ran(*words, cwd=scenario, shell=shell)
    last = done.stderr.strip().splitlines()[-1]
    assert (done.returncode, last[: len(sentence)]) == (code, sentence)
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert not (scenario / "runs").exists() or list((scenario / "runs").iterdir()) == []


def test_a_reader_that_has_enough_ends_the_command_in_silence(scenario: Path) -> None:
    done = ran("show", "systems", cwd=scenario, shell="exec > >(head -c 1 >/dev/null);")
    assert done.returncode == 0 and done.stderr == ""


@pytest.mark.parametrize("where", ["2>/dev/full", "2> >(true)"], ids=["full", "unread"])
def test_work_goes_on_where_nobody_reads_its_progress(scenario: Path, where: str) -> None:
    done = ran("run", "s.yaml", "--json", cwd=scenario, shell=f"exec {where};")
    assert done.returncode == 0 and json.loads(done.stdout)["scenario"] == "starter"


def test_closed_streams_are_no_places_for_files(scenario: Path) -> None:
    done = ran("run", "s.yaml", cwd=scenario, shell="exec >&- 2>&- <&-;")
    assert done.returncode == 0
    (folder,) = (scenario / "runs").iterdir()
    assert called("cite", str(folder))[0] == 0


@pytest.mark.parametrize("name", ["yaml.py", "json.py", "random.py"])
def test_a_file_in_place_of_a_library_is_named(scenario: Path, name: str) -> None:
    for text in ("raise SystemExit(77)", "x = 1", "raise ValueError"):
        (scenario / name).write_text(text, encoding="utf-8")
        done = ran("validate", "s.yaml", cwd=scenario)
        assert done.returncode == 1 and done.stdout == ""
        assert done.stderr == (
            f"ImportError: {scenario / name} is loaded in place of the library of that name; move it, or mend "
            "PYTHONPATH\n"
        )


def test_a_changed_download_is_refused(tmp_path: Path) -> None:
    text = "arrival_s,input_tokens,output_tokens\n0,10,20\n"
    (tmp_path / "mooncake-conversation.jsonl").write_text(text, encoding="utf-8")
    done = ran("data", "show", "mooncake-conversation", cwd=tmp_path, env={"GIGAWATT_CACHE": str(tmp_path)})
    right = "b8cbb061a85206d729d91cdc2981f43c9e0d99209dce588d3af5f7934408b9df"
    assert done.returncode == 1 and done.stdout == ""
    assert f"where {right} is right; move it away and fetch it again" in done.stderr


@pytest.mark.parametrize(
    "words",
    [("delays", "s.yaml", "--figure"), ("tree", "s.yaml", "--figure"), ("perf", "predict", "s.yaml", "--out")],
)
@pytest.mark.parametrize(
    ("name", "why"),
    [
        (".", "it is a folder; choose another file"),
        ("no/x.html", "there is no folder no; make it or choose another file"),
    ],
)
def test_places_that_cannot_be_written_are_refused_before_the_work(
    scenario: Path, words: tuple[str, ...], name: str, why: str
) -> None:
    code, out, error = called(*words, name, cwd=scenario)
    assert (code, out, error) == (1, "", f"OutputError: cannot write to '{name}': {why}\n")


@pytest.mark.parametrize("words", [("run", "s.yaml"), ("alternatives", "s.yaml"), ("speed", "s.yaml")])
def test_folders_that_cannot_be_made_are_refused_before_the_work(scenario: Path, words: tuple[str, ...]) -> None:
    code, out, error = called(*words, "--out", "s.yaml", cwd=scenario)
    assert (code, out, error) == (
        1, "", "OutputError: cannot write to 's.yaml': it is not a folder; choose another folder\n"
    )  # fmt: skip


@pytest.mark.heavy
@pytest.mark.parametrize("kilobytes", range(50_000, 1_000_000, 50_000))
def test_any_limit_on_memory_ends_in_a_sentence(scenario: Path, kilobytes: int) -> None:
    """OpenBLAS says its own where it fails before Python hears of it."""
    done = ran("run", "s.yaml", cwd=scenario, shell=f"ulimit -v {kilobytes};")
    last = done.stderr.strip().splitlines()[-1]
    told = "MemoryError: too little memory under the limit", "OpenBLAS error: Memory allocation still failed"
    assert done.returncode == 0 or (done.returncode == 1 and last.startswith(told)), last
    assert "Traceback" not in done.stderr
    folders = list((scenario / "runs").iterdir()) if (scenario / "runs").exists() else []
    assert all(called("cite", str(folder))[0] == 0 for folder in folders) and len(folders) == (done.returncode == 0)
