"""Hybrids: attention, head and prompts on packages with memory, feed-forward layers in the SRAM of another machine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gigawatt.catalog.schema import Model, System
from gigawatt.perf.candidates import Candidates, Side
from gigawatt.perf.dataflow import Replica, feed_forward
from gigawatt.perf.draw import capital_per_h, peak_seconds, prefilling_watts, usd_per_h
from gigawatt.perf.energy import package_watts, unit_watts
from gigawatt.perf.hybrid import Hybrid, Link, hybrid
from gigawatt.perf.inference import cache_bytes_per_token, software_of, weight_bytes
from gigawatt.perf.layout import Layout
from gigawatt.perf.memory import BATCHES, WAIT, prefill_choices, sequences_held
from gigawatt.perf.operators import Floats, Pass, Work, values_of, work_of
from gigawatt.perf.precision import settle
from gigawatt.perf.predict import Behind, band_for
from gigawatt.perf.task import Basis, Options


def in_hybrids(
    none: Candidates, full: Candidates, sides: tuple[System, System], basis: Basis, options: Options
) -> Candidates:
    """Hybrids for the task of ``none``; ``full`` are the candidates of the first system alone.

    A replica is some copies of tp packages of attention, and packages of the second that hold the rest; one batch,
    or two in turns. A crossing costs the hop of the dataflow calibration and the scale-out links of the attention
    side. Rates, power and cost are a package of the first system, those of the second that it keeps counted with it.
    Wrong when: better links than scale-out join the two. The second draws full power, kernels of a dense layer count
    in full on the attention side (both too much), and speculation is left out.
    """
    (system, partner), task = sides, none.task
    assert system.package and system.n_packages and partner.it_power
    serving = settle(system, task.model, options.weights, "", options.cache)
    rest = feed_forward(partner, task.model, basis.dataflow, precision=serving.weights)
    out = system.package.scale_out_bandwidth
    if rest.reason or out is None or system.package.power is None:
        return replace(none, reason=rest.reason or f"{system.name} has no links or power to join {partner.name} with")
    c, lag = values_of(basis.inference), basis.behind.get(system.vendor, Behind())
    plain = work_of(system, system.package, task.model, serving, Layout(), behind=lag.value)
    step_of = float(np.asarray(plain.generation))
    software = software_of(basis.inference, options.backend, task.model.family, serving, step_of)
    first = Pass(plain.with_layouts(full.layouts), c, software)
    chosen, passing, prompts = prefill_choices(first, task)
    low, high, words = band_for(basis.inference, system.id, task.model.family)
    ends = np.array([low * lag.value / lag.high, 1.0, high * lag.value / lag.low])
    half = without_feed_forward(plain)
    context = np.array([task.prompt + 0.5 * task.output])
    prefilling = prefilling_watts(first, task, system.package.power.value, basis.power)
    fresh = max(task.prompt - task.cached, 1.0)
    waited = (first.first_s() + first.prefill_gpu_s(fresh, task.cached))[:, 0] + WAIT * passing
    waited = waited + cache_bytes_per_token(plain) * fresh / out.value
    found: list[dict[str, Floats]] = []
    names: list[str] = []
    ways: list[Side] = []
    for side in _sides(system, task.model):
        tp, copies, turns = side.tp, side.copies, side.turns
        run = Pass(half.with_layouts([Layout(tp=tp)]), c, software)
        b = BATCHES[sequences_held(half, [Layout(tp=tp)], task, c["memory_share"])[0] >= BATCHES]
        if not len(b):
            continue

        both = joined(side, rest, run, ends, (basis.dataflow.coefficients["hop_s"].value, out.value))
        tpot = both.decode_seconds(b * copies, context)[:, :, 0]
        size, rate = float(tp * copies), b * copies / tpot
        ways.append(side)
        names.append(f"tp{tp} x {copies}, {rest.n_packages} {partner.id}" + (" in turns" if turns > 1 else ""))
        read = weight_bytes(run.w)[0, 0] / plain.bandwidth + b * run.sequence_s(context[0])[0, 0] * c["read_cache"]
        compute = b / tp * peak_seconds(half, task)[0] / tpot[1]
        shares = np.minimum(compute, 1.0), np.minimum(read / tpot[1], 1.0)
        busy = package_watts(system.package.power.value, *shares, basis.power)
        for at in chosen:
            beside = rate / task.output / prompts[at] * ends[:, None]  # packages that prefill
            whole = size + beside[1]
            mean = (size * busy + beside[1] * prefilling[at]) / whole
            with_it = rest.n_machines / whole  # machines of the partner a package
            watts = unit_watts(system, mean, basis.power) / system.n_packages.value + partner.it_power.value * with_it
            usd = usd_per_h(system, watts, basis.costs) + capital_per_h(partner, basis.costs) * with_it
            found.append({
                "layout": np.full(len(b), len(names) - 1.0), "prefill_layout": np.full(len(b), float(at)),
                "batch": b * copies, "n_packages": np.full(len(b), size), "prefill_per_decode": beside[1] / size,
                "tpot_s": tpot, "ttft_s": tpot + waited[at] * ends[:, None], "watts_package": watts,
                "tokens_per_s_package": rate / (size + beside), "usd_per_h_package": usd,
            })  # fmt: skip
    if not found:
        return replace(
            none, reason=f"{task.model.name} has no attention layout on {system.name} that holds one request"
        )
    flat = {name: np.concatenate([one[name] for one in found], axis=-1) for name in found[0]}
    return replace(
        none, precision=f"{serving.name}, feed-forward in SRAM", weights=serving.weights,
        band=f"{words}, no measured hybrid", names=(*names, *full.names), sides=tuple(ways), layouts=full.layouts,
        n_evaluated=len(flat["batch"]), layout=flat["layout"].astype(np.intp),
        prefill_layout=flat["prefill_layout"].astype(np.intp) + len(names), batch=flat["batch"],
        n_packages=flat["n_packages"], prefill_per_decode=flat["prefill_per_decode"], tpot_s=flat["tpot_s"],
        ttft_s=flat["ttft_s"], tokens_per_s_package=flat["tokens_per_s_package"],
        watts_package=flat["watts_package"], usd_per_h_package=flat["usd_per_h_package"],
    )  # fmt: skip


def without_feed_forward(plain: Work) -> Work:
    """What the attention side of a hybrid works on."""
    return replace(plain, dense=0.0, expert=0.0, moe_layers=0.0)


def joined(side: Side, rest: Replica, run: Pass, ends: Floats, link: tuple[float, float]) -> Hybrid:
    """Both sides of a replica: ``run`` is a pass of one copy of attention, ``ends`` (3,) its band.

    ``link`` is (latency of a crossing [s], scale-out bandwidth of a package of attention [byte/s]).
    """

    def attention_s(n: Floats, at: Floats) -> Floats:
        step = run.decode_s(np.maximum(n / side.copies, 1.0)[:, None], at[None, :])
        return np.asarray(ends[:, None, None] * step[None])

    hop, out = link
    way = Link(latency_s=hop, bandwidth_bytes_per_s=out * side.tp * side.copies)
    return hybrid(rest, attention_s, lambda p, q: np.zeros((3, len(p), len(q))), link=way, turns=side.turns)


def _sides(system: System, model: Model) -> list[Side]:
    """Attention sides within one scale-up domain."""
    assert system.scale_up_packages
    domain, heads = int(system.scale_up_packages.value), model.architecture.n_heads
    sizes = [2**n for n in range(10)]
    return [
        Side(tp=tp, copies=copies, turns=turns)
        for tp in sizes[:4]
        for copies in sizes
        for turns in (1, 2)
        if heads % tp == 0 and tp * copies <= domain
    ]
