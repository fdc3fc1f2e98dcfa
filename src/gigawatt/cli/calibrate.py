"""``gigawatt calibrate``: the catalogue's fits again from public data, or one's own cluster from its benchmarks."""

from __future__ import annotations

import datetime
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gigawatt.cli.common import Overlay, catalog_with, console_of, progress
from gigawatt.cli.given import out_folder

if TYPE_CHECKING:
    from gigawatt.catalog.load import Catalog


def calibrate(
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of public measurements: fit everything again.")
    ] = None,
    bench: Annotated[
        list[Path] | None,
        typer.Option("--bench", help="Result of 'vllm bench serve --save-result' on your cluster (repeatable)."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Name for your cluster's software, with --bench.")] = "",
    system: Annotated[str, typer.Option("--system", help="The cluster's system, with --bench.")] = "",
    layout: Annotated[
        str, typer.Option("--layout", help="Layout of the replica: tp8, 'tp1 dp8 ep8', tp4,pp2; with --bench.")
    ] = "",
    model: Annotated[str, typer.Option("--model", help="The model; else as the results name it.")] = "",
    weights: Annotated[str, typer.Option("--weights", help="How weights are stored; else as released.")] = "",
    backend: Annotated[
        str, typer.Option("--backend", help="Backend whose offsets are the start: vllm, sglang or trtllm.")
    ] = "vllm",
    out: Annotated[
        Path, typer.Option("--out", callback=out_folder, help="Folder to write, used with --catalog.")
    ] = Path("calibrated"),
    overlay: Overlay = None,
) -> None:
    """Fit the performance models: on a folder of public measurements, or on benchmarks of your own cluster."""
    for library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before numpy: small matrices are faster on one thread
        os.environ.setdefault(library, "1")

    if (data is None) == (not bench):
        _refuse("give either --data FOLDER or --bench FILE (with --name, --system and --layout)")
    catalog = catalog_with(overlay)
    if data is not None:
        _everything(data, out, catalog)
    else:
        assert bench
        _cluster(bench, name, system, layout, model, weights, backend, out, catalog)


def _refuse(sentence: str) -> NoReturn:
    from gigawatt.core.errors import CatalogError

    raise CatalogError(sentence)


def _everything(data: Path, out: Path, catalog: Catalog) -> None:
    from gigawatt.catalog.reading import read_yaml
    from gigawatt.catalog.schema import Calibration
    from gigawatt.perf.calibrate import calibrate_all
    from gigawatt.report.calibration import residuals_table

    try:
        with progress() as say:
            files = calibrate_all(data, out, catalog, datetime.date.today().isoformat()[:7], say)
    except OSError as error:
        _refuse(f"{error.filename or data}: {error.strerror or error}")
    console = console_of()
    for path in files:
        entry = Calibration.model_validate(read_yaml(path))
        console.print(residuals_table(entry.name, entry.residuals))
    for path in files:
        console.print(str(path), highlight=False, soft_wrap=True)
    console.print(f"Use them with --catalog {out}", highlight=False, soft_wrap=True)


def _cluster(
    files: list[Path], name: str, system: str, layout: str, model: str, weights: str, backend: str, out: Path,
    catalog: Catalog,
) -> None:  # fmt: skip
    from gigawatt.perf.calibrate import calibrate_bench, named_model, read_bench, write
    from gigawatt.perf.layout import parse_layout
    from gigawatt.perf.operators import BACKENDS
    from gigawatt.report.calibration import bench_table

    for option, value in (("--name", name), ("--system", system), ("--layout", layout)):
        if not value:
            _refuse(f"--bench needs {option}, for example --name my-cluster --system h200 --layout tp8")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name) or name in BACKENDS:
        _refuse(f"'{name}' cannot name a cluster: lower case letters, digits, hyphens, and not {', '.join(BACKENDS)}")
    if backend not in BACKENDS:
        _refuse(f"'{backend}' is no backend that was measured; known are {', '.join(BACKENDS)}")
    read = [one for path in files for one in read_bench(path)]
    if not read:
        _refuse(f"{', '.join(map(str, files))}: no result stands in it")
    chosen = catalog.model(model or named_model(read))
    machine = catalog.system(system)
    if machine.package is None or machine.status == "undisclosed" or machine.kind == "sram":
        _refuse(f"{machine.name} cannot be calibrated from benchmarks; {machine.refusal or 'it is a dataflow machine'}")
    ranks = parse_layout(layout, chosen)
    with progress() as say:
        say(f"fit of {len(read)} result{'s' if len(read) > 1 else ''}")
        entry, results = calibrate_bench(
            files, name=name, system=machine.id, layout=ranks, catalog=catalog,
            calibration=catalog.calibration("inference-2026"), model=chosen.id, weights=weights, backend=backend,
        )  # fmt: skip
    try:
        path = write(entry, out, "inference")
    except OSError as error:
        _refuse(f"cannot write into {out}: {error.strerror}; choose another folder")
    console = console_of()
    console.print(bench_table(results))
    console.print(f"{path} is written.", highlight=False, soft_wrap=True)
    console.print(
        f"Use it: gigawatt perf {chosen.id} --systems {machine.id} --backend {name} --catalog {out}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
