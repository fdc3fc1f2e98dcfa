"""Plans with halls, gangs and classes of halls, small enough to solve by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from gigawatt.plan.flows import Rate
from gigawatt.plan.hosting import Hosting, Retrofit
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.lumps import Lumps
from tests.cases.tiny import by, grid, priced, rate, text, tiny

TWO, SITES = ["a", "b"], ["east", "west"]


def near(value: float) -> Any:
    return pytest.approx(value, abs=2e-3, rel=1e-6)  # 1e-4 a busy MW breaks ties


def lumps(
    sites: list[str], halls: list[float], openings: list[float] | None = None, *, whole: bool = True, **more: Any
) -> dict[str, Any]:
    """Halls of so many MW, and what opening each site costs; none has to be opened where no price is given."""
    opens = tuple(sites) if openings else ()
    found = {"lumps": Lumps(whole=whole, hall_mw=by("site", sites, halls), opens=opens, **more)}
    return found | ({"rates": (rate("site-opening", "opened", by("site", sites, openings)),)} if openings else {})


def two_sites(**changes: Any) -> PlanInputs:
    """Offer a in the east, b in the west, 2 MUSD/MW both; one pool each; facility power is IT power."""
    base = tiny(offers=TWO, facility_over_it=by("offer", TWO, [1.0, 1.0]))
    sites = {
        "sites": tuple(SITES),
        "offer_site": text("offer", TWO, SITES),
        "connection_mw": grid("site", SITES, 100.0),
        "energised_initial_mw": by("site", SITES, [0.0, 0.0]),
    }
    return priced(base, **(sites | changes))


def ganged(able: list[list[float]], places: list[str], **changes: Any) -> PlanInputs:
    """A job of 6 MW in the second quarter, no demand; a at 2 with 4 MW of room, b at 3 with 8."""
    member = xr.DataArray([able], dims=("gang", "place", "offer"),
                          coords={"gang": ["job"], "place": places, "offer": TWO})  # fmt: skip
    base = two_sites(
        capex_musd_per_mw=grid("offer", TWO, [[2.0, 2.0], [3.0, 3.0]]),
        connection_mw=grid("site", SITES, [[4.0, 4.0], [8.0, 8.0]]),
        gang_workload=("job",), gang_mw=grid("gang", ["job"], [[0.0, 6.0]]),
        gang_offer=xr.DataArray([[1.0, 1.0]], dims=("gang", "offer"), coords={"gang": ["job"], "offer": TWO}),
        **lumps(SITES, [0.0, 0.0], gang_able=member),
    )  # fmt: skip
    return replace(base, demand=base.demand * 0.0, **changes)


OLD_NEW, CLASSES, THREE = ["old", "new"], ["air", "liquid"], ("2027Q1", "2027Q2", "2027Q3")


def hosted(*, downtime: int = 1, cost: float = 1.0, fit: float = 0.0, room: float = 10.0) -> PlanInputs:
    """10 MW of old systems stand in air-cooled halls and may go; new ones do twice the work and need liquid.

    Old ones are free to hold, new ones cost 2 MUSD/MW; 20 Mwork/s are asked for; unmet work costs 100.
    """
    base = tiny(
        offers=OLD_NEW, quarters=THREE, demand=20.0, facility_over_it=by("offer", OLD_NEW, [1.0, 1.0]),
        initial_mw=by("offer", OLD_NEW, [10.0, 0.0]), energised_initial_mw=by("site", ["hall"], [10.0]),
        add_max_mw=grid("offer", OLD_NEW, [[0.0] * 3, [np.inf] * 3], THREE),
        connection_mw=grid("site", ["hall"], room, THREE),
        rate=grid("lane", ["pool-old>work", "pool-new>work"], [[1.0] * 3, [2.0] * 3], THREE),
    )  # fmt: skip
    rules = Hosting(
        sites=("hall",), classes=tuple(CLASSES), offer_class=text("offer", OLD_NEW, CLASSES),
        initial_mw=xr.DataArray([[10.0, 0.0]], dims=("site", "hosting"), coords={"site": ["hall"], "hosting": CLASSES}),
        retrofits=(Retrofit(start="air", end="liquid", downtime=downtime),),
    )  # fmt: skip
    return priced(base, hosting=rules, rates=fitting(0.0, fit, cost))


def fitting(air: float, liquid: float, turned: float) -> tuple[Rate, ...]:
    """Prices of fitting out in either class, and of turning air into liquid."""
    return (
        rate("fit-out", "fit", by("hosting", CLASSES, [air, liquid])),
        rate("fit-out", "retrofit", by("retrofit", ["air>liquid"], [turned])),
    )
