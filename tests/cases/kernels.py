"""Stand-ins for measured kernels, and a calibration from priors alone."""

from __future__ import annotations

from dataclasses import dataclass

from gigawatt.catalog.schema import Calibration, Coefficient
from gigawatt.perf.fit_inference import PRIORS


@dataclass(frozen=True)
class Stub:
    """Linear times in ms: decode 8 + b + b c / 10^4, prefill 6 + n / 10 + q / 10^4, mixed their sum less ``shared``."""

    shared: float = 5.0
    provenance: str | None = None
    dips: bool = False

    def predict_decode_latency(self, bs: int, isl: int, osl: int = 2) -> float:
        return 8.0 + bs + bs * isl * 1e-4 - (1.5 if self.dips and bs == 2 else 0.0)

    def predict_prefill_latency(self, bs: int, isl: int, prefix: int = 0) -> float:
        assert bs == 1 and isl > prefix
        return 6.0 + 0.1 * (isl - prefix) + 1e-4 * prefix

    def mixed_step_latency(self, ctx_tokens: int, gen_tokens: int, isl: int, osl: int) -> float:
        assert ctx_tokens == isl
        decode = self.predict_decode_latency(gen_tokens, isl + osl // 2)
        return decode + self.predict_prefill_latency(1, isl) - self.shared

    def last_provenance(self) -> str | None:
        return self.provenance


def from_priors(**bands: tuple[float, float]) -> Calibration:
    """A calibration of priors alone, so that numbers do not move with a new fit."""
    made = {
        name: Coefficient(value=value, low=value, high=value, unit=unit, meaning=meaning)
        for name, (value, _, unit, meaning) in PRIORS.items()
    }
    for name, (low, high) in bands.items():
        made[name] = Coefficient(value=1.0, low=low, high=high, unit="1", meaning="band")
    return Calibration(
        id="priors", name="Priors", purpose="inference", source="own", fitted="never", rows=0, coefficients=made,
        offsets={"vllm/llama": {"work": 1.0}}, residuals={},
    )  # fmt: skip
