"""What serves a trace: a named cluster, its replicas, pools and traffic, and how prefixes are found.

A replica is that of ``perf.replica``: the layout that is named, else the smallest legal one of the best throughput at
the SLO of the trace's classes, for the trace's mean lengths (of requests within the model's context).

**Attention ranks.** A replica of R data-parallel attention ranks runs in lockstep: attention and dense matrices, a
share f of a pass, last as long as on the fullest rank. Routed experts are spread over the packages of all ranks, and
their time goes by all tokens. The step table spreads N tokens evenly. Prompts are whole: with n fresh tokens a prompt
on average, a pass of N tokens holds N / n prompts, each on a rank of its own until there are more prompts than ranks,
so that the fullest rank has

    T(N) = min(N, max(n, N / R))    tokens, and a pass takes    t(N) = f table(R T(N)) + (1 - f) table(N)

f is that of a mean prompt on a rank (``perf.replica.rank_frac``); 1 for models without experts.

Prompts much longer than the average are spread too far, and chance that fills one rank twice is not counted.

**Prompts beside decoding.** The calibration finds that prompts of others cost a decoding request only a share (about
0.7, its ``interference``) of the time that a prompt takes alone. Passes of a replica that does both take that share;
a request's own prompt takes the rest too, as request handling. Prompts are served faster than alone by as much.

**Request handling** is added to what users see: the fixed part of the time to first token that calibration finds, the
rest of the own prompt, and what servers with many streams add beyond the queue that is simulated,

    CONGESTION t_prefill(n) (b - 1)        b sequences in flight a rank

where b is what the replica has when the request comes to it (at most what runs at once). A user waits for it, and what
follows (the next of a closed loop, of a session) is sent behind it, so that throughput, requests in flight and times
fit together (Little). Where prompts have packages of their own only the fixed part is added, as in the calibration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, gcd, inf, isfinite, nan

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.load import Catalog
from gigawatt.catalog.schema import Model, System, Workload
from gigawatt.core.errors import CatalogError, TraceError
from gigawatt.demand.prefix import prefix_hits
from gigawatt.demand.requests import Requests, Stream
from gigawatt.perf.inference import Speculation, software_of
from gigawatt.perf.layout import parse_layout
from gigawatt.perf.operators import Pass, generation_step, values_of, work_of
from gigawatt.perf.precision import settle
from gigawatt.perf.predict import Behind
from gigawatt.perf.replica import Replica, rank_frac, replica_of
from gigawatt.perf.table import BANDS, StepTable
from gigawatt.perf.task import Asked, Basis, Options, Task
from gigawatt.serving.inputs import Fleet, Pool, Traffic
from gigawatt.serving.policies import ROUTERS

Ints = npt.NDArray[np.int64]

CONGESTION = 0.04
"""Of the time of a prompt, for each other stream of a rank: fitted to closed loops of 129 InferenceX rows. On all 1,294
such rows times to first token are 40 % off without it and 20 % with it (benchmarks/replay.py). The whole queue is 0.069
in the calibration (``queue``); low 0.02, high 0.06."""
BUDGET_TOKENS = 8192  # of an iteration and rank: vLLM's default for servers on large packages
SEQUENCES = 1024  # running ones of a rank at most: vLLM's default on large packages
MOST_REPLICAS = 100_000  # of a cluster, each with its turn at every choice of a router. Judgement
MOST_RUNNING = 100_000_000  # requests that replicas can run at once, some 80 bytes each. Judgement
BLOCK_TOKENS = 16  # vLLM's
STORE_SHARE = 190.0 / 400.0
"""Achieved over nominal rate of links to a store of prefixes: 190 GB/s on eight of 400 Gbit/s (Mooncake's Transfer
Engine, its README, 2024); low 0.25, high 0.9."""
STORE_BYTES_PER_S = 50e9  # nominal, of a package whose scale-out links are not in the catalogue


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
        n_replicas: that decode.
        n_prefill: that take prompts where those are apart; None is as many as the task balances, but no more than
            the requests have work for at once.
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
    n_prefill: int | None = None
    layout: str | None = None
    precision: str | None = None
    router: str = "least"
    prefix_cache: str | float = "own"
    backend: str = ""
    maker: Asked = "auto"
    speculation: Speculation = Speculation()
    max_sequences: int | None = None
    token_budget: int | None = None

    def __post_init__(self) -> None:
        """Raises CatalogError for what no cluster can be."""

        def need(holds: bool, text: str) -> None:
            if not holds:
                raise CatalogError(text)

        need(self.n_replicas >= 1, f"{self.n_replicas} replicas serve nothing; give 1 or more")
        for n in (self.n_replicas, self.n_prefill or 0):
            need(n <= MOST_REPLICAS, f"{n:,} replicas are more than the {MOST_REPLICAS:,} that are simulated at once")
        need(self.router in ROUTERS, f"no router is called '{self.router}'; known are {', '.join(ROUTERS)}")
        cache = self.prefix_cache
        known = cache in ("own", "infinite", "off") if isinstance(cache, str) else cache >= 0
        need(known, f"'{cache}' is no prefix cache; write own, infinite, off or a size such as 2TB")
        for name in ("max_sequences", "token_budget", "n_prefill"):
            value = getattr(self, name)
            need(value is None or value >= 1, f"{name} is {value}; give 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Load:
    """What is asked of a cluster: requests of a model, limits by stream, prefixes, a closed loop or none."""

    requests: Requests
    model: Model
    systems: tuple[System, ...]
    limits: tuple[Limits, ...]
    prefix: Prefix
    concurrency: int = 0

    @property
    def prompt(self) -> float:
        """Mean tokens of an input that the model's context holds, or three quarters of the context."""
        return self._mean(self.requests.input_tokens, 0.75)

    @property
    def output(self) -> float:
        """The same of an output, or a quarter."""
        return self._mean(self.requests.output_tokens, 0.25)

    @property
    def fresh(self) -> float:
        """Mean tokens of an input that are not found in a cache."""
        return max(self.prompt * (1.0 - self.prefix.expected), 1.0)

    def _mean(self, tokens: Ints, share: float) -> float:
        longest = self.model.architecture.max_context or 2**40
        within = self.requests.input_tokens + self.requests.output_tokens <= longest
        return float(tokens[within].mean()) if within.any() else share * longest


