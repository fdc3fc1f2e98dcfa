"""What every command shares: its common arguments, the console, JSON out, and progress on standard error."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from gigawatt.catalog.load import Catalog
    from gigawatt.study.resolve import Case
    from gigawatt.study.scenario import Scenario as ScenarioFile

Scenario = Annotated[str, typer.Argument(help="A shipped scenario's name or a YAML file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON alone on standard output.")]
Overlay = Annotated[
    Path | None, typer.Option("--catalog", help="Folder whose entries win over the shipped catalogue's.")
]
Events = Annotated[list[str] | None, typer.Option("--event", help="Switch on an event of the scenario (repeatable).")]


def console_of(*, error: bool = False) -> Console:
    """A console as wide as the terminal, 140 columns where there is none; ``error`` writes on standard error.

    Text is text: brackets and colons in names are no markup.
    """
    from rich.console import Console

    wide = None if sys.stdout.isatty() else 140
    return Console(stderr=error, width=wide, soft_wrap=False, markup=False, emoji=False)


def catalog_with(overlay: Path | None) -> Catalog:
    """The shipped catalogue under ``overlay``; every entry that is replaced is named on standard error."""
    from gigawatt.catalog.load import load_catalog

    catalog = load_catalog(overlay)
    for name in catalog.overlaid:
        print(f"overlay: {name} replaces the shipped entry", file=sys.stderr)
    return catalog


def case_of(
    scenario: str, events: Sequence[str] | None, overlay: Path | None, *, lumps: Literal["whole"] | None = None
) -> Case:
    """What a scenario comes to with its events and catalogue; ``lumps`` in place of what its policy says."""
    from gigawatt.study.resolve import resolve
    from gigawatt.study.scenario import load_scenario

    return resolve(load_scenario(scenario).with_lumps(lumps), catalog_with(overlay), events or [])


def doubt(scenario: ScenarioFile) -> None:
    """Says on standard error, a line each, which figures of a scenario are far from what is usual."""
    from gigawatt.catalog.load import facts
    from gigawatt.catalog.plausible import unusual

    for line in unusual(facts(scenario)):
        print(f"{scenario.where}: {line}", file=sys.stderr)


_DOCUMENT: ContextVar[TextIO | None] = ContextVar("document", default=None)


@contextmanager
def document_to(stream: TextIO) -> Iterator[None]:
    """``print_json`` writes there, wherever else standard output leads."""
    token = _DOCUMENT.set(stream)
    try:
        yield
    finally:
        _DOCUMENT.reset(token)


def print_json(value: Any) -> None:
    """JSON alone on standard output; not a number is an error here, never ``NaN``."""
    out = _DOCUMENT.get() or sys.stdout
    print(json.dumps(value, indent=1, ensure_ascii=not _is_unicode(out), allow_nan=False), file=out, flush=True)


def _is_unicode(stream: TextIO) -> bool:
    """Whether a stream takes every letter; elsewhere JSON has them as codes."""
    return (stream.encoding or "utf-8").lower().replace("-", "").startswith("utf")


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Says what is going on, on standard error: a live line on a terminal, plain lines elsewhere."""
    console = console_of(error=True)
    if not console.is_terminal:
        yield lambda text: print(f"  {text}", file=sys.stderr)
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    with Progress(
        SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn(), console=console
    ) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda text: bar.update(task, description=text)


def as_text(renderable: Any) -> str:
    """What the terminal shows, as plain text of 120 columns."""
    from rich.console import Console

    file = io.StringIO()
    Console(file=file, width=120, color_system=None, markup=False, emoji=False).print(renderable)
    return file.getvalue()
