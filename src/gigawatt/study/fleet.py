"""The planned fleet of a quarter as cells of replicas, and the day that they serve.

A class of demand is served by the lanes to which the plan gives it capacity: a system in a region each. Their replicas
are divided into *cells* of about 64, each with a router of its own and its share of the traffic, as clusters are in
practice. Cells of a class are alike, so that a sample of them says what all do. A lane whose replicas take prompts
apart has two pools. Whoever finds the first lane too slow spills to the next.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from gigawatt.core.errors import ScenarioError, TraceError
from gigawatt.demand.lengths import Lengths, lognormal
from gigawatt.demand.requests import Requests, Stream
from gigawatt.demand.synthetic import Load, windows
from gigawatt.perf.operators import values_of
from gigawatt.perf.replica import Replica, replica_of
from gigawatt.perf.search import Options, task_of
from gigawatt.serving import memory as c
from gigawatt.serving.inputs import NS_PER_S, Fleet, Pool, Rows, Traffic, rows_of, setup_of
from gigawatt.serving.kernels import settle
from gigawatt.serving.memory import new_memory, packed
from gigawatt.serving.metrics import Metrics, measure, merge
from gigawatt.serving.simulate import run_kernel
from gigawatt.study.cluster import over_ranks, riding
from gigawatt.study.inputs import software_gain
from gigawatt.study.lanes import speeds_of, users_of

if TYPE_CHECKING:
    import xarray as xr

    from gigawatt.perf.table import StepTable
    from gigawatt.study.resolve import Case, ClassCase

Day = Literal["peak", "ordinary"]
DAY_S = 86_400.0

CELL_REPLICAS = 64
INPUT_CV, OUTPUT_CV = 1.2, 0.9
"""Spread of lengths within a class. Judgement, 0.7 to 2: the conversation trace of Azure (2023) has 0.97 and 0.77,
Mooncake's 1.5 and 1.0."""
SPILL_SHARE = 0.5
"""Share of the TTFT limit that a wait may take before the next lane is tried. Judgement, 0.2 to 0.8."""
_BUDGET = 8192  # tokens of an iteration, an attention rank
_WINDOW = 250_000  # requests drawn at once


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """Cells of one class of demand in one quarter.

    Attributes:
        name: of the class.
        n: cells in the whole fleet.
        fleet: one of them.
        load: requests of one cell, by bin of the day.
        replicas: (lane, replicas that decode in the whole fleet).
        rate_per_s: mean requests a second of the class over the day.
        percentile: share of requests that must meet the objective.
    """

    name: str
    n: int
    fleet: Fleet
    load: Load
    replicas: tuple[tuple[str, int], ...]
    rate_per_s: float
    percentile: float


def cells_of(
    case: Case, plan: xr.Dataset, quarter: str, day: Day = "peak", *, replicas: int = CELL_REPLICAS
) -> tuple[Cells, ...]:
    """Cells of every class that the plan serves in a quarter.

    ``peak`` is the day that the plan was sized for; an ``ordinary`` one has half its swing around the mean.
    ``replicas`` is about how many decode in a cell. Raises ScenarioError where the quarter is not in the plan.
    """
    labels = [str(name) for name in plan["quarter"].values]
    if quarter not in labels:
        raise ScenarioError(f"{quarter} is not in the plan; it runs from {labels[0]} to {labels[-1]}")
    found = []
    for item in case.classes:
        if speeds_of(item) or users_of(case, item) != (None,):
            raise ScenarioError(
                f"{item.id} is served at several speeds or in several regions; a simulated fleet has one of each"
            )
        if item.workload.kind == "inference":
            one = _class_cells(case, plan.sel(quarter=quarter), item, labels.index(quarter), day, replicas)
            if one is not None:
                found.append(one)
    return tuple(found)


