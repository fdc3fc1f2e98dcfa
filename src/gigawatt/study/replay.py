"""A trace on a cluster: replicas from the catalogue, requests as rows, one simulation, figures.

A replica is that of ``perf.replica``: the layout that is named, else the smallest legal one of the best throughput at
the SLO of the trace's classes, for the trace's mean lengths. What is not asked for stands in ``Cluster``; what was
decided is said in ``Replayed.notes``. Rules of batching, routing and caches: ``serving.policies``.

**Attention ranks.** A replica of R data-parallel attention ranks runs in lockstep, and its pass lasts as long as that
of its fullest rank. The step table spreads N tokens evenly. Prompts are whole: with n fresh tokens a prompt on average,
a pass of N tokens holds N / n prompts, each on a rank of its own until there are more prompts than ranks, so that the
fullest rank has

    T(N) = min(N, max(n, N / R))    tokens, and the table is asked for R T(N).

Prompts much longer than the average are spread too far, and chance that fills one rank twice is not counted.

**Request handling** (the fixed part of the time to first token that calibration finds) is added to what users see.
"""

from __future__ import annotations

import hashlib
import signal
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from math import ceil, gcd, inf, isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.load import Catalog
from gigawatt.catalog.schema import Model, System, Workload
from gigawatt.core.errors import CatalogError, TraceError
from gigawatt.demand.prefix import prefix_hits
from gigawatt.demand.requests import Requests, Stream
from gigawatt.demand.table import BadRow
from gigawatt.perf.inference import Speculation, software_of
from gigawatt.perf.layout import parse_layout
from gigawatt.perf.operators import Pass, generation_step, values_of, work_of
from gigawatt.perf.precision import settle
from gigawatt.perf.predict import Behind
from gigawatt.perf.replica import Replica, replica_of
from gigawatt.perf.table import BANDS, StepTable
from gigawatt.perf.task import Asked, Basis, Options, Task, basis_of
from gigawatt.serving import kernels
from gigawatt.serving import memory as c
from gigawatt.serving.inputs import NEVER, NS_PER_S, Fleet, Pool, Rows, Setup, Traffic, rows_of, setup_of
from gigawatt.serving.memory import Memory, new_memory, packed
from gigawatt.serving.metrics import Metrics, measure, write_requests
from gigawatt.serving.simulate import run_kernel

Ints = npt.NDArray[np.int64]

