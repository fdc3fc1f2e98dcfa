"""Fitting the operator model to measured serving points.

Robust least squares on log(predicted / measured) of TPOT, and of TTFT where little queues, with a prior on every
coefficient in the log. Priors are what kernel tables and data sheets say, so that a coefficient that the rows do not
determine stays there. Offsets of backends (by family, precision, generation) are shrunk to 1: what carries to a chip
or a family that nobody measured is the physics and the part that all share.
Loss: sum of log(1 + (e/s)^2), which forgets outliers. Derivatives by offsets follow from six by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.schema import Calibration, Coefficient
from gigawatt.perf.inference import served
from gigawatt.perf.operators import SIDES, Floats, Pass, Software, Work, stacked
from gigawatt.perf.rows import Point

# name: (prior, standard deviation of its logarithm, unit, meaning)
PRIORS: dict[str, tuple[float, float, str, str]] = {
    "read": (0.88, 0.08, "1", "achieved over peak bandwidth reading matrices (kernel tables: 0.75 to 0.86 large)"),
    "read_4bit": (0.55, 0.25, "1", "the same for dense 4-bit matrices, relative (kernel tables: 0.4 to 0.6)"),
    "read_experts": (0.75, 0.2, "1", "achieved over peak bandwidth reading experts"),
    "read_4bit_experts": (0.85, 0.15, "1", "the same for 4-bit experts, relative"),
    "read_cache": (0.75, 0.2, "1", "achieved over peak bandwidth reading the cache (kernel tables: 0.67 to 0.86)"),
    "popularity": (2.0, 0.6, "1", "shape of the gamma distribution of experts' popularity; infinity is uniform"),
    "compute": (0.85, 0.15, "1", "achieved over power-limited peak of dense matrices"),
    "compute_experts": (0.45, 0.3, "1", "achieved over power-limited peak of grouped matrices"),
    "compute_attention": (0.40, 0.3, "1", "achieved over power-limited 16-bit peak of prompt attention"),
    "compute_latent": (0.5, 0.4, "1", "achieved over power-limited 16-bit peak of latent attention in decode"),
    "flop_energy": (
        0.20e-12,
        0.15,
        "J/FLOP",
        "energy a FLOP at the power limit (judgement; GEMM tables: 0.1 to 0.2)",
    ),
    "tile": (16.0, 0.7, "token", "tokens that a matrix pads its batch by"),
    "expert_traffic": (8.0, 0.6, "1", "times a chosen token's hidden vector moves through memory in an expert layer"),
    "token_traffic": (12.0, 0.6, "1", "times a token's hidden vector moves through memory in a layer"),
    "kernel_s": (4.5e-6, 0.3, "s", "fixed time of a kernel on Hopper inside a graph (kernel tables: 4 to 5 us)"),
    "generation": (
        0.77,
        0.1,
        "1",
        "factor on fixed times with a chip generation (Splitwise, A100 to H100: 0.69 to 0.86)",
    ),
    "host_s": (5e-4, 0.7, "s", "host time of a step that the packages wait for"),
    "sequence_s": (1.2e-5, 0.6, "s", "host time a sequence and step"),
    "ageing": (
        0.25,
        0.3,
        "1/year",
        "more time with software a year older than April 2026 (dated steps of the catalogue)",
    ),
    "layer_kernels": (10.0, 0.02, "1", "kernels of a dense 16-bit layer (fixed: it scales kernel_s)"),
    "expert_kernels": (7.0, 0.3, "1", "more kernels of a layer with experts"),
    "latent_kernels": (6.0, 0.4, "1", "more kernels of a layer with latent attention"),
    "linear_kernels": (8.0, 0.4, "1", "more kernels of a layer with linear attention"),
    "sparse_kernels": (6.0, 0.4, "1", "more kernels of a layer with an indexer (not measured)"),
    "quant_kernels": (4.0, 0.4, "1", "more kernels that convert activations of a quantised dense layer"),
    "quant_kernels_4bit": (2.0, 0.5, "1", "further ones where it is 4-bit"),
    "expert_quant_kernels": (3.0, 0.4, "1", "more kernels that convert activations for 8-bit experts"),
    "expert_quant_kernels_4bit": (1.0, 0.5, "1", "the same for 4-bit experts"),
    "reduce_s": (4e-6, 0.3, "s", "latency of an all-reduce (tables: 2.7 to 5 us)"),
    "reduce_rank_s": (6e-7, 0.5, "s", "more latency a rank"),
    "link_reduce": (0.35, 0.25, "1", "achieved over one-way link rate, all-reduce (tables: 0.33 to 0.49)"),
    "exchange_s": (1.5e-5, 0.5, "s", "latency of gathering or scattering tokens between attention ranks"),
    "link_exchange": (0.45, 0.4, "1", "achieved over one-way link rate, exchange of tokens"),
    "imbalance": (0.15, 0.5, "1", "longest over mean of packages with whole experts, minus 1"),
    "interference": (0.75, 0.15, "1", "share of others' prompts that a request feels while it decodes"),
    "launch_s": (1.2e-5, 0.4, "s", "launching a kernel outside a graph"),
    "first_token_s": (2e-2, 0.5, "s", "request handling before the first token"),
    "queue": (0.07, 0.5, "1", "prompts of others ahead of one's own, a sequence in flight"),
    "memory_share": (0.90, 0.01, "1", "share of memory that serving engines use (their default)"),
}
# Shrinkage: standard deviation of log offsets, by side in the order of SIDES.
GROUPS: dict[str, tuple[float, ...]] = {
    "backend": (0.10, 0.07, 0.18, 0.28, 0.18, 0.50),
    "backend/family": (0.10, 0.07, 0.18, 0.20, 0.01, 0.60),
    "backend/precision": (0.07, 0.07, 0.14, 0.01, 0.01, 0.30),
    "backend@generation": (0.06, 0.035, 0.07, 0.07, 0.07, 0.10),
    "backend/family@generation": (0.085, 0.05, 0.14, 0.14, 0.01, 0.30),
}
_SCALE_TPOT, _SCALE_TTFT, _WEIGHT_TTFT = 0.12, 0.20, 0.40
_PRIOR_WEIGHT = 3.0**0.5  # a prior counts as three rows
QUIET_CONCURRENCY = 8  # TTFT is taken where at most so many requests are in flight ...
QUIET_TTFT_S = 3.0  # ... and none waits this long


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Measured points as columns (n,)."""

    work: Work
    batch: Floats
    prompt: Floats
    output: Floats
    age_y: Floats
    tpot_s: Floats
    ttft_s: Floats
    quiet: Floats
    keys: dict[str, npt.NDArray[np.str_]]
    system: npt.NDArray[np.str_]
    family: npt.NDArray[np.str_]
    setting: npt.NDArray[np.str_]

    def only(self, mask: npt.NDArray[np.bool_]) -> Measured:
        """The rows of a mask."""
        from gigawatt.perf.operators import as_mapping

        picked = {name: np.asarray(value)[mask] for name, value in as_mapping(self.work).items()}
        plain = ("batch", "prompt", "output", "age_y", "tpot_s", "ttft_s", "quiet", "system", "family", "setting")
        return Measured(
            work=Work(**picked), keys={name: key[mask] for name, key in self.keys.items()},
            **{name: getattr(self, name)[mask] for name in plain},
        )  # fmt: skip


