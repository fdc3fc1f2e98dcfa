"""The planned fleet of a quarter as cells: what a router of a class has in a block of the day, and what it is asked.

A class of demand is served by its lanes, a system in a region each; for the users of each region and at each tier of
speed it has lanes of its own, with their own limits. In a block of hours a lane has the power that the plan assigns to
it there; what stands idle or works for others counts for them. The replicas of a class in a block are divided into
*cells* with a router of their own and their share of the requests, as clusters are in practice: cells are alike, so
that a sample says what all do. Requests a cell are as its replicas' planned output over the class's.

What the plan does not know is added, and each may be left out by its name (``ADDED``):

- ``latency``: the round trip between user and site, of users of a region as the scenario says; else an assumed one, and
  a second to a lane in another region than the first.
- ``failures``: replicas fail at the rate that the catalogue knows a package to, and are back after ``REPAIR_S``.
- ``scaling``: replicas that are not needed at the moment are off, and start again when they are.
- ``tiers``: streams of a class by tier; tiers named later in the scenario are served first, gated ones turned away.
- ``bursts``: gamma gaps between arrivals.
- ``sessions``: classes most of whose prompts were shown before come in sessions that grow turn by turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, log, sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

from gigawatt.core.calendar import DAY_S
from gigawatt.core.errors import ScenarioError
from gigawatt.demand.lengths import lognormal
from gigawatt.demand.requests import Stream
from gigawatt.demand.synthetic import Load, Sessions
from gigawatt.perf.point import ServingPoint
from gigawatt.perf.replica import Replica, replica_of
from gigawatt.perf.search import Options, Task, task_of
from gigawatt.serving.inputs import Fleet, Pool, Scaling, Traffic
from gigawatt.study.cluster import frac_of_ranks, of_calibration, over_ranks, pool_handling_s, riding
from gigawatt.study.lanes import Served, lanes_of
from gigawatt.study.scenario import Demanded
from gigawatt.study.software import software_gain

if TYPE_CHECKING:
    import xarray as xr

    from gigawatt.catalog.schema import System
    from gigawatt.perf.table import StepTable
    from gigawatt.study.lanes import Lane as Planned
    from gigawatt.study.resolve import Case, ClassCase

Day = Literal["peak", "ordinary"]
ADDED = ("latency", "failures", "tiers", "bursts", "sessions")

CELL_REPLICAS = 64
INPUT_CV, OUTPUT_CV = 1.2, 0.9
"""Spread of lengths within a class. Judgement, 0.7 to 2: the conversation trace of Azure (2023) has 0.97 and 0.77,
Mooncake's 1.5 and 1.0."""
SPILL_SHARE = 0.5
"""Share of the TTFT limit that prompts before one may take, where prompts have packages of their own, before the next
lane is tried; elsewhere a lane is full when as many run as planned. Judgement, 0.2 to 0.8."""
BURST_CV = 1.5
"""Of gaps between arrivals. Judgement, 1 to 3: fitted to single clusters, Azure's conversations (2023) have 1.05 and
Mooncake's 3.0."""
ROUND_TRIP_S = 0.045
"""Between user and site, and between regions. Judgement, 0.02 to 0.09: within a continent, across an ocean."""
FAILED_IN_S, FAILED_OF = 54 * DAY_S, 16_384  # time and packages of the catalogue's ``training-interruptions``
REPAIR_S = 1800.0
"""Until a failed replica serves again, on spare packages of the plan's reserve: detection, weights, warm caches.
Judgement, 300 s to a day."""
SCALE_EVERY_S, SCALE_START_S, SCALE_LOAD, SCALE_LEAST = 15.0, 120.0, 0.6, 0.5
"""Autoscaling: looks this often, starts in this time (weights from host memory or local disks), wants as many in flight
on a replica as this share of its planned load keeps there, keeps this share of the replicas. Judgement: 5 to 60 s, 30
to 600 s, 0.4 to 0.8, 0.2 to 0.8."""
SESSION_HIT = 0.5
"""Share of a prompt shown before from which a class comes in sessions. Judgement, 0.4 to 0.7."""
THINK_S, THINK_CV = 30.0, 2.8
"""Pause of a session: lognormal with the median of 10 s of coding agents' sessions (kv-cache-tester, 48,624 pauses).
Their mean of 175 s has people in it who come back hours later; what they find in a cache is in the class's hits."""
WARM = 2.5  # requests' lives at the 90th percentile before any is counted
_RAMP = 3.0  # lives of a session before requests come at the full rate
_BUDGET = 8192  # tokens of an iteration, an attention rank


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lane:
    """Replicas of one lane of the plan in one block.

    Attributes:
        planned: what the plan says of it.
        replicas: that decode, in the whole fleet.
        planned_tokens_per_s: output of one at its operating point, all of its time.
        counted_tokens_per_s: the same as the plan counts it, with its headroom and factors of the loop; per replica.
        replica: one of them.
        gain: software since the start.
    """

    planned: Planned
    replicas: float
    planned_tokens_per_s: float
    counted_tokens_per_s: float
    replica: Replica
    gain: float

    @property
    def name(self) -> str:
        """Its label in the plan."""
        return self.planned.label

    @property
    def system(self) -> str:
        """Identifier of the system."""
        return self.planned.offer.system.id

    @property
    def region(self) -> str:
        """Where it stands."""
        return self.planned.offer.site.region


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """Cells of what a class's lanes serve together, in one block of the day.

    Attributes:
        served: class, users and speed.
        block: of hours; ``hours`` of them a day.
        n: cells in the whole fleet.
        fleet: one of them. Its traffic is the tiers' streams, and the same again for requests that are not counted.
        loads: requests of one cell by tier, at the block's steady rate.
        lanes: of the whole fleet, in the order in which they are tried.
        rate_per_s: requests a second of the class in the block.
        percentile: share of requests that must meet the objective.
        warm_s: simulated before and after what is counted.
        ramp_s: drawn before that and left out, until sessions run at full length.
        failures_per_s: of one package.
        most_tokens: of a request, input and output: what each replica and the model can hold; longer draws are cut.
    """

    served: Served
    block: str
    hours: float
    n: int
    fleet: Fleet
    loads: tuple[Load, ...]
    lanes: tuple[Lane, ...]
    rate_per_s: float
    percentile: float
    warm_s: float
    ramp_s: float
    failures_per_s: float
    most_tokens: int

    @property
    def name(self) -> str:
        """What is served, for people."""
        return str(self.served)

    @property
    def cell_rate_per_s(self) -> float:
        """Requests a second of one cell."""
        return self.rate_per_s * self.share

    @property
    def share(self) -> float:
        """Of the class's planned output that stands in one cell."""
        here = {pool.name: pool.n_replicas for pool in self.fleet.pools}
        kept = sum(here.get(lane.name, 0) * lane.counted_tokens_per_s for lane in self.lanes)
        return kept / sum(lane.replicas * lane.counted_tokens_per_s for lane in self.lanes)

    @property
    def replicas(self) -> tuple[tuple[str, int], ...]:
        """(lane, replicas that decode in the whole fleet)."""
        return tuple((lane.name, max(1, round(lane.replicas))) for lane in self.lanes)


