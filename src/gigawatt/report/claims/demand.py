"""Users and what they need: chat in megawatts, growth, gating, training beside inference."""

from __future__ import annotations

import math

import numpy as np

from gigawatt.core.calendar import DAY_H, QUARTER_S
from gigawatt.report.claims.model import ABOUT, Band, Claim, If, at_least, band, merge, whole
from gigawatt.report.claims.view import View
from gigawatt.study.cash import daily_mean
from gigawatt.study.resolve import ClassCase, users
from gigawatt.study.scenario import Demanded, Gate

SMALL = 10.0
"""Per cent of all power below which a class does not explain the need for gigawatts."""
SOME = 1.0
"""Least that counts as something, in the unit of a row: a per cent, an EFLOP/s."""
HALF = 50.0
"""Per cent of a growth from which something drives it."""
INTENSIVE = 100.0
"""MW of IT from which computing is intensive."""
GROWS = at_least(1 + ABOUT)
"""What a factor is asked for that is said to grow."""


def chat_power(view: View) -> Band:
    """Mean IT power of all chat of summer 2025 [W]: messages a day x energy of one, over the conflicting figures."""
    messages = view.catalog.reference("chat-messages-per-day").number
    energy = view.catalog.reference("energy-per-chat").number
    assert messages and energy
    return whole(messages) * whole(energy) * (1.0 / 24.0)


def chatgpt_needs(view: View) -> list[Claim]:
    """MW of chat by measured energy and by the plan, of all inference, and of all work; chat's share of 2025."""
    topic = view.topic(
        "S3.22", unit="MW", statement="ChatGPT, with 700 million weekly users, needs intensive computing"
    )
    if not view.is_programme:
        return [topic.absent("demand of ChatGPT")]
    chat, fleet = chat_power(view), view.catalog.reference("openai-compute-2025").power
    assert fleet
    share = chat / band(fleet) * 100.0
    first, asked = view.case.labels[:1], at_least(INTENSIVE)
    other = If(text="reasoning, agents, media, free headroom and research count as ChatGPT",
               then=view.work_w(first) / 1e6)  # fmt: skip
    reading = "all chat of summer 2025: messages a day at the published energy of one, mean"
    rows = [
        topic.row(reading, chat * 1e-6, asked, other),
        topic.row("the same over the fleet of 2025", share, at_least(SMALL), unit="%"),
    ]
    for name in view.case.classes:
        if name.workload.id == "chat":
            reading = f"class {name.id} of the plan in {first[0]}, mean IT power at work"
            rows.append(topic.row(reading, _model_chat(view, name), asked, other))
    for label, quarters in ((first[0], first), ("the last year", view.last_year)):
        for reading, what in (("all inference", {"task": "inference"}), ("all work, training too", {})):
            mw = view.work_w(quarters, **what) / 1e6
            rows.append(topic.row(f"{reading} of the plan in {label}, mean IT power at work", mw, asked))
    return rows


def _model_chat(view: View, row: ClassCase) -> float:
    return view.work_w(view.case.labels[:1], workload=row.id) / 1e6


def user_growth(view: View) -> list[Claim]:
    """Factors from the first to the last quarter: users, tokens, inference power; the users' part of the growth.

    Part of a growth by the factor f that users, by u, explain: log u / log f, as the factors multiply. Beside it the
    same of tokens, and (u - 1) / (f - 1), as if what users add were added.
    """
    topic = view.topic("S2.21", unit="x")
    weekly = users(view.case)
    if not weekly.any():
        return [topic.absent("weekly users")]
    labels = view.case.labels
    names = [row.id for row in view.case.classes if row.workload.kind == "inference"]
    tokens = daily_mean(view.case, view.plan["demand"]).sel(workload=names).sum("workload").values
    power = [view.work_w((q,), task="inference") for q in (labels[0], labels[-1])]
    capacity = view.stands_gw.sum(axis=0)
    factors = {
        "weekly users": float(weekly[-1] / weekly[0]),
        "generated tokens asked for": float(tokens[-1] / tokens[0]),
        "IT power at work for inference": power[1] / power[0] if power[0] else math.nan,
        "capacity that stands": float(capacity[-1] / capacity[0]) if capacity[0] else math.nan,
    }
    keys = merge(*(point.value.source for point in view.case.scenario.demand.weekly_users))
    rows = [
        topic.row(f"{name}, {labels[0]} to {labels[-1]}", value, GROWS, sources=keys)
        for name, value in factors.items()
        if math.isfinite(value)
    ]
    heavier = If(text="heavier use by each user counts as growth of users", then=100.0)
    for reading, part in _users_part(factors).items():
        rows.append(topic.row(reading, part, at_least(HALF), heavier, unit="%", sources=keys))
    return rows


def _users_part(factors: dict[str, float]) -> dict[str, float]:
    """Per cent of each growth that users alone explain, in logarithms and linear, by its reading."""
    grown, parts = factors["weekly users"], {}
    for what in ("IT power at work for inference", "generated tokens asked for"):
        if factors[what] > 1:
            reading = f"part of the growth of {what} that users alone explain"
            parts[f"{reading}, share of logarithms"] = 100 * math.log(grown) / math.log(factors[what])
            parts[f"{reading}, linear"] = 100 * (grown - 1) / (factors[what] - 1)
    return parts


