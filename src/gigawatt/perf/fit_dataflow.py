"""Published speeds of SRAM machines, the fit of the dataflow model on one of each, and what it predicts of the others.

Rules, made for all rows alike:

- A row is *plain* where no draft model can be in it: Groq's endpoints not called "specdec" (it names those that
  speculate), and Cerebras before October 2024, when it announced speculation.
- A row is *speculative* where the vendor says so, or, with Cerebras, for Llama of 70 B and more since then: that is
  what it announced speculation for.
- All other rows of Cerebras since then are *unstated*. They are predicted and shown, and not scored.
- Recalled figures (source "recalled") are shown and not scored.
- The time of a block is fitted on one plain row a machine, the first that its vendor published with a size: Llama 3.1
  8B at 1,800 tokens/s on one wafer, Llama 2 70B at 300 on 576 LPUs. Speculation multiplies all machines by one
  number, fitted on one row (Llama 3.1 70B at 2,100 on CS-3). Nothing else is fitted, and nothing is fitted by row.
- Weights are 16 bit on wafers (Cerebras' statement for its launch; assumed since) and 8 bit on LPUs (isopack-groq).
- Chips are those published, else the fewest that hold weights and one sequence of 4,096 tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gigawatt.catalog.schema import Calibration, Coefficient, Model, System
from gigawatt.perf.dataflow import Replica, replica

Speculation = Literal["none", "stated", "unstated"]
Role = Literal["fit", "predict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published output speed of one user [token/s]: who measured it, where it was read, what it may include."""

    system: str
    model: str
    speed: float
    by: str
    source: str
    as_of: str
    speculation: Speculation
    precision: str
    n_packages: int = 0  # 0: not published
    context: float = 4096.0
    role: Role = "predict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """A published speed beside the predicted one [token/s].

    ``low`` and ``high`` are the slow and the fast end of the prediction; ``error`` is predicted over published, less 1.
    """

    row: Published
    predicted: float
    low: float
    high: float
    n_packages: int
    error: float
    is_scored: bool


def _cerebras(model: str, speed: float, by: str, source: str, as_of: str, speculation: Speculation) -> Published:
    return Published(
        system="cs-3", model=model, speed=speed, by=by, source=source, as_of=as_of, speculation=speculation,
        precision="bf16",
    )  # fmt: skip


def _groq(model: str, speed: float, by: str, source: str, as_of: str, n_packages: int = 0) -> Published:
    return Published(
        system="groq-lpu-v1", model=model, speed=speed, by=by, source=source, as_of=as_of, speculation="none",
        precision="int8", n_packages=n_packages,
    )  # fmt: skip


AA = "Artificial Analysis"

PUBLISHED: tuple[Published, ...] = (
    replace(_cerebras("llama-3.1-8b", 1800, AA, "cerebras-launch", "2024-08", "none"), role="fit", n_packages=1),
    replace(_cerebras("llama-3.1-70b", 450, AA, "cerebras-launch", "2024-08", "none"), n_packages=4),
    replace(_cerebras("llama-3.1-70b", 2100, "vendor", "cerebras-3x", "2024-10", "stated"), role="fit", n_packages=4),
    _cerebras("llama-3.1-70b", 2314, "press", "cfcbrs", "2026-06", "stated"),
    _cerebras("llama-3.1-405b", 969, "vendor", "cerebras-405b", "2024-11", "stated"),
    _cerebras("llama-3.1-8b", 2200, "vendor", "cerebras-models", "2025-08", "unstated"),
    _cerebras("qwen3-32b", 2600, "vendor", "cerebras-models", "2025-08", "unstated"),
    _cerebras("gpt-oss-120b", 1705.8, AA, "alat", "2026-05", "unstated"),
    _cerebras("gpt-oss-120b", 1844, AA, "aa120", "2026", "unstated"),
    _cerebras("gpt-oss-120b", 2059, AA, "semianalysis-cerebras", "2026", "unstated"),
    _cerebras("gpt-oss-120b", 3000, "vendor", "cerebras-models", "2025-08", "unstated"),
    _cerebras("qwen3-235b", 1400, "vendor", "cerebras-models", "2025-08", "unstated"),
    _cerebras("kimi-k2", 981, "vendor", "semianalysis-cerebras", "2026", "unstated"),
    _cerebras("llama-4-scout", 2600, "vendor", "cerebras-models", "2025-08", "unstated"),
    _cerebras("llama-4-maverick", 2400, "vendor", "cerebras-models", "2025-08", "unstated"),
    replace(_groq("llama-2-70b", 300, "vendor", "groq-launch", "2024-02", 576), role="fit"),
    _groq("llama-2-7b", 750, "vendor", "groq-launch", "2024-02"),
    _groq("mixtral-8x7b", 480, "vendor", "groq-launch", "2024-02"),
    _groq("llama-3.1-8b", 877, AA, "groq-llama3", "2024-04"),
    _groq("llama-3.1-8b", 750, "press", "groq-2026", "2026-04"),
    _groq("llama-3.1-8b", 560, "press", "groq-scout", "2026"),
    _groq("llama-3.1-70b", 280, AA, "groq-llama3", "2024-04", 576),
    _groq("llama-3.1-70b", 250, "vendor", "groq-specdec", "2024-11", 576),
    _groq("llama-3.1-70b", 270, "press", "groq-2026", "2026-04", 576),
    _groq("llama-3.1-70b", 330, "press", "kick", "2026-04", 576),
    _groq("gpt-oss-120b", 476, AA, "dreaming", "2026"),
    _groq("gpt-oss-120b", 500, "vendor", "groqrate", "2026"),
    _groq("llama-4-maverick", 276, AA, "mav", "2025-05"),
    _groq("llama-4-scout", 460, "press", "groq-scout", "2026"),
    replace(_groq("llama-3.1-70b", 1665, AA, "groq-specdec", "2024-11", 576), speculation="stated"),
    _groq("llama-4-maverick", 549, AA, "recalled", "2025"),
    _groq("gpt-oss-20b", 1000, "vendor", "recalled", "2025"),
    _groq("qwen3-32b", 400, "vendor", "recalled", "2025"),
    _groq("kimi-k2", 185, "vendor", "recalled", "2025"),
)

# Shapes of models that only these rows need; the catalogue's own entry wins where there is one.
_SHAPES: dict[str, tuple[str, str, float, float, dict[str, float | int | str]]] = {
    "llama-2-7b": ("Llama 2 7B", "hf-llama-2", 6.74e9, 6.74e9, {
        "n_layers": 32, "hidden": 4096, "n_heads": 32, "n_kv_heads": 32, "attention": "mha", "intermediate": 11008,
        "vocabulary": 32000, "max_context": 4096}),
    "llama-2-70b": ("Llama 2 70B", "hf-llama-2", 69.0e9, 69.0e9, {
        "n_layers": 80, "hidden": 8192, "n_heads": 64, "n_kv_heads": 8, "attention": "gqa", "intermediate": 28672,
        "vocabulary": 32000, "max_context": 4096}),
    "mixtral-8x7b": ("Mixtral 8x7B", "hf-mixtral", 46.7e9, 12.9e9, {
        "n_layers": 32, "hidden": 4096, "n_heads": 32, "n_kv_heads": 8, "attention": "gqa", "intermediate": 14336,
        "n_experts": 8, "experts_per_token": 2, "moe_intermediate": 14336, "vocabulary": 32000, "max_context": 32768}),
    "llama-4-scout": ("Llama 4 Scout", "hf-llama-4", 109e9, 17e9, {
        "n_layers": 48, "hidden": 5120, "n_heads": 40, "n_kv_heads": 8, "attention": "gqa", "intermediate": 16384,
        "n_experts": 16, "experts_per_token": 1, "n_shared_experts": 1, "moe_intermediate": 8192,
        "vocabulary": 202048, "max_context": 10485760}),
    "llama-4-maverick": ("Llama 4 Maverick", "hf-llama-4", 400e9, 17e9, {
        "n_layers": 48, "hidden": 5120, "n_heads": 40, "n_kv_heads": 8, "attention": "gqa", "intermediate": 16384,
        "n_dense_layers": 24, "n_experts": 128, "experts_per_token": 1, "n_shared_experts": 1,
        "moe_intermediate": 8192, "vocabulary": 202048, "max_context": 1048576}),
}  # fmt: skip


def extra_models() -> dict[str, Model]:
    """Models of published rows that the catalogue need not hold, by id."""
    found = {}
    for key, (name, source, total, active, shape) in _SHAPES.items():
        fact = {"source": source, "kind": "datasheet", "as_of": "2024"}
        found[key] = Model.model_validate({
            "id": key, "name": name, "family": "published", "weights_precision": "bf16", "kv_precision": "bf16",
            "params_total": {"value": total, **fact}, "params_active": {"value": active, **fact},
            "architecture": {**fact, "head_dim": 128, **shape},
        })  # fmt: skip
    return found


def replica_of(row: Published, system: System, model: Model, calibration: Calibration) -> Replica:
    """The replica behind a published speed: chips as published, else the fewest.

    Raises:
        ValueError: the machine cannot hold the model.
    """
    copy = replica(system, model, calibration, precision=row.precision, context=row.context)
    if copy.reason:
        raise ValueError(copy.reason)
    return replace(copy, n_packages=row.n_packages) if row.n_packages else copy


def seconds_of(row: Published, copy: Replica) -> tuple[float, float, float]:
    """Time of a token for one user without speculation [s]: fast, central, slow."""
    fast, central, slow = copy.decode_seconds(np.ones(1), np.array([row.context]))[:, 0, 0]
    return float(fast), float(central), float(slow)


def implied_sync_s(row: Published, copy: Replica) -> float:
    """Time of one synchronised block that makes the central prediction equal to the row [s]; below 0 if it is slower.

    t_sync = (1 / speed - t without synchronisation) / n_sync
    """
    sync = copy.coefficients.sync_s[1] if copy.coefficients else 0.0
    rest = seconds_of(row, copy)[1] - copy.n_sync * float(sync)
    return (1.0 / row.speed - rest) / copy.n_sync


Find = Callable[[str], System]
FindModel = Callable[[str], Model]


def fit_dataflow(
    rows: Iterable[Published], system: Find, model: FindModel, prior: Calibration
) -> dict[str, Coefficient]:
    """Coefficients that are fitted: one block time a machine, one multiple for speculation.

    A range is what the fit gives on each other scored row of the same kind, not below 0. A machine without rows takes
    the geometric mean of the machines with rows, between the fastest and the slowest of them.

    Args:
        rows: published speeds; one plain row a machine and one speculative row have the role "fit".
        system: looks a machine up.
        model: looks a model up.
        prior: the coefficients that are not fitted; its block times do not matter.

    Returns:
        Coefficients by name, ``sync_s.<machine>``, ``sync_s.unmeasured`` and ``speculation``.

    Raises:
        ValueError: a machine has no row to fit on, or more than one.
    """
    scored = [row for row in rows if row.source != "recalled" and row.speculation != "unstated"]
    found: dict[str, Coefficient] = {}
    current = prior
    for name in dict.fromkeys(row.system for row in scored):
        plain = [row for row in scored if row.system == name and row.speculation == "none"]
        first = _only([row for row in plain if row.role == "fit"], f"plain rows of {name}")
        implied = {
            id(row): implied_sync_s(row, replica_of(row, system(name), model(row.model), current)) for row in plain
        }
        value, others = implied[id(first)], [max(0.0, one) for one in implied.values()]
        found[f"sync_s.{name}"] = Coefficient(
            value=value, low=min(others), high=max(others), unit="s",
            meaning=f"one synchronised block on {system(name).name}, from {first.model} at {first.speed:g} token/s",
        )  # fmt: skip
    centre = [row.value for row in found.values()]
    found["sync_s.unmeasured"] = Coefficient(
        value=math.exp(sum(math.log(one) for one in centre) / len(centre)), low=min(centre), high=max(centre), unit="s",
        meaning="one synchronised block on a machine without published speeds: geometric mean of those with",
    )  # fmt: skip
    current = prior.model_copy(update={"coefficients": {**prior.coefficients, **found}})
    drafted = [row for row in scored if row.speculation == "stated"]
    first = _only([row for row in drafted if row.role == "fit"], "speculative rows")
    gains = {
        id(row): row.speed * seconds_of(row, replica_of(row, system(row.system), model(row.model), current))[1]
        for row in drafted
    }
    found["speculation"] = Coefficient(
        value=gains[id(first)], low=min(gains.values()), high=max(gains.values()), unit="",
        meaning=f"speed with a draft model over speed without, from {first.model} at {first.speed:g} on {first.system}",
    )  # fmt: skip
    return found


def _only(rows: Sequence[Published], what: str) -> Published:
    if len(rows) != 1:
        raise ValueError(f"{what}: {len(rows)} have the role 'fit'; exactly one is needed")
    return rows[0]


def residuals(
    rows: Iterable[Published], system: Find, model: FindModel, calibration: Calibration
) -> tuple[Residual, ...]:
    """Every row beside its prediction, in the order of ``rows``; speculative ones times the one multiple."""
    found = []
    for row in rows:
        copy = replica_of(row, system(row.system), model(row.model), calibration)
        fast, central, slow = seconds_of(row, copy)
        gain = calibration.coefficients["speculation"].value if row.speculation == "stated" else 1.0
        scored = row.role == "predict" and row.speculation != "unstated" and row.source != "recalled"
        found.append(Residual(
            row=row, predicted=gain / central, low=gain / slow, high=gain / fast, n_packages=copy.n_packages,
            error=gain / central / row.speed - 1.0, is_scored=scored,
        ))  # fmt: skip
    return tuple(found)


def summary(rows: Sequence[Residual]) -> dict[str, float]:
    """Errors of the rows that no coefficient was fitted on, by name, as they stand in the catalogue."""
    groups = {
        "plain, not fitted": [one for one in rows if one.is_scored and one.row.speculation == "none"],
        "speculative, not fitted": [one for one in rows if one.is_scored and one.row.speculation == "stated"],
        "unstated, not scored": [one for one in rows if one.row.speculation == "unstated"],
    }
    found: dict[str, float] = {}
    for name, group in groups.items():
        if group:
            errors = np.abs([one.error for one in group])
            found[f"{name}: rows"] = float(len(group))
            found[f"{name}: median |error|"] = float(np.median(errors))
            found[f"{name}: largest |error|"] = float(np.max(errors))
            found[f"{name}: share within 20 %"] = float(np.mean(errors <= 0.2))
    return found
