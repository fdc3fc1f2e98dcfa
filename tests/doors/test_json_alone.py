"""With ``--json``, standard output is one JSON document, whatever a library prints in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gigawatt.cli.app import app
from gigawatt.study.scenario import load_scenario
from tests.doors.inside import called
from tests.doors.processes import environment

GIVEN: dict[str, tuple[str, ...]] = {
    "scenario": ("s.yaml",), "trace": ("t.csv",), "what": ("systems",), "systems": ("h200", "b200"), "name": ("t.csv",),
    "quarter": ("--quarter", "2028Q4"), "system": ("--system", "h200"), "model": ("--model", "llama-70b"),
    "replicas": ("--replicas", "2"), "year": ("load.csv",),
}  # fmt: skip
"""What is given for a parameter that a command asks for, by its name."""
LESS: dict[str, tuple[str, ...]] = {
    "tree": ("--workers", "1", "--regret", "0", "--time-limit", "5"), "delays": ("--draws", "10"),
    "simulate": ("--requests", "1000"), "perf": ("llama-70b", "--systems", "h200"), "claims": ("s.yaml",),
    "speed": ("--scales", "1"), "alternatives": ("--by", "vendor", "--within", "1%"),
}  # fmt: skip
"""What makes a command's work small."""


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(words, command) of every command that takes ``--json``."""
    if any("--json" in part.opts for part in group.params):
        yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


EVERY = dict(commands(typer.main.get_command(app)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small scenario, trace and load."""
    called("new", "s.yaml", cwd=tmp_path)
    (tmp_path / "t.csv").write_text("arrival_s,input_tokens,output_tokens\n0,10,20\n1,30,40\n", encoding="utf-8")
    hours = "".join(f"{k},{1.0 + k % 24}\n" for k in range(8760))
    (tmp_path / "load.csv").write_text(f"hour,demand\n{hours}", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_one_document_and_nothing_else(folder: Path, path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    loads = json.loads

    def loud(*words: Any, **more: Any) -> Any:
        print("a library speaks")
        return loads(*words, **more)

    monkeypatch.setattr(json, "loads", loud)
    asked = [word for part in EVERY[path].params if part.required for word in GIVEN[part.name]]
    code, out, error = called(*path, *asked, *LESS.get(path[0], ()), "--json", cwd=folder)
    assert code == 0, error
    assert loads(out)


def test_what_is_printed_past_python_is_kept_off(folder: Path) -> None:
    script = (
        "import os, gigawatt.catalog.load as at\n"
        "from gigawatt.cli import main\n"
        "read = at.load_catalog\n"
        "def loud(*words):\n"
        "    os.write(1, b'a banner\\n'); print('a library speaks', flush=True)\n"
        "    return read(*words)\n"
        "at.load_catalog = loud\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "run", "s.yaml", "--json"], cwd=folder, env=environment(), check=False,
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0 and json.loads(done.stdout)["run"].startswith("runs" + os.sep)
    assert "a banner" in done.stderr and "a library speaks" in done.stderr


def test_scenarios_are_listed_as_json_too() -> None:
    rows = json.loads(called("show", "scenarios", "--json")[1])
    assert {"name": "neocloud", "title": load_scenario("neocloud").title} in rows


def test_nothing_is_a_document_where_the_command_fails(folder: Path) -> None:
    code, out, error = called("run", "nosuch.yaml", "--json", cwd=folder)
    assert (code, out) == (1, "") and "ScenarioError: nosuch.yaml: no such file" in error
