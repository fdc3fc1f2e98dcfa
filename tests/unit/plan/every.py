"""Tiny plans that between them have every family of constraints, every kind of contract and every lump."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from gigawatt.plan.flows import Rate
from gigawatt.plan.hosting import Hosting, Retrofit
from gigawatt.plan.inputs import Milestones, PlanInputs, RightRow
from gigawatt.plan.lumps import Lumps
from gigawatt.plan.terms import Late, Leases, Options, Takes, Terms, Warrants
from tests.unit.plan.test_contracts import cube
from tests.unit.plan.test_pace import block
from tests.unit.plan.test_service import in_regions, on_a_curve, two_speeds
from tests.unit.plan.test_spares import standby
from tests.unit.plan.tiny import QUARTERS, by, end, grid, owed, priced, rate, tiny


def every_contract() -> Terms:
    """One contract of each kind over the offer "a" and the site "hall"."""

    def of_a(row: str, value: float) -> xr.DataArray:
        return xr.DataArray([[value]], dims=(row, "offer"), coords={row: [row[0]], "offer": ["a"]})

    return Terms(
        takes=Takes(member=of_a("take", 1.0), mw=grid("take", ["t"], 2.0), after_mw=after([3.0, 1.0])),
        options=Options(member=of_a("option", 1.0), firm_mw=by("option", ["o"], [4.0]),
                        most_mw=by("option", ["o"], [3.0]), notice=by("option", ["o"], [1]).astype(int)),
        leases=Leases(due_mw=grid("site", ["hall"], 6.0), term_quarters=by("site", ["hall"], [1]).astype(int)),
        warrants=Warrants(weight=of_a("warrant", 1.25), most_mw=by("warrant", ["w"], [5.0])),
        late=Late(most_mw=grid("commitment", ["c"], [[0.0, np.inf]])),
        testing_quarters=by("offer", ["a"], [1]).astype(int), survival_frac=by("offer", ["a"], [0.9]),
    )  # fmt: skip


def after(values: list[float]) -> xr.DataArray:
    return xr.DataArray([values], dims=("take", "after"), coords={"take": ["t"], "after": ["+1", "+2"]})


def prices_of_every_contract() -> dict[str, Any]:
    """What they cost, and what they leave at the end."""
    quarters, site = list(QUARTERS), {"site": ["hall"]}
    damages = rate("delay-damages", "fixed", grid("commitment", ["c"], [[0.4, 0.0]]))
    rates = (
        rate("chip-rent", "signed", cube([[0.0, 0.3], [0.0, 0.0]])),
        rate("chip-rent", "fixed", by("quarter", quarters, [0.0, 0.1])),
        rate("take-or-pay", "short", grid("take", ["t"], [[np.inf, 1.0]])),
        rate("exit-fee", "left", cube([[np.inf, 0.4], [np.inf, np.inf]])),
        rate("option-premium", "exercised", grid("option", ["o"], [[5.0, np.inf]])),
        rate("take-or-pay", "unused", grid("site", ["hall"], 0.0)),
        rate("deposit-return", "vacate", by("site", ["hall"], [0.3])),
        replace(damages, received=True),
        rate("cancellation", "cancelled", grid("commitment", ["c"], [[0.6, np.inf]])),
    )
    signed = xr.DataArray([[0.0, 0.5]], dims=("offer", "signed"), coords={"offer": ["a"], "signed": quarters})
    taken = xr.DataArray([[0.0, 0.2]], dims=("site", "signed"), coords=site | {"signed": quarters})
    ends = (
        *owed("signed_at_end", signed), *owed("beyond", after([0.9, 0.8])), *owed("taken", taken),
        *owed("unused_at_end", by("site", ["hall"], [0.2])), end("salvage", "vacate", by("site", ["hall"], [-0.1])),
        end("vested", "vested", grid("warrant", ["w"], 0.7)),
    )  # fmt: skip
    return {"rates": rates, "ends": ends}


def every_family() -> PlanInputs:
    """One row of each family of an LP, every kind of contract, and whole gigawatts."""
    member = xr.DataArray([[1.0]], dims=("supply", "offer"), coords={"supply": ["v"], "offer": ["a"]})
    weight = xr.DataArray([[1.25]], dims=("commitment", "offer"), coords={"commitment": ["c"], "offer": ["a"]})
    gang = xr.DataArray([[1.0]], dims=("gang", "offer"), coords={"gang": ["job"], "offer": ["a"]})
    right = RightRow(id="first-refusal", kind="first-refusal", share=0.5, base=by("offer", ["a"], [1]),
                     held=by("offer", ["a"], [1]), quarters=QUARTERS)  # fmt: skip
    terms = Milestones(per_gw_musd=1e4, n_max=2, whole=True, lag=1, counts=by("offer", ["a"], [1.25]),
                       signing_quarter="2027Q1", signing_musd=1e4, from_quarter="2027Q1")  # fmt: skip
    return tiny(
        stock_min_mw=grid("offer", ["a"], 1.0), supply_member=member, supply_packages=grid("supply", ["v"], 9000.0),
        gate_max_frac=grid("workload", ["work"], [[0.4, 0.0]]), gang_workload=("job",), gang_offer=gang,
        gang_mw=grid("gang", ["job"], [[0.0, 7.0]]), commitment_weight=weight, rights=(right,), milestones=terms,
        commitment_mw=grid("commitment", ["c"], [[0.0, 5.0]]), commitment_penalty_musd=by("commitment", ["c"], [1.0]),
        credit_limit_musd=8.0, credit_rate=0.05, credit_spread=0.02, patience=by("workload", ["work"], [2]).astype(int),
        terms=every_contract(), **prices_of_every_contract(),
    )  # fmt: skip


def lumped() -> PlanInputs:
    """Halls, openings, a gang at one place, classes of halls with a retrofit, and resale."""
    one = {"site": ["hall"]}
    hosting = Hosting(
        sites=("hall",), classes=("air", "liquid"),
        offer_class=xr.DataArray(["liquid"], dims="offer", coords={"offer": ["a"]}),
        initial_mw=xr.DataArray([[2.0, 0.0]], dims=("site", "hosting"), coords=one | {"hosting": ["air", "liquid"]}),
        retrofits=(Retrofit(start="air", end="liquid", downtime=1),),
    )  # fmt: skip
    able = xr.DataArray([[[1.0]]], dims=("gang", "place", "offer"),
                        coords={"gang": ["job"], "place": ["hall"], "offer": ["a"]})  # fmt: skip
    lumps = Lumps(whole=True, hall_mw=by("site", ["hall"], [5.0]), opens=("hall",),
                  gang_able=able)  # fmt: skip
    return tiny(
        hosting=hosting, lumps=lumps, rates=prices_of_lumps(), gang_workload=("job",),
        gang_mw=grid("gang", ["job"], [[0.0, 7.0]]),
        gang_offer=xr.DataArray([[1.0]], dims=("gang", "offer"), coords={"gang": ["job"], "offer": ["a"]}),
    )  # fmt: skip


def prices_of_lumps() -> tuple[Rate, ...]:
    """Openings, fit-outs and retrofits; half of what was paid for what is sold a quarter later."""
    sold = cube([[0.0, 1.0], [0.0, 0.0]]).rename(signed="bought")
    return (
        rate("site-opening", "opened", by("site", ["hall"], [4.0])), rate("resale", "sold", sold),
        rate("fit-out", "fit", by("hosting", ["air", "liquid"], [0.0, 0.5])),
        rate("fit-out", "retrofit", by("retrofit", ["air>liquid"], [0.3])),
    )  # fmt: skip


def feasible() -> PlanInputs:
    """``every_family`` with 3 MW at the start, which its minimum takes need in the first quarter."""
    stood = {"initial_mw": by("offer", ["a"], [3.0]), "energised_initial_mw": by("site", ["hall"], [3.75])}
    return replace(every_family(), **stood)  # type: ignore[arg-type]


def combined() -> PlanInputs:
    """Contracts, lumps, classes and resale at once, a warrant in steps: buildings and halls may be given back."""
    contracts, lumps = feasible(), lumped()
    warrants = contracts.terms.warrants
    assert warrants is not None
    terms = replace(contracts.terms, warrants=replace(warrants, step_mw=by("warrant", ["w"], [1.25])))
    return priced(contracts, terms=terms, hosting=lumps.hosting, lumps=lumps.lumps, rates=prices_of_lumps())


def every_model() -> dict[str, PlanInputs]:
    """The models by name."""
    linear = feasible()
    assert linear.milestones is not None
    return {
        "contracts": linear, "linear release": replace(linear, milestones=replace(linear.milestones, whole=False)),
        "speeds": two_speeds(1.5, paid=1.0), "survival": in_regions("ab", 0.8), "curve": on_a_curve(1.0, paid=1.0),
        "pace": block([4.0] * 4, [8.0] * 4), "pace of a gang": block([4.0] * 4, [8.0] * 4, gang=8.0),
        "spares": standby(3.0, whole=False), "lumps": lumped(), "combined": combined(),
        "initial": tiny(initial_mw=by("offer", ["a"], [2.0]), energised_initial_mw=by("site", ["hall"], [2.5]),
                        initial_salvage_musd_per_mw=by("offer", ["a"], [0.1])),
    }  # fmt: skip