def check_without(without: Sequence[str]) -> None:
    """Raises ScenarioError where nothing that can be left out is called so."""
    for name in without:
        if name not in ADDED:
            raise ScenarioError(f"'{name}' cannot be left out; what can is {', '.join(ADDED)}")


def cells_of(
    case: Case,
    plan: xr.Dataset,
    quarter: str,
    day: Day = "peak",
    *,
    replicas: int = CELL_REPLICAS,
    without: Sequence[str] = (),
    scaling: bool = False,
) -> tuple[Cells, ...]:
    """Cells of every class and block that the plan serves in a quarter, class by class.

    ``peak`` is the day that the plan was sized for. An ``ordinary`` one has half its swing around the mean, of load
    and of power that is assigned alike. ``replicas`` is about how many decode in a cell, ``without`` what of ``ADDED``
    is left out; with ``scaling`` pools switch off what is not needed. Raises ScenarioError where the quarter is not in
    the plan or nothing is called so.
    """
    check_without(without)
    at, here = case.at(quarter), plan.sel(quarter=quarter)
    found = []
    for mine in _groups(case):
        made: dict[tuple[str, float | None], Replica] = {}
        row, task = mine[0].row, mine[0].task
        assert task
        task = replace(task, ttft_s=task_of(row.workload, task.model).ttft_s)  # of users, who see the way as well
        served = here["lane_served"].sel(lane=[lane.label for lane in mine]).sum("lane")
        for block in case.scenario.blocks:
            lanes = _lanes(case, here, mine, (block.name, day), at, made)
            tokens = _in_block(case, served, block.name, day)
            if lanes and tokens > 0.0:
                whole = _Whole(
                    case=case, served=mine[0].served, task=task, lanes=lanes, rate_per_s=tokens / task.output,
                    without=tuple(without), is_scaled=scaling, tiers=_tiers(case, here, row, (block.name, at), without),
                )  # fmt: skip
                found.append(_cells(whole, (block.name, block.hours), replicas))
    return tuple(found)


