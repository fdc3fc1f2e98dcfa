"""Published points of whole serving comparisons against the search: none was used in a fit.

A point names chip, model, nominal lengths, precision and speed of a user; its rate is tokens a second a package. The
page does not say of which tokens; prompts and answers together is what its rates at 8k/1k can only mean. The
prediction is the best rate at that speed over all layouts, once without and once with speculation as planning takes it,
as the points do not say whether they speculate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gigawatt.catalog.load import Catalog
from gigawatt.catalog.schema import Model
from gigawatt.core.errors import CatalogError
from gigawatt.perf.rows import LENGTH_RATIO, read_csv
from gigawatt.perf.search import Basis, Options, Task, best, candidates

COMPARED = Path("published_tables") / "inferencex_compare_points.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One published point: speed [token/s a user], rates a package [token/s], prompts counted; or why none."""

    model: str
    chip: str
    lengths: str
    precision: str
    speed: float
    published: float
    plain: float = float("nan")
    speculating: float = float("nan")
    reason: str = ""


def compare(data: Path, catalog: Catalog, basis: Basis) -> tuple[Compared, ...]:
    """Every published point of the data folder, predicted where it can be."""
    return tuple(_compared(row, catalog, basis) for row in read_csv(data / COMPARED).itertuples())


def _compared(row: object, catalog: Catalog, basis: Basis) -> Compared:
    text = {name: str(getattr(row, name)) for name in ("model", "chip", "isl_osl", "precision")}
    published = float(getattr(row, "tok_s_per_gpu"))  # noqa: B009
    point = Compared(
        model=text["model"], chip=text["chip"], lengths=text["isl_osl"], precision=text["precision"],
        speed=float(getattr(row, "interactivity_tok_s_user")), published=published,  # noqa: B009
    )  # fmt: skip
    if np.isnan(published):
        return replace(point, reason="states dollars and no rate")
    if "(" in point.chip:
        return replace(point, reason="states neither lengths of its batches nor how much it speculates")
    try:
        system, model = catalog.system(point.chip), catalog.model(point.model)
    except CatalogError as error:
        return replace(point, reason=str(error).split(";")[0])
    prompt, output = (1024.0 * LENGTH_RATIO * float(word.removesuffix("k")) for word in point.lengths.split("/"))
    task = Task(model=model, prompt=prompt, output=output, tokens_per_s_user=point.speed)
    options = Options(weights=_stored(point.precision, model))
    rates = []
    for ways in (options, replace(options, speculation=basis.draft)):
        chosen = best(candidates(system, task, basis, ways), basis, "package")
        if not chosen.is_served:
            return replace(point, reason=chosen.reason)
        rates.append(chosen.tokens_per_s_package * (prompt + output) / output)
    return replace(point, plain=rates[0], speculating=rates[1])


def _stored(precision: str, model: Model) -> str:
    """Storage that a published precision means: as released where it has those bits."""
    released = model.weights_precision
    if precision == "fp8":
        return released if released.startswith("fp8") else "fp8"
    if precision == "fp4":
        return released if released in ("mxfp4", "nvfp4") else "nvfp4"
    return precision
