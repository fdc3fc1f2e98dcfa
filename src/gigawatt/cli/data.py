"""``gigawatt data``: public traces by name, fetched with their checksum, and what a trace is like."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gigawatt.cli.common import Json, console_of, print_json, progress
from gigawatt.cli.given import out_folder, whole

if TYPE_CHECKING:
    from gigawatt.demand.public import Original

data_app = typer.Typer(
    help="Public traces of requests: list them, fetch one with its checksum, show what one is like.",
    no_args_is_help=True,
    add_completion=False,
)


@data_app.command("list")
def list_command(as_json: Json = False) -> None:
    """List public traces, and which of them are here, whole or damaged by their checksum."""
    from rich.table import Table

    from gigawatt.demand.public import ORIGINALS

    rows = [_row(one) | {"fault": _fault(one)} for one in ORIGINALS]
    if as_json:
        print_json(rows)
        return
    table = Table()
    for heading in ("name", "what", "requests", "licence", "here"):
        table.add_column(heading, justify="right" if heading == "requests" else "left")
    for row in rows:
        here = "damaged" if row["fault"] else "yes" if row["path"] else ""
        table.add_row(row["name"], row["what"], f"{row['rows']:,}" if row["rows"] else "", row["licence"], here)
    console_of().print(table)
    for row in rows:
        if row["fault"]:
            print(row["fault"], file=sys.stderr)


@data_app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A public trace; 'gigawatt data list' names them.")],
    to: Annotated[
        Path | None, typer.Option("--to", callback=out_folder, help="Folder; else $GIGAWATT_CACHE or the user's cache.")
    ] = None,
) -> None:
    """Fetch a public trace from its source, check it, and keep it."""
    from gigawatt.demand.public import fetch as fetch_original
    from gigawatt.demand.public import original

    one = original(name)
    with progress() as say:
        say(f"fetching {one.url}")
        told = [0]

        def advance(done: int, total: int) -> None:
            if done >> 24 > told[0]:  # a line every 16 MB
                told[0] = done >> 24
                say(f"{done >> 20:,} of {total >> 20:,} MB" if total else f"{done >> 20:,} MB")

        path, found = fetch_original(one, to, advance=advance)
    check = "as registered" if one.sha256 else "recorded beside it; no other is known"
    print(f"{path} is here, SHA-256 {found}, {check}")


@data_app.command()
def show(
    name: Annotated[str, typer.Argument(help="A public trace, or a file of one's own.")],
    limit: Annotated[int | None, typer.Option("--limit", parser=whole(1), help="Read the first rows only.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out and list rows that do not stand.")] = False,
    as_json: Json = False,
) -> None:
    """Show where a public trace is from and, once it is here, what its requests are like."""
    from gigawatt.demand.public import ORIGINALS, unchanged

    about: dict[str, Any] = next((_row(one) for one in ORIGINALS if one.name == name), {})
    if not about or (about["path"] and not about["path"].endswith(".tar.gz")):
        from gigawatt.demand.traces import read_trace

        path = unchanged(name)
        with progress() as say:
            trace = read_trace(path, limit=limit, skip_bad=skip_bad, say=say)
        measured = {key: None if value != value else value for key, value in asdict(trace.requests.summary()).items()}
        about |= {"path": str(path), "format": trace.format, "notes": list(trace.notes), "summary": measured}
        about["bad_rows"] = [asdict(one) for one in trace.bad]
    if as_json:
        print_json(about)
        return
    for key, value in (about | about.pop("summary", {})).items():
        if key == "bad_rows":
            print(f"{'rows left out':16s} {len(value):,}")
            for one in value[:20]:
                print(f"{'':16s} row {one['line']:,}: {one['reason']}")
        elif value not in ("", None, [], 0):
            text = (
                "; ".join(value) if isinstance(value, list) else f"{value:,.6g}" if isinstance(value, float) else value
            )
            print(f"{key.replace('_', ' '):16s} {text}")


def _fault(one: Original) -> str | None:
    """What is wrong with the file of a trace that is here."""
    from gigawatt.core.errors import TraceError
    from gigawatt.demand.public import checked

    try:
        if _row(one)["path"]:
            checked(one)
    except TraceError as error:
        return str(error)
    return None


def _row(one: Original) -> dict[str, Any]:
    """What is registered of a trace, and where it is."""
    from gigawatt.demand.public import cache_dir

    path = cache_dir().joinpath(one.file)
    return asdict(one) | {"path": str(path) if path.is_file() else None}
