"""``gigawatt perf``: the best ways to serve a model on systems at an SLO, and times for the rows of a file."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from typer.core import TyperGroup

from gigawatt.cli.common import Json, Overlay, catalog_with, console_of, print_json
from gigawatt.cli.given import names, out_file, real, whole

if TYPE_CHECKING:
    from gigawatt.catalog.load import Catalog
    from gigawatt.catalog.schema import Model, System
    from gigawatt.perf.inference import Speculation
    from gigawatt.perf.search import Basis, Objective, Options, Task
    from gigawatt.perf.task import Asked

_SLO_HELP = (
    "Limits, for example 'ttft=2s,speed=50,p=99': time to first token, tok/s per user (or its inverse, tpot=20ms), "
    "percentile (50)."
)
_MOST_DRAFTED = 99  # tokens a pass
_SLO = "--slo ttft=2s,speed=50,p=99"
_LIMITS = {"ttft": "2s", "speed": "50", "tpot": "20ms", "p": "99"}


_MAKER_HELP = (
    "Whose times are taken, of a step table or of rows: auto, measured (kernels of the extra gigawatt[measured]) or "
    "calibrated; auto is measured only where it is as near to measured rows."
)


class ModelFirst(TyperGroup):
    """A group whose first word is a model unless it is a command: ``perf llama-70b`` is ``perf model llama-70b``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts the command ``model`` before what is neither a command nor a call for help."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = ["model", *args]
        return list(super().parse_args(ctx, args))


perf_app = typer.Typer(
    cls=ModelFirst,
    help="Speed, throughput, power and cost of serving a model: best layouts at an SLO, or times for rows of a file.",
    no_args_is_help=True,
    add_completion=False,
    epilog="'gigawatt perf MODEL ...' is short for 'gigawatt perf model MODEL ...'.",
)


@perf_app.command("model")
def model_command(
    model: Annotated[str | None, typer.Argument(help="A model by id, alias or Hugging Face name.")] = None,
    systems: Annotated[str, typer.Option("--systems", help="Systems A,B,C (A+B a hybrid); else all.")] = "",
    isl: Annotated[int, typer.Option("--isl", parser=whole(1), help="Mean tokens of a prompt.")] = 1024,
    osl: Annotated[int, typer.Option("--osl", parser=whole(1), help="Mean tokens of an answer.")] = 1024,
    prefix_hit: Annotated[
        float, typer.Option("--prefix-hit", parser=real(0.0, 1.0), help="Share of the prompt that is in cache.")
    ] = 0.0,
    slo: Annotated[str, typer.Option("--slo", help=_SLO_HELP)] = "",
    backend: Annotated[str, typer.Option("--backend", help="vllm, sglang or trtllm; else the mean of them.")] = "",
    weights: Annotated[str, typer.Option("--weights", help="How weights are stored, for example nvfp4.")] = "",
    kv: Annotated[str, typer.Option("--kv", help="How the cache is kept: bf16 or fp8.")] = "",
    speculate: Annotated[
        str,
        typer.Option(
            "--speculate",
            help="Tokens drafted a pass and probability to keep one: 3x0.7; off drafts none. Else the better of off "
            "and the catalogue's, as in plans.",
        ),
    ] = "",
    objective: Annotated[str, typer.Option("--objective", help="What is made most: package, mw or dollar.")] = "mw",
    max_packages: Annotated[
        int, typer.Option("--max-packages", parser=whole(0), help="Packages of the largest replica; 0 is no limit.")
    ] = 0,
    model_config: Annotated[
        Path | None, typer.Option("--model-config", help="A Hugging Face config.json in place of MODEL.")
    ] = None,
    overlay: Overlay = None,
    as_json: Json = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", callback=out_file, help="Page with the frontiers to write.")
    ] = None,
    maker: Annotated[str, typer.Option("--maker", help=_MAKER_HELP)] = "auto",
    table: Annotated[
        Path | None,
        typer.Option(
            "--table",
            callback=out_file,
            help="Step table (netCDF) of the best point of one system to write, of the side that decodes; where it "
            "drafts, a step is one that verifies the drafted tokens (--speculate off has one token a step).",
        ),
    ] = None,
) -> None:
    """Search all layouts, batches, aggregated or disaggregated, for the best way to serve a model at an SLO."""
    from gigawatt.core.errors import CatalogError
    from gigawatt.perf.inference import Speculation
    from gigawatt.perf.search import Tail, answer, basis_of, step_tables
    from gigawatt.report.perf_page import answer_rows, answer_table, page_data, write_page

    catalog = catalog_with(overlay)
    task = _task(_model(catalog, model, model_config), (isl, osl, prefix_hit), slo)
    aim, tail, basis = _objective(objective), Tail(), basis_of(catalog)
    options = _options(backend, weights, kv, speculate, max_packages, basis)
    options = replace(options, maker=_asked(maker))
    chosen = _systems(catalog, systems)
    if table is not None and len(chosen) != 1:
        raise CatalogError("--table takes one system; name it with --systems")
    drafts = Speculation() if speculate or options.maker == "measured" else basis.draft  # no kernel verifies drafts
    answers = [answer(system, task, basis, options, objective=aim, tail=tail, drafts=drafts) for system in chosen]
    if not any(len(one.found) for one in answers):
        raise CatalogError("\n".join(dict.fromkeys(one.chosen.reason for one in answers)))
    rows, made = answer_rows(answers, options), None
    if table is not None:
        one = answers[0]
        made = step_tables(one.found, one.chosen, basis, replace(options, speculation=one.found.speculation))
        made.decode.save(table)
    if plot is not None:
        write_page(answers, rows, task, aim, tail, plot)
    if as_json:
        print_json(page_data(rows, task, aim, options, tail))
        return
    console = console_of()
    console.print(answer_table(rows, task, aim, tail))
    if model_config is not None and task.model.note:
        console.print(task.model.note, soft_wrap=True, highlight=False, markup=False)
    for name, path in (("Page", plot), ("Step table", table)):
        if path is not None:
            console.print(f"{name}: {path.resolve()}", soft_wrap=True, highlight=False)
    if made is not None and made.note:
        console.print(f"Its maker is {made.decode.maker}: {made.note}", soft_wrap=True, highlight=False)


