"""What a token costs: an owner's cost on every system at the same SLO, and NVIDIA's part of the work."""

from __future__ import annotations

import math

from gigawatt.catalog.schema import System, Workload
from gigawatt.core.calendar import QUARTER_S
from gigawatt.core.money import annuity_due_frac
from gigawatt.perf.serving import serving_point
from gigawatt.report.claims.model import Band, Claim, If, Topic, at_least, at_most, band, merge, point
from gigawatt.report.claims.view import View
from gigawatt.site.build import energy_usd_per_w_quarter, lease_usd_per_w_quarter
from gigawatt.study.economics import facility_cost, level_rate

EVEN = 1.02
"""Ratio of costs up to which two systems are level."""
VAST = at_least(75.0)
"""Per cent that a vast majority is asked for."""


def owner_usd_per_j(view: View, system: System, end: int = 1) -> float:
    """Level cost of a rated IT watt, all in, for a second [USD per J of IT at full load].

        [p (1 + n) / P (annuity_due + maintenance) + r rent(building) + energy at full load] / quarter

    ``end`` takes the low (0), central (1) or high (2) price of the system.
    """
    assert system.price and system.it_power
    costs, rate = view.case.costs, level_rate(view.case)
    capex = system.price.range[end] / system.it_power.value * (1 + costs.network_over_system.value)
    yearly = annuity_due_frac(rate, costs.system_life.value / QUARTER_S) + costs.maintenance.value * QUARTER_S
    building = costs.facility_over_it.value * lease_usd_per_w_quarter(facility_cost(view.case), rate)
    energy = energy_usd_per_w_quarter(1.0, costs.annual_pue.value, costs.power_price.value)
    return (capex * yearly + building + energy) / QUARTER_S


def cost_per_mtok(view: View, system: System, workload: Workload, end: int = 1) -> float:
    """Owner's cost of a million output tokens at the class's SLO [USD]; inf where the system does not serve it."""
    if system.package is None or system.price is None or workload.model is None:
        return math.inf
    served = serving_point(system, workload, view.catalog.model(workload.model), view.case.basis)
    return owner_usd_per_j(view, system, end) / served.output_tokens_per_j * 1e6 if served.is_served else math.inf


def _systems(view: View) -> list[System]:
    """Systems with a price and figures that ship or are announced."""
    return [s for s in view.catalog.all(System) if s.status in ("shipping", "announced") and s.price and s.package]


def inference_classes(view: View) -> list[tuple[str, Workload]]:
    """Classes of the scenario that answer users, by name."""
    return [(row.id, row.workload) for row in view.case.classes if row.workload.kind == "inference"]


def tenth(view: View) -> Band:
    """Cerebras's contract over OpenAI's inference power of 2027 [%]: D8 of the facts, extremes of plan and share."""
    plan, share = view.catalog.reference("openai-plan-2027").power, view.catalog.reference("inference-share").number
    deal = view.catalog.deal("openai-cerebras").power
    assert plan and share and deal
    return band(deal, 100.0) / (band(plan) * band(share))


def value_for_money(view: View) -> list[Claim]:
    """Cost of a token of the best NVIDIA system over the best of any other maker, by class at the same SLO.

    Each maker with its own software (AMD's counts less, from MI300X and MI325X), so the condition is the factor by
    which the other's software may fall further short. Range: both prices at their opposite ends.
    """
    topic = view.topic("S4.12", unit="x", statement="Customers choose NVIDIA for performance and total cost at scale")
    rows = []
    for name, workload in inference_classes(view):
        costs = [(s, cost_per_mtok(view, s, workload)) for s in _systems(view)]
        mine, ours = min((p for p in costs if p[0].vendor == "nvidia" and p[0].kind == "gpu"), key=lambda p: p[1])
        other, theirs = min((p for p in costs if p[0].vendor != "nvidia"), key=lambda p: p[1])
        if not math.isfinite(ours) or not math.isfinite(theirs):
            rows.append(_alone(topic, name, ours, theirs))
            continue
        ratio = Band(
            low=cost_per_mtok(view, mine, workload, 0) / cost_per_mtok(view, other, workload, 2),
            central=ours / theirs,
            high=cost_per_mtok(view, mine, workload, 2) / cost_per_mtok(view, other, workload, 0),
            sources=merge(_price_keys(mine), _price_keys(other)),
        )
        behind = f"software on {other.name} reaches less than {100 / ratio.central:.0f} % of what is assumed"
        rows.append(
            topic.row(f"{name}: cost of a token, {mine.name} over {other.name}", ratio, at_most(EVEN),
                      If(text="the prices of the catalogue are paid", then=ratio.central), If(text=behind, then=1.0))
        )  # fmt: skip
    return rows or [topic.absent("inference")]


def _alone(topic: Topic, name: str, ours: float, theirs: float) -> Claim:
    """Row of a class that only one side serves, at a ratio of 0 or without bound, or neither."""
    if math.isfinite(ours):
        return topic.row(f"{name}: no other maker's system serves it", Band(low=0, central=0, high=0), at_most(EVEN))
    if math.isfinite(theirs):
        nothing = Band(low=math.inf, central=math.inf, high=math.inf)
        return topic.row(f"{name}: NVIDIA's GPUs do not serve it", nothing, at_most(EVEN))
    return topic.refuse(f"no system of the catalogue serves {name}")


def _price_keys(*systems: System) -> tuple[str, ...]:
    return merge(*(s.price.source for s in systems if s.price))


def vast_majority(view: View) -> list[Claim]:
    """NVIDIA's share of inference in the plan, and in announced deals for low-latency chips."""
    topic = view.topic("S4.13", unit="%", statement="NVIDIA runs the vast majority of inference, at the best value")
    if not view.is_programme:
        return [topic.absent("inference of the laboratory")]
    rows = []
    for label, quarters in ((view.case.labels[0], view.case.labels[:1]), ("the last year", view.last_year)):
        all_w = view.work_w(quarters, task="inference")
        share = 100 * view.work_w(quarters, task="inference", vendor="nvidia") / all_w if all_w > 0 else 0.0
        reading = f"NVIDIA's share of IT power at work for inference, {label}"
        rows.append(view.vendor_row(topic, "nvidia", reading, share, VAST))
    part = tenth(view)
    left = Band(low=100 - part.high, central=100 - part.central, high=100 - part.low, sources=part.sources)
    rows.append(topic.row("what the contract with Cerebras leaves of inference in 2027", left, VAST))
    best = [_cheapest(view, w, nvidia=True) <= _cheapest(view, w, nvidia=False) for _, w in inference_classes(view)]
    reading = "classes in which an NVIDIA system has the cheapest token, equal software"
    short = If(text="others' software falls short", then=100.0)
    return [*rows, topic.row(reading, point(100 * sum(best) / len(best)), at_least(100.0), short)]


def _cheapest(view: View, workload: Workload, *, nvidia: bool) -> float:
    """Least cost of a class's token on NVIDIA's systems, or on those of all others [USD per million]."""
    return min(cost_per_mtok(view, s, workload) for s in _systems(view) if (s.vendor == "nvidia") == nvidia)


def training_front(view: View) -> list[Claim]:
    """NVIDIA's share of IT power at work, training and inference apart, over the horizon."""
    topic = view.topic("S4.5", unit="%")
    rows = []
    for task in ("training", "inference"):
        whole = view.work_w(task=task)
        if whole > 0:
            share = 100 * view.work_w(task=task, vendor="nvidia") / whole
            rows.append(view.vendor_row(topic, "nvidia", f"NVIDIA's share of {task}, IT power at work", share, VAST))
    return rows or [topic.absent("work")]
