"""Small scenarios drawn at random: the same seed gives the same mapping, which the loader takes like a file of YAML.

Most have a plan; a few are refused or have none, which is for the test to say (``planned`` below leaves those out).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gigawatt.catalog.load import load_catalog
from gigawatt.core.calendar import str_quarter
from gigawatt.core.errors import CatalogError, InfeasibleError, ScenarioError
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.live import LivePlan
from gigawatt.plan.solve import open_plan, solve
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.scenario import Scenario

Map = dict[str, Any]

BUYER = "example-neocloud"
START = 8108  # 2027Q1, quarters since year 0
SYSTEMS = ("hgx-h100", "hgx-h200", "hgx-b200", "gb200-nvl72", "gb300-nvl72", "mi355x")
PROVIDERS = ("coreweave", "oracle", "aws")
REGIONS = ("us-south", "us-midwest", "eu-north")


@dataclass(frozen=True, slots=True)
class _Draw:
    """A generator, the length of the horizon, and the factor on all power and money."""

    rng: np.random.Generator
    quarters: int
    scale: float

    def some(self, chance: float) -> bool:
        return bool(self.rng.random() < chance)

    def pick(self, values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]

    def between(self, low: float, high: float) -> float:
        return float(f"{self.rng.uniform(low, high):.4g}")

    def quarter(self, first: int, last: int | None = None) -> str:
        """A quarter from ``first`` to ``last`` of the horizon, counted from 0."""
        last = self.quarters - 1 if last is None else last
        return str_quarter(START + int(self.rng.integers(first, max(last, first) + 1)))

    def mw(self, low: float, high: float) -> str:
        return f"{self.between(low, high) * self.scale:.6g} MW"

    def musd(self, low: float, high: float) -> str:
        return f"${self.between(low, high) * self.scale:.6g}M"

    def after(self, index: int) -> str:
        return str_quarter(START + index)


def random_scenario(seed: int) -> Map:
    """A scenario of 4 to 8 quarters as a mapping: sites, offers, demand and contracts of every kind, some absent."""
    rng = np.random.default_rng(seed)
    r = _Draw(rng, int(rng.integers(4, 9)), float(rng.choice([1.0, 1.0, 1.0, 200.0])))
    sites = _sites(r)
    offers = _offers(r, sites)
    demand = _demand(r)
    raw: Map = {
        "name": f"random-{seed}", "title": f"Random scenario {seed}", "buyer": BUYER,
        "horizon": {"start": r.after(0), "quarters": r.quarters}, "demand": demand, "sites": sites, "offers": offers,
        "funding": _funding(r), "policy": _policy(r, demand),
    }  # fmt: skip
    raw |= _promises(r, sites, offers, bool(demand))
    if r.some(0.3):
        raw |= {"inflation": "3 %/yr", "money": r.pick(["nominal", "real"])}
    if r.some(0.5):
        raw["discount"] = f"{r.between(5, 14)} %/yr"
    return raw


def _sites(r: _Draw) -> list[Map]:
    own = [_hall(r, k) for k in range(1 + r.some(0.5))]
    dc: Map = {"site": "dc", "region": r.pick(REGIONS), "tenure": "provider",
               "connection": [{"quarter": r.after(0), "value": r.mw(5, 30)}]}  # fmt: skip
    return [*own, dc]


def _hall(r: _Draw, k: int) -> Map:
    first = r.between(2, 8)
    steps = [{"quarter": r.after(0), "value": f"{first * r.scale:.6g} MW"}]
    if r.some(0.7):
        steps.append({"quarter": r.quarter(2), "value": f"{first * r.between(1.3, 4) * r.scale:.6g} MW"})
    hall: Map = {
        "site": f"hall{k}", "region": r.pick(REGIONS), "power_price": f"{r.between(0.03, 0.15)} USD/kWh",
        "facility_over_it": r.pick([1.15, 1.25, 1.4]), "annual_pue": r.pick([1.1, 1.2, 1.3]), "connection": steps,
    }  # fmt: skip
    if r.some(0.4):
        hall["tenure"] = "own"
    else:
        hall |= {"tenure": "lease", "landlord": "crusoe", "rent": f"{r.between(1, 3)} USD/W/yr"}
        if r.some(0.4):
            hall["lease"] = {"term": r.pick(["6 months", "1 yr", "5 yr"]), "deposit": "3 months"}
            hall["lease"] |= r.pick([{}, {"escalator": "3 %/yr"}, {"take_or_pay": f"{r.between(10, 50)} %"}])
    if r.some(0.3):
        hall["hall"] = r.mw(1, 2)
    if r.some(0.2):
        hall["opening"] = r.musd(1, 5)
    return hall


def _offers(r: _Draw, sites: list[Map]) -> list[Map]:
    halls = [site["site"] for site in sites if site["tenure"] != "provider"]
    kinds = ["own", *(r.pick(["own", "lease", "cloud"]) for _ in range(r.rng.integers(1, 4)))]
    return [_offer(r, k, kind, halls) for k, kind in enumerate(kinds)]


def _offer(r: _Draw, k: int, contract: str, halls: list[str]) -> Map:
    offer: Map = {"id": f"o{k}", "system": r.pick(SYSTEMS), "contract": contract, "available": "2025Q1",
                  "lead_time": r.pick(["0 months", "3 months", "6 months"]), "terms": {}}  # fmt: skip
    if contract == "own":
        offer |= {"provider": BUYER, "sites": halls if r.some(0.6) else halls[:1]}
        if r.some(0.6):
            offer["price"] = f"${r.between(2e5, 6e5) * (8 if 'nvl72' in offer['system'] else 1):.0f}"
        if r.some(0.3):
            offer |= {
                "resale": [{"age": "1 yr", "share": f"{r.between(40, 80)} %"}],
                "term": r.pick(["6 months", "1 yr"]),
            }
        if r.some(0.2):
            offer["terms"]["resale_falls"] = "30 %/yr"
    else:
        offer |= {"provider": r.pick(PROVIDERS), "sites": ["dc"] if contract == "cloud" else halls}
        offer |= {"rent": f"{r.between(5, 16)} USD/W/yr", "term": r.pick(["3 months", "6 months", "1 yr", "3 yr"])}
        _rented(r, offer)
    if r.some(0.2):
        offer["terms"]["acceptance_lag"] = "3 months"
    if r.some(0.2):
        offer["terms"]["ageing"] = "4 %/yr"
    if r.some(0.3):
        offer["most_per_quarter"] = r.mw(1, 4)
    return offer


def _rented(r: _Draw, offer: Map) -> None:
    """Terms that only what is rented has."""
    if r.some(0.4):
        offer["terms"]["rent_falls"] = "10 %/yr"
    if r.some(0.3) and offer["term"] in ("1 yr", "3 yr"):
        offer["terms"]["exit"] = {"fee": f"{r.between(20, 80)} %", "after": "6 months"}
    if r.some(0.2):
        offer["terms"]["option"] = {"firm": r.mw(1, 3), "power": r.mw(1, 3), "premium": "0.3 USD/W",
                                    "until": r.quarter(1), "notice": "3 months"}  # fmt: skip
    elif r.some(0.3):
        take: Map = {"start": r.quarter(2, r.quarters // 2), "end": r.quarter(r.quarters - 1), "power": r.mw(0.3, 1)}
        offer["minimum_take"] = [take | r.pick([{}, {"take_or_pay": True}, {"take_or_pay": True, "ramp": "6 months"}])]


def _demand(r: _Draw) -> Map:
    if r.some(0.15):
        return {}
    inference = [_class(r, "open-chat-70b", "chat", 2.0, 10.0)]
    if r.some(0.6):
        inference.append(_class(r, "batch", "night", 1.0, 4.0))
    if r.some(0.3):
        inference.append(_class(r, "open-small-8b", "small", 2.0, 8.0) | {"model": "llama-3.1-8b"})
    demand: Map = {"inference": inference}
    if r.some(0.6):
        demand["training"] = [_training(r)]
    return demand


def _class(r: _Draw, workload: str, name: str, low: float, high: float) -> Map:
    rate = r.between(low, high) * r.scale
    row: Map = {"workload": workload, "name": name, "model": "gpt-oss-120b",
                "tokens_per_s": [{"quarter": r.after(0), "value": f"{rate:.6g} Mtok/s"},
                                 {"quarter": r.after(r.quarters - 1), "value": f"{rate * r.between(0.5, 4):.6g} Mtok/s"}],
                }  # fmt: skip
    price = r.between(0.1, 1.0)
    kind = r.pick(["value", "price", "price", "curve"]) if workload != "batch" else "value"
    if kind == "curve":
        steps = [{"price": f"${price * f:.4g}/Mtok", "volume": v} for f, v in ((1.0, 0.7), (0.6, 1.0), (0.4, 1.6))]
        return row | {"curve": {"pricing": r.pick(["one-price", "own-price"]), "steps": steps}}
    row["value"] = f"${price}/Mtok"
    return row | ({"price": f"${price}/Mtok"} if kind == "price" else {})


def _training(r: _Draw) -> Map:
    start = int(r.rng.integers(0, max(r.quarters // 2, 1)))
    length = int(r.rng.integers(1, r.quarters - start))
    job: Map = {"name": "run", "workload": "training-frontier", "start": r.after(start),
                "deadline": r.after(start + length)}  # fmt: skip
    rate = r.between(0.5, 2.5)  # EFLOP/s over the whole window
    job["amount"] = f"{rate * 1e18 * r.scale * 7.884e6 * (length + 1):.4g} FLOP"
    if r.some(0.5):
        job |= {"spread": "free", "most": f"{rate * r.between(1.2, 3) * r.scale:.5g}e18 FLOP/s"}
    elif r.some(0.5):
        job["gang"] = r.mw(0.5, 2)
    return job


def _promises(r: _Draw, sites: list[Map], offers: list[Map], has_demand: bool) -> Map:
    raw: Map = {}
    if not has_demand or r.some(0.6):
        raw["commitments"] = [_commitment(r, k, offers) for k in range(1 + r.some(0.3))]
    if r.some(0.35):
        raw["rights"] = [_right(r, offers)]
    if r.some(0.5):
        raw["supply"] = [{"vendor": "nvidia", "systems": sorted({o["system"] for o in offers} - {"mi355x"}),
                          "packages_per_quarter": [{"quarter": r.after(0), "value": r.between(300, 4000) * r.scale}]}]  # fmt: skip
        raw["supply"] = [row for row in raw["supply"] if row["systems"]]
    if r.some(0.4):
        raw["initial"] = [_initial(r, r.pick(offers))]
    if r.some(0.2):
        raw["warrants"] = [
            {"id": "w", "vendor": "nvidia", "shares": 1e5 * r.scale, "price": "$30", "over": r.mw(5, 20)}
        ]
        if all(o["system"] == "mi355x" for o in offers):
            raw["warrants"][0]["vendor"] = "amd"
    late = {"delay_sites": [sites[0]["site"]]}
    if "commitments" in raw:
        late["delay_commitments"] = ["c0"]
    raw["events"] = [{"id": "late", "title": "Late", "delay": "3 months", **late}]
    return raw


def _commitment(r: _Draw, k: int, offers: list[Map]) -> Map:
    by = [{"quarter": r.quarter(1, r.quarters // 2), "value": r.mw(0.3, 1.5)}]
    if r.some(0.4):
        by.append({"quarter": r.after(r.quarters - 1), "value": r.mw(1.6, 3)})
    row: Map = {"id": f"c{k}", "basis": r.pick(["facility", "it"]), "by": by}
    if r.some(0.3):
        row["providers"] = [r.pick(offers)["provider"]]
    elif r.some(0.4):
        row["systems"] = [r.pick(offers)["system"]]
    if r.some(0.6):
        row |= {"firm": False, "penalty": f"{r.between(0.5, 15)} USD/W/yr"}
    if row.get("providers", [BUYER]) != [BUYER]:
        row["damages"] = "5 USD/W/yr"
        if r.some(0.5):
            row["cancel"] = {"fee": f"{r.between(0.5, 5)} USD/W"}
    return row


def _right(r: _Draw, offers: list[Map]) -> Map:
    right: Map = {"id": "r", "holder": r.pick(offers)["provider"], "start": r.after(0)}
    if right["holder"] == BUYER:
        right["holder"] = "nvidia" if any(o["system"] != "mi355x" for o in offers) else "amd"
    kind = r.pick(["first-refusal", "preferred-partner", "preferred-partner"])
    right |= {"kind": kind, "share": f"{r.between(20, 80)} %"}
    return right | ({"end": r.quarter(1)} if r.some(0.4) else {})


def _initial(r: _Draw, offer: Map) -> Map:
    row = {"offer": offer["id"], "site": offer["sites"][0], "power": r.mw(0.2, 1)}
    if offer["contract"] == "own":
        return row | ({"accepted": "2026Q1"} if r.some(0.5) else {})
    return row | ({"held_until": r.quarter(0, 2)} if r.some(0.5) else {})


def _funding(r: _Draw) -> Map:
    cash = r.pick(["$0", r.musd(0, 40), r.musd(20, 100), "$100B"])
    funding: Map = {"opening_cash": cash, "gap_premium": f"{r.between(2, 10)} %/yr"}
    if r.some(0.4):
        funding["credit"] = {"limit": r.musd(10, 100), "rate": "11 %/yr", "lender": "bank-syndicate"}
    if r.some(0.4):
        funding |= {"revenue": [{"quarter": r.after(0), "value": r.musd(10, 200)}], "compute_share": "60 %"}
        if r.some(0.3):
            funding["revenue_share"] = {"to": "microsoft", "share": "20 %", "until": r.quarter(1)}
    if r.some(0.3):
        funding["rounds"] = [{"quarter": r.quarter(1), "amount": r.musd(20, 300), "investor": "softbank"}]
    if r.some(0.2):
        release = "whole-gigawatt" if r.scale > 1 and r.some(0.5) else "linear"
        funding["milestones"] = {"deal": "openai-nvidia-loi", "signed": r.after(0), "release": release,
                                 "first_on_signing": r.some(0.3)}  # fmt: skip
    return funding


def _policy(r: _Draw, demand: Map) -> Map:
    policy: Map = {"reserve": r.pick(["0 %", "5 %", "10 %"])}
    if r.some(0.3):
        policy["lumps"] = "whole"
    if demand and r.some(0.15):
        policy["survive"] = {"classes": ["chat"], "share": "30 %", "lost": "site"}
    if r.some(0.15):
        policy["rest_worth"] = "70 %"
    return policy


def case_of(raw: Map) -> Case:
    """The case of a mapping, as of a file with it."""
    return resolve(Scenario.model_validate(raw), load_catalog())


def planned(seed: int, **changes: Any) -> tuple[Case, LivePlan] | None:
    """A random case and its plan to a gap of 1e-9; None where the draw is refused or has no plan."""
    try:
        case = case_of(random_scenario(seed) | changes)
        inputs: PlanInputs = plan_inputs(case)
        return case, solve(open_plan(inputs), mip_gap=1e-9, time_limit_s=20.0, explain=False)
    except (ValueError, ScenarioError, CatalogError, InfeasibleError):
        return None
