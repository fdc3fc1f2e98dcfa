"""Texts and figures that change only on purpose: the LP of a tiny plan, and the headline figures of every scenario."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from gigawatt.plan.algebra import lp_text
from gigawatt.plan.hosting import Hosting, Retrofit
from gigawatt.plan.inputs import Milestones, RightRow
from gigawatt.plan.live import build
from gigawatt.plan.lumps import Lumps
from gigawatt.plan.resale import Resale
from gigawatt.plan.terms import Late, Leases, Options, Rents, Takes, Terms, Warrants
from gigawatt.study.run import run
from gigawatt.study.scenario import bundled
from tests.unit.plan.test_contracts import cube
from tests.unit.plan.test_service import in_regions, on_a_curve, two_speeds
from tests.unit.plan.tiny import QUARTERS, by, grid, tiny

Golden = Callable[[str, str], None]


def every_contract() -> Terms:
    """One contract of each kind over the offer "a" and the site "hall"."""

    def of_a(row: str, value: float) -> xr.DataArray:
        return xr.DataArray([[value]], dims=(row, "offer"), coords={row: [row[0]], "offer": ["a"]})

    def after(values: list[float]) -> xr.DataArray:
        return xr.DataArray([values], dims=("take", "after"), coords={"take": ["t"], "after": ["+1", "+2"]})

    owed = xr.DataArray([[0.0, 0.5]], dims=("offer", "signed"), coords={"offer": ["a"], "signed": list(QUARTERS)})
    return Terms(
        rents=Rents(over_musd_per_mw=cube([[0.0, 0.3], [0.0, 0.0]]), owed_musd_per_mw=owed,
                    fixed_musd=by("quarter", list(QUARTERS), [0.0, 0.1])),
        takes=Takes(member=of_a("take", 1.0), mw=grid("take", ["t"], 2.0),
                    short_musd_per_mw=grid("take", ["t"], [[np.inf, 1.0]]),
                    after_mw=after([3.0, 1.0]), after_musd_per_mw=after([0.9, 0.8])),
        exit_musd_per_mw=cube([[np.inf, 0.4], [np.inf, np.inf]]),
        options=Options(member=of_a("option", 1.0), firm_mw=by("option", ["o"], [4.0]),
                        most_mw=by("option", ["o"], [3.0]), notice=by("option", ["o"], [1]).astype(int),
                        premium_musd_per_mw=grid("option", ["o"], [[5.0, np.inf]])),
        leases=Leases(
            due_mw=grid("site", ["hall"], 6.0), term_quarters=by("site", ["hall"], [1]).astype(int),
            owed_musd_per_mw=grid("site", ["hall"], [[0.0, 0.2]]), owed_unused_musd_per_mw=by("site", ["hall"], [0.2]),
            deposit_musd_per_mw=by("site", ["hall"], [0.3]), deposit_after_musd_per_mw=by("site", ["hall"], [0.1]),
        ),
        warrants=Warrants(weight=of_a("warrant", 1.25), most_mw=by("warrant", ["w"], [5.0]),
                          musd_per_mw=grid("warrant", ["w"], 0.7)),
        late=Late(most_mw=grid("commitment", ["c"], [[0.0, np.inf]]),
                      damages_musd=grid("commitment", ["c"], [[0.4, 0.0]])),
        cancel_musd_per_mw=grid("commitment", ["c"], [[0.6, np.inf]]),
        testing_quarters=by("offer", ["a"], [1]).astype(int), survival_frac=by("offer", ["a"], [0.9]),
    )  # fmt: skip


def test_lp_text_of_a_plan_with_every_family(golden: Golden) -> None:
    member = xr.DataArray([[1.0]], dims=("supply", "offer"), coords={"supply": ["v"], "offer": ["a"]})
    weight = xr.DataArray([[1.25]], dims=("commitment", "offer"), coords={"commitment": ["c"], "offer": ["a"]})
    gang = xr.DataArray([[1.0]], dims=("gang", "offer"), coords={"gang": ["job"], "offer": ["a"]})
    right = RightRow(id="first-refusal", kind="first-refusal", share=0.5, base=by("offer", ["a"], [1]),
                     held=by("offer", ["a"], [1]), quarters=QUARTERS)  # fmt: skip
    terms = Milestones(per_gw_musd=1e4, n_max=2, whole=True, lag=1, counts=by("offer", ["a"], [1.25]),
                       signing_quarter="2027Q1", signing_musd=1e4, from_quarter="2027Q1")  # fmt: skip
    inputs = tiny(
        stock_min_mw=grid("offer", ["a"], 1.0), supply_member=member, supply_packages=grid("supply", ["v"], 9000.0),
        gate_max_frac=grid("workload", ["work"], [[0.4, 0.0]]), gang_workload=("job",), gang_offer=gang,
        gang_mw=grid("gang", ["job"], [[0.0, 7.0]]), commitment_weight=weight, rights=(right,), milestones=terms,
        commitment_mw=grid("commitment", ["c"], [[0.0, 5.0]]), commitment_penalty_musd=by("commitment", ["c"], [1.0]),
        credit_limit_musd=8.0, credit_rate=0.05, credit_spread=0.02, patience=by("workload", ["work"], [2]).astype(int),
        terms=every_contract(),
    )  # fmt: skip
    golden("every_family.lp", lp_text(build(inputs)[0]))


def test_lp_text_of_a_plan_with_speeds_survival_and_a_curve(golden: Golden) -> None:
    speeds, survival, curve = two_speeds(1.5, paid=1.0), in_regions("ab", 0.8), on_a_curve(1.0, paid=1.0)
    texts = [lp_text(build(inputs)[0]) for inputs in (speeds, survival, curve)]
    golden("service.lp", "\n".join(texts))


def test_lp_text_of_lumps_hosting_and_resale(golden: Golden) -> None:
    one = {"site": ["hall"]}
    hosting = Hosting(
        sites=("hall",), classes=("air", "liquid"),
        offer_class=xr.DataArray(["liquid"], dims="offer", coords={"offer": ["a"]}),
        initial_mw=xr.DataArray([[2.0, 0.0]], dims=("site", "hosting"), coords=one | {"hosting": ["air", "liquid"]}),
        fit_musd_per_mw=by("hosting", ["air", "liquid"], [0.0, 0.5]),
        retrofits=(Retrofit(start="air", end="liquid", musd_per_mw=0.3, downtime=1),),
    )  # fmt: skip
    able = xr.DataArray([[[1.0]]], dims=("gang", "place", "offer"),
                        coords={"gang": ["job"], "place": ["hall"], "offer": ["a"]})  # fmt: skip
    lumps = Lumps(whole=True, hall_mw=by("site", ["hall"], [5.0]), opening_musd=by("site", ["hall"], [4.0]),
                  gang_able=able)  # fmt: skip
    worth = xr.DataArray([[1.0, 0.5]], dims=("offer", "age"), coords={"offer": ["a"], "age": [0, 1]})
    inputs = tiny(
        hosting=hosting, lumps=lumps, resale=Resale(share_frac=worth), gang_workload=("job",),
        gang_mw=grid("gang", ["job"], [[0.0, 7.0]]),
        gang_offer=xr.DataArray([[1.0]], dims=("gang", "offer"), coords={"gang": ["job"], "offer": ["a"]}),
    )  # fmt: skip
    golden("lumps.lp", lp_text(build(inputs)[0]))


@pytest.mark.parametrize("name", bundled())
def test_headline_figures(name: str, golden: Golden) -> None:
    """Unique quantities only, to four digits: the objective, what is accepted by the end, costs; no vertex of a tie."""
    figures = run(name).summary
    at_end = list(figures["gw_by_quarter"].values())[-1]
    rounded = {
        "objective_usd": figures["objective_usd"],
        "accepted_gw": at_end,
        "capex_usd": figures["capex_usd"],
        "tranches_usd": sum(figures["tranches_usd"].values()),
        "unmet_share": figures["unmet_share"],
        "low_latency_share": figures["low_latency_share"],
        "gw_without_commitments": figures.get("gw_without_commitments"),
    }
    text = {key: None if value is None else float(np.format_float_positional(value, 4, unique=False, fractional=False))
            for key, value in rounded.items()}  # fmt: skip
    golden(f"{name}.json", json.dumps(text, indent=1) + "\n")