@perf_app.command()
def predict(
    path: Annotated[Path, typer.Argument(help="CSV of serving points: model, system, lengths, batch, layout.")],
    out: Annotated[Path, typer.Option("--out", callback=out_file, help="CSV to write, with predicted times added.")],
    maker: Annotated[str, typer.Option("--maker", help=_MAKER_HELP)] = "auto",
    overlay: Overlay = None,
) -> None:
    """Predict the times of the serving points in a file."""
    from gigawatt.core.errors import CatalogError
    from gigawatt.core.writing import whole_file
    from gigawatt.perf.predict import predict_file

    frame = predict_file(path, catalog_with(overlay), maker=_asked(maker))
    try:
        with whole_file(out) as part:
            frame.to_csv(part, index=False)
    except OSError as error:
        raise CatalogError(f"cannot write {out}: {error.strerror}; choose another file") from error
    n = int((frame["maker"] != "").sum())
    print(f"{out} is written: {n:,} of {len(frame):,} rows predicted")
    for note, rows in frame.loc[frame["maker"] == "", "note"].value_counts().head(5).items():
        print(f"{rows:,} rows without times: {note}", file=sys.stderr)


def _model(catalog: Catalog, name: str | None, path: Path | None) -> Model:
    from gigawatt.catalog.huggingface import read_config
    from gigawatt.core.errors import CatalogError

    if path is not None and name is None:
        return read_config(path)
    if name is None or path is not None:
        raise CatalogError("name a model or give --model-config, one of both; 'gigawatt show models' lists them")
    return catalog.model(name)


def _systems(catalog: Catalog, asked: str) -> list[System | tuple[System, System]]:
    from gigawatt.catalog.schema import System as Kind
    from gigawatt.core.errors import CatalogError

    chosen: list[System | tuple[System, System]] = []
    for name in dict.fromkeys(names(asked)):
        first, *others = (catalog.system(word) for word in name.split("+"))
        if len(others) > 1 or (others and others[0].kind != "sram"):
            raise CatalogError(f"'{name}' is no hybrid; join a system and one that keeps weights in SRAM: A+B")
        chosen.append((first, others[0]) if others else first)
    known = catalog.all(Kind)
    return chosen or [one for one in known if one.package is not None and one.status in ("shipping", "announced")]


def _task(model: Model, lengths: tuple[int, int, float], slo: str) -> Task:
    from gigawatt.perf.task import Task, with_prefix_hit

    prompt, output, hit = lengths
    limits = _limits(slo)
    return with_prefix_hit(
        Task(
            model=model, prompt=float(prompt), output=float(output), ttft_s=limits.get("ttft"),
            tokens_per_s_user=limits.get("speed"), percentile=limits.get("p", 0.5),
        ),
        hit,
    )  # fmt: skip