def _class_cells(case: Case, plan: xr.Dataset, item: ClassCase, at: int, day: Day, replicas: int) -> Cells | None:
    workload = item.workload
    assert workload.output_tokens and workload.input_tokens and workload.slo
    rates = _rates(case, plan, item, day)
    lanes = [str(name) for name in plan["lane"].values if str(name).endswith(f">{item.id}")]
    power = {lane: float(plan["assign_w"].sel(lane=lane).max()) for lane in lanes}
    gain = float(software_gain(case, item)[at])
    parts: list[tuple[str, Replica, float]] = []
    for lane in sorted(lanes, key=lambda name: -power[name]):
        system = lane.split(">")[0].split("|")[1]
        if power[lane] <= 0.0 or rates.max() <= 0.0:
            continue
        replica = _replica(case, system, item)
        package_w = _package_w(case, system)
        each = replica.n_packages + replica.prefill_per_decode * replica.n_packages_prefill
        parts.append((lane, replica, power[lane] / package_w / each))
    parts = [part for part in parts if part[2] >= 0.5]
    if not parts:
        return None
    total = sum(n for _, _, n in parts)
    n_cells = max(1, round(total / replicas))
    ttft = workload.slo.ttft.value if workload.slo.ttft else np.inf
    tpot = 1.0 / workload.slo.speed.value if workload.slo.speed else np.inf
    hit = workload.prefix_hit.value if workload.prefix_hit else 0.0
    fresh = workload.input_tokens.value * (1.0 - hit)
    share = min(float(values_of(case.basis.inference)["interference"]), 1.0)  # of a pass beside decoding
    pools, front, kept = _pools(parts, n_cells, gain, hit, (fresh, share))
    part = kept / total  # of the class's capacity that stands in the cell: whole replicas
    stream = Stream(name=item.id, ttft_s=ttft, tpot_s=tpot)
    traffic = Traffic(name=item.id, pools=front, ttft_s=ttft, tpot_s=tpot, spill_s=SPILL_SHARE * ttft)
    load = Load(
        stream=stream,
        rate_per_s=rates * part,
        bin_s=DAY_S / len(rates),
        input=_lengths(workload.input_tokens.value, INPUT_CV),
        output=_lengths(workload.output_tokens.value, OUTPUT_CV),
        hit_share=min(hit, 0.999),
    )
    return Cells(
        name=item.id,
        n=n_cells,
        fleet=Fleet(pools=pools, traffic=(traffic,)),
        load=load,
        replicas=tuple((lane, max(1, round(n))) for lane, _, n in parts),
        rate_per_s=float(rates.mean()),
        percentile=float(workload.slo.percentile.value),
    )


def _rates(case: Case, plan: xr.Dataset, item: ClassCase, day: Day) -> np.ndarray:
    """Requests a second by hour of the day, from what the plan serves in each block, in the blocks' order."""
    assert item.workload.output_tokens
    served = plan["served"].sel(workload=item.id)
    hours: list[float] = []
    for block in case.scenario.blocks:
        value = float(served.sel(block=block.name)) / item.workload.output_tokens.value
        hours += [value] * max(1, round(block.hours * 2))
    rates = np.array(hours)
    return rates if day == "peak" else 0.5 * (rates + rates.mean())


def _replica(case: Case, system: str, item: ClassCase) -> Replica:
    point = case.serving[system, item.id]
    assert item.workload.model
    model = case.catalog.model(item.workload.model)
    options = Options(speculation=case.basis.draft) if point.draft_tokens else Options()
    layout = point.layout + (f" + {point.prefill_layout}" if point.prefill_layout else "")
    entry = next(offer.system for offer in case.offers if offer.system.id == system)
    return replica_of(entry, model, case.basis, task=task_of(item.workload, model), layout=layout, options=options)


def _package_w(case: Case, system: str) -> float:
    entry = next(offer.system for offer in case.offers if offer.system.id == system)
    assert entry.it_power and entry.n_packages
    return entry.it_power.value / entry.n_packages.value


