"""Speed and value: how fast a user can be served, at what cost, and how much belongs on low-latency machines."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from gigawatt.catalog.schema import Model, System, Workload
from gigawatt.perf.serving import top_speed
from gigawatt.report.claims.model import ABOUT, Band, Claim, about, at_least, at_most, band, point
from gigawatt.report.claims.value import cost_per_mtok, inference_classes, tenth
from gigawatt.report.claims.view import View

CODING = "coding-interactive"
GPUS = ("gb300-nvl72", "vr-nvl72")
MACHINES = ("cs-3", "groq-3-lpx")
SOME = 1.0
"""Per cent from which a share counts."""


def at_speed(workload: Workload, tokens_per_s: float) -> Workload:
    """The class with another speed per user."""
    assert workload.slo and workload.slo.speed
    speed = replace(workload.slo.speed, value=tokens_per_s, low=None, high=None)
    return workload.model_copy(update={"slo": workload.slo.model_copy(update={"speed": speed})})


def _sources(view: View, kind: str) -> tuple[str, ...]:
    basis = view.case.basis
    source = (basis.dataflow if kind == "sram" else basis.inference).source
    return (source,) if isinstance(source, str) else source


def too_slow(view: View) -> list[Claim]:
    """Tokens a second of one user for interactive coding: what machines reach, what was measured, what it costs.

    Reachable: the fastest configuration of the calibrated model, low and high at the ends of its 80 % band.
    """
    topic = view.topic(
        "S4.15",
        unit="token/s per user",
        statement="NVIDIA's chips are too slow for coding and for software talking to software",
    )
    workload = view.catalog.workload(CODING)
    assert workload.slo and workload.slo.speed and workload.model
    model, slo = view.catalog.model(workload.model), workload.slo.speed
    rows = [topic.given(f"asked for by class {CODING}", band(slo), f"class {CODING}")]
    slow = at_most(slo.value)
    gpus = {name: _reach(view, workload, model, name) for name in GPUS}
    rows += [topic.row(f"{view.catalog.system(name).name}, one user, {model.name}", gpus[name], slow) for name in GPUS]
    fast = at_least((1 + ABOUT) * gpus["vr-nvl72"].central)
    for name in MACHINES:
        reading = f"{view.catalog.system(name).name}, one user, {model.name}"
        rows.append(topic.row(reading, _reach(view, workload, model, name), fast))
    for ref, asked in _PUBLISHED.items():
        entry = view.catalog.reference(ref)
        assert entry.number
        rows.append(topic.row(f"published: {entry.name}", band(entry.number), slow if asked == "slow" else fast))
    gpu = view.catalog.system("vr-nvl72")
    low, high = (cost_per_mtok(view, gpu, at_speed(workload, v)) for v in (slo.range[0], slo.value))
    if math.isfinite(low) and math.isfinite(high):
        reading = f"cost of a token on {gpu.name} at {slo.value:.0f} over {slo.range[0]:.0f} token/s"
        rows.append(topic.row(reading, point(high / low), at_least(1 + ABOUT), unit="x"))
    return rows


_PUBLISHED = {
    "speed-codex-gpu": "slow",
    "speed-codex-spark": "fast",
    "speed-maverick-b200": "slow",
    "speed-agents-nvidia": "fast",
}
"""What the statement asks of published speeds: of GPUs to be slow, of other machines and of agents to be faster."""


def _reach(view: View, workload: Workload, model: Model, name: str) -> Band:
    """Tokens a second of one user on a system, with the ends of the model's band."""
    system = view.catalog.system(name)
    low, middle, high = top_speed(system, workload, model, view.case.basis)
    return Band(low=low, central=middle, high=high, sources=_sources(view, system.kind))


def specialised(view: View) -> list[Claim]:
    """Speed from which an SRAM machine has the cheaper token, and classes of the scenario that ask for it."""
    topic = view.topic(
        "S4.3", unit="token/s per user", statement="OpenAI turns to specialised chips for parts of inference"
    )
    workload = view.catalog.workload(CODING)
    assert workload.slo and workload.slo.speed
    fastest = max((w.slo.speed.value for _, w in inference_classes(view) if w.slo and w.slo.speed), default=0.0)
    rows = []
    for name in MACHINES:
        machine = view.catalog.system(name)
        assert machine.price
        ends = [_crossing(view, machine, workload, end) for end in range(3)]
        low, middle, high = (math.inf if end is None else end for end in ends)
        speed = Band(low=low, central=middle, high=high, sources=machine.price.source)
        reading = f"{machine.name}: cheaper token than NVIDIA's racks from this speed on, {CODING}"
        if math.isinf(middle):
            reading = f"{machine.name}: cheaper than NVIDIA's racks at no speed"
        rows.append(topic.row(reading, speed, at_most(fastest)))
    sram = {o.system.id for o in view.case.offers if o.system.kind == "sram"}
    used = 100 * float(view.results.summary["low_latency_share"])
    if not sram:
        return [*rows, topic.refuse("this scenario offers no SRAM machine, so the plan cannot choose one")]
    return [*rows, topic.row("share of inference power on SRAM machines in the plan", used, at_least(SOME), unit="%")]


def _crossing(view: View, machine: System, workload: Workload, end: int) -> float | None:
    """Least speed at which a machine's token is cheaper than on the best NVIDIA rack; None if at none it reaches.

    On a grid of 3 %; ``end`` takes the machine's low, central or high price.
    """
    racks = [view.catalog.system(name) for name in GPUS]
    for speed in np.geomspace(10.0, 4000.0, 204):
        one = at_speed(workload, float(speed))
        mine = cost_per_mtok(view, machine, one, end)
        if math.isfinite(mine) and mine <= min(cost_per_mtok(view, rack, one) for rack in racks):
            return float(speed)
    return None


def ten_per_cent(view: View) -> list[Claim]:
    """Low-latency part of inference: the contract over the plan for 2027, fast classes' part, the plan's choice."""
    topic = view.topic("S4.16", unit="%", statement="New hardware serves about 10 % of future inference")
    if not view.is_programme:
        return [topic.absent("contract for low-latency machines")]
    target = view.catalog.reference("low-latency-share").number
    assert target
    asked_for, part = about(100 * target.value), tenth(view)
    rows = [topic.row("contract with Cerebras over inference's share of the power planned for 2027", part, asked_for)]
    coding = view.catalog.workload(CODING).slo
    asked = coding.speed.value if coding and coding.speed else math.inf
    fast = [n for n, w in inference_classes(view) if w.slo and w.slo.speed and w.slo.speed.value >= asked]
    for label, quarters in ((view.case.labels[0], view.case.labels[:1]), ("the last year", view.last_year)):
        whole = view.work_w(quarters, task="inference")
        w = sum(view.work_w(quarters, workload=name) for name in fast)
        reading = f"classes that ask for {asked:.0f} token/s or more, of inference power in {label}"
        rows.append(topic.row(reading, 100 * w / whole if whole > 0 else 0.0, asked_for))
    if not any(o.system.kind == "sram" for o in view.case.offers):
        return [*rows, topic.refuse("this scenario offers no SRAM machine, so the plan cannot choose its share")]
    used = 100 * float(view.results.summary["low_latency_share"])
    return [*rows, topic.row("inference power on SRAM machines in the plan, last year", used, asked_for)]
