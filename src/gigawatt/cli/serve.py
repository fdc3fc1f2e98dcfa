"""``gigawatt replay``: a trace of requests on a cluster of one system."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gigawatt.cli.common import Json, Overlay, catalog_with, console_of, print_json
from gigawatt.cli.given import out_file, real, whole
from gigawatt.cli.perf import _MAKER_HELP, _SLO_HELP

if TYPE_CHECKING:
    from gigawatt.demand.requests import Requests
    from gigawatt.demand.traces import Trace
    from gigawatt.study.cluster import Cluster
    from gigawatt.study.replay import How, Replayed

_QUIET_S = 2.0  # what is over sooner shows no progress


def replay(
    trace: Annotated[str, typer.Argument(help="File of requests, or a public trace of 'gigawatt data list'.")],
    system: Annotated[str, typer.Option("--system", help="System by id or alias; A+B is a hybrid.")],
    model: Annotated[str, typer.Option("--model", help="Model by id, alias or Hugging Face name.")],
    replicas: Annotated[int, typer.Option("--replicas", parser=whole(1), help="Replicas that decode.")],
    prefill_replicas: Annotated[
        int | None,
        typer.Option(
            "--prefill-replicas",
            parser=whole(1),
            help="Replicas that take prompts where the layout has them apart; else as many as are balanced and of use.",
        ),
    ] = None,
    layout: Annotated[
        str | None, typer.Option("--layout", help="Of a replica: 'tp8', or 'tp8 + tp4' as decode + prefill.")
    ] = None,
    precision: Annotated[str | None, typer.Option("--precision", help="How weights are stored: nvfp4, fp8...")] = None,
    router: Annotated[str, typer.Option("--router", help="round_robin, least, two_choices or affinity.")] = "least",
    prefix_cache: Annotated[
        str,
        typer.Option("--prefix-cache", help="own (of each replica), infinite, off, or bytes of a store such as 2TB."),
    ] = "own",
    concurrency: Annotated[
        int,
        typer.Option("--concurrency", parser=whole(0), help="Requests in flight of a closed loop; 0 goes by arrivals."),
    ] = 0,
    slo: Annotated[str, typer.Option("--slo", help=_SLO_HELP)] = "",
    speculate: Annotated[
        str, typer.Option("--speculate", help="Tokens drafted a pass and probability to keep one: 3x0.7; else none.")
    ] = "",
    backend: Annotated[str, typer.Option("--backend", help="vllm, sglang or trtllm; else the mean of them.")] = "",
    maker: Annotated[str, typer.Option("--maker", help=_MAKER_HELP)] = "auto",
    max_sequences: Annotated[
        int | None, typer.Option("--max-sequences", parser=whole(1), help="Running requests of a replica.")
    ] = None,
    token_budget: Annotated[
        int | None, typer.Option("--token-budget", parser=whole(1), help="Tokens of one iteration of a replica.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", parser=whole(1), help="Replay the first rows only.")] = None,
    scale: Annotated[float, typer.Option("--scale", parser=real(), help="Times as many arrivals a second.")] = 1.0,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out and list rows that do not stand.")] = False,
    open_loop: Annotated[
        bool, typer.Option("--open-loop", help="Send rows of sessions at their arrival, whatever became of others.")
    ] = False,
    requests: Annotated[
        Path | None, typer.Option("--requests", callback=out_file, help="Parquet with a row a request to write.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", help="File of an interrupted replay to go on with.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", parser=whole(0), help="Of what is drawn.")] = 0,
    overlay: Overlay = None,
    as_json: Json = False,
) -> None:
    """Replay a trace on a cluster, request by request: times, throughput, prefix hits, energy."""
    from gigawatt.cli.perf import _asked, _model, _options, _task
    from gigawatt.core.errors import TraceError
    from gigawatt.perf.task import basis_of
    from gigawatt.report.replay import many_left_out, replay_table
    from gigawatt.study.cluster import Cluster, Limits
    from gigawatt.study.replay import How

    if not 0.0 < scale < float("inf"):
        raise TraceError(f"a scale of {scale:g} gives no arrivals; write a number above 0, for example 2")
    catalog = catalog_with(overlay)
    chosen = _model(catalog, model, None)
    task = _task(chosen, (1, 1, 0.0), slo)
    options = _options(backend, precision or "", "", speculate, 0, basis_of(catalog))
    cluster = Cluster(
        system=system, model=chosen, n_replicas=replicas, n_prefill=prefill_replicas, layout=layout,
        precision=precision, router=router, prefix_cache=_cache(prefix_cache), backend=backend, maker=_asked(maker),
        speculation=options.speculation,
        max_sequences=max_sequences, token_budget=token_budget,
    )  # fmt: skip
    limits = Limits(ttft_s=task.ttft_s, tokens_per_s_user=task.tokens_per_s_user, percentile=task.percentile)
    how = How(
        limits=limits if slo else None, concurrency=concurrency, seed=seed, skip_bad=skip_bad, requests=requests,
        resume=resume,
    )  # fmt: skip
    with _live() as (say, bar):
        read, rows = _read(trace, limit, skip_bad, scale, open_loop, say)
        done = _replayed(rows, cluster, how, catalog, say, bar)
    bad = [*read.bad, *done.bad]
    if not done.is_finished:
        _keep(done, resume)
    if as_json:
        told = done.to_dict() | {"bad_rows": [{"line": one.line, "reason": one.reason} for one in bad]}
        print_json(told | {"trace_notes": list(read.notes)})
    else:
        console_of().print(replay_table(done, trace, len(bad)))
        for note in (*read.notes, done.to_dict()["note"]):
            print(note)
        for one in bad[:20]:
            print(f"row {one.line:,} is left out: {one.reason}")
    if many := many_left_out(len(bad), done.requests):
        print(many, file=sys.stderr)
    if requests is not None:
        print(f"{requests} is written", file=sys.stderr)
    if not done.is_finished:
        raise SystemExit(130)


_MOST_CACHE = 1e18
"""An exabyte, more than any fleet's [byte]; what has no end is called infinite."""