BUDGET_TOKENS = 8192  # of an iteration and rank: vLLM's default for servers on large packages
SEQUENCES = 1024  # running ones of a rank at most: vLLM's default on large packages
BLOCK_TOKENS = 16  # vLLM's
STORE_SHARE = 190.0 / 400.0
"""Achieved over nominal rate of links to a store of prefixes: 190 GB/s on eight of 400 Gbit/s (Mooncake's Transfer
Engine, its README, 2024); low 0.25, high 0.9."""
STORE_BYTES_PER_S = 50e9  # nominal, of a package whose scale-out links are not in the catalogue
_BINS = 240
_PAUSE = 20_000  # requests between two looks at the clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """An SLO: longest time to first token, least speed of a user, share of requests for which the layout holds both."""

    ttft_s: float | None = None
    tokens_per_s_user: float | None = None
    percentile: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What serves.

    Attributes:
        system: id or alias; ``A+B`` is a hybrid of A with weights in the SRAM of B.
        model: id, alias, or a model.
        n_replicas: that decode; those that take prompts apart are as many as the task balances.
        layout: of a replica, as ``replica_of`` reads it; None leaves it to the search.
        precision: how weights are stored; None is as released.
        router: one of ``policies.ROUTERS``.
        prefix_cache: ``own`` (free cache memory of each replica), ``infinite``, ``off``, or bytes of a store that all
            replicas share.
        backend, maker: whose step times; see ``perf.task.Options``.
        speculation: drafted tokens.
        max_sequences: running requests of a replica; None is what its cache holds at mean lengths, but no
            more than 1,024 a rank.
        token_budget: tokens of one iteration of a replica; None is 8,192 a rank.
    """

    system: str
    model: str | Model
    n_replicas: int = 1
    layout: str | None = None
    precision: str | None = None
    router: str = "least"
    prefix_cache: str | float = "own"
    backend: str = ""
    maker: Asked = "auto"
    speculation: Speculation = Speculation()
    max_sequences: int | None = None
    token_budget: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a trace is replayed.

    Attributes:
        limits: SLO of classes that state none; None is that of the catalogue's class of the same name, if there is one.
        concurrency: requests in flight of a closed loop, sent in order; 0 sends them when they arrive.
        seed: of drafts that are accepted and of routers that draw.
        skip_bad: leave out requests that no replica can hold, listed, instead of refusing the trace.
        requests: parquet file to write, a row for each request.
        resume: file of an interrupted run to go on with.
    """

    limits: Limits | None = None
    concurrency: int = 0
    seed: int = 0
    skip_bad: bool = False
    requests: Path | None = None
    resume: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replayed:
    """What a replay came to.

    Attributes:
        requests: rows sent or still to be sent.
        metrics: counts, percentiles, time lines.
        streams: kinds of traffic, in the order of ``metrics.streams``.
        replica: one of those that served.
        fleet: pools as they were simulated.
        prefix_hit_share: see ``prefix_hit_basis``; nan where nothing says.
        prefix_hit_basis: what is over what.
        wall_s: of the kernel.
        simulated: requests that ended in it.
        start_s: first arrival.
        is_finished: False where it was stopped; then ``memory`` goes on.
        bad: rows left out here.
        notes: what was decided, a sentence each.
        memory: of the simulation.
        key: what a file to resume must match.
    """

    requests: int
    metrics: Metrics
    streams: tuple[Stream, ...]
    replica: Replica
    fleet: Fleet
    prefix_hit_share: float
    prefix_hit_basis: str
    wall_s: float
    simulated: int
    start_s: float
    is_finished: bool
    bad: tuple[BadRow, ...]
    notes: tuple[str, ...]
    memory: Memory = field(repr=False)
    key: str

    def to_dict(self) -> dict[str, Any]:
        """The figures for JSON."""
        all_, lasted = self.metrics.total, self.metrics.end_s - self.start_s
        told = all_.to_dict()
        classes = self.metrics.by([one.name for one in self.streams])
        tiers = self.metrics.by([one.tier for one in self.streams])
        goodput = {
            "slo_attained_frac": told["slo_attained_frac"],
            "requests_per_s": _rate(all_.n["good"], lasted),
            "tokens_per_s": _rate(all_.n["good_output_tokens"], lasted),
            "by_class": {one.name: one.to_dict()["slo_attained_frac"] for one in classes},
            "by_tier": {one.name: one.to_dict()["slo_attained_frac"] for one in tiers if one.name},
        }  # fmt: skip
        return {
            "requests": self.requests,
            **{key: told[key] for key in ("sent", "completed", "aborted", "gated", "failed", "retries", "preemptions")},
            **{key: told[key] for key in ("ttft_s", "tpot_s", "e2e_s", "queue_s")},
            "tokens_per_s": _rate(all_.n["output_tokens"], lasted), "duration_s": lasted,
            "input_tokens": all_.n["input_tokens"], "output_tokens": all_.n["output_tokens"],
            "prefix_hit_share": None if self.prefix_hit_share != self.prefix_hit_share else self.prefix_hit_share,
            "prefix_hit_basis": self.prefix_hit_basis, "energy_j": self.metrics.energy_j, "goodput": goodput,
            "pools": self.metrics.to_dict()["pools"], "wall_s": self.wall_s,
            "requests_per_s": _rate(self.simulated, self.wall_s), "is_finished": self.is_finished,
            "layout": self.replica.layout, "prefill_layout": self.replica.prefill_layout,
            "precision": self.replica.precision, "maker": self.replica.table.maker,
            "n_packages": sum(pool.n_replicas * pool.table.n_packages for pool in self.fleet.pools),
            "note": "; ".join(part for part in (self.replica.reason, self.replica.note, *self.notes) if part),
            "bad_rows": [asdict(one) for one in self.bad],
        }  # fmt: skip

    def save(self, path: Path) -> None:
        """Writes what ``How.resume`` goes on with. Raises TraceError where it cannot write."""
        try:
            with path.open("wb") as file:
                np.savez_compressed(file, m=self.memory.m, x=self.memory.x, key=np.array(self.key))
        except OSError as error:
            raise TraceError(f"cannot write {path}: {error.strerror}; choose another file") from error


