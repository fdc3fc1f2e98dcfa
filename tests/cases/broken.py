"""Scenarios with one thing changed, and what the door answers."""

from __future__ import annotations

from pathlib import Path

from gigawatt.catalog.load import load_catalog
from gigawatt.core.errors import CatalogError, ScenarioError
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import resolve
from gigawatt.study.scenario import BUNDLED, load_scenario

STARTER = (BUNDLED / "starter.yaml").read_text(encoding="utf-8")


def changed(tmp_path: Path, old: str, new: str) -> Path:
    """The starter with one change."""
    assert STARTER.count(old) == 1, f"{old!r} stands {STARTER.count(old)} times in the starter"
    path = tmp_path / "my.yaml"
    path.write_text(STARTER.replace(old, new), encoding="utf-8")
    return path


def answer(path: Path) -> str:
    """What loading and looking up says; the empty text where all is well."""
    try:
        plan_inputs(resolve(load_scenario(path), load_catalog()))
    except (ScenarioError, CatalogError) as error:
        return str(error)
    return ""