def load_of(requests: Requests, cluster: Cluster, limits: Limits | None, concurrency: int, catalog: Catalog) -> Load:
    """What is asked of a cluster. Raises CatalogError for unknown names, TraceError where prefixes cannot be found."""
    systems = tuple(catalog.system(part) for part in cluster.system.split("+"))
    if len(systems) > 2 or (len(systems) == 2 and systems[1].kind != "sram"):
        raise CatalogError(f"'{cluster.system}' is no hybrid; join a system and one that keeps weights in SRAM: A+B")
    return Load(
        requests=requests, systems=systems, prefix=prefix_of(requests, cluster), concurrency=concurrency,
        model=cluster.model if isinstance(cluster.model, Model) else catalog.model(cluster.model),
        limits=tuple(limits_of(stream, limits, catalog) for stream in requests.streams),
    )  # fmt: skip


# --- prefixes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prefix:
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


def prefix_of(requests: Requests, cluster: Cluster) -> Prefix:
    """What is known before the replica is: all but what a store of so many bytes finds."""
    asked, has_blocks = cluster.prefix_cache, requests.block_tokens > 0 and len(requests.block_ids) > 0
    known = requests.shared_tokens >= 0
    if asked == "off":
        return Prefix(kind="off", basis="no prefix cache", share=0.0)
    if not has_blocks and (asked == "own" or not known.any()):
        return Prefix(kind="off", basis="the trace names no blocks: nothing is found", share=0.0)
    if asked != "own" and not has_blocks and asked != "infinite":
        raise TraceError("a store of limited size needs a trace that names blocks (hash_ids); use infinite or off")
    if known.any() and (asked == "infinite" or not has_blocks):
        tokens = np.where(known, requests.shared_tokens, 0)
        share = float(tokens.sum() / requests.input_tokens.sum())
        return Prefix(kind="given", basis=_BY_COLUMN, cached=tokens, share=share, expected=share)
    found = _found(requests, -1)
    if asked == "own":
        return replace(found, kind="own", basis=_BY_TOKENS, cached=None, share=nan)
    return replace(found, store_bytes=inf if isinstance(asked, str) else float(asked))