def _rate(amount: float, seconds: float) -> float:
    return amount / seconds if seconds > 0.0 else 0.0


def replay(
    requests: Requests,
    cluster: Cluster,
    *,
    catalog: Catalog,
    how: How = How(),
    say: Callable[[str], None] | None = None,
    tick: Callable[[int], bool | None] | None = None,
) -> Replayed:
    """What becomes of requests on a cluster, to the end of the last.

    Args:
        requests: a trace; a session's later rows wait for its earlier ones (``Requests.open_loop`` undoes that).
        cluster: what serves them.
        catalog: where system, model and classes are from.
        how: limits, closed loop, seed, files.
        say: told what is going on.
        tick: called now and then with the requests that have ended; False stops, as Ctrl-C does.

    Raises:
        CatalogError: an unknown name, or a cluster that cannot serve.
        TraceError: a request that no replica can hold, or a file that does not fit.
    """
    tell = say or (lambda _: None)
    _check(cluster, how)
    _check_file(how.requests)
    _check_file(how.resume, must_exist=True)
    tell("choosing the layout")
    model = cluster.model if isinstance(cluster.model, Model) else catalog.model(cluster.model)
    notes: list[str] = []
    prefix = _prefix(requests, cluster, notes)
    limits = [_limits(stream, how.limits, catalog) for stream in requests.streams]
    basis = basis_of(catalog)
    replica, handling = _replica(requests, cluster, model, prefix, limits, basis, catalog)
    prefix = _filled(prefix, requests, replica.table)
    fleet = _fleet(requests, cluster, replica, prefix, limits, handling, _means(requests, model)[0], how, catalog)
    requests, prefix, bad = _holdable(requests, prefix, fleet, how.skip_bad)
    _say_decisions(requests, cluster, model, fleet, how, notes)
    setup = setup_of(fleet, how.concurrency)
    rows = _rows(requests, prefix, cluster, how, notes)
    memory, key = _memory(setup, rows, requests, how)
    tell("compiling kernels (once, about a minute)" if _is_cold() else "simulating")
    _warm(replica.table)
    tell("simulating")
    before = int(memory.m[c.G_ENDED])
    ids = packed(rows)
    with _stoppable() as is_stopped:
        started = time.perf_counter()
        memory = run_kernel(
            memory, *ids, pause=_PAUSE,
            tick=lambda ended: not is_stopped() and not (tick is not None and tick(ended) is False),
        )  # fmt: skip
        wall_s = time.perf_counter() - started
    end = int(memory.m[c.G_NOW])
    kernels.settle(memory.m, end)
    if how.requests is not None:
        _write(how.requests, memory, rows, requests)
    metrics = measure(memory, fleet)
    share = metrics.total.hit_frac if prefix.kind == "own" else prefix.share
    return Replayed(
        requests=len(requests), metrics=metrics, streams=requests.streams, replica=replica, fleet=fleet,
        prefix_hit_share=share, prefix_hit_basis=prefix.basis, wall_s=wall_s,
        simulated=int(memory.m[c.G_ENDED]) - before, start_s=0.0 if how.concurrency else float(requests.arrival_s[0]),
        is_finished=int(memory.m[c.G_ENDED]) == len(requests), bad=bad, notes=tuple(notes), memory=memory, key=key,
    )  # fmt: skip


# --- checks


def _check(cluster: Cluster, how: How) -> None:
    """Raises CatalogError for what no cluster can be."""
    from gigawatt.serving.policies import ROUTERS

    def need(holds: bool, text: str) -> None:
        if not holds:
            raise CatalogError(text)

    need(cluster.n_replicas >= 1, f"{cluster.n_replicas} replicas serve nothing; give 1 or more")
    need(cluster.router in ROUTERS, f"no router is called '{cluster.router}'; known are {', '.join(ROUTERS)}")
    named = ("own", "infinite", "off")
    known = cluster.prefix_cache in named if isinstance(cluster.prefix_cache, str) else cluster.prefix_cache >= 0
    need(known, f"'{cluster.prefix_cache}' is no prefix cache; write own, infinite, off or a size such as 2TB")
    need(how.concurrency >= 0, f"{how.concurrency} requests in flight; give 1 or more, or 0 for an open loop")
    for name in ("max_sequences", "token_budget"):
        value = getattr(cluster, name)
        need(value is None or value >= 1, f"{name} is {value}; give 1 or more")