def _limits(slo: str) -> dict[str, float]:
    """Limits of ``--slo``: ttft [s], speed [token/s], p from 0 to 1; those that are given."""
    from gigawatt.core.errors import CatalogError, shown

    found: dict[str, float] = {}
    for part in re.split(r"(?<![0-9]),|,(?![0-9])", slo):  # between digits a comma is theirs
        if not part.strip():
            continue
        key, _, text = (piece.strip() for piece in part.partition("="))
        if key not in _LIMITS or not text or "=" in text:
            raise CatalogError(f"{shown(part.strip())} is no limit; write for example {_SLO}")
        name = "speed" if key == "tpot" else key
        if name in found:
            twice = f"speed, or tpot, its inverse, as {key}={text}" if name == "speed" else f"{key}={text}"
            raise CatalogError(f"the limit '{name}' is given twice; write it once, for example {twice}")
        found[name] = _limit(key, text)
    return found


def _limit(key: str, text: str) -> float:
    from gigawatt.core.errors import CatalogError
    from gigawatt.core.units import parse

    if key == "p":
        share = round(parse(f"{text.removeprefix('p').removesuffix('%')} %", "", _SLO), 12)
        if not 0.0 < share < 1.0:
            raise CatalogError(f"a percentile lies between 0 and 100, not at {100 * share:g}; write for example p=99")
        return share
    is_bare = key == "speed" and re.fullmatch(r"[-+0-9.,eE\s]*", text)
    value = parse(text, "" if is_bare else "token/s" if key == "speed" else "s", _SLO)
    if value <= 0.0:
        raise CatalogError(f"the limit '{key}' must be above 0; write for example {key}={_LIMITS[key]}")
    return 1.0 / value if key == "tpot" else value


def _options(backend: str, weights: str, kv: str, speculate: str, max_packages: int, basis: Basis) -> Options:
    from gigawatt.core.errors import CatalogError
    from gigawatt.perf.inference import Speculation
    from gigawatt.perf.operators import BACKENDS
    from gigawatt.perf.precision import STORED_BITS, Cache
    from gigawatt.perf.search import Options

    known = dict.fromkeys((*BACKENDS, *(key for key in basis.inference.offsets if not set(key) & {"/", "@"})))
    if backend and backend not in known:
        raise CatalogError(f"no backend is called '{backend}'; known are {', '.join(known)}")
    if weights and weights not in STORED_BITS:
        raise CatalogError(f"'{weights}' is no way to store weights; known are {', '.join(STORED_BITS)}")
    if kv and kv not in get_args(Cache):
        raise CatalogError(f"'{kv}' is no way to keep the cache; known are {', '.join(get_args(Cache))}")
    guess = Speculation() if speculate in ("", "off") else _drafts(speculate)
    return Options(backend=backend, weights=weights, cache=kv, speculation=guess, max_packages=max_packages)


def _drafts(text: str) -> Speculation:
    from gigawatt.core.errors import CatalogError, shown
    from gigawatt.core.units import parse
    from gigawatt.perf.inference import Speculation

    parts = re.fullmatch(r"([^x]+)x([^x]+)", text)
    tokens, accepted = (parse(part, "", "3x0.7") for part in parts.groups()) if parts else (0.0, 0.0)
    if not (tokens == int(tokens) and 1 <= tokens <= _MOST_DRAFTED and 0.0 <= accepted <= 1.0):
        raise CatalogError(
            f"{shown(text)} is no speculation; write tokens x probability to keep each, for example 3x0.7"
        )
    return Speculation(tokens=int(tokens), accepted=accepted)


def _objective(name: str) -> Objective:
    from gigawatt.core.errors import CatalogError
    from gigawatt.perf.search import OBJECTIVES

    for known in OBJECTIVES:
        if name == known:
            return known
    raise CatalogError(f"'{name}' is no objective; known are {', '.join(OBJECTIVES)}")


def _asked(name: str) -> Asked:
    from gigawatt.core.errors import CatalogError
    from gigawatt.perf.task import ASKED

    for known in ASKED:
        if name == known:
            return known
    raise CatalogError(f"'{name}' makes no times; known are {', '.join(ASKED)}")