def _found(requests: Requests, blocks: int) -> Prefix:
    """What one store of so many blocks finds in trace order; -1, all."""
    hits, total = prefix_hits(requests, blocks)
    tokens = np.minimum(hits * requests.block_tokens, requests.input_tokens)
    expected = float(tokens.sum() / requests.input_tokens.sum())
    return Prefix(
        kind="given", basis=_BY_BLOCKS, cached=tokens, share=float(hits.sum() / max(total, 1)), expected=expected
    )


def filled(prefix: Prefix, requests: Requests, table: StepTable) -> Prefix:
    """The same with what a store of limited size finds, now that the bytes of a token are known."""
    if not isfinite(prefix.store_bytes):
        return prefix
    each = requests.block_tokens * table.kv_bytes_per_token
    return _found(requests, int(prefix.store_bytes // each) if each > 0.0 else -1)


# --- replica


def limits_of(stream: Stream, given: Limits | None, catalog: Catalog) -> Limits:
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


def chosen_replica(load: Load, cluster: Cluster, basis: Basis) -> Replica:
    """A replica. Raises CatalogError where nothing serves the load."""
    limits = load.limits
    task = Task(
        model=load.model, prompt=load.prompt, output=load.output, cached=load.prompt - load.fresh,
        ttft_s=min((one.ttft_s for one in limits if one.ttft_s is not None), default=None),
        tokens_per_s_user=max((one.tokens_per_s_user for one in limits if one.tokens_per_s_user), default=None),
        percentile=max(one.percentile for one in limits),
    )  # fmt: skip
    systems = load.systems
    return replica_of(
        (systems[0], systems[1]) if len(systems) == 2 else systems[0], load.model, basis, task=task,
        layout=cluster.layout, options=_options(cluster), maker=cluster.maker,
    )  # fmt: skip


def _options(cluster: Cluster) -> Options:
    return Options(backend=cluster.backend, weights=cluster.precision or "", speculation=cluster.speculation)


def of_calibration(
    system: System, model: Model, replica: Replica, basis: Basis, options: Options
) -> tuple[float, float]:
    """(fixed part of the time to first token [s], share of a prompt that others feel); 0 and 1 with weights in SRAM."""
    run = _pass_of(system, model, replica, basis, options)
    if run is None:
        return 0.0, 1.0
    is_apart = replica.prefill_table is not None or replica.table.maker != "calibrated"
    return float(run.first_s()), 1.0 if is_apart else felt_share(run)


def frac_of_ranks(
    system: System, model: Model, replica: Replica, basis: Basis, options: Options, tokens: tuple[float, float]
) -> float:
    """``rank_frac`` of the side that takes prompts, at (fresh, cached) tokens of a mean one; 1 with weights in SRAM."""
    run = _pass_of(system, model, replica, basis, options)
    return 1.0 if run is None else rank_frac(run, *tokens)


def _pass_of(system: System, model: Model, replica: Replica, basis: Basis, options: Options) -> Pass | None:
    """Calibrated pass of the side that takes prompts; None where weights stand in SRAM."""
    if system.package is None or (system.kind == "sram" and replica.prefill_table is None):
        return None
    layout = parse_layout(replica.prefill_layout or replica.layout, model)
    serving = settle(system, model, options.weights, "", options.cache)
    behind = basis.behind.get(system.vendor, Behind()).value
    software = software_of(basis.inference, options.backend, model.family, serving, generation_step(system))
    work = work_of(system, system.package, model, serving, layout, behind=behind)
    return Pass(work, values_of(basis.inference), software)


def felt_share(run: Pass) -> float:
    """Share of a prompt's time that requests which decode beside it feel, by the calibration; at most 1."""
    return min(float(run.c["interference"] * np.asarray(run.s.interference)), 1.0)


def riding(table: StepTable, share: float) -> StepTable:
    """The table with passes that take so much of their time, as they do beside decoding."""
    return replace(table, prefill_s=share * table.prefill_s)


def handling(first_s: float, ridden_s: float, share: float, ranks: int) -> tuple[float, float]:
    """What is added to a time to first token, and what each other stream of its replica adds [s]; see the module.

    Args:
        first_s: fixed part.
        ridden_s: pass of a mean prompt on its rank, in the pool's table.
        share: of the prompt's time that the pass takes.
        ranks: attention ranks of the replica.
    """
    alone = ridden_s / share
    return first_s + alone - ridden_s, CONGESTION * alone / max(ranks, 1)


def pool_handling_s(
    replica: Replica, pool: Pool, of: tuple[float, float], tokens: tuple[float, float]
) -> tuple[float, float]:
    """``handling`` of a pool that takes prompts [s].

    Args:
        replica: of the pool.
        pool: as it is simulated.
        of: ``of_calibration``.
        tokens: fresh and cached ones of a mean prompt.
    """
    first_s, share = of
    if share == 1.0 and (replica.prefill_table is not None or first_s == 0.0):
        return first_s, 0.0
    return handling(first_s, float(pool.table.prefill(*tokens)), share, replica.n_ranks)


BUSY = 0.5
"""Most of their time that replicas which take the prompts of a closed loop are to be at work, so that few prompts wait.
Judgement, 0.3 to 0.8."""


def prompts_at_once(load: Load, first: StepTable, decode: StepTable, kept: float) -> int:
    """Most prompts that are being read at once where each has a replica of its own: more replicas find no work.

    Of a closed loop of c that is the share of a request's time that its prompt takes where nothing waits,
    c read / (read + write), over ``BUSY``: prompts come in bunches. Whoever decodes beside others writes longer. Else
    it is the most requests whose prompt has come and is not read yet.

    Args:
        load: what is asked.
        first: step times of the side that takes prompts, and ``decode`` of the other.
        decode: see above.
        kept: tokens that a step of ``decode`` yields.
    """
    requests = load.requests
    if load.concurrency:
        flight = min(load.concurrency, len(requests))
        read = float(first.prefill(load.fresh, load.prompt - load.fresh))
        write = max(load.output - 1.0, 0.0) / kept * float(decode.decode(1.0, load.prompt))  # the first comes with read
        return min(flight, max(1, ceil(flight * (read / (read + write)) / BUSY - 1e-9)))
    cached = np.zeros(len(requests)) if load.prefix.cached is None else np.minimum(
        load.prefix.cached, requests.input_tokens - 1
    )  # fmt: skip
    starts = np.sort(requests.arrival_s)
    ends = np.sort(requests.arrival_s + first.prefill(requests.input_tokens - cached, cached))
    return int((np.arange(1, len(starts) + 1) - np.searchsorted(ends, starts, side="right")).max())


def over_ranks(table: StepTable, n_ranks: int, fresh_tokens: float, frac: float = 1.0) -> StepTable:
    """The table with a share ``frac`` of passes as long as on the fullest rank; the rule stands in the module.

    A pass of N tokens behind c cached ones pays attention over c + N / 2 tokens on average, whatever rank they run on.
    """
    if n_ranks <= 1:
        return table
    tokens = np.unique([*table.new_tokens, round(max(fresh_tokens, 1.0)), n_ranks * round(max(fresh_tokens, 1.0))])
    fullest = np.minimum(tokens, np.maximum(max(fresh_tokens, 1.0), tokens / n_ranks))
    behind = table.cached[None, :] + 0.5 * (tokens - fullest)[:, None]
    times = np.stack(
        [
            frac * table.prefill(n_ranks * fullest[:, None], behind, band)
            + (1.0 - frac) * table.prefill(tokens[:, None], table.cached[None, :], band)
            for band in BANDS
        ]
    )
    nearest = np.minimum(np.searchsorted(table.new_tokens, tokens), len(table.new_tokens) - 1)
    return replace(
        table, new_tokens=tokens, prefill_s=np.maximum.accumulate(np.sort(times, axis=0), axis=1),
        prefill_provenance=table.prefill_provenance[nearest],
    )  # fmt: skip


# --- fleet


def fleet_of(load: Load, cluster: Cluster, replica: Replica, basis: Basis, seed: int) -> Fleet:
    """Pools and traffic of a cluster: one pool, or one that takes prompts and hands them to one that decodes."""
    calibrated = of_calibration(load.systems[0], load.model, replica, basis, _options(cluster))
    table = riding(replica.table, calibrated[1])
    tokens = (load.fresh, load.prompt - load.fresh)
    frac = frac_of_ranks(load.systems[0], load.model, replica, basis, _options(cluster), tokens)
    decode = pool_of(table, replica.n_ranks, load.fresh, cluster, most=replica.max_sequences, frac=frac)
    pools = [replace(decode, name="replicas", n_replicas=cluster.n_replicas)]
    if replica.prefill_table is None and cluster.n_prefill is not None:
        raise CatalogError(
            f"{cluster.n_prefill} prefill replicas are asked for, but {replica.layout} takes its prompts itself; a "
            "layout such as 'tp8 + tp8' has packages for prompts"
        )
    if replica.prefill_table is not None:
        held = int(replica.prefill_table.kv_capacity_tokens / max(load.prompt, 1.0))
        first = pool_of(replica.prefill_table, replica.n_ranks_prefill, load.fresh, cluster, most=held, frac=frac)
        balanced = max(1, round(cluster.n_replicas * replica.prefill_per_decode))
        kept = replica.speculation.tokens_per_pass
        n_prefill = cluster.n_prefill or min(balanced, prompts_at_once(load, first.table, table, kept))
        pools.insert(0, replace(
            first, name="prefill", n_replicas=n_prefill, hands_to=1, transfer_s=replica.kv_transfer_latency_s,
            transfer_s_per_token=replica.kv_transfer_bytes_per_token / replica.kv_transfer_bytes_per_s,
        ))  # fmt: skip
        pools[1] = replace(pools[1], name="decode")
    fixed_s, each_s = pool_handling_s(replica, pools[0], calibrated, tokens)
    pools[0] = replace(_with_cache(pools[0], load), crowding_s=each_s, ranks=max(replica.n_ranks, 1))
    if any(stream.priority for stream in load.requests.streams):
        pools = [replace(pool, order="priority") for pool in pools]
    for pool in pools:
        if pool.n_replicas * pool.max_sequences > MOST_RUNNING:
            raise CatalogError(
                f"{pool.n_replicas:,} replicas that run {pool.max_sequences:,} requests each are more than the "
                f"{MOST_RUNNING:,} requests that are simulated at once; give fewer replicas or fewer max_sequences"
            )
    traffic = tuple(
        Traffic(
            name=" ".join(part for part in (stream.name, stream.tier, stream.region) if part), pools=(0,),
            latency_s=(fixed_s,), priority=stream.priority, ttft_s=one.ttft_s or inf,
            tpot_s=1.0 / one.tokens_per_s_user if one.tokens_per_s_user else inf,
        )
        for stream, one in zip(load.requests.streams, load.limits, strict=True)
    )  # fmt: skip
    return Fleet(pools=tuple(pools), traffic=traffic, seed=seed)


def _with_cache(pool: Pool, load: Load) -> Pool:
    """The pool that takes prompts, with its prefix cache."""
    hashed = load.requests.block_tokens
    if load.prefix.kind == "own" and pool.kv_blocks:
        block = gcd(BLOCK_TOKENS, hashed)
        blocks = pool.kv_blocks * (BLOCK_TOKENS // block)
        return replace(pool, cache="own", block_tokens=block, hash_tokens=hashed, kv_blocks=blocks)
    if load.prefix.kind == "given":
        package = load.systems[0].package
        links = package.scale_out_bandwidth.value if package and package.scale_out_bandwidth else STORE_BYTES_PER_S
        rate = links * STORE_SHARE * pool.table.n_packages
        return replace(pool, cache="given", load_s_per_token=pool.table.kv_bytes_per_token / rate)
    return pool


def pool_of(
    table: StepTable, n_ranks: int, fresh_tokens: float, cluster: Cluster, *, most: int, frac: float = 1.0
) -> Pool:
    """One replica of a table as a pool: ranks, running sequences, token budget and blocks of cache."""
    ranks = max(n_ranks, 1)
    sequences = cluster.max_sequences or max(min(most, SEQUENCES * ranks), 1)
    budget = max(cluster.token_budget or BUDGET_TOKENS * ranks, sequences)
    blocks = 0
    if table.kv_bytes_per_token > 0.0:
        states = sequences * table.state_bytes_per_sequence / table.kv_bytes_per_token
        blocks = max(int((table.kv_capacity_tokens - states) // BLOCK_TOKENS), 1)
    return Pool(
        name="replicas", table=over_ranks(table, ranks, fresh_tokens, frac), n_replicas=1, max_sequences=sequences,
        token_budget=budget, block_tokens=BLOCK_TOKENS, kv_blocks=blocks, router=cluster.router,
    )  # fmt: skip