def keys_of(points: list[Point]) -> dict[str, npt.NDArray[np.str_]]:
    """Names of the offsets of each point, by group."""
    from gigawatt.perf.operators import generation_step

    made: dict[str, list[str]] = {name: [] for name in GROUPS}
    for one in points:
        stored = "fp8" if one.serving.weights == "fp8_block" else one.serving.weights
        age = "hopper" if generation_step(one.system) <= 0.5 else "blackwell"
        family = one.model.family
        names = (
            one.backend,
            f"{one.backend}/{family}",
            f"{one.backend}/{stored}",
            f"{one.backend}@{age}",
            f"{one.backend}/{family}@{age}",
        )
        for group, name in zip(GROUPS, names, strict=True):
            made[group].append(name)
    return {name: np.array(values) for name, values in made.items()}


def measured_of(points: list[Point], tpot_ms: Floats, ttft_ms: Floats) -> Measured:
    """Points with their measured times as columns."""

    def column(name: str) -> Floats:
        return np.array([float(getattr(one, name)) for one in points])

    ttft = np.asarray(ttft_ms) / 1e3
    quiet = (column("concurrency") <= QUIET_CONCURRENCY) & (ttft < QUIET_TTFT_S)
    return Measured(
        work=stacked([one.work() for one in points]), batch=column("batch"), prompt=column("prompt"),
        output=column("output"), age_y=column("age_y"), tpot_s=np.asarray(tpot_ms) / 1e3, ttft_s=ttft,
        quiet=quiet.astype(np.float64), keys=keys_of(points),
        system=np.array([one.system.id for one in points]), family=np.array([one.model.family for one in points]),
        setting=np.array([_setting(one) for one in points]),
    )  # fmt: skip