def _pools(
    parts: Sequence[tuple[str, Replica, float]], n_cells: int, gain: float, hit: float, prompt: tuple[float, float]
) -> tuple[tuple[Pool, ...], tuple[int, ...], float]:
    """(pools of a cell, those at the door, replicas that decode in it, in whole numbers)."""
    fresh, share = prompt
    pools: list[Pool] = []
    front: list[int] = []
    kept = 0.0
    for lane, replica, n in parts:
        here = max(round(n / n_cells), 1 if len(parts) == 1 or n / n_cells >= 0.5 else 0)
        if here == 0:
            continue
        kept += here
        front.append(len(pools))
        table = over_ranks(replica.table, replica.n_ranks, fresh)
        if replica.prefill_table is None and table.maker != "dataflow":
            table = riding(table, share)
        table = _faster(table, gain, replica.speculation.tokens_per_pass)
        most = max(1, round(replica.operating.batch))  # what holds the speed that was planned
        decode = Pool(
            name=lane, table=table, n_replicas=here, max_sequences=most,
            token_budget=max(_BUDGET * replica.n_ranks, most + 1),
            kv_blocks=max(int(table.kv_capacity_tokens // 16), 1), router="two_choices" if here > 8 else "least",
            cache="given" if hit else "off", spill_fill=1.0,
        )  # fmt: skip
        if replica.prefill_table is None:
            pools.append(decode)
            continue
        before = max(1, round(here * replica.prefill_per_decode))
        before_table = over_ranks(replica.prefill_table, replica.n_ranks_prefill, fresh)
        pools.append(
            replace(
                decode, name=f"{lane} prefill", table=_faster(before_table, gain), n_replicas=before,
                max_sequences=64 * replica.n_ranks_prefill, token_budget=_BUDGET * replica.n_ranks_prefill,
                kv_blocks=0, hands_to=len(pools) + 1,
                transfer_s=replica.kv_transfer_latency_s,
                transfer_s_per_token=replica.kv_transfer_s(1.0) - replica.kv_transfer_latency_s,
                router="two_choices" if before > 8 else "least",
            )
        )  # fmt: skip
        pools.append(decode)
    if not pools:  # every lane is smaller than half a replica a cell
        return _pools(parts[:1], n_cells, gain, hit, prompt)
    return tuple(pools), tuple(front), kept


def _faster(table: StepTable, gain: float, tokens_per_step: float = 1.0) -> StepTable:
    """The table after software steps that multiply its speed, per token where a step makes several.

    Drafts are counted at their mean, so that lanes with and without them can serve one stream.
    """
    decode = table.decode_s / (gain * tokens_per_step)
    shared = table.shared_s / (gain * tokens_per_step)
    return replace(table, decode_s=decode, prefill_s=table.prefill_s / gain, shared_s=shared)


def _lengths(mean: float, cv: float) -> Lengths:
    return lognormal(mean, cv)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulated:
    """A class of demand in a simulated quarter.

    ``attained_frac`` is the share of requests within both limits, and ``needed_frac`` what the objective asks for.
    """

    name: str
    n_cells: int
    n_simulated: int
    n_requests: int
    attained_frac: float
    needed_frac: float
    metrics: Metrics
    kernel_s: float

    @property
    def is_met(self) -> bool:
        """Whether as many requests as the objective asks for met it."""
        return self.attained_frac >= self.needed_frac


def simulate_cells(
    cells: Cells,
    *,
    n: int,
    horizon_s: float = DAY_S,
    start_s: float = 0.0,
    factor: float = 1.0,
    seed: int = 0,
    threads: int | None = None,
    tick: Callable[[int], None] | None = None,
) -> Simulated:
    """``n`` of the cells of a class over a part of the day, with ``factor`` times the load.

    Cells are drawn alike but for their random numbers, which go by the number of the cell: the outcome does not depend
    on ``threads``. ``tick`` is called with the requests that have ended since it was called last.
    """
    load = _from(cells.load.scaled(factor), start_s)
    with ThreadPoolExecutor(max_workers=threads or os.cpu_count() or 1) as crew:
        parts = list(crew.map(lambda k: _one_cell(cells, load, k, horizon_s, seed, tick), range(n)))
    metrics = merge([part[0] for part in parts])
    total = metrics.total
    sent = total.n["sent"]
    return Simulated(
        name=cells.name, n_cells=cells.n, n_simulated=n, n_requests=sent,
        attained_frac=total.n["good"] / sent if sent else 1.0, needed_frac=cells.percentile,
        metrics=metrics, kernel_s=sum(part[1] for part in parts),
    )  # fmt: skip


def simulate_trace(cells: Cells, requests: Requests, *, seed: int = 0) -> Simulated:
    """One cell of a class under the requests of a trace, its times stretched to the class's busiest rate in a cell.

    Lengths, order and bursts are those of the trace; what it says of prefixes shown before counts as found.
    """
    rate = len(requests) / max(float(requests.arrival_s[-1] - requests.arrival_s[0]), 1e-9)
    stretch = rate / float(cells.load.rate_per_s.max()) if cells.load.rate_per_s.max() > 0.0 else 1.0
    fleet = replace(cells.fleet, seed=seed)
    setup = setup_of(fleet)
    too_long = np.flatnonzero(requests.input_tokens + requests.output_tokens > _most_tokens(cells))
    if len(too_long):
        k, most = int(too_long[0]), _most_tokens(cells)
        raise TraceError(
            f"row {requests.line[k]}: {requests.input_tokens[k]:,} + {requests.output_tokens[k]:,} tokens; a replica "
            f"for {cells.name} holds {most:,}; leave out such rows ({len(too_long):,})"
        )
    rows = rows_of(
        np.rint((requests.arrival_s - requests.arrival_s[0]) * stretch * NS_PER_S).astype(np.int64),
        np.array(requests.input_tokens),
        np.array(requests.output_tokens),
        cached=np.clip(requests.shared_tokens, 0, requests.input_tokens),
    )
    end_s = float(rows.arrival[-1]) / NS_PER_S
    bins = max(1, min(288, int(end_s // 300)))
    memory = new_memory(setup, slots=4096, bins=bins + 1, bin_ns=max(int(end_s / bins * NS_PER_S), 1))
    began = time.perf_counter()
    memory = run_kernel(memory, *packed(rows))
    spent = time.perf_counter() - began
    settle(memory.m, int(memory.m[c.G_NOW]))
    metrics = measure(memory, fleet)
    total = metrics.total
    return Simulated(
        name=cells.name, n_cells=cells.n, n_simulated=1, n_requests=total.n["sent"],
        attained_frac=total.n["good"] / max(total.n["sent"], 1), needed_frac=cells.percentile,
        metrics=metrics, kernel_s=spent,
    )  # fmt: skip


def of_class(found: Sequence[Cells], requests: Requests) -> list[tuple[Cells, Requests]]:
    """(cells, requests of the trace for them): by class name; a trace that names none of them is for the largest."""
    names = [stream.name for stream in requests.streams]
    named = [
        (cells, requests.take(np.isin(requests.stream, [k for k, name in enumerate(names) if name == cells.name])))
        for cells in found
        if cells.name in names
    ]
    if named:
        return [(cells, part) for cells, part in named if len(part)]
    return [(max(found, key=lambda cells: cells.rate_per_s), requests)]


def _from(load: Load, start_s: float) -> Load:
    """The load from a time of the day on."""
    if start_s == 0.0:
        return load
    shift = round(start_s / load.bin_s)
    return replace(load, rate_per_s=np.roll(load.rate_per_s, -shift))


def _one_cell(
    cells: Cells, load: Load, cell: int, horizon_s: float, seed: int, tick: Callable[[int], None] | None
) -> tuple[Metrics, float]:
    """One cell from empty to the last request, and the seconds that took in the kernel."""
    fleet = replace(cells.fleet, seed=seed * 1_000_003 + cell)
    setup = setup_of(fleet)
    bins = max(1, min(288, int(horizon_s // 300)))
    memory = new_memory(setup, slots=4096, bins=bins + 1, bin_ns=int(horizon_s / bins * NS_PER_S))
    spent = 0.0
    for chunk, is_last in _chunks(windows([load], seed=seed, horizon_s=horizon_s, cell=cell, window_requests=_WINDOW)):
        rows, ids = packed(_rows(chunk, cells))
        before = int(memory.m[c.G_ENDED])
        began = time.perf_counter()
        memory.m[c.G_ROW] = 0
        memory = run_kernel(memory, rows, ids, stop=int(rows[-c.W_COLUMNS + c.W_ARRIVAL]) + 1, drain=is_last)
        spent += time.perf_counter() - began
        if tick:
            tick(int(memory.m[c.G_ENDED]) - before)
    settle(memory.m, int(memory.m[c.G_NOW]))
    return measure(memory, fleet), spent


def _chunks(parts: Iterator[Requests]) -> Iterator[tuple[Requests, bool]]:
    """Each window, and whether it is the last."""
    held = None
    for part in parts:
        if not len(part):
            continue
        if held is not None:
            yield held, False
        held = part
    if held is not None:
        yield held, True


def _most_tokens(cells: Cells) -> int:
    """Tokens of the largest request that every replica of the cell can hold; longer draws are cut to it."""
    held = [pool.kv_blocks * pool.block_tokens for pool in cells.fleet.pools if pool.kv_blocks]
    return max(min(held, default=1 << 40), 2)


def _rows(requests: Requests, cells: Cells) -> Rows:
    most = _most_tokens(cells)
    inputs = np.minimum(requests.input_tokens, most // 2)
    outputs = np.minimum(requests.output_tokens, most - inputs)
    columns: dict[str, np.ndarray] = {}
    if cells.load.hit_share > 0.0:
        columns["cached"] = np.clip(requests.shared_tokens, 0, inputs)
    arrival = np.rint(requests.arrival_s * NS_PER_S).astype(np.int64)
    return rows_of(arrival, inputs, outputs, **columns)
