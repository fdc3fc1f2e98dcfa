"""Plans with tiers, regions, demand curves and spares, small enough to solve by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.lumps import Lumps
from gigawatt.plan.service import Curve, Service, Shares, Survival, Worth
from tests.cases.tiny import QUARTERS, by, grid, text, tiny


def cells(dim: str, labels: list[str], values: list[float]) -> xr.DataArray:
    """The same in the one block and both quarters."""
    table = np.broadcast_to(np.array(values)[:, None, None], (len(labels), 1, len(QUARTERS))).copy()
    coords = {dim: labels, "block": ["day"], "quarter": list(QUARTERS)}
    return xr.DataArray(table, dims=(dim, "block", "quarter"), coords=coords)


def two_speeds(worth: float, share: float = 0.4, paid: float = 0.0) -> PlanInputs:
    """One offer, lanes "slow" (1 Mwork/s per MW) and "fast" (0.5), 10 Mwork/s asked for in both quarters."""
    lanes = ["slow", "fast"]
    service = Service(
        worth=Worth(musd=grid("lane", lanes, [[0.0, 0.0], [worth, worth]]), paid=by("lane", lanes, [0.0, paid])),
        shares=Shares(
            member=xr.DataArray([[0.0, 1.0]], dims=("share", "lane"), coords={"share": ["fast"], "lane": lanes}),
            most=cells("share", ["fast"], [10.0 * share]),
        ),
    )
    return tiny(
        lane_pool=text("lane", lanes, ["pool-a"] * 2),
        lane_workload=text("lane", lanes, ["work"] * 2),
        rate=grid("lane", lanes, [[1.0, 1.0], [0.5, 0.5]]),
        run_musd_per_mw=by("lane", lanes, [0.0, 0.0]),
        service=service,
    )


def in_regions(regions: str, frac: float) -> PlanInputs:
    """An offer a region, all at 2 MUSD a MW, 10 Mwork/s of which ``frac`` goes on when any region is lost."""
    offers = list(regions)
    lanes = [f"pool-{o}>work" for o in offers]
    member = xr.DataArray([[1.0] * len(lanes)], dims=("must", "lane"), coords={"must": ["work"], "lane": lanes})
    pools = [f"pool-{o}" for o in offers]
    survival = Survival(
        lost=tuple(offers), pool_region=text("pool", pools, offers), member=member, frac=by("must", ["work"], [frac])
    )
    return tiny(offers=offers, capex_musd_per_mw=grid("offer", offers, 2.0), service=Service(survival=survival))


def on_a_curve(less: float, paid: float = 0.0) -> PlanInputs:
    """Six of ten units bring 3 a quarter, the other four ``less`` less."""
    curve = Curve(
        workload=text("step", ["low"], ["work"]), most=cells("step", ["low"], [4.0]),
        less_musd=grid("step", ["low"], less), paid=by("step", ["low"], [paid]),
    )  # fmt: skip
    three = grid("workload", ["work"], 3.0)
    income = grid("workload", ["work"], 3.0 * paid)
    return tiny(unmet_musd=three, income_musd=income, service=Service(curve=curve))


def standby(mw: float, whole: bool, demand: float = 10.0, **changes: Any) -> Any:
    lumps = Lumps(whole=whole, hall_mw=by("site", ["hall"], [np.nan]))
    return tiny(demand=demand, spares_mw=by("pool", ["pool-a"], [mw]), lumps=lumps, **changes)
