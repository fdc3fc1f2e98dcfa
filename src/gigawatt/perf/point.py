"""What a system does for a class of demand at its SLO: the one type the planner reads from physics."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gigawatt.catalog.schema import Package, System
from gigawatt.core.errors import CatalogError


def require_figures(system: System) -> Package:
    """Package of a system that can be planned. Raises CatalogError with the catalogue's sentence where it cannot."""
    if system.status == "undisclosed" or system.package is None:
        raise CatalogError(f"{system.id} cannot be planned: {system.refusal}")
    return system.package


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingPoint:
    """Best legal operating point of one unit (rack, server or machine) for one workload at its SLO.

    ``precision`` says in words how it computes, ``weights`` how they are stored. ``output_tokens_per_s`` counts
    generated tokens of the whole unit; ``speed`` is what each user sees, in the median. The SLO holds at ``percentile``
    of requests. ``it_power_w`` is rated power, ``busy_power_w`` what the work draws.
    ``reason`` is empty where the SLO is met, else one sentence naming what stands in the way; then all rates are 0.
    """

    system: str
    workload: str
    precision: str = ""
    weights: str = ""
    layout: str = ""
    prefill_layout: str = ""
    output_tokens_per_s: float = 0.0
    output_tokens_per_s_low: float = 0.0
    output_tokens_per_s_high: float = 0.0
    it_power_w: float = 0.0
    busy_power_w: float = 0.0
    n_packages_per_replica: int = 0
    batch_size: float = 0.0
    speed_tokens_per_s_user: float = 0.0
    ttft_s: float = 0.0
    percentile: float = 0.5
    draft_tokens: int = 0
    band: str = ""
    maker: str = "calibrated"
    reason: str = ""

    @property
    def is_served(self) -> bool:
        """True where the system meets the workload's SLO."""
        return not self.reason

    def derated(self, factor: float) -> ServingPoint:
        """The point with a factor on its output."""
        return replace(
            self, output_tokens_per_s=self.output_tokens_per_s * factor,
            output_tokens_per_s_low=self.output_tokens_per_s_low * factor,
            output_tokens_per_s_high=self.output_tokens_per_s_high * factor,
        )  # fmt: skip

    @property
    def output_tokens_per_j(self) -> float:
        """Generated tokens per joule of IT energy [token/J], that is token/s per W."""
        return self.output_tokens_per_s / self.it_power_w if self.it_power_w else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPoint:
    """Effective training compute of one unit: dense peak x MFU [FLOP/s], with its IT power [W]."""

    system: str
    workload: str
    precision: str = ""
    effective_flops: float = 0.0
    it_power_w: float = 0.0
    reason: str = ""

    @property
    def is_served(self) -> bool:
        """True where the system can run the training class at all."""
        return not self.reason

    @property
    def flop_per_j(self) -> float:
        """FLOP per joule of IT energy [FLOP/J], that is FLOP/s per W."""
        return self.effective_flops / self.it_power_w if self.it_power_w else 0.0