def _groups(case: Case) -> list[list[Planned]]:
    """Lanes of the plan by what they serve: classes of inference in their order, then users, then speeds."""
    order = [row.id for row in case.classes]
    groups: dict[Served, list[Planned]] = {}
    for lane in lanes_of(case):
        if lane.row.workload.kind == "inference":
            groups.setdefault(lane.served, []).append(lane)
    return [groups[key] for key in sorted(groups, key=lambda key: (order.index(key.workload), key))]


def alone(cells: Cells, lane: Lane) -> Cells:
    """One lane of the cells with the requests that it is planned to serve, and no other to spill to."""
    names = {lane.name, f"{lane.name} prefill"}
    pools = [pool for pool in cells.fleet.pools if pool.name in names]
    if not pools:
        raise ValueError(f"no cell has replicas of {lane.name}")
    first = next(k for k, pool in enumerate(cells.fleet.pools) if pool.name in names)
    pools = [replace(pool, hands_to=1 if pool.hands_to >= 0 else -1) for pool in pools]
    traffic = tuple(
        replace(one, pools=(0,), latency_s=(one.latency_s[one.pools.index(first)],)) for one in cells.fleet.traffic
    )
    here = {pool.name: pool.n_replicas * lane.counted_tokens_per_s for pool in pools if pool.name == lane.name}
    every = {one.name: one.counted_tokens_per_s for one in cells.lanes}
    all_ = sum(pool.n_replicas * every.get(pool.name, 0.0) for pool in cells.fleet.pools)
    part = here[lane.name] / all_
    whole = sum(one.replicas * one.counted_tokens_per_s for one in cells.lanes)
    return replace(
        cells, fleet=replace(cells.fleet, pools=tuple(pools), traffic=traffic), lanes=(lane,),
        loads=tuple(load.scaled(part) for load in cells.loads),
        rate_per_s=cells.rate_per_s * lane.replicas * lane.counted_tokens_per_s / whole,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Whole:
    """What is served in a block of the whole fleet; ``task`` has the limits that users see."""

    case: Case
    served: Served
    task: Task
    lanes: tuple[Lane, ...]
    rate_per_s: float
    tiers: tuple[_Tier, ...]
    without: tuple[str, ...]
    is_scaled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tier:
    name: str
    share: float
    priority: int
    gate: float


def _in_block(case: Case, by_block: xr.DataArray, block: str, day: Day) -> float:
    """Value in a block; on an ordinary day half way to the mean over the hours."""
    value = float(by_block.sel(block=block))
    if day == "peak":
        return value
    hours = {one.name: one.hours for one in case.scenario.blocks}
    mean = sum(float(by_block.sel(block=name)) * h for name, h in hours.items()) / sum(hours.values())
    return 0.5 * (value + mean)


def _lanes(
    case: Case, plan: xr.Dataset, mine: Sequence[Planned], when: tuple[str, Day], at: int,
    made: dict[tuple[str, float | None], Replica],
) -> tuple[Lane, ...]:  # fmt: skip
    """Lanes with power in the block, the fastest first: it serves what it can, and slower ones what is left."""
    found = []
    for lane in mine:
        power, entry = _in_block(case, plan["assign_w"].sel(lane=lane.label), *when), lane.offer.system
        if power <= 0.0:
            continue
        assert lane.task and entry.it_power and entry.n_packages and isinstance(lane.point, ServingPoint)
        key = (entry.id, lane.task.ttft_s)
        replica = made[key] = made.get(key) or _replica(case, entry, lane.task, lane.point)
        gain = float(software_gain(case, entry, lane.row, lane.point)[at])
        each = replica.n_packages + replica.prefill_per_decode * replica.n_packages_prefill
        counted = lane.point.output_tokens_per_s / entry.n_packages.value
        found.append(
            Lane(
                planned=lane, replicas=power * entry.n_packages.value / entry.it_power.value / each, replica=replica,
                planned_tokens_per_s=replica.operating.tokens_per_s_package * each * gain,
                counted_tokens_per_s=counted * each * gain, gain=gain,
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda one: (one.replica.operating.tpot_s, one.name)))


def _replica(case: Case, system: System, task: Task, point: ServingPoint) -> Replica:
    layout = point.layout + (f" + {point.prefill_layout}" if point.prefill_layout else "")
    options = Options(speculation=case.basis.draft) if point.draft_tokens else Options()
    return replica_of(system, task.model, case.basis, task=task, layout=layout, options=options)


def _tiers(
    case: Case, plan: xr.Dataset, item: ClassCase, when: tuple[str, int], without: Sequence[str]
) -> tuple[_Tier, ...]:
    """Tiers of a class with their shares of what is served; while a gate stands, those outside get what is left."""
    row, known = item.row, case.scenario.demand.tiers
    whole = (_Tier(name="", share=1.0, priority=0, gate=inf),)
    if "tiers" in without or not isinstance(row, Demanded) or not row.requests_per_user_day:
        return whole
    asked = {
        tier.tier: tier.share.value * row.requests_per_user_day[tier.tier].value
        for tier in known
        if tier.tier in row.requests_per_user_day
    }
    total = sum(asked.values())
    shares = {name: value / total for name, value in asked.items()}
    gate = next((one for one in case.scenario.policy.gating if one.workload == item.id), None)
    is_shut = gate is not None and case.quarters[when[1]] < gate.until.value
    if gate is not None and is_shut:
        served, demand = (float(plan[name].sel(workload=item.id, block=when[0])) for name in ("served", "demand"))
        part = served / demand if demand > 0.0 else 1.0
        inside = sum(shares[name] for name in shares if name in gate.open_to)
        left = max(part - inside, 0.0) / max(1.0 - inside, 1e-12)
        shares = {name: share if name in gate.open_to else share * left for name, share in shares.items()}
        total = sum(shares.values())
        shares = {name: value / total for name, value in shares.items()}
    names = [name for name in shares if shares[name] > 0.0]
    return tuple(
        _Tier(
            name=name, share=shares[name], priority=len(names) - 1 - k,
            gate=1.0 if gate is not None and is_shut and name not in gate.open_to else inf,
        )
        for k, name in enumerate(names)
    )  # fmt: skip


def _cells(whole: _Whole, block: tuple[str, float], replicas: int) -> Cells:
    case, lanes, task = whole.case, whole.lanes, whole.task
    n_cells = max(1, round(sum(lane.replicas for lane in lanes) / replicas))
    here = {lane.name: round(lane.replicas / n_cells) or int(lane.replicas / n_cells >= 0.5) for lane in lanes}
    if not any(here.values()):
        here[max(lanes, key=lambda lane: lane.replicas).name] = 1
    pools, front = _pools(whole, here)
    pools[front[-1][0]] = replace(pools[front[-1][0]], spill_fill=inf)  # what no lane has places for waits at the last
    tpot_s = 1.0 / task.tokens_per_s_user if task.tokens_per_s_user else inf
    latency = tuple(_latency_s(whole, lane, pools[k], here) for k, lane in front)
    counted = tuple(
        Traffic(
            name=f"{whole.served} {tier.name}".strip(), pools=tuple(k for k, _ in front), latency_s=latency,
            ttft_s=task.ttft_s or inf, tpot_s=tpot_s, priority=tier.priority, gate=tier.gate,
        )
        for tier in whole.tiers
    )  # fmt: skip
    uncounted = tuple(replace(one, name=f"around {one.name}") for one in counted)
    order = "priority" if len(counted) > 1 else "fcfs"
    fleet = Fleet(pools=tuple(replace(pool, order=order) for pool in pools), traffic=counted + uncounted)
    held = min((pool.kv_blocks * pool.block_tokens for pool in pools if pool.kv_blocks), default=1 << 40)
    most = max(min(held, task.model.architecture.max_context or held), 2)
    longest, points = _p90(task.output), [lane.replica.operating for lane in lanes]
    life = max(point.ttft_s + longest * point.tpot_s for point in points)
    interruptions = case.catalog.reference("training-interruptions").number
    assert interruptions
    cells = Cells(
        served=whole.served, block=block[0], hours=block[1], n=n_cells, fleet=fleet, loads=(), lanes=lanes,
        rate_per_s=whole.rate_per_s, percentile=float(task.percentile), ramp_s=0.0,
        warm_s=max(WARM * life, 2.0 * SCALE_START_S if any(pool.scaling for pool in pools) else 0.0),
        failures_per_s=0.0 if "failures" in whole.without else interruptions.value / (FAILED_IN_S * FAILED_OF),
        most_tokens=int(most),
    )  # fmt: skip
    return _with_loads(cells, whole)


def _p90(mean: float) -> float:
    """90th percentile of an output."""
    sigma = sqrt(log(1.0 + OUTPUT_CV**2))
    return mean * float(np.exp(1.2816 * sigma - 0.5 * sigma**2))


def _with_loads(cells: Cells, whole: _Whole) -> Cells:
    """The cells with what they are asked: a stream a tier, in bursts and sessions."""
    mean, output, hit = whole.task.prompt, whole.task.output, whole.task.cached / whole.task.prompt
    rate, sessions, ramp_s = cells.cell_rate_per_s, None, 0.0
    if hit >= SESSION_HIT and "sessions" not in whole.without:
        sessions, full = _sessions(cells, mean, output, hit)
        rate *= sessions.turns / full
        mean = sessions.growth.mean
        cycle = THINK_S + sessions.nominal_ttft_s + sessions.nominal_tpot_s * output
        ramp_s = _RAMP * sessions.turns * cycle
    bursts = "bursts" not in whole.without
    loads = tuple(
        Load(
            stream=Stream(name=traffic.name, ttft_s=traffic.ttft_s, tpot_s=traffic.tpot_s, tier=tier.name),
            rate_per_s=np.array([rate * tier.share]), input=lognormal(mean, INPUT_CV),
            output=lognormal(output, OUTPUT_CV), hit_share=0.0 if sessions else min(hit, 0.999), sessions=sessions,
            family="gamma" if bursts else "poisson", cv=BURST_CV if bursts else 1.0,
        )
        for traffic, tier in zip(cells.fleet.traffic, whole.tiers, strict=False)
    )  # fmt: skip
    return replace(cells, loads=loads, ramp_s=ramp_s)


def _sessions(cells: Cells, mean: float, output: float, hit: float) -> tuple[Sessions, float]:
    """(sessions of a class, mean turns of one that ends where no more tokens fit).

    Every turn brings f = (1 - hit) input fresh tokens behind all of the turns before. That the inputs' mean is the
    class's leaves one number of turns:

        T = (input + output) / (f + output)
    """
    fresh = max((1.0 - hit) * mean, 1.0)
    turns = (mean + output) / (fresh + output)
    goes_on, most = 1.0 - 1.0 / turns, cells.most_tokens
    fit = max(int(most / (fresh + output)), 1)
    operating = cells.lanes[0].replica.operating
    sessions = Sessions(
        turns=turns, think_s=THINK_S, think_cv=THINK_CV, growth=lognormal(fresh, INPUT_CV), block_tokens=0,
        most_tokens=most, nominal_ttft_s=operating.ttft_s, nominal_tpot_s=operating.tpot_s,
    )  # fmt: skip
    return sessions, (1.0 - goes_on**fit) * turns


def _handling_s(whole: _Whole, lane: Lane, pool: Pool) -> tuple[float, float]:
    """What is added to times to first token on a lane, and what each other request of a replica adds."""
    return pool_handling_s(lane.replica, pool, _calibrated(whole, lane), _prompt(whole.task))


def _prompt(task: Task) -> tuple[float, float]:
    """(fresh, cached) tokens of a mean prompt."""
    return task.prompt - task.cached, task.cached


def _latency_s(whole: _Whole, lane: Lane, pool: Pool, here: dict[str, int]) -> float:
    """What is added to times to first token on a lane: handling, and the way there and back."""
    handling = _handling_s(whole, lane, pool)[0]
    if "latency" in whole.without:
        return handling
    if lane.planned.users is not None:
        return handling + lane.planned.users.round_trip[lane.region].value
    home = next(one.region for one in whole.lanes if here[one.name])
    return handling + ROUND_TRIP_S * (1.0 if lane.region == home else 2.0)


def _calibrated(whole: _Whole, lane: Lane) -> tuple[float, float]:
    options = Options(speculation=lane.replica.speculation)
    return of_calibration(lane.planned.offer.system, whole.task.model, lane.replica, whole.case.basis, options)


def _frac(whole: _Whole, lane: Lane) -> float:
    """Share of a pass that waits for the fullest rank, at a mean prompt."""
    system, options = lane.planned.offer.system, Options(speculation=lane.replica.speculation)
    return frac_of_ranks(system, whole.task.model, lane.replica, whole.case.basis, options, _prompt(whole.task))


def _pools(whole: _Whole, here: dict[str, int]) -> tuple[list[Pool], list[tuple[int, Lane]]]:
    """(pools of a cell, (index, lane) of those at the door)."""
    fresh, cached = _prompt(whole.task)
    pools: list[Pool] = []
    front: list[tuple[int, Lane]] = []
    for lane in whole.lanes:
        n, replica = here[lane.name], lane.replica
        if not n:
            continue
        front.append((len(pools), lane))
        frac = _frac(whole, lane)
        table = riding(over_ranks(replica.table, replica.n_ranks, fresh, frac), _calibrated(whole, lane)[1])
        table = _faster(table, lane.gain, replica.speculation.tokens_per_pass)
        most = max(1, round(replica.operating.batch))  # what holds the speed that was planned
        decode = Pool(
            name=lane.name, table=table, n_replicas=n, max_sequences=most, kv_blocks=_blocks(table, most),
            token_budget=max(_BUDGET * max(replica.n_ranks, 1), most + 1), router=_router(n), spill_fill=1.0,
            cache="given" if cached else "off",
        )  # fmt: skip
        if whole.is_scaled:
            decode = replace(decode, scaling=_scaling(whole, lane, decode))
        if replica.prefill_table is not None:
            before = max(1, round(n * replica.prefill_per_decode))
            table = _faster(over_ranks(replica.prefill_table, replica.n_ranks_prefill, fresh, frac), lane.gain)
            prompt_s = float(table.prefill(fresh, cached))
            pools.append(
                replace(
                    decode, name=f"{lane.name} prefill", table=table, n_replicas=before, router=_router(before),
                    max_sequences=64 * replica.n_ranks_prefill, token_budget=_BUDGET * replica.n_ranks_prefill,
                    spill_fill=SPILL_SHARE * (whole.task.ttft_s or inf) / prompt_s / 64.0, kv_blocks=0,
                    hands_to=len(pools) + 1,
                    transfer_s=replica.kv_transfer_latency_s, scaling=None,
                    transfer_s_per_token=replica.kv_transfer_s(1.0) - replica.kv_transfer_latency_s,
                )
            )  # fmt: skip
        pools.append(decode)
        door = front[-1][0]
        each_s = _handling_s(whole, lane, pools[door])[1]
        pools[door] = replace(pools[door], crowding_s=each_s, ranks=max(replica.n_ranks, 1))
    return pools, front


def _blocks(table: StepTable, most: int) -> int:
    """Blocks of cache of a replica beside the states of its sequences; 0 without a limit."""
    if table.kv_bytes_per_token <= 0.0:
        return 0
    states = most * table.state_bytes_per_sequence / table.kv_bytes_per_token
    return max(int((table.kv_capacity_tokens - states) // 16), 1)


def _router(n: int) -> str:
    return "two_choices" if n > 8 else "least"


def in_flight(
    pool: Pool, rate_per_s: float, fresh: float, cached: float, output: float, *, takes_prompts: bool = True
) -> float:
    """Requests in flight of a replica under a steady load of so many requests a second."""
    flight = 1.0
    prefill = float(pool.table.prefill(fresh, cached)) if takes_prompts else 0.0
    for _ in range(20):
        step = float(pool.table.decode(max(flight, 1.0), fresh + cached + 0.5 * output))
        lasts = prefill + output * (step + rate_per_s * prefill * step)  # prompts of others in every step
        flight = min(rate_per_s * lasts, float(pool.max_sequences))
    return flight


def _scaling(whole: _Whole, lane: Lane, pool: Pool) -> Scaling | None:
    """Autoscaling of a pool that decodes, by what is in flight on a replica below its planned load."""
    if pool.n_replicas < 2:
        return None
    output, is_apart = whole.task.output, lane.replica.prefill_table is not None
    rate = SCALE_LOAD * lane.counted_tokens_per_s / output
    flight = in_flight(pool, rate, *_prompt(whole.task), output, takes_prompts=not is_apart)
    least = max(1, round(SCALE_LEAST * pool.n_replicas))
    return Scaling(
        interval_s=SCALE_EVERY_S, target=max(flight, 1e-3), least=least, most=pool.n_replicas,
        start_s=SCALE_START_S,
    )  # fmt: skip


def _faster(table: StepTable, gain: float, tokens_per_step: float = 1.0) -> StepTable:
    """The table after software steps that multiply its speed, per token where a step makes several.

    Drafts are counted at their mean, so that lanes with and without them can serve one stream.
    """
    decode = table.decode_s / (gain * tokens_per_step)
    shared = table.shared_s / (gain * tokens_per_step)
    effort = table.effort.sharing(tokens_per_step) if table.effort else None
    return replace(table, decode_s=decode, prefill_s=table.prefill_s / gain, shared_s=shared, effort=effort)
