"""Commands: argv in, study and report called, text or JSON out. No arithmetic here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gigawatt.cli.alternatives import alternatives
from gigawatt.cli.blocks import blocks
from gigawatt.cli.calibrate import calibrate
from gigawatt.cli.common import (
    Events,
    Json,
    Overlay,
    Scenario,
    as_text,
    catalog_with,
    console_of,
    doubt,
    print_json,
    progress,
)
from gigawatt.cli.data import data_app
from gigawatt.cli.delays import delays
from gigawatt.cli.explain import why, worth
from gigawatt.cli.given import names, out_file, out_folder, real, whole
from gigawatt.cli.perf import perf_app
from gigawatt.cli.rights import rights
from gigawatt.cli.serve import replay
from gigawatt.cli.simulate import simulate
from gigawatt.cli.speed import speed
from gigawatt.cli.tree import tree

if TYPE_CHECKING:
    from gigawatt.catalog.load import Catalog
    from gigawatt.study.results import Results

app = typer.Typer(
    name="gigawatt",
    help="Plan and finance AI compute: watts and dollars in; tokens and cash flows out, every number sourced.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(perf_app, name="perf")
app.add_typer(data_app, name="data")
app.command()(simulate)
app.command()(blocks)
app.command()(calibrate)
app.command()(replay)
app.command()(speed)
app.command()(rights)
app.command()(alternatives)
app.command()(why)
app.command()(worth)
app.command()(tree)
app.command()(delays)


def _version(asked: bool) -> None:
    if asked:
        from gigawatt import __version__

        print(f"gigawatt {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Root of all commands."""


@app.command()
def run(
    scenario: Scenario,
    out: Annotated[Path, typer.Option("--out", callback=out_folder, help="Folder for runs.")] = Path("runs"),
    as_json: Json = False,
    why: Annotated[
        str | None,
        typer.Option(
            "--why", help="A system, site, provider or vendor: why it was chosen or not, what would change it."
        ),
    ] = None,
    why_not: Annotated[str | None, typer.Option("--why-not", help="Likewise; both may be given.")] = None,
    event: Events = None,
    mip_gap: Annotated[
        float, typer.Option("--mip-gap", parser=real(0.0, 0.5), help="Gap at which whole numbers count as placed.")
    ] = 0.01,
    lumps: Annotated[
        bool, typer.Option("--lumps", help="Halls and openings whole, whatever the scenario says.")
    ] = False,
    time_limit: Annotated[
        float,
        typer.Option("--time-limit", parser=real(1.0), help="Seconds for one run of the solver; the best plan stays."),
    ] = 120.0,
    look_ahead: Annotated[
        int | None,
        typer.Option("--look-ahead", parser=whole(4), help="Order year by year, seeing so many quarters ahead."),
    ] = None,
    simulate_in: Annotated[
        str, typer.Option("--simulate", help="Quarters A,B to simulate; classes that miss their SLO are derated.")
    ] = "",
    claims: Annotated[
        bool,
        typer.Option("--claims", help="Set the articles' statements beside the run in its report; a few plan again."),
    ] = False,
    overlay: Overlay = None,
) -> None:
    """Plan a scenario, close its books, and write a report."""
    from gigawatt.report.tables import summary_table
    from gigawatt.study.named import find
    from gigawatt.study.resolve import resolve
    from gigawatt.study.results import save
    from gigawatt.study.run import run as study_run
    from gigawatt.study.scenario import load_scenario

    catalog, chosen = catalog_with(overlay), load_scenario(scenario)
    doubt(chosen)
    if claims:
        from gigawatt.report.claims import check_concerned

        check_concerned(chosen, catalog)
    asked = [name for name in (why, why_not) if name]
    if asked:
        case = resolve(chosen, catalog, event or [])
        asked = list(dict.fromkeys(find(case, name).id for name in asked))
    with progress() as say:
        results = study_run(
            scenario, catalog=catalog, events=event or [], mip_gap=mip_gap, time_limit_s=time_limit,
            lumps="whole" if lumps else None, look_ahead=look_ahead, simulate=names(simulate_in), say=say,
        )  # fmt: skip
        say("writing the run")
        folder = save(results, out, _pages(results, say, with_claims=claims))
        reasons = [line for name in asked for line in _why(results, name, say)]
    if as_json:
        written = {"run": str(folder), "report": str(folder / "report.html")}
        print_json(results.summary | written | ({"why": reasons} if asked else {}))
        return
    console = console_of()
    console.print(summary_table(results))
    for line in reasons:
        console.print(line, soft_wrap=True, highlight=False)
    console.print(f"Report: {(folder / 'report.html').resolve()}", soft_wrap=True, highlight=False)


def _pages(results: Results, say: Callable[[str], None], *, with_claims: bool) -> dict[str, Callable[[], str]]:
    """What people read of a run, by the name of its file."""
    from gigawatt.report.cite import citation
    from gigawatt.report.html import page

    rows: list[dict[str, Any]] = []

    def checked() -> str:
        from gigawatt.report.claims import as_rows, claims

        say("checking the claims")
        rows.extend(as_rows(claims(results)))
        return json.dumps(rows, indent=1) + "\n"

    def drawn() -> str:
        say("drawing the report")
        return page(results, rows)

    first = {"claims.json": checked} if with_claims else {}
    return first | {"report.html": drawn, "cite.txt": lambda: as_text(citation(results))}


def _why(results: Results, name: str, say: Callable[[str], None]) -> list[str]:
    from gigawatt.study.why import why_not

    say(f"asking why {name} is or is not in the plan")
    return why_not(results, name)


