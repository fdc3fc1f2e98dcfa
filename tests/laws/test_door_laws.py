"""Doors parse words, call one function and print: what is computed stands below them, where Python can call it too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import gigawatt.cli

DOORS = sorted(Path(gigawatt.cli.__file__).parent.glob("*.py"))
ARITHMETIC = (ast.Mult, ast.Div, ast.Sub, ast.Pow, ast.FloorDiv, ast.Mod, ast.MatMult)
SUMS = {"sum", "min", "max", "round", "abs"}
OWN = {
    "stops.py": "clocks of signals and limits",
    "memory.py": "says a limit in GB where nothing else can be loaded any more",
    "whole": "the largest number that is read",
    "blocks": "the default: an hour of a day",
    "_limit": "reads a time per token as the speed that it is, and a percentage as a share",
    "_live": "the clock of a line of progress",
}
"""What is no figure of a study, by file or function, with the reason."""


def computed(tree: ast.AST, within: str) -> Iterator[tuple[str, str]]:
    """(function, expression) of arithmetic; a slash between a path and a text is none."""
    for node in ast.iter_child_nodes(tree):
        here = node.name if isinstance(node, ast.FunctionDef) and within not in OWN else within
        is_sum = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SUMS
        if isinstance(node, ast.BinOp) and isinstance(node.op, ARITHMETIC):
            is_text = isinstance(node.right, ast.JoinedStr) or (
                isinstance(node.right, ast.Constant) and isinstance(node.right.value, str)
            )
            is_sum = not (isinstance(node.op, ast.Div) and is_text)
        if is_sum:
            yield here, ast.unparse(node)
        yield from computed(node, here)


@pytest.mark.parametrize("door", DOORS, ids=lambda path: path.stem)
def test_doors_do_no_arithmetic(door: Path) -> None:
    found = list(computed(ast.parse(door.read_text(encoding="utf-8")), ""))
    assert [one for one in found if door.name not in OWN and one[0] not in OWN] == []


def test_what_is_left_to_doors_is_there() -> None:
    seen = {name for door in DOORS for name, _ in computed(ast.parse(door.read_text(encoding="utf-8")), "")}
    files = {door.name for door in DOORS}
    assert set(OWN) <= seen | files
