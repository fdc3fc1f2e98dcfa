"""What is given on the command line: numbers read as everywhere else, places to write to checked before any work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar, overload

import typer

Number = TypeVar("Number", int, float)


def whole(least: int = 0, most: int = 10**15) -> Callable[[str | int], int]:
    """Reader of whole numbers of the command line: figures as everywhere else, so 10k is 10,000 and nan is none."""

    def INTEGER(text: str | int) -> int:  # noqa: N802 - what --help shows
        return _within(text if isinstance(text, int) else number(text, whole=True), least, most)

    return INTEGER


def real(least: float = 0.0, most: float = 1e15) -> Callable[[str | float], float]:
    """Reader of numbers of the command line, likewise."""

    def FLOAT(text: str | float) -> float:  # noqa: N802 - what --help shows
        example = "" if most <= 1.0 else "1.5"
        return _within(number(text, example=example) if isinstance(text, str) else float(text), least, most)

    return FLOAT


def _within(value: Number, least: Number, most: Number) -> Number:
    if value < least:
        raise typer.BadParameter(f"{value:g} is less than {least:g}")
    if value > most:
        raise typer.BadParameter(f"{value:g} is more than {most:g}")
    return value


@overload
def number(text: str, *, whole: Literal[True]) -> int: ...
@overload
def number(text: str, *, example: str = "") -> float: ...
def number(text: str, *, whole: bool = False, example: str = "") -> float | int:
    """Number of a command line. Raises BadParameter with a sentence."""
    from gigawatt.core.errors import UnitError
    from gigawatt.core.units import parse

    if whole and text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    try:
        value = parse(text, "", "28" if whole else example)
    except UnitError as error:
        sentence = str(error).replace("for example 0.25 or 25 %", "for example 28") if whole else str(error)
        raise typer.BadParameter(sentence) from error
    if whole and value != int(value):
        raise typer.BadParameter(f"{text} is not a whole number; write for example 28")
    return int(value) if whole else value


def names(text: str) -> list[str]:
    """Words of "A,B", as they stand."""
    return [word.strip() for word in text.split(",") if word.strip()]


def out_file(path: Path | None) -> Path | None:
    """The path of a file to write. Raises OutputError where none can be written there."""
    if path is None:
        return None
    from gigawatt.core.writing import check_file

    with _sayable(path, "file"):
        if path.is_dir():
            _refuse(path, "it is a folder", "file")
        if not path.parent.is_dir():
            _refuse(path, f"there is no folder {path.parent.name}; make it", "file")
        check_file(path)
        if path.exists() and not path.is_file():
            _refuse(path, "it is a device", "file")
    return path


def out_folder(path: Path | None) -> Path | None:
    """The path of a folder to write into, there or yet to be made. Raises OutputError where it cannot be."""
    if path is None:
        return None
    from gigawatt.core.writing import check_folder

    with _sayable(path, "folder"):
        held = next((part for part in (path, *path.absolute().parents) if part.exists()), path)
        if not held.is_dir():
            _refuse(path, "it is not a folder" if held == path else f"{held} is not a folder", "folder")
        check_folder(path)
    return path


@contextmanager
def _sayable(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        _refuse(path, getattr(error, "strerror", None) or str(error), what)


def _refuse(path: Path, why: str, what: str) -> None:
    from gigawatt.core.errors import OutputError, shown

    glue = " or" if why.endswith("make it") else ";"
    raise OutputError(f"cannot write to {shown(str(path), 120)}: {why}{glue} choose another {what}")