def _check_file(path: Path | None, *, must_exist: bool = False) -> None:
    """Raises TraceError early for a file that cannot be."""
    if path is not None and must_exist and not path.is_file():
        raise TraceError(f"{path} is not there; an interrupted replay says which file it wrote")
    if path is not None and not path.parent.is_dir():
        raise TraceError(f"{path} cannot be written: there is no folder {path.parent}; make it or choose another")


# --- prefixes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Prefix:
    """How prefixes are cached: ``own``, ``given`` or ``off``; tokens found where given, their share, and of what."""

    kind: str
    basis: str
    cached: Ints | None = None
    share: float = nan
    expected: float = 0.0  # tokens over input tokens, for the choice of the layout
    store_bytes: float = inf


_BY_BLOCKS = "leading blocks found over all blocks of the inputs, in trace order"
_BY_COLUMN = "tokens that the trace says were shown before over input tokens"
_BY_TOKENS = "tokens found in the replicas' own caches over input tokens, of completed requests"


def _prefix(requests: Requests, cluster: Cluster, notes: list[str]) -> _Prefix:
    """What is known before the replica is: all but what a store of so many bytes finds."""
    asked, has_blocks = cluster.prefix_cache, requests.block_tokens > 0 and len(requests.block_ids) > 0
    known = requests.shared_tokens >= 0
    if asked == "off":
        return _Prefix(kind="off", basis="no prefix cache", share=0.0)
    if not has_blocks and (asked == "own" or not known.any()):
        if asked != "own":
            notes.append("the trace names no blocks and no shared tokens: no prefix is found")
        return _Prefix(kind="off", basis="the trace names no blocks", share=0.0)
    if asked != "own" and not has_blocks and asked != "infinite":
        raise TraceError("a store of limited size needs a trace that names blocks (hash_ids); use infinite or off")
    if known.any() and (asked == "infinite" or not has_blocks):
        tokens = np.where(known, requests.shared_tokens, 0)
        share = float(tokens.sum() / requests.input_tokens.sum())
        return _Prefix(
            kind="given",
            basis=_BY_COLUMN,
            cached=tokens,
            share=share,
            expected=float(tokens.sum() / requests.input_tokens.sum()),
        )
    hits, total = prefix_hits(requests)
    tokens = np.minimum(hits * requests.block_tokens, requests.input_tokens)
    if asked == "own":
        return _Prefix(kind="own", basis=_BY_TOKENS, expected=float(tokens.sum() / requests.input_tokens.sum()))
    size = inf if isinstance(asked, str) else float(asked)
    share = float(hits.sum() / max(total, 1))
    return _Prefix(
        kind="given",
        basis=_BY_BLOCKS,
        cached=tokens,
        share=share,
        expected=float(tokens.sum() / requests.input_tokens.sum()),
        store_bytes=size,
    )


