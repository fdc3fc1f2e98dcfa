"""Inputs of a case at other prices: what a branch of a tree that moves them changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import xarray as xr

from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.prices import PricePaths
from gigawatt.plan.service import Service
from gigawatt.study.inputs import with_prices
from gigawatt.study.lanes import lanes_of
from gigawatt.study.resolve import Case
from gigawatt.study.service import price_usd_per_token
from gigawatt.study.tariffs import run_musd_per_mw, tariffs


def pricer(case: Case, d: PlanInputs) -> Callable[[PricePaths], PlanInputs]:
    """``at_prices`` of a case."""
    return lambda paths: at_prices(case, d, paths)


def at_prices(case: Case, d: PlanInputs, paths: PricePaths) -> PlanInputs:
    """The case's inputs ``d`` with its prices moved.

    chips: what is paid for systems, and what is left of that. buildings: likewise of own ones; deposits and rents of
    leased ones stay. rents: of chips and cloud capacity by the quarter of signing, with the fees that follow them; a
    minimum take follows the market as ``docs/contracts.md`` says. energy: of idling and of work, where no rent holds
    it. tokens: what a class that is sold brings, and what is lost where it is not served, gated or late.
    """
    sold = xr.DataArray(
        [price_usd_per_token(row) > 0.0 for row in case.classes], dims="workload",
        coords={"workload": [row.id for row in case.classes]},
    )  # fmt: skip
    path = xr.DataArray(np.array(paths.tokens), dims="quarter", coords={"quarter": list(case.labels)})
    tokens = path.where(sold, 1.0).transpose("workload", "quarter")
    there = replace(case, prices=paths)
    return with_prices(there, replace(
        d, run_musd_per_mw=run_musd_per_mw(there, lanes_of(case)), tariffs=tariffs(there),
        unmet_musd=d.unmet_musd * tokens, income_musd=d.income_musd * tokens, delay_musd=d.delay_musd * tokens,
        gate_musd=d.gate_musd * tokens, service=None if d.service is None else _service(d, d.service, tokens),
    ))  # fmt: skip


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