@app.command()
def new(path: Annotated[Path, typer.Argument(callback=out_file, help="File to write.")]) -> None:
    """Write a commented starter scenario for a 5 MW company."""
    from gigawatt.core.errors import ScenarioError
    from gigawatt.core.writing import write_whole
    from gigawatt.study.scenario import BUNDLED

    if path.exists():
        raise ScenarioError(f"{path} exists and is left as it is; choose another name")
    text = (BUNDLED / "starter.yaml").read_text(encoding="utf-8")
    try:
        write_whole(path, text)
    except OSError as error:
        raise ScenarioError(f"cannot write {path}: {error.strerror}") from error
    print(f"{path} is written. Edit it, then: gigawatt validate {path} && gigawatt run {path}")


@app.command()
def validate(
    scenario: Scenario,
    overlay: Overlay = None,
) -> None:
    """Check a scenario without planning it: names file, key, value, what is wrong and what would be right."""
    from gigawatt.study.resolve import resolve
    from gigawatt.study.scenario import load_scenario
    from gigawatt.study.software import software_notes

    chosen = load_scenario(scenario)
    case = resolve(chosen, catalog_with(overlay))
    doubt(chosen)
    print(
        f"{scenario} is sound: {len(case.quarters)} quarters from {case.labels[0]}, {len(case.offers)} offers at "
        f"{len(case.sites)} sites, {len(case.classes)} classes of demand"
    )
    for note in software_notes(case):
        print(note)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a scenario file, for editors."""
    from gigawatt.study.scenario import scenario_schema

    print_json(scenario_schema())


@app.command()
def show(
    what: Annotated[str, typer.Argument(help="systems, models, workloads, sites, deals, providers or scenarios.")],
    name: Annotated[str | None, typer.Argument(help="One entry, with every figure and its source.")] = None,
    as_json: Json = False,
    overlay: Overlay = None,
) -> None:
    """Show the catalogue: a list, or one entry with every figure, range and source."""
    from gigawatt.report.show import entry_rows, list_rows
    from gigawatt.report.show import show as show_table

    if what == "scenarios":
        from gigawatt.study.scenario import bundled, load_scenario

        titles = {shipped: load_scenario(shipped).title for shipped in bundled()}
        if as_json:
            print_json([{"name": shipped, "title": title} for shipped, title in titles.items()])
            return
        for shipped, title in titles.items():
            print(f"{shipped:16s} {title}")
        return
    catalog = catalog_with(overlay)
    _known_kind(catalog, what)
    if as_json:
        print_json(list_rows(catalog, what) if name is None else entry_rows(catalog.find(what, name)))
        return
    console_of().print(show_table(catalog, what, name))


def _known_kind(catalog: Catalog, what: str) -> None:
    from gigawatt.core.errors import CatalogError

    if what not in catalog.entries:
        raise CatalogError(
            f"'{what}' is not part of the catalogue; it holds {', '.join(catalog.entries)}, and scenarios"
        )


@app.command()
def compare(
    systems: Annotated[list[str], typer.Argument(help="Two or more systems, by id or alias.")],
    as_json: Json = False,
    overlay: Overlay = None,
) -> None:
    """Compare systems: peaks, memory, power, price, per-MW and per-dollar ratios, tokens at the SLO of classes."""
    from gigawatt.report.compare import compare_rows, compare_table

    catalog = catalog_with(overlay)
    if as_json:
        print_json(compare_rows(catalog, systems))
        return
    console_of().print(compare_table(compare_rows(catalog, systems)))


@app.command("claims")
def claims_command(
    scenario: Scenario = "announcement",
    as_json: Json = False,
    event: Events = None,
    overlay: Overlay = None,
) -> None:
    """Check every computable statement of the source articles against the plan, the books and the catalogue."""
    from gigawatt.report.claims import as_rows, claims, count
    from gigawatt.report.tables import claims_table
    from gigawatt.study.run import run as study_run

    catalog = catalog_with(overlay)
    with progress() as say:
        results = study_run(scenario, catalog=catalog, events=event or [], say=say)
        found = claims(results)
    if as_json:
        print_json(as_rows(found))
        return
    console = console_of()
    console.print(claims_table(as_rows(found)))
    for line in count_lines(count(found, catalog)):
        console.print(line, highlight=False)


def count_lines(counted: dict[str, Any]) -> list[str]:
    """Sentences for how many statements are computed, reproduced as input, or outside."""
    return [f"{key}: {value}" for key, value in counted.items()]


@app.command()
def cite(
    folder: Annotated[Path, typer.Argument(help="Folder of a run, runs/<name>-<hash>.")],
    bibtex: Annotated[bool, typer.Option("--bibtex", help="Print BibTeX.")] = False,
) -> None:
    """Print what a run rests on: judgements first, then every source."""
    from gigawatt.core.errors import ScenarioError
    from gigawatt.core.reading import read_text
    from gigawatt.core.writing import settled
    from gigawatt.study.results import read_manifest

    name = "sources.bib" if bibtex else "cite.txt"
    path = settled(folder).joinpath(name)
    if not path.is_file():
        raise ScenarioError(f"{folder} is not the folder of a run: it has no {name}; 'gigawatt run NAME' writes one")
    if name not in read_manifest(folder)["files"]:
        raise ScenarioError(f"{folder} holds a {name} that is not of its run; 'gigawatt run NAME' writes it")
    print(read_text(path), end="")