def _filled(prefix: _Prefix, requests: Requests, table: StepTable) -> _Prefix:
    """The same with what a store of limited size finds, now that the bytes of a token are known."""
    if not isfinite(prefix.store_bytes):
        return prefix
    each = requests.block_tokens * table.kv_bytes_per_token
    hits, total = prefix_hits(requests, int(prefix.store_bytes // each) if each > 0.0 else -1)
    tokens = np.minimum(hits * requests.block_tokens, requests.input_tokens)
    return replace(
        prefix,
        cached=tokens,
        share=float(hits.sum() / max(total, 1)),
        expected=float(tokens.sum() / requests.input_tokens.sum()),
    )


# --- replica


def _limits(stream: Stream, given: Limits | None, catalog: Catalog) -> Limits:
    """SLO of a kind of traffic: its own, else the given one, else that of the catalogue's class of its name."""
    found = given
    if found is None:
        names = {name: one for one in catalog.all(Workload) for name in (one.id, *one.aliases, one.name)}
        slo = names[stream.name].slo if stream.name in names else None
        found = Limits()
        if slo is not None:
            found = Limits(
                ttft_s=slo.ttft.value if slo.ttft else None, percentile=slo.percentile.value,
                tokens_per_s_user=slo.speed.value if slo.speed else None,
            )  # fmt: skip
    if isfinite(stream.ttft_s):
        found = replace(found, ttft_s=stream.ttft_s)
    if isfinite(stream.tpot_s):
        found = replace(found, tokens_per_s_user=1.0 / stream.tpot_s)
    return found


def _means(requests: Requests, model: Model) -> tuple[float, float]:
    """Mean tokens of input and output, of requests within the model's context where there are any."""
    longest = model.architecture.max_context or 2**40
    within = requests.input_tokens + requests.output_tokens <= longest
    if not within.any():
        return 0.75 * longest, 0.25 * longest
    return float(requests.input_tokens[within].mean()), float(requests.output_tokens[within].mean())


def _systems(name: str, catalog: Catalog) -> tuple[System, ...]:
    systems = tuple(catalog.system(part) for part in name.split("+"))
    if len(systems) > 2 or (len(systems) == 2 and systems[1].kind != "sram"):
        raise CatalogError(f"'{name}' is no hybrid; join a system and one that keeps weights in SRAM: A+B")
    return systems


def _replica(
    requests: Requests, cluster: Cluster, model: Model, prefix: _Prefix, limits: list[Limits], basis: Basis,
    catalog: Catalog,
) -> tuple[Replica, float]:  # fmt: skip
    """(replica, request handling [s])."""
    systems = _systems(cluster.system, catalog)
    prompt, output = _means(requests, model)
    task = Task(
        model=model, prompt=prompt, output=output, cached=min(prefix.expected * prompt, prompt - 1.0),
        ttft_s=min((one.ttft_s for one in limits if one.ttft_s is not None), default=None),
        tokens_per_s_user=max((one.tokens_per_s_user for one in limits if one.tokens_per_s_user), default=None),
        percentile=max(one.percentile for one in limits),
    )  # fmt: skip
    options = Options(backend=cluster.backend, weights=cluster.precision or "", speculation=cluster.speculation)
    system = (systems[0], systems[1]) if len(systems) == 2 else systems[0]
    replica = replica_of(system, model, basis, task=task, layout=cluster.layout, options=options, maker=cluster.maker)
    return replica, _handling_s(systems[0], model, replica, options, basis)


def _handling_s(system: System, model: Model, replica: Replica, options: Options, basis: Basis) -> float:
    """Fixed part of the time to first token where prompts run [s]; 0 on machines with weights in SRAM."""
    if system.package is None or (system.kind == "sram" and replica.prefill_table is None):
        return 0.0
    layout = parse_layout(replica.prefill_layout or replica.layout, model)
    serving = settle(system, model, options.weights, "", options.cache)
    behind = basis.behind.get(system.vendor, Behind()).value
    software = software_of(basis.inference, options.backend, model.family, serving, generation_step(system))
    work = work_of(system, system.package, model, serving, layout, behind=behind)
    return float(Pass(work, values_of(basis.inference), software).first_s())


def over_ranks(table: StepTable, n_ranks: int, fresh_tokens: float) -> StepTable:
    """The table with passes as long as that of the fullest of ``n_ranks`` ranks; the rule stands in the module.

    A pass of N tokens behind c cached ones pays attention over c + N / 2 tokens on average, whatever rank they run on.
    """
    if n_ranks <= 1:
        return table
    tokens = np.unique([*table.new_tokens, round(max(fresh_tokens, 1.0)), n_ranks * round(max(fresh_tokens, 1.0))])
    fullest = np.minimum(tokens, np.maximum(max(fresh_tokens, 1.0), tokens / n_ranks))
    behind = table.cached[None, :] + 0.5 * (tokens - fullest)[:, None]
    times = np.stack([table.prefill(n_ranks * fullest[:, None], behind, band) for band in BANDS])
    nearest = np.minimum(np.searchsorted(table.new_tokens, tokens), len(table.new_tokens) - 1)
    return replace(
        table, new_tokens=tokens, prefill_s=np.maximum.accumulate(np.sort(times, axis=0), axis=1),
        prefill_provenance=table.prefill_provenance[nearest],
    )  # fmt: skip


# --- fleet


def _fleet(
    requests: Requests, cluster: Cluster, replica: Replica, prefix: _Prefix, limits: list[Limits], handling_s: float,
    prompt: float, how: How, catalog: Catalog,
) -> Fleet:  # fmt: skip
    """Pools and traffic of a cluster."""
    systems = _systems(cluster.system, catalog)
    fresh = max(prompt * (1.0 - prefix.expected), 1.0)
    package = systems[0].package
    links = package.scale_out_bandwidth.value if package and package.scale_out_bandwidth else STORE_BYTES_PER_S
    decode = pool_of(replica.table, replica.n_ranks, fresh, cluster, most=replica.max_sequences)
    pools = [replace(decode, name="replicas", n_replicas=cluster.n_replicas)]
    if replica.prefill_table is not None:
        table = replica.prefill_table
        held = int(table.kv_capacity_tokens / max(prompt, 1.0))
        first = pool_of(table, replica.n_ranks_prefill, fresh, cluster, most=max(held, 1))
        n = max(1, round(cluster.n_replicas * replica.prefill_per_decode))
        pools.insert(0, replace(
            first, name="prefill", n_replicas=n, hands_to=1,
            transfer_s=replica.kv_transfer_latency_s,
            transfer_s_per_token=replica.kv_transfer_bytes_per_token / replica.kv_transfer_bytes_per_s,
        ))  # fmt: skip
        pools[1] = replace(pools[1], name="decode")
    if prefix.kind == "own" and pools[0].kv_blocks:
        block = gcd(BLOCK_TOKENS, requests.block_tokens)
        pools[0] = replace(
            pools[0], cache="own", block_tokens=block, hash_tokens=requests.block_tokens,
            kv_blocks=pools[0].kv_blocks * (BLOCK_TOKENS // block),
        )  # fmt: skip
    elif prefix.kind == "given":
        rate = links * STORE_SHARE * pools[0].table.n_packages
        pools[0] = replace(pools[0], cache="given", load_s_per_token=pools[0].table.kv_bytes_per_token / rate)
    traffic = tuple(
        Traffic(
            name=" ".join(part for part in (stream.name, stream.tier, stream.region) if part), pools=(0,),
            latency_s=(handling_s,), priority=stream.priority, ttft_s=one.ttft_s or inf,
            tpot_s=1.0 / one.tokens_per_s_user if one.tokens_per_s_user else inf,
        )
        for stream, one in zip(requests.streams, limits, strict=True)
    )  # fmt: skip
    if any(stream.priority for stream in requests.streams):
        pools = [replace(pool, order="priority") for pool in pools]
    return Fleet(pools=tuple(pools), traffic=traffic, seed=how.seed)


def pool_of(table: StepTable, n_ranks: int, fresh_tokens: float, cluster: Cluster, *, most: int) -> Pool:
    """One replica of a table as a pool: ranks, running sequences, token budget and blocks of cache."""
    ranks = max(n_ranks, 1)
    sequences = cluster.max_sequences or max(min(most, SEQUENCES * ranks), 1)
    budget = max(cluster.token_budget or BUDGET_TOKENS * ranks, sequences)
    blocks = 0
    if table.kv_bytes_per_token > 0.0:
        states = sequences * table.state_bytes_per_sequence / table.kv_bytes_per_token
        blocks = max(int((table.kv_capacity_tokens - states) // BLOCK_TOKENS), 1)
    return Pool(
        name="replicas", table=over_ranks(table, ranks, fresh_tokens), n_replicas=1, max_sequences=sequences,
        token_budget=budget, block_tokens=BLOCK_TOKENS, kv_blocks=blocks, router=cluster.router,
    )  # fmt: skip


def _holdable(
    requests: Requests, prefix: _Prefix, fleet: Fleet, skip_bad: bool
) -> tuple[Requests, _Prefix, tuple[BadRow, ...]]:
    """Requests that one replica of each pool can hold, and the others by row. Raises TraceError where not skipped."""
    last = fleet.pools[-1]
    capacity = min(pool.kv_blocks * pool.block_tokens if pool.kv_blocks else inf for pool in fleet.pools)
    needed = requests.input_tokens + requests.output_tokens + last.block_tokens
    wrong = np.flatnonzero(needed > capacity)
    if not len(wrong):
        return requests, prefix, ()
    lines = np.where(requests.line > 0, requests.line, np.arange(1, len(requests) + 1))[wrong]
    bad = tuple(
        BadRow(
            line=int(line),
            reason=f"{requests.input_tokens[row]:,} input and {requests.output_tokens[row]:,} output tokens are more "
            f"than the {capacity:,.0f} that the cache of one replica ({last.table.layout}) holds; a shorter request or "
            "a larger layout is right",
        )
        for row, line in zip(wrong, lines, strict=True)
    )
    if not skip_bad:
        more = f". {len(bad) - 1:,} more rows do not fit" if len(bad) > 1 else ""
        raise TraceError(f"row {bad[0].line:,}: {bad[0].reason}{more}. --skip-bad leaves such rows out, listed")
    keep = np.setdiff1d(np.arange(len(requests)), wrong)
    if not len(keep):
        raise TraceError(f"no request fits: row {bad[0].line:,}: {bad[0].reason}")
    cached = None if prefix.cached is None else prefix.cached[keep]
    return requests.take(keep), replace(prefix, cached=cached), bad


def _say_decisions(
    requests: Requests, cluster: Cluster, model: Model, fleet: Fleet, how: How, notes: list[str]
) -> None:
    pool, first = fleet.pools[-1], fleet.pools[0]
    notes.append(
        f"{first.token_budget:,} tokens an iteration, {pool.max_sequences:,} running sequences and "
        + (
            f"{pool.kv_blocks * pool.block_tokens:,} tokens of cache a replica"
            if pool.kv_blocks
            else "no limit of cache"
        )
    )
    if len(fleet.pools) > 1:
        notes.append(f"{first.n_replicas:,} replicas of {first.table.layout} take the prompts of {pool.n_replicas:,}")
    if all(one.ttft_s == inf and one.tpot_s == inf for one in fleet.traffic) and cluster.layout is None:
        notes.append("no SLO is given: the layout is that of the best throughput")
    longest = model.architecture.max_context
    beyond = int((requests.input_tokens + requests.output_tokens > longest).sum()) if longest else 0
    if beyond:
        notes.append(f"{beyond:,} requests are longer than the model's {longest:,} tokens of context")
    if how.concurrency:
        notes.append(f"closed loop of {how.concurrency:,} requests in flight: arrivals and sessions are not followed")


# --- rows


def _rows(requests: Requests, prefix: _Prefix, cluster: Cluster, how: How, notes: list[str]) -> Rows:
    """Requests as the kernel reads them."""
    n = len(requests)
    arrival = np.rint(requests.arrival_s * NS_PER_S).astype(np.int64)
    columns: dict[str, Ints] = {}
    linked = np.flatnonzero(requests.previous >= 0)
    if len(linked) and not how.concurrency:
        previous = requests.previous[linked]
        _, first = np.unique(previous, return_index=True)
        if len(first) < len(linked):
            notes.append(
                f"{len(linked) - len(first):,} requests that start beside another of their session are sent at their "
                "own arrival, not when the one before has ended"
            )
        after = linked[first]
        follower = np.full(n, -1, dtype=np.int64)
        follower[previous[first]] = after
        arrival[after] = NEVER
        columns["next"] = follower
        columns["think"] = np.rint(requests.think_s * NS_PER_S).astype(np.int64)
    if prefix.kind == "own":
        columns["block_start"], columns["block_ids"] = requests.block_start, requests.block_ids
    if prefix.cached is not None:
        columns["cached"] = prefix.cached
    for name in ("ttft", "tpot"):
        own = getattr(requests, f"{name}_s")
        if not np.isnan(own).all():
            limit = np.where(np.isfinite(own), np.nan_to_num(own) * NS_PER_S, NEVER)
            columns[name] = np.where(np.isnan(own), -1, np.rint(limit)).astype(np.int64)
    if cluster.router == "affinity":
        first_block = np.arange(n) + 2**40
        named = np.flatnonzero(np.diff(requests.block_start))
        first_block[named] = requests.block_ids[requests.block_start[named]]
        columns["key"] = np.where(requests.session >= 0, requests.session, first_block)
    if cluster.speculation.tokens:
        columns["iterations"] = _iterations(requests.output_tokens, cluster.speculation, how.seed)
    return rows_of(arrival, requests.input_tokens, requests.output_tokens, requests.stream.astype(np.int64), **columns)


def _iterations(outputs: Ints, guess: Speculation, seed: int) -> Ints:
    """(n,) passes that yield the outputs behind the first: each one token and the drafts kept before the first miss."""
    draw = np.random.default_rng(seed)
    left = outputs - 1
    passes = np.zeros(len(outputs), dtype=np.int64)
    rows = np.flatnonzero(left > 0)
    left = left[rows]
    while len(rows):
        missed = draw.geometric(max(1.0 - guess.accepted, 1e-12), len(rows))
        left = left - np.minimum(missed, guess.tokens + 1)
        passes[rows] += 1
        rows, left = rows[left > 0], left[left > 0]
    return passes


# --- the run


def _memory(setup: Setup, rows: Rows, requests: Requests, how: How) -> tuple[Memory, str]:
    """A fleet at rest, or that of an interrupted run; and what identifies the run."""
    digest = hashlib.sha256(f"{how.concurrency} {how.seed} {how.requests is not None}".encode())
    for array in (*rows, *(one for one in (*setup.settings, *setup.steps) if isinstance(one, np.ndarray))):
        digest.update(np.ascontiguousarray(array).tobytes())
    key = digest.hexdigest()
    if how.resume is not None:
        try:
            with np.load(how.resume) as held:
                found = str(held["key"])
                memory = Memory(held["m"], held["x"])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise TraceError(f"{how.resume} is no file of an interrupted replay: {error}") from error
        if found != key:
            raise TraceError(
                f"{how.resume} is of another replay; the trace and every option must be those of the interrupted one"
            )
        return memory, key
    bin_ns = max(ceil(1.25 * _horizon_s(setup, requests, how) / _BINS), 1) * NS_PER_S
    return new_memory(
        setup, slots=max(4096, 8 * how.concurrency), bins=_BINS, bin_ns=bin_ns,
        records=len(requests) if how.requests is not None else 0,
    ), key  # fmt: skip


def _horizon_s(setup: Setup, requests: Requests, how: How) -> float:
    """About how long the run will last [s]; only the width of the time line's bins hangs on it."""
    pool, n = setup.fleet.pools[-1], sum(one.n_replicas for one in setup.fleet.pools)
    prompt, output = float(requests.input_tokens.mean()), float(requests.output_tokens.mean())
    running = min(max(how.concurrency / pool.n_replicas, 1.0), pool.max_sequences) if how.concurrency else 32.0
    step = float(pool.table.decode(running, prompt + 0.5 * output))
    each = output * step / running / pool.n_replicas
    each += float(setup.fleet.pools[0].table.prefill(prompt, 0.0)) / n
    last = 0.0 if how.concurrency else float(requests.arrival_s[-1])
    return max(last, len(requests) * each)


def _is_cold() -> bool:
    """Whether the kernels are still to be compiled."""
    from numba import config

    if config.DISABLE_JIT or kernels.advance.signatures:  # type: ignore[attr-defined]
        return False
    folder = Path(kernels.advance._cache.cache_path)  # type: ignore[attr-defined]
    return not any(folder.glob("kernels.advance-*.nbi"))


def _warm(table: StepTable) -> None:
    """Loads or compiles the kernels on one request."""
    pool = Pool(name="warm", table=table, n_replicas=1, max_sequences=1)
    memory = new_memory(setup_of(Fleet(pools=(pool,), traffic=(Traffic(name="warm"),))))
    one = np.ones(1, dtype=np.int64)
    memory = run_kernel(memory, *packed(rows_of(0 * one, one, one)), pause=_PAUSE)
    kernels.settle(memory.m, int(memory.m[c.G_NOW]))


@contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """Ctrl-C asks to stop between two instants, a second one at once."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: Any) -> None:
        if asked and callable(before):
            before(number, frame)
        asked.append(number)

    signal.signal(signal.SIGINT, stop)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


def _write(path: Path, memory: Memory, rows: Rows, requests: Requests) -> None:
    lines = np.where(requests.line > 0, requests.line, np.arange(1, len(requests) + 1))
    names = np.array([one.name for one in requests.streams], dtype=object)[requests.stream]
    try:
        write_requests(path, memory, rows, {"line": lines, "class": names})
    except OSError as error:
        raise TraceError(f"cannot write {path}: {error.strerror or error}; choose another file") from error
