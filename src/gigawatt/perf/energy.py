"""Watts of a package, a server or a rack by what it does, its speed under a power cap, and joules a token.

A package draws its idle power and on top what its arithmetic and its memory are used::

    d = idle + w_c c^p + w_m m          P / TDP = min(d, cap / TDP, 1)

c and m are achieved over peak: dense FLOP/s at the precision computed in, and memory bandwidth, both as they are at
full clock (without a cap). All coefficients are fractions of TDP, so they carry to a chip nobody has measured.
p is far below 1: kernels that reach a fraction of the peak hold clocks, registers and links at work all the same. A
power of m was tried and came out as 1, two saturating curves in place of c^p; left-out servers chose c^p.

A server or a rack adds hosts, memory, network cards, switches, fans and losses in its power supplies::

    W = n P + min(rest, n (h + s P))          rest = published maximum of the unit - n TDP

h is W a package and s W a W. A host does not grow with the TDP of the packages beside it: with shares of ``rest`` or
of TDP in its place a first fit missed servers left out by 18 and 15 % at worst, with watts by 10 %. Published
maxima size the power supplies and are not reached; they only bound the rest, so no unit exceeds its ``it_power``.

Under a cap the clock f falls until the power above idle, which goes as f^k, fits; the share b of the time that the
arithmetic sets slows with it, time that memory sets does not::

    f = ((cap - idle) / (min(d, 1) - idle))^(1/k)      speed = 1 / (b / f + 1 - b)      b = c / (c + g m)

Wrong when: packages are not GPUs (fitted on A100, H200 and B200 servers; SRAM machines draw most of their power
without load, see ``idle_frac`` of the dataflow calibration); long kernels are bound by the links, which draw watts
that neither share counts; racks, of which no measured run is public; boards in a sleep state.

Coefficients: calibration ``power-2026``, fitted by ``perf/fit_energy.py``; it says how far off rows left out are.
k lies between 1 (voltage fixed) and 3 (voltage falls with the clock) in theory, as power goes as V^2 f.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.schema import Calibration, System
from gigawatt.core.errors import CatalogError

Floats = npt.NDArray[np.float64]
Band = Literal["low", "central", "high"]

_FALLING = ("compute_exponent",)  # a larger value means fewer watts
_SPEED = ("cap_exponent", "cap_memory_weight")  # say nothing of watts: the same in all bands


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """Coefficients of the power model, base units.

    Args:
        idle_fraction: power of a package that waits, over TDP.
        compute_weight: w_c, power of all arithmetic of the package, over TDP.
        compute_exponent: p, in (0, 1]; the first FLOP a second cost most, as they take clocks and links out of rest.
        memory_weight: w_m, power of all memory bandwidth of the package, over TDP.
        host_w_per_package: h, what the unit draws besides its packages, without load [W a package].
        host_share: s, what it draws more for each watt of its packages: fans, supplies, regulators.
        cap_exponent: k, power above idle goes as clock to the k.
        cap_memory_weight: g, weight of the memory share in what sets the time.
    """

    idle_fraction: float
    compute_weight: float
    compute_exponent: float
    memory_weight: float
    host_w_per_package: float
    host_share: float
    cap_exponent: float
    cap_memory_weight: float


def power_coefficients(calibration: Calibration, band: Band = "central") -> Power:
    """Coefficients of a calibration of purpose power; ``low`` and ``high`` are the ends that draw few and many watts.

    Both ends take every coefficient at once and so are wider than any one refit; coefficients of speed stay central.

    Raises:
        CatalogError: the calibration is for something else or lacks a coefficient.
    """
    if calibration.purpose != "power":
        raise CatalogError(f"calibration {calibration.id} is for {calibration.purpose}; the power model needs 'power'")
    held = calibration.coefficients
    found: dict[str, float] = {}
    for field in fields(Power):
        if field.name not in held:
            raise CatalogError(f"calibration {calibration.id} lacks the coefficient '{field.name}'")
        one = held[field.name]
        end = band if field.name not in _FALLING else {"low": "high", "high": "low"}.get(band, band)
        found[field.name] = one.value if end == "central" or field.name in _SPEED else float(getattr(one, end))
    return Power(**found)


def demand_fraction(compute_share: npt.ArrayLike, memory_share: npt.ArrayLike, coefficients: Power) -> Floats:
    """What a package would draw at full clock without any limit, over TDP; may exceed 1.

        d = idle + w_c c^p + w_m m

    Args:
        compute_share: c in 0..1 at full clock.
        memory_share: m in 0..1 at full clock; all arguments broadcast.
        coefficients: of the calibration.

    Raises:
        ValueError: a share is outside 0..1.
    """
    compute, memory = _share(compute_share, "compute_share"), _share(memory_share, "memory_share")
    one = coefficients
    core = one.compute_weight * compute**one.compute_exponent
    return np.asarray(one.idle_fraction + core + one.memory_weight * memory, dtype=np.float64)


def package_watts(
    tdp_w: npt.ArrayLike,
    compute_share: npt.ArrayLike,
    memory_share: npt.ArrayLike,
    coefficients: Power,
    cap_w: npt.ArrayLike | None = None,
) -> Floats:
    """Power of one package [W], between idle and the lower of cap and TDP; never falls with a share or with the cap.

        P = min(TDP (idle + w_c c^p + w_m m), cap, TDP)

    Args:
        tdp_w: design power of the package [W].
        compute_share: c in 0..1 at full clock.
        memory_share: m in 0..1 at full clock; all arguments broadcast.
        coefficients: of the calibration.
        cap_w: limit of the board, if any [W].

    Raises:
        ValueError: a share is outside 0..1, or a cap not above idle power.
    """
    tdp = np.asarray(tdp_w, dtype=np.float64)
    limit = _limit(tdp, cap_w, coefficients)
    return np.asarray(np.minimum(tdp * demand_fraction(compute_share, memory_share, coefficients), limit))


def capped_speed(
    compute_share: npt.ArrayLike,
    memory_share: npt.ArrayLike,
    tdp_w: npt.ArrayLike,
    cap_w: npt.ArrayLike,
    coefficients: Power,
) -> Floats:
    """Speed under a power cap over speed without one, in (0, 1]; times are divided by it.

        f = ((cap - idle) / (min(d, 1) TDP - idle))^(1/k)    speed = 1 / (b / f + 1 - b)    b = c / (c + g m)

    1 where the cap does not bind, as in small batches of decoding.

    Args:
        compute_share: c in 0..1 at full clock.
        memory_share: m in 0..1 at full clock; all arguments broadcast.
        tdp_w: design power of the package [W].
        cap_w: limit of the board [W].
        coefficients: of the calibration.

    Wrong when: the cap is so low that voltage is at its floor (k falls towards 1), or near TDP, where k rises to 4.

    Raises:
        ValueError: a share is outside 0..1, or a cap not above idle power.
    """
    compute, memory = _share(compute_share, "compute_share"), _share(memory_share, "memory_share")
    tdp = np.asarray(tdp_w, dtype=np.float64)
    idle = tdp * coefficients.idle_fraction
    free = np.minimum(tdp * demand_fraction(compute, memory, coefficients), tdp) - idle
    left = np.minimum(_limit(tdp, cap_w, coefficients) - idle, free)
    ratio = np.divide(left, free, out=np.ones(np.broadcast_shapes(left.shape, free.shape)), where=free > 0.0)
    clock = np.minimum(ratio, 1.0) ** (1.0 / coefficients.cap_exponent)
    weighed = compute + coefficients.cap_memory_weight * memory
    bound = np.divide(compute, weighed, out=np.zeros(weighed.shape), where=weighed > 0.0)
    return np.asarray(1.0 / (bound / clock + 1.0 - bound))


def unit_watts(system: System, package_w: npt.ArrayLike, coefficients: Power) -> Floats:
    """IT power of a whole unit (server, rack, machine) whose packages draw ``package_w`` each [W].

        W = n P + min(rest, n (h + s P))        rest = it_power - n TDP, at least 0

    Never above ``it_power`` where packages stay within TDP. A machine whose package is the whole unit has no rest.

    Args:
        system: with n_packages, it_power and the power of its package.
        package_w: P, mean over the packages of the unit [W], any shape.
        coefficients: of the calibration.

    Raises:
        CatalogError: the catalogue does not hold one of the three figures.
    """
    packages, tdp, whole = _figures(system)
    each = np.asarray(package_w, dtype=np.float64)
    host = packages * (coefficients.host_w_per_package + coefficients.host_share * each)
    return np.asarray(packages * each + np.minimum(max(whole - packages * tdp, 0.0), host))


def idle_watts(system: System, coefficients: Power) -> float:
    """IT power of a unit that is switched on and waits [W]. Raises CatalogError as ``unit_watts``."""
    _, tdp, _ = _figures(system)
    return float(unit_watts(system, tdp * coefficients.idle_fraction, coefficients))


def busy_watts(
    system: System,
    compute_share: npt.ArrayLike,
    memory_share: npt.ArrayLike,
    coefficients: Power,
    cap_w: npt.ArrayLike | None = None,
) -> Floats:
    """IT power of a unit in a phase with these shares [W]; arguments and errors as of the functions it joins."""
    _, tdp, _ = _figures(system)
    return unit_watts(system, package_watts(tdp, compute_share, memory_share, coefficients, cap_w), coefficients)


def joules_per_token(watts: npt.ArrayLike, tokens_per_s: npt.ArrayLike) -> Floats:
    """Energy of a token [J/token], power over rate of the same packages; infinite where nothing is served.

    >>> float(joules_per_token(6152.98, 25262.1).round(4))  # MLPerf v4.1, 8 x H200 capped at 500 W, Llama 2 70B
    0.2436
    """
    power, rate = np.broadcast_arrays(np.asarray(watts, np.float64), np.asarray(tokens_per_s, np.float64))
    return np.asarray(np.divide(power, rate, out=np.full(power.shape, np.inf), where=rate > 0.0))


def _share(value: npt.ArrayLike, name: str) -> Floats:
    array = np.asarray(value, dtype=np.float64)
    if not ((array >= 0.0) & (array <= 1.0)).all():
        raise ValueError(f"{name} must lie between 0 and 1; it reaches from {array.min():g} to {array.max():g}")
    return array


def _limit(tdp: Floats, cap_w: npt.ArrayLike | None, coefficients: Power) -> Floats:
    if cap_w is None:
        return tdp
    cap = np.asarray(cap_w, dtype=np.float64)
    idle = tdp * coefficients.idle_fraction
    if (cap <= idle).any():
        raise ValueError(
            f"a cap of {float(cap.min()):g} W is not above the {float(np.max(idle)):g} W a package draws idle"
        )
    return np.minimum(cap, tdp)


def _figures(system: System) -> tuple[float, float, float]:
    """(packages, TDP of one [W], published maximum of the unit [W])."""
    power = system.package.power if system.package else None
    if system.n_packages is None or power is None or system.it_power is None:
        raise CatalogError(
            f"the power of {system.id} cannot be computed: the catalogue lacks n_packages, package.power or it_power"
        )
    return system.n_packages.value, power.value, system.it_power.value
