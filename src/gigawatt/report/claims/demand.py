"""Users and what they need: chat in megawatts, growth, gating, training beside inference."""

from __future__ import annotations

import math

import numpy as np

from gigawatt.report.claims.model import Band, Claim, band, judge, merge, point, whole
from gigawatt.report.claims.view import View
from gigawatt.study.cash import daily_mean
from gigawatt.study.resolve import QUARTER_S, ClassCase, users
from gigawatt.study.scenario import Demanded, Gate

SMALL = 10.0
"""Per cent of all power below which a class does not explain the need for gigawatts."""


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
    other = "holds if reasoning, agents, media, free headroom and research count as ChatGPT"
    first = view.case.labels[:1]
    rows = [
        topic.row("all chat of summer 2025: messages a day at the published energy of one, mean", chat * 1e-6, other),
        topic.row(
            "the same over the fleet of 2025",
            share,
            judge(share, SMALL, math.inf, "chat takes more than a tenth"),
            unit="%",
        ),
    ]
    for name in view.case.classes:
        if name.workload.id == "chat":
            low = _model_chat(view, name)
            rows.append(topic.row(f"class {name.id} of the plan in {first[0]}, mean IT power at work", low, other))
    for label, quarters in ((first[0], first), ("the last year", view.last_year)):
        for reading, what in (("all inference", {"task": "inference"}), ("all work, training too", {})):
            mw = view.work_w(quarters, **what) / 1e6
            rows.append(
                topic.row(
                    f"{reading} of the plan in {label}, mean IT power at work",
                    mw,
                    "holds if 100 MW are intensive" if mw >= 100 else "fails",
                )
            )
    return rows


def _model_chat(view: View, row: ClassCase) -> float:
    return view.work_w(view.case.labels[:1], workload=row.id) / 1e6


def user_growth(view: View) -> list[Claim]:
    """Factors from the first to the last quarter: users, tokens, inference power; the users' part of the growth.

    Part: log of the users' factor over log of the power's, as the factors multiply.
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
        topic.row(f"{name}, {labels[0]} to {labels[-1]}", value, "holds" if value > 1 else "fails", sources=keys)
        for name, value in factors.items()
        if math.isfinite(value)
    ]
    grown = factors["IT power at work for inference"]
    if grown > 1:
        part = 100 * math.log(factors["weekly users"]) / math.log(grown)
        verdict = "holds" if part >= 50 else "holds if heavier use by each user counts as growth of users"
        rows.append(
            topic.row(
                "part of the growth of inference power that users alone explain", part, verdict, unit="%", sources=keys
            )
        )
    return rows


def served(view: View) -> list[Claim]:
    """Share of demand by value that the plan serves, and training compute served [EFLOP/s], last year."""
    topic = view.topic("S2.6")
    if not view.is_programme:
        return [topic.absent("demand of the laboratory")]
    met = 100 * (1 - float(view.results.summary["unmet_share"]))
    rows = [
        topic.row(
            "value of demand that the plan serves",
            met,
            "holds" if met >= 99 else f"holds if {100 - met:.1f} % may wait",
            unit="%",
        )
    ]
    jobs = [row.id for row in view.case.classes if row.workload.kind == "training"]
    if not jobs:
        return rows
    work = daily_mean(view.case, view.plan["served"]).sel(workload=jobs).sum("workload").values
    rows.append(
        topic.row(
            "training compute served, first quarter",
            float(work[0]) / 1e18,
            "holds" if work[0] > 0 else "fails",
            unit="EFLOP/s",
        )
    )
    rows.append(
        topic.row(
            "training compute served, last year",
            float(work[-4:].mean()) / 1e18,
            "holds" if work[-4:].mean() > work[0] else "fails",
            unit="EFLOP/s",
        )
    )
    return rows


def train_and_operate(view: View) -> list[Claim]:
    """Split of IT power at work between training and inference over the horizon, beside what is known."""
    topic = view.topic("S0.3", unit="%")
    whole_w = view.work_w()
    if whole_w <= 0 or not any(row.workload.kind == "training" for row in view.case.classes):
        return [topic.absent("training")]
    rows = []
    shares = {task: 100 * view.work_w(task=task) / whole_w for task in ("training", "inference")}
    both = "holds" if min(shares.values()) > 1 else "fails"
    for task, share in shares.items():
        rows.append(topic.row(f"{task}, IT power at work over the horizon", share, both))
    known = view.catalog.reference("inference-share").number
    if known and view.is_programme:
        verdict = judge(point(shares["inference"]), 100 * known.range[0], 100 * known.range[2], "")
        rows.append(
            topic.row(
                "inference, as reported for 2026",
                band(known, 100.0),
                "holds" if verdict == "holds" else "holds if the plan's smaller share of inference is its own",
            )
        )
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
    hours = np.array([block.hours / 24.0 for block in view.case.scenario.blocks])
    mean = (gated * hours[:, None]).sum(axis=0)
    lost = float(mean.sum()) * row.workload.value.value * QUARTER_S * gate.lost_value.value
    at_most = float((asked * hours[:, None]).sum()) * closed * row.workload.value.value * QUARTER_S
    value = band(gate.lost_value, at_most / 1e6)
    unneeded = "holds if capacity is shorter than in this plan"
    stands_mw = float((view.stands_gw[:, before[-1]] / view.overhead).sum()) * 1e3
    big = band_most * (100.0 / max(stands_mw, 1e-9))
    small = judge(big, 1.0, math.inf, "requests are as long as video")
    return [
        topic.row(
            f"{row.id}: gated in the plan, busiest block",
            saved,
            "holds" if saved > 0.01 else unneeded,
            sources=gate.lost_value.source,
        ),
        topic.row(
            f"{row.id}: saved at most if open to {tiers} only, busiest block",
            band_most,
            small,
        ),
        topic.row(
            f"{row.id}: the same over all IT power of the plan",
            big,
            small,
            unit="%",
        ),
        topic.row(
            f"{row.id}: value lost in the plan",
            lost / 1e6,
            "holds" if saved > 0.01 else unneeded,
            unit="USD million",
            sources=gate.lost_value.source,
        ),
        topic.row(
            f"{row.id}: value lost at most until the gate opens",
            value,
            "holds if all of it is gated",
            unit="USD million",
        ),
    ]


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
