"""What is asked of a search and what it rests on: task, tail of times, options, basis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Literal, get_args

from gigawatt.catalog.load import Catalog
from gigawatt.catalog.schema import Calibration, Costs, Model, Workload
from gigawatt.core.errors import CatalogError
from gigawatt.perf.energy import Power, power_coefficients
from gigawatt.perf.inference import Speculation
from gigawatt.perf.layout import Layout
from gigawatt.perf.predict import Behind, behind_of

Asked = Literal["auto", "measured", "calibrated"]
ASKED: tuple[Asked, ...] = get_args(Asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is asked: a model, mean lengths, the prefix in cache, and limits that hold at a percentile of requests.

    Attributes:
        prompt, output: mean tokens; ``cached`` of the prompt are in cache already.
        ttft_s: longest time to first token [s]; None is no limit.
        tokens_per_s_user: least speed of one user [token/s]; None is no limit.
        percentile: of requests for which both hold; 0.5 is the median.
    """

    model: Model
    prompt: float
    output: float
    cached: float = 0.0
    ttft_s: float | None = None
    tokens_per_s_user: float | None = None
    percentile: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """99th percentile over median of time per output token and of time to first token.

    Medians of 330 valid server and interactive runs of MLPerf Inference v4.1 and v5.1; the middle 80 % of runs lie
    between 1.05 and 1.36 (TPOT), 1.8 and 4.0 (TTFT). Other percentiles by a log-normal law.
    """

    tpot: float = 1.15
    ttft: float = 2.46

    def at(self, percentile: float) -> tuple[float, float]:
        """(TPOT, TTFT) at a percentile over their medians; 1 at and below the median.

        >>> Tail().at(0.5), Tail().at(0.99)
        ((1.0, 1.0), (1.15, 2.46))
        """
        normal = NormalDist()
        power = max(0.0, normal.inv_cdf(percentile)) / normal.inv_cdf(0.99)
        return self.tpot**power, self.ttft**power


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How it is served: backend ("" is the mean of all), stored precisions ("" is as released), speculation.

    ``maker`` is whose step tables are taken: "auto" is measured kernels where they are as near to measured rows as the
    calibrated model; a search is of the calibrated model always. ``layout`` is the only one that decodes,
    ``prefill_layout`` the only one that takes prompts apart from it; a layout without it takes its prompts itself. None
    leaves both to the search.
    """

    backend: str = ""
    weights: str = ""
    cache: str = ""
    speculation: Speculation = field(default_factory=Speculation)
    max_packages: int = 0  # of a replica; 0 is no limit
    maker: Asked = "auto"
    layout: Layout | None = None
    prefill_layout: Layout | None = None
    pipeline_packages: int = 0  # of a replica in SRAM; 0 leaves them to the search


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Numbers that a search rests on: fitted times and power, costs, vendors whose software lags, spare share."""

    inference: Calibration
    dataflow: Calibration
    power: Power
    costs: Costs
    behind: Mapping[str, Behind] = field(default_factory=dict)
    measured: Calibration | None = None
    headroom: tuple[float, float, float] = (0.0, 0.0, 0.0)
    draft: Speculation = field(default_factory=Speculation)
    searched: dict[tuple[object, ...], object] = field(default_factory=dict, repr=False, compare=False)


def basis_of(
    catalog: Catalog, *, inference: str | Calibration = "inference-2026", costs: str = "us-2026",
    efficiency: str = "efficiency-2026",
) -> Basis:  # fmt: skip
    """Basis from entries of the catalogue. Raises CatalogError where one is missing."""
    stated = catalog.efficiency(efficiency)
    return Basis(
        inference=catalog.calibration(inference) if isinstance(inference, str) else inference,
        dataflow=catalog.calibration("dataflow-2026"),
        power=power_coefficients(catalog.calibration("power-2026")),
        costs=catalog.costs(costs),
        behind={vendor: behind_of(catalog, vendor, efficiency) for vendor in stated.software_by_vendor},
        measured=catalog.calibration("measured-2026"),
        headroom=stated.headroom.range,
        draft=Speculation(tokens=round(stated.draft_tokens.value), accepted=stated.draft_accepted.value),
    )


def task_of(workload: Workload, model: Model) -> Task:
    """Task of a class of demand. Raises CatalogError for a class of training."""
    if not (workload.slo and workload.input_tokens and workload.output_tokens and workload.prefix_hit):
        raise CatalogError(f"{workload.name} is no class of inference; it has no lengths and no SLO")
    slo = workload.slo
    task = Task(
        model=model, prompt=workload.input_tokens.value, output=workload.output_tokens.value,
        ttft_s=slo.ttft.value if slo.ttft else None, percentile=slo.percentile.value,
        tokens_per_s_user=slo.speed.value if slo.speed else None,
    )  # fmt: skip
    return with_prefix_hit(task, workload.prefix_hit.value)


def with_prefix_hit(task: Task, hit_frac: float) -> Task:
    """The task with that share of its prompt in cache."""
    return replace(task, cached=task.prompt * hit_frac)
