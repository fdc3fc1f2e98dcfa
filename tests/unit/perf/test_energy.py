"""Power: values by hand, laws of the model over the catalogue, and the fit on the shared data where it is present."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigawatt.catalog.load import load_catalog
from gigawatt.catalog.schema import System
from gigawatt.core.errors import CatalogError
from gigawatt.perf.energy import (
    Power,
    busy_watts,
    capped_speed,
    demand_fraction,
    idle_watts,
    joules_per_token,
    package_watts,
    power_coefficients,
    unit_watts,
)
from gigawatt.perf.fit_energy import CAPS, PowerResidual, fit_rows, power_residuals, read_rows

CATALOG = load_catalog()
CALIBRATION = CATALOG.calibration("power-2026")
FITTED = power_coefficients(CALIBRATION)
KNOWN = [one for one in CATALOG.all(System) if one.package and one.package.power and one.it_power]
IDS = [one.id for one in KNOWN]
H200 = CATALOG.system("hgx-h200")

PLAIN = Power(
    idle_fraction=0.1, compute_weight=0.8, compute_exponent=0.5, memory_weight=0.4, host_w_per_package=100.0,
    host_share=0.2, cap_exponent=2.0, cap_memory_weight=0.5,
)  # fmt: skip

DATA = Path(__file__).parents[3].parent / "shared" / "data"
SHARED = pytest.mark.skipif(
    not (DATA / "mlperf_inference").is_dir(), reason="needs the measurements of ../shared/data, which are not here"
)

share = st.floats(0.0, 1.0)
watts = st.floats(300.0, 4000.0)


def packages_of(system: System) -> tuple[float, float, float]:
    assert system.n_packages and system.package and system.package.power and system.it_power
    return system.n_packages.value, system.package.power.value, system.it_power.value


# Values by hand


def test_package_watts_by_hand() -> None:
    # 1000 W x (0.1 + 0.8 sqrt(0.25) + 0.4 x 0.5) = 1000 x (0.1 + 0.4 + 0.2)
    assert float(package_watts(1000.0, 0.25, 0.5, PLAIN)) == pytest.approx(700.0)
    assert float(demand_fraction(1.0, 1.0, PLAIN)) == pytest.approx(1.3)
    assert float(package_watts(1000.0, 1.0, 1.0, PLAIN)) == 1000.0
    assert float(package_watts(1000.0, 0.25, 0.5, PLAIN, cap_w=600.0)) == 600.0
    assert float(package_watts(1000.0, 0.25, 0.5, PLAIN, cap_w=5000.0)) == pytest.approx(700.0)


def test_arguments_broadcast() -> None:
    grid = package_watts(np.array([[700.0], [1000.0]]), np.array([0.0, 0.25, 1.0]), 0.0, PLAIN)
    np.testing.assert_allclose(grid, [[70.0, 350.0, 630.0], [100.0, 500.0, 900.0]])


def test_unit_watts_by_hand() -> None:
    # 8 x 500 W and 8 x (100 + 0.2 x 500) W of host; the rest of the server (10.2 kW - 8 x 700 W) bounds the host
    assert float(unit_watts(H200, 500.0, PLAIN)) == pytest.approx(4000.0 + 1600.0)
    assert float(unit_watts(H200, 500.0, replace(PLAIN, host_w_per_package=1e6))) == pytest.approx(4000.0 + 4600.0)
    assert idle_watts(H200, PLAIN) == pytest.approx(8 * 70.0 + 8 * (100.0 + 0.2 * 70.0))


def test_a_machine_that_is_its_own_package_has_no_host() -> None:
    machine = CATALOG.system("cs-3")
    assert float(unit_watts(machine, 10e3, PLAIN)) == 10e3


def test_capped_speed_by_hand() -> None:
    # d = 0.1 + 0.8 = 0.9; above idle 800 W, 200 W are left: clock (200 / 800)^(1/2) = 1/2, all time is arithmetic
    assert float(capped_speed(1.0, 0.0, 1000.0, 300.0, PLAIN)) == pytest.approx(0.5)
    # c = 0.25, m = 0.5: b = 0.25 / (0.25 + 0.5 x 0.5) = 1/2; d = 0.7, 150 of 600 W are left: clock 1/2, 1 / (1 + 1/2)
    assert float(capped_speed(0.25, 0.5, 1000.0, 250.0, PLAIN)) == pytest.approx(2.0 / 3.0)
    assert float(capped_speed(0.25, 0.5, 1000.0, 700.0, PLAIN)) == 1.0
    assert float(capped_speed(0.0, 0.0, 1000.0, 200.0, PLAIN)) == 1.0


def test_memory_alone_is_not_slowed() -> None:
    assert float(capped_speed(0.0, 1.0, 1000.0, 200.0, PLAIN)) == 1.0


def test_joules_per_token_by_hand() -> None:
    np.testing.assert_allclose(joules_per_token([6000.0, 6000.0], [2000.0, 0.0]), [3.0, np.inf])


# Refusals


def test_a_share_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"compute_share must lie between 0 and 1; it reaches from 0\.2 to 1\.5"):
        package_watts(700.0, [0.2, 1.5], 0.0, PLAIN)
    with pytest.raises(ValueError, match="memory_share must lie"):
        package_watts(700.0, 0.1, -0.1, PLAIN)


def test_a_cap_below_idle_is_refused() -> None:
    with pytest.raises(ValueError, match="a cap of 60 W is not above the 70 W a package draws idle"):
        package_watts(700.0, 0.1, 0.1, PLAIN, cap_w=60.0)


def test_a_system_without_figures_is_refused() -> None:
    with pytest.raises(CatalogError, match=r"the power of jalapeno cannot be computed"):
        idle_watts(CATALOG.system("jalapeno"), PLAIN)


def test_another_calibration_is_refused() -> None:
    with pytest.raises(CatalogError, match="is for dataflow; the power model needs 'power'"):
        power_coefficients(CATALOG.calibration("dataflow-2026"))
    short = {name: one for name, one in CALIBRATION.coefficients.items() if name != "host_share"}
    with pytest.raises(CatalogError, match="lacks the coefficient 'host_share'"):
        power_coefficients(CALIBRATION.model_copy(update={"coefficients": short}))


# Laws


@given(tdp=watts, c=share, m=share, more=share, cap=st.floats(0.3, 1.0))
def test_power_stays_between_idle_and_its_limit_and_never_falls(
    tdp: float, c: float, m: float, more: float, cap: float
) -> None:
    here = float(package_watts(tdp, c, m, FITTED, cap * tdp))
    assert tdp * FITTED.idle_fraction <= here * (1 + 1e-12)
    assert here <= cap * tdp
    assert here <= float(package_watts(tdp, max(c, more), m, FITTED, cap * tdp)) * (1 + 1e-12)
    assert here <= float(package_watts(tdp, c, max(m, more), FITTED, cap * tdp)) * (1 + 1e-12)
    assert here <= float(package_watts(tdp, c, m, FITTED, max(cap, more) * tdp)) * (1 + 1e-12)
    assert here <= float(package_watts(tdp, c, m, FITTED)) * (1 + 1e-12)


@given(c=share, m=share, cap=st.floats(0.2, 1.0), looser=st.floats(0.2, 1.0))
def test_a_tighter_cap_is_never_faster(c: float, m: float, cap: float, looser: float) -> None:
    tight, loose = sorted((cap, looser))
    slow = float(capped_speed(c, m, 700.0, 700.0 * tight, FITTED))
    fast = float(capped_speed(c, m, 700.0, 700.0 * loose, FITTED))
    assert 0.0 < slow <= fast * (1 + 1e-12)
    assert fast <= 1.0 + 1e-12
    assert float(capped_speed(c, m, 700.0, 700.0, FITTED)) == pytest.approx(1.0)


@given(c=st.floats(0.3, 1.0), cap=st.floats(0.4, 0.95))
def test_a_cap_saves_energy_of_arithmetic(c: float, cap: float) -> None:
    # k > 1: package power above idle falls faster than the clock; the whole package gains while idle is small
    free, slow = float(package_watts(700.0, c, 0.0, FITTED)), float(capped_speed(c, 0.0, 700.0, 700.0 * cap, FITTED))
    held = float(package_watts(700.0, c, 0.0, FITTED, 700.0 * cap))
    idle = 700.0 * FITTED.idle_fraction
    assert (held - idle) / slow <= (free - idle) * (1 + 1e-9)


@pytest.mark.parametrize("system", KNOWN, ids=IDS)
def test_units_stay_below_their_published_maximum(system: System) -> None:
    packages, tdp, whole = packages_of(system)
    for band in ("low", "central", "high"):
        power = power_coefficients(CALIBRATION, band)
        at = unit_watts(system, np.linspace(0.0, tdp, 9), power)
        assert (np.diff(at) > 0.0).all()
        assert at[-1] <= max(whole, packages * tdp) * (1 + 1e-12)
        assert idle_watts(system, power) < float(busy_watts(system, 0.5, 0.5, power)) <= at[-1]


def test_bands_are_ordered() -> None:
    low, central, high = (power_coefficients(CALIBRATION, band) for band in ("low", "central", "high"))
    for c, m in ((0.0, 0.0), (0.01, 0.3), (0.1, 0.5), (0.5, 0.1), (1.0, 1.0)):
        ordered = [float(busy_watts(H200, c, m, one)) for one in (low, central, high)]
        assert ordered == sorted(ordered)
    assert low.cap_exponent == central.cap_exponent == high.cap_exponent


@given(growth=st.lists(st.integers(2, 4), min_size=1, max_size=6), cache=st.floats(1e6, 1e9))
def test_energy_per_token_falls_with_the_batch(growth: list[int], cache: float) -> None:
    # Decoding 70 B in fp8 on one H200: a step reads the weights once and the cache of each sequence.
    batch = np.cumprod([1, *growth]).astype(np.float64)
    step = np.maximum((70e9 + batch * cache) / (0.6 * 4.8e12), 2 * 70e9 * batch / (0.5 * 1.979e15))
    compute, memory = 2 * 70e9 * batch / step / 1.979e15, (70e9 + batch * cache) / step / 4.8e12
    energy = joules_per_token(package_watts(700.0, compute, memory, FITTED), batch / step)
    assert (np.diff(energy) <= 1e-12 * energy[:-1]).all()


# The catalogue's entry


def test_every_coefficient_lies_in_its_range() -> None:
    for name, one in CALIBRATION.coefficients.items():
        assert 0.0 <= one.low <= one.value <= one.high, name
        assert one.meaning, name
    assert CALIBRATION.coefficients["host_w_per_package"].unit == "W"


def test_power_of_rows_left_out_meets_the_target() -> None:
    residuals = CALIBRATION.residuals
    for what in ("model", "system"):
        assert residuals[f"node power, one {what} left out: rows"] >= 10
        assert residuals[f"node power, one {what} left out: largest |error|"] <= 0.10
    assert residuals["node power, never fitted: largest |error|"] <= 0.10
    assert residuals["energy per token with predicted speed, one model left out: median |error|"] <= 0.15


def test_decoding_alone_draws_far_less_than_prompts() -> None:
    # Splitwise, A100, Llama 2 70B on 8 packages: 0.43 of TDP a token, 0.9 to 1 in prompts of 2,048 tokens
    token = float(demand_fraction(0.001, 0.19, FITTED))
    assert token == pytest.approx(0.43, abs=0.05)
    assert float(package_watts(1.0, 0.413, 0.031, FITTED)) == pytest.approx(0.95, abs=0.08)


# The measurements


@cache
def residual_rows() -> tuple[PowerResidual, ...]:
    return power_residuals(DATA, CATALOG)


@SHARED
@pytest.mark.slow
def test_the_catalogue_holds_what_the_fit_gives() -> None:
    rows = read_rows(DATA, CATALOG)
    again = fit_rows(rows, CATALOG)
    for name, one in CALIBRATION.coefficients.items():
        assert getattr(again, name) == pytest.approx(one.value, rel=2e-2, abs=2e-3), name
    assert sum(row.kind != "check" for row in rows) == CALIBRATION.rows


@SHARED
@pytest.mark.slow
def test_left_out_servers_are_within_a_tenth() -> None:
    runs = [one for one in residual_rows() if one.row.kind == "run"]
    for what in ("model", "system"):
        errors = [abs(one.error) for one in runs if one.left_out == what]
        assert len(errors) == 10
        assert max(errors) <= 0.10
    checks = [one for one in residual_rows() if one.left_out == "never fitted"]
    assert len(checks) == 2
    assert max(abs(one.error) for one in checks) <= 0.10


@SHARED
def test_rows_are_what_the_rules_say() -> None:
    rows = read_rows(DATA, CATALOG)
    runs = [row for row in rows if row.kind == "run"]
    assert {(row.place, row.model) for row in runs} == {
        ("H200-SXM-141GBx8_TRT_MaxQ", "gptj"),
        ("H200-SXM-141GBx8_TRT_MaxQ", "llama2-70b"),
        ("H200-SXM-141GBx8_TRT_MaxQ", "mixtral-8x7b"),
        ("SR680a_V3_B200SXMx8_TRT", "llama2-70b"),
        ("SR780a_V3_B200SXMx8_TRT", "llama3.1-8b"),
    }
    by_hand = next(row for row in runs if row.model == "llama2-70b" and row.cap_w == CAPS["llama2-70b"])
    # Offline, without cap 31,302.7 token/s on 8 packages; 291.25 tokens come with a prompt of 294
    flops = 31302.7 / 8 * 2 * 69e9 * (1 + 294 / 291.25)
    assert by_hand.scenario == "Offline"
    assert by_hand.compute == pytest.approx(flops / 1.979e15, rel=1e-3)
    assert by_hand.measured == pytest.approx(6152.98)
    assert all(0.0 <= row.compute <= 1.0 and 0.0 <= row.memory <= 1.0 for row in rows)


@SHARED
def test_the_maxq_cap_is_consistent_with_the_wall() -> None:
    # Two caps on one server give the watts a watt of packages costs: (6153 - 4775) / (8 x 150 W) = 1.15
    runs = {
        row.model: row
        for row in read_rows(DATA, CATALOG)
        if row.kind == "run" and row.scenario == "Offline" and row.cap_w < 700.0
    }
    slope = (runs["mixtral-8x7b"].measured - runs["gptj"].measured) / (8.0 * (500.0 - 350.0))
    assert slope == pytest.approx(1.15, abs=0.01)
    held = CALIBRATION.coefficients["host_share"]
    assert held.low - 0.1 <= slope - 1.0 <= held.high
