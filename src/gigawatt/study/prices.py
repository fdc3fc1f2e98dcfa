"""Inputs of a case at other prices: what a branch of a tree that moves them changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.prices import PricePaths
from gigawatt.plan.service import Service
from gigawatt.plan.terms import Terms
from gigawatt.study.change import Price, apply
from gigawatt.study.economics import (
    discount_factors,
    idle_energy_usd_per_w,
    remaining_frac,
    rents_usd_per_w,
    site_capex,
)
from gigawatt.study.money import price_level
from gigawatt.study.resolve import Case
from gigawatt.study.service import price_usd_per_token
from gigawatt.study.terms import contract_terms

Floats = npt.NDArray[np.float64]


def pricer(case: Case, d: PlanInputs) -> Callable[[PricePaths], PlanInputs]:
    """``at_prices`` of a case, with contracts worked out once for each path of rents."""
    signed: dict[tuple[float, ...], Terms] = {}

    def priced(paths: PricePaths) -> PlanInputs:
        if paths.rents not in signed:
            signed[paths.rents] = contract_terms(apply(case, (Price(of="rents", path=paths.rents),)))
        return at_prices(case, replace(d, terms=signed[paths.rents]), paths)

    return priced


def at_prices(case: Case, d: PlanInputs, paths: PricePaths) -> PlanInputs:
    """The case's inputs ``d``, whose contracts are those of the rents' path, with its prices moved.

    chips: what is paid for systems, and what is left of that. buildings: likewise of own ones; deposits and rents of
    leased ones stay. rents: of chips and cloud capacity by the quarter of signing, with the fees that follow them; a
    minimum take follows the market as ``docs/contracts.md`` says. energy: of idling and of work, where no rent holds
    it. tokens: what a class that is sold brings, and what is lost where it is not served, gated or late.
    """
    quarters = list(case.labels)

    def along(values: tuple[float, ...]) -> xr.DataArray:
        return xr.DataArray(np.array(values), dims="quarter", coords={"quarter": quarters})

    def times(values: xr.DataArray, factor: xr.DataArray) -> xr.DataArray:
        rest = [str(dim) for dim in values.dims if dim != "quarter"]
        scaled: xr.DataArray = (values * factor).transpose(*rest, "quarter")
        return scaled

    renting = apply(case, (Price(of="rents", path=paths.rents),))
    energy = np.array(paths.energy) - 1.0
    held = [
        rents_usd_per_w(renting, offer) - rents_usd_per_w(case, offer)
        + idle_energy_usd_per_w(case, offer) * price_level(case) * energy for offer in case.offers
    ]  # fmt: skip
    capex = np.array([site_capex(case, site) for site in case.sites])[:, None] * (np.array(paths.buildings) - 1.0)
    worth = capex * _left(case)
    capex = capex * price_level(case)
    sold = xr.DataArray(
        [price_usd_per_token(row) > 0.0 for row in case.classes], dims="workload",
        coords={"workload": [row.id for row in case.classes]},
    )  # fmt: skip
    tokens = along(paths.tokens).where(sold, 1.0)
    return replace(
        d,
        capex_musd_per_mw=times(d.capex_musd_per_mw, along(paths.chips)),
        salvage_musd_per_mw=times(d.salvage_musd_per_mw, along(paths.chips)),
        hold_musd_per_mw=d.hold_musd_per_mw + np.array(held),
        energise_musd_per_mw=d.energise_musd_per_mw + capex,
        site_salvage_musd_per_mw=d.site_salvage_musd_per_mw + worth,
        run_musd_per_mw=times(d.run_musd_per_mw, along(paths.energy)),
        tariffs=None
        if d.tariffs is None
        else replace(d.tariffs, saves_musd=times(d.tariffs.saves_musd, along(paths.energy))),
        unmet_musd=times(d.unmet_musd, tokens),
        income_musd=times(d.income_musd, tokens),
        delay_musd=times(d.delay_musd, tokens),
        gate_musd=times(d.gate_musd, tokens),
        service=None if d.service is None else _service(d, d.service, tokens),
    )


def _left(case: Case) -> Floats:
    """Worth at the end, discounted to the start, of a dollar of own buildings by the quarter it was paid in."""
    n = len(case.quarters)
    age = n - np.arange(0.0, n)
    at_end = discount_factors(case)[-1] * price_level(case)[-1]
    return np.asarray(remaining_frac(age, case.costs.facility_life.value) * at_end)


def _service(d: PlanInputs, service: Service, tokens: xr.DataArray) -> Service:
    """Worth of speed and steps of demand curves, where they are paid for by the token."""

    def of(classes: xr.DataArray) -> xr.DataArray:
        rows = xr.DataArray([str(name) for name in classes.values], dims=classes.dims)
        return tokens.sel(workload=rows).drop_vars("workload")

    worth, curve = service.worth, service.curve
    if worth is not None:
        worth = replace(worth, musd=(worth.musd * of(d.lane_workload)).transpose(*worth.musd.dims))
    if curve is not None:
        curve = replace(curve, less_musd=(curve.less_musd * of(curve.workload)).transpose(*curve.less_musd.dims))
    return replace(service, worth=worth, curve=curve)
