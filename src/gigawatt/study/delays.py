"""A plan that is kept while sites and systems come late: what it costs, what stands, and whose lateness matters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from gigawatt.finance.ledger import ledger
from gigawatt.plan.flows import Rate
from gigawatt.plan.found import Say, quiet
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.live import LivePlan
from gigawatt.plan.replay import Delays, delays_of, mean_payments, replay
from gigawatt.plan.replay_money import BILL
from gigawatt.plan.solve import open_plan, solve
from gigawatt.study.cash import by_kind, rated
from gigawatt.study.change import Late, apply
from gigawatt.study.inputs import plan_inputs, with_prices
from gigawatt.study.money import flows_in_terms
from gigawatt.study.rates import UTILITIES
from gigawatt.study.resolve import Case
from gigawatt.study.terms import contract_terms

Floats = npt.NDArray[np.float64]

SITE_MEAN, SYSTEM_MEAN = 1.0, 0.5
"""Judgement: quarters by which a building and a system come late in the mean; Poisson, each on its own."""
QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delayed:
    """A plan under delays.

    ``late`` are the draws of lateness, ``draws`` the replay (see ``plan.replay``), ``planned_gw`` (quarter) facility
    power that stands without delays, ``stands_gw`` (draw, quarter) with them, ``extra_usd`` (draw) what a draw costs
    more than the plan, discounted. ``one_late_usd``: extra cost if one site or system alone is one quarter late, the
    dearest first.
    """

    case: Case
    plan: LivePlan
    late: Delays
    draws: xr.Dataset
    planned_gw: Floats
    stands_gw: Floats
    extra_usd: Floats
    one_late_usd: dict[str, float]
    site_mean: float
    system_mean: float
    seed: int

    def late_gw(self) -> dict[str, list[float]]:
        """By commitment: quantiles of the most GW by which the buyer is behind it in any quarter, on its own basis."""
        worst = self.draws["late_mw"].max("quarter")
        return {
            str(name): [float(gw) for gw in np.quantile(worst.sel(commitment=name).values / 1e3, QUANTILES)]
            for name in worst["commitment"].values
        }

    def expected_book(self) -> pd.DataFrame:
        """Who pays whom for what, mean over the draws, without funding: payer, payee, kind, usd; the most first."""
        work = Rate(kind="energy", on=BILL, musd=xr.DataArray(1.0), party=UTILITIES)
        parts = mean_payments(self.plan, self.late, contracts_late(self.case, self.plan.inputs))
        rows = rated(self.case, (((*d.rates, work), amounts) for d, amounts in parts))
        return by_kind(ledger(flows_in_terms(self.case, rows)))

    def to_dict(self) -> dict[str, Any]:
        """Plain data: quantiles in order of ``QUANTILES``; money in USD, cost discounted; unmet work by its value."""

        def spread(values: Floats) -> list[float]:
            return [float(value) for value in np.quantile(values, QUANTILES)]

        found = self.draws["gap_musd"].max("quarter").values * 1e6
        d = self.plan.inputs
        spared = _priced_out(self.plan)
        lacks = (self.draws["unmet"] * d.unmet_musd).sum(("workload", "quarter")).values - spared
        lacks = np.maximum(lacks, 0.0)
        asked = float((d.demand * d.hours_frac * d.unmet_musd).sum()) - spared
        return {
            "scenario": self.case.scenario.name, "draws": len(self.extra_usd), "seed": self.seed,
            "site_mean_quarters": self.site_mean, "system_mean_quarters": self.system_mean,
            "quantiles": list(QUANTILES), "plan_usd": self.plan.objective_musd * 1e6,
            "extra_usd": spread(self.extra_usd),
            "to_be_found_usd": spread(found), "committed_late_gw": self.late_gw(),
            "unmet_frac": spread(lacks / asked if asked > 0 else lacks),
            "gw": [
                {"quarter": quarter, "planned": float(plan), "gw": spread(self.stands_gw[:, q])}
                for q, (quarter, plan) in enumerate(zip(self.case.labels, self.planned_gw, strict=True))
            ],
            "one_quarter_late_usd": self.one_late_usd,
            "expected_payments": self.expected_book().to_dict("records"),
        }  # fmt: skip


def contracts_late(case: Case, d: PlanInputs) -> Callable[[int], PlanInputs]:
    """Inputs with contracts and prices of the case with all sites and deliveries that late from the start."""

    @cache
    def later(quarters: int) -> PlanInputs:
        sites = (Late(kind="site", id=site.id, quarters=quarters) for site in case.sites)
        offers = (Late(kind="offer", id=offer.id, quarters=quarters) for offer in case.offers)
        late = apply(case, [*sites, *offers])
        return with_prices(late, replace(d, terms=contract_terms(late)))

    return later


def _priced_out(plan: LivePlan) -> float:
    """Work that the plan leaves to customers who would pay less than it asks, at the value of unmet work [MUSD]."""
    d = plan.inputs
    if d.service is None or (curve := d.service.curve) is None:
        return 0.0
    each = d.unmet_musd.sel(workload=xr.DataArray([str(name) for name in curve.workload.values], dims="step"))
    left = (plan.value("spared") * d.hours_frac).sum("block").transpose("step", "quarter").values
    return float((left * each.transpose("step", "quarter").values).sum())


def delayed(
    case: Case,
    *,
    n_draws: int = 1000,
    site_mean: float = SITE_MEAN,
    system_mean: float = SYSTEM_MEAN,
    seed: int = 0,
    say: Say = quiet,
) -> Delayed:
    """Plans a case and plays the plan through draws of lateness.

    Args:
        case: what is planned.
        n_draws: draws.
        site_mean: mean quarters late of every site, and ``system_mean`` of every system; Poisson, independent.
        system_mean: see above.
        seed: of the draws; the same seed gives the same draws.
        say: called with a line at each step.

    Raises InfeasibleError, SolverError where the case has no plan.
    """
    say("building and solving the plan")
    plan = solve(open_plan(plan_inputs(case)), say=say)
    d, rng = plan.inputs, np.random.default_rng(seed)
    say(f"playing it through {n_draws:,} draws")
    late = delays_of(
        d, n_draws, site=lambda _: rng.poisson(site_mean, n_draws), system=lambda _: rng.poisson(system_mean, n_draws)
    )

    later = contracts_late(case, d)
    draws, base = replay(plan, late, later), replay(plan, delays_of(d, 1))

    def stands(outcome: xr.Dataset) -> Floats:
        return np.asarray((outcome["stock_mw"] * d.facility_over_it).sum("offer").values / 1e3)

    systems = list(dict.fromkeys(str(name) for name in d.offer_system.values))
    names = [*d.sites, *systems]
    one = np.eye(len(names), dtype=np.int64)
    alone = delays_of(
        d, len(names), site=lambda name: one[d.sites.index(name)],
        system=lambda name: one[len(d.sites) + systems.index(name)],
    )  # fmt: skip
    each = replay(plan, alone, later)
    plain = float(base["cost_musd"][0])
    more = {name: float(cost - plain) * 1e6 for name, cost in zip(names, each["cost_musd"].values, strict=True)}
    return Delayed(
        case=case, plan=plan, late=late, draws=draws, planned_gw=stands(base)[0], stands_gw=stands(draws),
        extra_usd=(draws["cost_musd"].values - plain) * 1e6,
        one_late_usd=dict(sorted(more.items(), key=lambda item: -item[1])),
        site_mean=site_mean, system_mean=system_mean, seed=seed,
    )  # fmt: skip