def _cache(text: str) -> str | float:
    """``own``, ``infinite``, ``off`` or bytes."""
    from gigawatt.core.errors import CatalogError
    from gigawatt.core.units import parse

    if text in ("own", "infinite", "off"):
        return text
    size = parse(text, "byte", "own, infinite, off or a size such as 2TB")
    if not 0.0 <= size <= _MOST_CACHE:
        raise CatalogError(f"'{text}' is no prefix cache; write own, infinite, off or a size such as 2TB")
    return size


def _read(
    name: str, limit: int | None, skip_bad: bool, scale: float, open_loop: bool, say: Callable[[str], None]
) -> tuple[Trace, Requests]:
    """(trace as it stands in the file, requests to send)."""
    from gigawatt.demand.public import unchanged
    from gigawatt.demand.traces import read_trace

    read = read_trace(unchanged(name), limit=limit, skip_bad=skip_bad, say=say)
    requests = read.requests.open_loop() if open_loop else read.requests
    return read, requests.faster(scale)


def _replayed(
    requests: Requests, cluster: Cluster, how: How, catalog: Any, say: Callable[[str], None], bar: Callable[..., None]
) -> Replayed:
    from gigawatt.study.replay import replay as run

    total = len(requests)

    def tick(ended: int) -> bool:
        bar(ended, total)
        return True

    return run(requests, cluster, catalog=catalog, how=how, say=say, tick=tick)


@contextmanager
def _live() -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None]]]:
    """What is going on and how far it is, on standard error, once it has taken 2 s."""
    started = time.monotonic()
    console = console_of(error=True)
    if not console.is_terminal:
        shown = [started]

        def plain(ended: int, total: int) -> None:
            now = time.monotonic()
            if now - shown[0] > _QUIET_S:
                shown[0] = now
                print(f"  {ended:,} of {total:,} requests", file=sys.stderr)

        yield lambda text: print(f"  {text}", file=sys.stderr), plain
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task("starting", total=None, visible=False)

        def say(text: str) -> None:
            progress.update(task, description=text, visible=time.monotonic() - started > _QUIET_S or "once" in text)

        def bar(ended: int, total: int) -> None:
            progress.update(task, completed=ended, total=total, visible=time.monotonic() - started > _QUIET_S)

        yield say, bar


def _keep(done: Replayed, resumed: Path | None) -> None:
    """Writes what an interrupted replay goes on with, and says so."""
    path = resumed or Path(f"replay-{done.key[:12]}.npz")
    done.save(path)
    print(
        f"stopped after {done.ended:,} of {done.requests:,} requests; the figures are of those. The same command with "
        f"--resume {path} goes on",
        file=sys.stderr,
    )