def _setting(one: Point) -> str:
    """A run of a backend: everything but the batch."""
    served = (one.system.id, one.model.id, one.backend, one.age_y, one.serving.name, one.layout.name)
    return "/".join(map(str, (*served, one.prompt, one.output)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Coefficients and offsets with the deviation of their logarithms."""

    coefficients: dict[str, float]
    deviations: dict[str, float]
    offsets: dict[str, dict[str, float]]

    def software(self, rows: Measured) -> Software:
        """Offsets of rows; what was not fitted counts as 1."""
        made = {side: np.ones(len(rows.batch)) for side in SIDES}
        for keys in rows.keys.values():
            for name in np.unique(keys):
                for side, factor in self.offsets.get(str(name), {}).items():
                    made[side][keys == name] *= factor
        return Software(age_y=rows.age_y, **made)

    def predict(self, rows: Measured) -> tuple[Floats, Floats]:
        """(TPOT, TTFT) of rows [s]."""
        return _times(rows, self.coefficients, self.software(rows))


def _times(rows: Measured, coefficients: dict[str, float], software: Software) -> tuple[Floats, Floats]:
    out = served(Pass(rows.work, coefficients, software), rows.batch, rows.prompt, rows.output)
    return out.tpot_s, out.ttft_s


def _robust(error: Floats, scale: float) -> tuple[Floats, Floats]:
    """(residual whose square is log(1 + (e/s)^2), its derivative)."""
    z = error / scale
    residual = np.sign(z) * np.sqrt(np.log1p(z * z))
    small = np.abs(z) < 1e-6
    slope = np.where(small, 1.0, z / ((1.0 + z * z) * np.where(small, 1.0, residual))) / scale
    return residual, slope


def fit(rows: Measured, progress: Callable[[int, float], None] | None = None) -> Fitted:
    """Coefficients and offsets of measured rows. ``progress`` hears (evaluation, cost)."""
    from scipy.optimize import least_squares

    names = list(PRIORS)
    start = np.log([PRIORS[name][0] for name in names])
    deviation = np.array([PRIORS[name][1] for name in names])
    levels = [(group, str(level)) for group, keys in rows.keys.items() for level in np.unique(keys)]
    member = [np.flatnonzero(rows.keys[group] == level) for group, level in levels]
    shrink = np.concatenate([np.array(GROUPS[group]) for group, _ in levels])
    k, n, sides = len(names), len(rows.batch), len(SIDES)
    weight = _WEIGHT_TTFT * rows.quiet
    scale = np.concatenate([deviation, shrink])

    def multipliers(x: Floats) -> Floats:
        total = np.zeros((sides, n))
        for index, where in enumerate(member):
            total[:, where] += x[k + index * sides : k + (index + 1) * sides, None]
        return total

    def errors(x: Floats, total: Floats) -> Floats:
        c = dict(zip(names, np.exp(start + x[:k]), strict=True))
        tpot, ttft = _times(rows, c, Software(age_y=rows.age_y, **dict(zip(SIDES, np.exp(total), strict=True))))
        return np.stack([np.log(tpot / rows.tpot_s), np.log(ttft / rows.ttft_s)])

    def residuals(x: Floats) -> Floats:
        e = errors(x, multipliers(x))
        first, _ = _robust(e[0], _SCALE_TPOT)
        second, _ = _robust(e[1], _SCALE_TTFT)
        return np.concatenate([first, weight * second, _PRIOR_WEIGHT * x / scale])

    evaluations = 0

    def jacobian(x: Floats) -> Floats:
        nonlocal evaluations
        total, step = multipliers(x), 1e-5
        base = errors(x, total)
        slopes = np.stack([_robust(base[0], _SCALE_TPOT)[1], weight * _robust(base[1], _SCALE_TTFT)[1]])
        out = np.zeros((2 * n + len(x), len(x)))
        for j in range(k):
            moved = x.copy()
            moved[j] += step
            out[: 2 * n, j] = (slopes * (errors(moved, total) - base) / step).ravel()
        for side in range(sides):
            shifted = total.copy()
            shifted[side] += step
            change = slopes * (errors(x, shifted) - base) / step
            for index, where in enumerate(member):
                column = k + index * sides + side
                out[where, column] = change[0, where]
                out[n + where, column] = change[1, where]
        out[2 * n :, :] = np.diag(_PRIOR_WEIGHT / scale)
        evaluations += 1
        if progress is not None:
            progress(evaluations, float(np.median(np.abs(np.expm1(base[0])))))
        return out

    found = least_squares(
        residuals, np.zeros(len(scale)), jac=jacobian, method="trf", max_nfev=25, x_scale=scale, ftol=1e-5
    )
    spread = np.sqrt(np.diag(np.linalg.inv(found.jac.T @ found.jac)))
    offsets = {
        level: {side: float(np.exp(found.x[k + index * sides + at])) for at, side in enumerate(SIDES)}
        for index, (_, level) in enumerate(levels)
    }
    return Fitted(
        coefficients=dict(zip(names, (float(v) for v in np.exp(start + found.x[:k])), strict=True)),
        deviations=dict(zip(names, (float(v) for v in spread[:k]), strict=True)),
        offsets=offsets,
    )


def left_out(rows: Measured, by: str, progress: Callable[[str], None] | None = None) -> tuple[Floats, Floats]:
    """(TPOT, TTFT) of every row predicted by a fit without its group [s].

    ``by`` is "system", "family", or "setting": fifths of the settings, no run of a backend on both sides.
    """
    groups: npt.NDArray[np.str_] = getattr(rows, by)
    if by == "setting":
        names, index = np.unique(groups, return_inverse=True)
        groups = (np.random.default_rng(0).permutation(len(names))[index] % 5).astype(str)
    tpot, ttft = np.full(len(groups), np.nan), np.full(len(groups), np.nan)
    for name in np.unique(groups):
        if progress is not None:
            progress(f"fit without {name}")
        mask = groups == name
        tpot[mask], ttft[mask] = fit(rows.only(~mask)).predict(rows.only(mask))
    return tpot, ttft


def left_out_both(rows: Measured) -> tuple[Floats, Floats]:
    """(TPOT, TTFT) of every row predicted by a fit without any row of its chip and without any of its family [s]."""
    tpot, ttft = np.full(len(rows.batch), np.nan), np.full(len(rows.batch), np.nan)
    for chip in np.unique(rows.system):
        for family in np.unique(rows.family):
            mask = (rows.system == chip) & (rows.family == family)
            if mask.any():
                seen = (rows.system != chip) & (rows.family != family)
                tpot[mask], ttft[mask] = fit(rows.only(seen)).predict(rows.only(mask))
    return tpot, ttft


def band_of(tpot_s: Floats, measured_s: Floats, share: float = 0.8) -> tuple[float, float]:
    """(low, high) that hold the middle ``share`` of measured over predicted."""
    ratio = measured_s / tpot_s
    return float(np.quantile(ratio, 0.5 - share / 2)), float(np.quantile(ratio, 0.5 + share / 2))


def calibration_of(
    fitted: Fitted, *, rows: int, fitted_on: str, source: tuple[str, ...], bands: dict[str, tuple[float, float]],
    residuals: dict[str, float],
) -> Calibration:  # fmt: skip
    """The catalogue entry of a fit; ranges of coefficients are 1.64 deviations of their logarithm."""
    made = {
        name: Coefficient(
            value=four_digits(fitted.coefficients[name]), unit=PRIORS[name][2], meaning=PRIORS[name][3],
            low=four_digits(fitted.coefficients[name] * np.exp(-1.64 * fitted.deviations[name])),
            high=four_digits(fitted.coefficients[name] * np.exp(1.64 * fitted.deviations[name])),
        )
        for name in PRIORS
    }  # fmt: skip
    for name, (low, high) in bands.items():
        made[f"band_{name}"] = Coefficient(
            value=1.0, low=four_digits(low), high=four_digits(high), unit="1",
            meaning=f"measured over predicted time, middle 80 % of rows left out ({name.replace('_', ' ')})",
        )  # fmt: skip
    kept = {
        key: {side: round(value, 3) for side, value in sides.items() if abs(np.log(value)) > 0.004}
        for key, sides in fitted.offsets.items()
    }
    return Calibration(
        id="inference-2026", name="Inference, 2026", aliases=("inference",), purpose="inference", source=source,
        fitted=fitted_on, rows=rows, coefficients=made, offsets={key: sides for key, sides in kept.items() if sides},
        residuals={name: round(value, 4) for name, value in residuals.items()},
        note="Fitted by 'gigawatt calibrate --data DIR'; do not edit by hand.",
    )  # fmt: skip


def four_digits(value: float) -> float:
    """A figure as the catalogue keeps what was fitted."""
    return float(f"{value:.4g}")