def served(view: View) -> list[Claim]:
    """Share of demand by value that the plan serves, and training compute served [EFLOP/s], last year."""
    topic = view.topic("S2.6")
    if not view.is_programme:
        return [topic.absent("demand of the laboratory")]
    met = 100 * (1 - float(view.results.summary["unmet_share"]))
    wait = If(text=f"{100 - met:.1f} % may wait", then=100.0)
    rows = [topic.row("value of demand that the plan serves", met, at_least(99.0), wait, unit="%")]
    jobs = [row.id for row in view.case.classes if row.workload.kind == "training"]
    if not jobs:
        return rows
    work = daily_mean(view.case, view.plan["served"]).sel(workload=jobs).sum("workload").values / 1e18
    first, last = float(work[0]), float(work[-4:].mean())
    return [
        *rows,
        topic.row("training compute served, first quarter", first, at_least(SOME), unit="EFLOP/s"),
        topic.row("training compute served, last year", last, at_least(first * (1 + ABOUT)), unit="EFLOP/s"),
    ]


def train_and_operate(view: View) -> list[Claim]:
    """Split of IT power at work between training and inference over the horizon, beside what is known."""
    topic = view.topic("S0.3", unit="%")
    whole_w = view.work_w()
    if whole_w <= 0 or not any(row.workload.kind == "training" for row in view.case.classes):
        return [topic.absent("training")]
    rows = []
    shares = {task: 100 * view.work_w(task=task) / whole_w for task in ("training", "inference")}
    for task, share in shares.items():
        rows.append(topic.row(f"{task}, IT power at work over the horizon", share, at_least(SOME)))
    known = view.catalog.reference("inference-share").number
    if known and view.is_programme:
        reading = f"inference, as reported for 2026; the plan has {shares['inference']:.0f} %"
        rows.append(topic.given(reading, band(known, 100.0), "reference inference-share"))
    return rows


def pro_gating(view: View) -> list[Claim]:
    """What opening a product to some tiers only saves and costs: in the plan, and at most under the policy.

    MW: gated tokens a second over tokens a joule of the plan's own systems. Range: tokens of a request, at its ends.
    """
    topic = view.topic("S3.23", unit="MW of IT")
    gates = view.case.scenario.policy.gating
    if not gates:
        return [topic.absent("gated product")]
    rows: list[Claim] = []
    for gate in gates:
        rows += _gate_rows(view, topic.id, gate)
    return rows


def _gate_rows(view: View, id: str, gate: Gate) -> list[Claim]:
    topic = view.topic(id, unit="MW of IT")
    row = next(item for item in view.case.classes if item.id == gate.workload)
    per_w = _tokens_per_j(view, row)
    before = [i for i, q in enumerate(view.case.quarters) if q < gate.until.value]
    if not before or per_w <= 0:
        return [topic.absent(f"quarter in which {gate.workload} is gated")]
    asked = view.plan["demand"].sel(workload=row.id).transpose("block", "quarter").values[:, before]
    gated = np.zeros_like(asked)
    if "gated" in view.plan:
        gated = np.nan_to_num(view.plan["gated"].sel(workload=row.id).transpose("block", "quarter").values[:, before])
    tiers = " and ".join(gate.open_to)
    closed = closed_share(view, row, gate)
    most = float(asked.max()) * closed / per_w / 1e6
    tokens = row.workload.output_tokens
    assert tokens and row.workload.value
    scale = [end / tokens.value for end in tokens.range]
    saved = float(gated.max()) / per_w / 1e6
    band_most = Band(low=most * scale[0], central=most, high=most * scale[2], sources=tokens.source)
    hours = np.array([block.hours / DAY_H for block in view.case.scenario.blocks])
    mean = (gated * hours[:, None]).sum(axis=0)
    lost = float(mean.sum()) * row.workload.value.value * QUARTER_S * gate.lost_value.value
    at_most = float((asked * hours[:, None]).sum()) * closed * row.workload.value.value * QUARTER_S
    value = band(gate.lost_value, at_most / 1e6)
    stands_mw = float((view.stands_gw[:, before[-1]] / view.case.facility_over_it).sum()) * 1e3
    share = band_most * (100.0 / max(stands_mw, 1e-9))
    shorter = If(text="capacity is shorter than in this plan", then=most)
    no_value, sources = "the statement names no value", gate.lost_value.source
    return [
        topic.row(f"{row.id}: gated in the plan, busiest block", saved, at_least(0.01), shorter, sources=sources),
        topic.row(f"{row.id}: saved at most if open to {tiers} only, busiest block", band_most,
                  at_least(SOME / 100 * stands_mw)),
        topic.row(f"{row.id}: the same over all IT power of the plan", share, at_least(SOME), unit="%"),
        topic.aside(f"{row.id}: value lost in the plan", lost / 1e6, no_value, unit="USD million", sources=sources),
        topic.aside(f"{row.id}: value lost at most until the gate opens", value, no_value, unit="USD million"),
    ]  # fmt: skip


def closed_share(view: View, row: ClassCase, gate: Gate) -> float:
    """Share of a class's demand that comes from tiers the gate keeps out."""
    assert isinstance(row.row, Demanded)
    share = {tier.tier: tier.share.value for tier in view.case.scenario.demand.tiers}
    asked = {tier: share[tier] * rate.value for tier, rate in row.row.requests_per_user_day.items()}
    total = sum(asked.values())
    return sum(v for tier, v in asked.items() if tier not in gate.open_to) / total if total else 0.0


def _tokens_per_j(view: View, row: ClassCase) -> float:
    """Output tokens a joule of IT energy at which the plan serves a class, mean over the horizon."""
    tokens = float(daily_mean(view.case, view.plan["served"]).sel(workload=row.id).sum())
    watts = view.work_w(workload=row.id) * len(view.case.labels)
    return tokens / watts if watts > 0 else 0.0
