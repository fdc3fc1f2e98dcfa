"""A trace on a cluster: replicas from the catalogue, requests as rows, one simulation, figures.

What was decided is said in ``Replayed.notes``. Rules of batching, routing and caches: ``serving.policies``.
What serves, and how ranks and request handling count: ``study.cluster``.
"""

from __future__ import annotations

import hashlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from math import ceil, inf, isnan
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.load import Catalog
from gigawatt.core.errors import TraceError
from gigawatt.core.units import pretty
from gigawatt.core.writing import check_file, whole_file
from gigawatt.demand.requests import Requests, Stream
from gigawatt.demand.table import BadRow
from gigawatt.perf.inference import Speculation
from gigawatt.perf.replica import Replica
from gigawatt.perf.table import StepTable
from gigawatt.perf.task import basis_of
from gigawatt.serving import kernels
from gigawatt.serving import memory as c
from gigawatt.serving.inputs import NEVER, NS_PER_S, Fleet, Pool, Rows, Setup, Traffic, rows_of, setup_of
from gigawatt.serving.memory import Memory, can_follow, ended_ns, new_memory, packed
from gigawatt.serving.metrics import Metrics, measure, write_requests
from gigawatt.serving.simulate import outcome_of, run_kernel
from gigawatt.study.cluster import Cluster, Limits, Load, Prefix, chosen_replica, filled, fleet_of, load_of
from gigawatt.study.resume import UnusableError, read_state, write_state

Ints = npt.NDArray[np.int64]

MOST_IN_FLIGHT = 1_000_000
"""Requests of a closed loop at once: each has its row in memory. Judgement."""
_BINS = 240
_SPAN_S = 1e9  # 32 years
_PAUSE = 20_000  # requests between two looks at the clock


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

    def __post_init__(self) -> None:
        """Raises TraceError for a closed loop that cannot be."""
        if not 0 <= self.concurrency <= MOST_IN_FLIGHT:
            raise TraceError(
                f"{self.concurrency:,} requests in flight; give 1 to {MOST_IN_FLIGHT:,}, or 0 for an open loop"
            )


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
        start_s: first arrival on the trace's clock; ``metrics`` count from it.
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

    @property
    def ended(self) -> int:
        """Requests that ended, whichever way."""
        return sum(self.metrics.total.n[name] for name in ("completed", "aborted", "gated", "failed"))

    def to_dict(self) -> dict[str, Any]:
        """The figures for JSON. Rates of a closed loop are those while it is full, without its drain."""
        all_, lasted = self.metrics.total, self.metrics.end_s
        made, full_s = (int(self.memory.m[place]) for place in (c.G_MADE, c.G_FULL))
        counted_s = all_.n["output_tokens"] * full_s / NS_PER_S / made if self.is_finished and made else lasted
        told, mean = all_.to_dict(), all_.mean_s("e2e")
        sizes = [{"n_replicas": one.n_replicas, "n_packages": one.n_replicas * one.table.n_packages}
                 for one in self.fleet.pools]  # fmt: skip
        pools = [one | size for one, size in zip(self.metrics.to_dict()["pools"], sizes, strict=True)]
        guess = self.replica.speculation
        classes = self.metrics.by([one.name for one in self.streams])
        tiers = self.metrics.by([one.tier for one in self.streams])
        goodput = {
            "slo_attained_frac": told["slo_attained_frac"],
            "requests_per_s": _rate(all_.n["good"], counted_s),
            "tokens_per_s": _rate(all_.n["good_output_tokens"], counted_s),
            "by_class": {one.name: one.to_dict()["slo_attained_frac"] for one in classes},
            "by_tier": {one.name: one.to_dict()["slo_attained_frac"] for one in tiers if one.name},
        }  # fmt: skip
        return {
            "requests": self.requests,
            **{key: told[key] for key in ("sent", "completed", "aborted", "gated", "failed", "retries", "preemptions")},
            **{key: _within(told[key], lasted) for key in ("ttft_s", "tpot_s", "e2e_s", "queue_s")},
            "e2e_mean_s": None if isnan(mean) else mean, "in_flight_mean": _rate(mean * all_.n["completed"], lasted),
            "tokens_per_s": _rate(all_.n["output_tokens"], counted_s), "duration_s": lasted,
            "completed_per_s": _rate(all_.n["completed"], counted_s),
            "input_tokens": all_.n["input_tokens"], "output_tokens": all_.n["output_tokens"],
            "prefix_hit_share": None if self.prefix_hit_share != self.prefix_hit_share else self.prefix_hit_share,
            "prefix_hit_basis": self.prefix_hit_basis, "energy_j": self.metrics.energy_j,
            "power_w": _rate(self.metrics.energy_j, lasted),
            "joules_per_token": _rate(self.metrics.energy_j, all_.n["output_tokens"]), "goodput": goodput,
            "pools": pools, "wall_s": self.wall_s,
            "requests_per_s": _rate(self.simulated, self.wall_s), "is_finished": self.is_finished,
            "layout": self.replica.layout, "prefill_layout": self.replica.prefill_layout,
            "precision": self.replica.precision, "maker": self.replica.table.maker,
            "speculation": {"tokens": guess.tokens, "accepted": guess.accepted},
            "n_replicas": self.fleet.pools[-1].n_replicas,
            "n_prefill_replicas": self.fleet.pools[0].n_replicas if len(self.fleet.pools) > 1 else 0,
            "n_packages": sum(size["n_packages"] for size in sizes),
            "note": "; ".join(part for part in (self.replica.reason, self.replica.note, *self.notes) if part),
            "bad_rows": [asdict(one) for one in self.bad],
        }  # fmt: skip

    def save(self, path: Path) -> None:
        """Writes what ``How.resume`` goes on with. Raises TraceError where it cannot write."""
        try:
            write_state(path, "replay", self.key, {"m": self.memory.m, "x": self.memory.x})
        except OSError as error:
            raise TraceError(f"cannot write {path}: {error.strerror}; choose another file") from error


def _within(times: dict[str, float | None], most_s: float) -> dict[str, float | None]:
    """Times that a bucket's midpoint may put beyond the run, which none of them exceeds."""
    return {key: None if value is None else min(value, most_s) for key, value in times.items()}


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
    if not len(requests):
        raise TraceError("the trace holds no request; one row at least is right")
    _check_span(requests)
    _check_file(how.requests)
    _check_file(how.resume, must_exist=True)
    tell("choosing the layout")
    basis = basis_of(catalog)
    load = load_of(requests, cluster, how.limits, how.concurrency, catalog)
    replica = chosen_replica(load, cluster, basis)
    load = replace(load, prefix=filled(load.prefix, requests, replica.table))
    fleet = fleet_of(load, cluster, replica, basis, how.seed)
    load, bad = _holdable(load, fleet, how.skip_bad)
    requests, prefix = load.requests, load.prefix
    notes = _decisions(load, cluster, fleet)
    setup = setup_of(fleet, how.concurrency)
    rows = _rows(requests, prefix, cluster, how, notes)
    start_s = 0.0 if how.concurrency else float(requests.arrival_s[0])
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
    is_finished = int(memory.m[c.G_ENDED]) == len(requests)
    end = ended_ns(memory) if is_finished else int(memory.m[c.G_NOW])
    kernels.settle(memory.m, end)
    if how.requests is not None:
        _write(how.requests, memory, rows, requests, start_s)
    metrics = measure(memory, fleet, end_ns=end)
    share = metrics.total.hit_frac if prefix.kind == "own" else prefix.share
    return Replayed(
        requests=len(requests), metrics=metrics, streams=requests.streams, replica=replica, fleet=fleet,
        prefix_hit_share=share, prefix_hit_basis=prefix.basis, wall_s=wall_s,
        simulated=int(memory.m[c.G_ENDED]) - before, start_s=start_s,
        is_finished=is_finished, bad=bad, notes=tuple(notes), memory=memory, key=key,
    )  # fmt: skip


# --- checks


def _check_span(requests: Requests) -> None:
    """Raises TraceError for arrivals further apart than the clock of nanoseconds holds with room to spare."""
    arrival = requests.arrival_s
    if arrival[-1] - arrival[0] <= _SPAN_S:
        return
    row = int(np.argmax(np.diff(arrival))) + 1
    raise TraceError(
        f"row {_lines(requests)[row]:,}: it arrives {arrival[row] - arrival[row - 1]:,.0f} s after the row before, and "
        f"the trace spans {arrival[-1] - arrival[0]:,.0f} s; arrivals in seconds within {_SPAN_S:,.0f} s are right"
    )


def _lines(requests: Requests) -> Ints:
    """(n,) rows of the file; of requests without a file, from 1."""
    return np.where(requests.line > 0, requests.line, np.arange(1, len(requests) + 1))


def _check_file(path: Path | None, *, must_exist: bool = False) -> None:
    """Raises TraceError early for a file that cannot be."""
    if path is not None and must_exist and not path.is_file():
        raise TraceError(f"{path} is not there; an interrupted replay says which file it wrote")
    if path is not None and not path.parent.is_dir():
        raise TraceError(f"{path} cannot be written: there is no folder {path.parent}; make it or choose another")
    if path is not None and not must_exist:
        try:
            check_file(path)
        except OSError as error:
            raise TraceError(f"cannot write {path}: {error.strerror}; choose another file") from error


def _holdable(load: Load, fleet: Fleet, skip_bad: bool) -> tuple[Load, tuple[BadRow, ...]]:
    """Requests that a replica of each pool can hold, and the others by row. Raises TraceError where not skipped."""
    requests, prefix = load.requests, load.prefix
    last = fleet.pools[-1]
    capacity = min(pool.kv_blocks * pool.block_tokens if pool.kv_blocks else inf for pool in fleet.pools)
    needed = requests.input_tokens + requests.output_tokens + last.block_tokens
    wrong = np.flatnonzero(needed > capacity)
    if not len(wrong):
        return load, ()
    lines = _lines(requests)[wrong]
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
    held = replace(requests, previous=_bridged(requests.previous, wrong)).take(keep)
    return replace(load, requests=held, prefix=replace(prefix, cached=cached)), bad


def _bridged(previous: Ints, left_out: Ints) -> Ints:
    """``previous`` past the rows that are left out: their followers wait for the row that those would have followed."""
    is_out = np.zeros(len(previous), dtype=np.bool_)
    is_out[left_out] = True
    found = previous.copy()
    while len(rows := np.flatnonzero((found >= 0) & is_out[found])):
        found[rows] = previous[found[rows]]
    return found


def _decisions(load: Load, cluster: Cluster, fleet: Fleet) -> list[str]:
    """What was decided for the reader, a sentence each."""
    pool, first, requests = fleet.pools[-1], fleet.pools[0], load.requests
    cache = f"{pool.kv_blocks * pool.block_tokens:,} tokens of cache" if pool.kv_blocks else "no limit of cache"
    notes = [
        f"{first.token_budget:,} tokens an iteration, {pool.max_sequences:,} running sequences and {cache} a replica",
        f"request handling adds {pretty(fleet.traffic[0].latency_s[0], 's')} to times to first token"
        + (f", and {pretty(first.crowding_s, 's')} for each other request of a replica" if first.crowding_s else ""),
        cluster.speculation.said,
    ]
    if len(fleet.pools) > 1:
        notes.append(
            f"{first.n_replicas:,} prefill replicas of {first.table.layout} take the prompts of {pool.n_replicas:,} "
            "that decode" + ("" if cluster.n_prefill else "; --prefill-replicas asks for another number")
        )
    if load.prefix.kind == "given":
        notes.append(f"found prefixes are loaded in {1e6 * first.load_s_per_token:.3g} us a token")
    if all(one.ttft_s == inf and one.tpot_s == inf for one in fleet.traffic) and cluster.layout is None:
        notes.append("no SLO is given: the layout is that of the best throughput")
    longest = load.model.architecture.max_context
    beyond = int((requests.input_tokens + requests.output_tokens > longest).sum()) if longest else 0
    if beyond:
        notes.append(f"{beyond:,} requests are longer than the model's {longest:,} tokens of context")
    if load.concurrency:
        notes.append(f"closed loop of {load.concurrency:,} requests in flight: arrivals and sessions are not followed")
    return notes


# --- rows


def _rows(requests: Requests, prefix: Prefix, cluster: Cluster, how: How, notes: list[str]) -> Rows:
    """Requests as the kernel reads them; its clock starts at the first arrival."""
    n = len(requests)
    arrival = np.rint((requests.arrival_s - requests.arrival_s[0]) * NS_PER_S).astype(np.int64)
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
        ids = np.array(requests.block_ids)  # writable, as the kernel that is warm knows it
        columns["block_start"], columns["block_ids"] = requests.block_start, ids
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
    bin_ns = max(ceil(1.25 * _horizon_s(setup, requests, how) / _BINS), 1) * NS_PER_S
    fresh = new_memory(
        setup, slots=max(4096, 8 * min(how.concurrency, len(requests))), bins=_BINS, bin_ns=bin_ns,
        records=len(requests) if how.requests is not None else 0,
    )  # fmt: skip
    return fresh if how.resume is None else _resumed(how.resume, fresh, key, len(requests)), key


def _resumed(path: Path, fresh: Memory, key: str, n: int) -> Memory:
    """Memory of an interrupted run of the same key; like ``fresh``, with room for more requests at once."""
    most = 8 * (len(fresh.m) + len(fresh.x) + 2 * n * (c.S_COLUMNS + 1 + 2 * c.E_COLUMNS)) * 2
    try:
        found, held = read_state(path, "replay", most_bytes=most)
        memory = Memory(held["m"], held["x"])
        if found == key and not can_follow(memory, fresh, n):
            raise UnusableError("its arrays are not those of this fleet")
    except (UnusableError, KeyError) as error:
        raise TraceError(f"{path} is no file of an interrupted replay: {error}; start without --resume") from error
    if found != key:
        raise TraceError(
            f"{path} is of another replay; the trace and every option must be those of the interrupted one"
        )
    return memory


def _horizon_s(setup: Setup, requests: Requests, how: How) -> float:
    """About how long the run will last [s]; only the width of the time line's bins hangs on it."""
    pool, n = setup.fleet.pools[-1], sum(one.n_replicas for one in setup.fleet.pools)
    prompt, output = float(requests.input_tokens.mean()), float(requests.output_tokens.mean())
    running = min(max(how.concurrency / pool.n_replicas, 1.0), pool.max_sequences) if how.concurrency else 32.0
    step = float(pool.table.decode(running, prompt + 0.5 * output))
    each = output * step / running / pool.n_replicas
    each += float(setup.fleet.pools[0].table.prefill(prompt, 0.0)) / n
    last = 0.0 if how.concurrency else float(requests.arrival_s[-1] - requests.arrival_s[0])
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


_STOPS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU")
_SAME_S = 0.3  # signals closer than this are one: a shell and a terminal may both send it


@contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """A signal that a handler answers asks to stop between two instants, a second one goes to that handler."""
    asked: list[float] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    known = [getattr(signal, name) for name in _STOPS if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in known if callable(signal.getsignal(number))}

    def stop(number: int, frame: Any) -> None:
        handler = before[number]
        now = time.monotonic()
        if asked and now - asked[0] > _SAME_S and callable(handler):
            handler(number, frame)
        asked.append(now)

    for number in before:
        signal.signal(number, stop)
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write(path: Path, memory: Memory, rows: Rows, requests: Requests, start_s: float) -> None:
    """A row a request: ``sent_s`` and ``arrival_s`` on the trace's own clock, ``line`` the row of its file."""
    columns = {
        "sent_s": outcome_of(memory).sent_ns / NS_PER_S + start_s, "arrival_s": requests.arrival_s,
        "line": _lines(requests),
    }  # fmt: skip
    names = np.array([one.name for one in requests.streams], dtype=object)[requests.stream]
    try:
        with whole_file(path) as part:
            write_requests(part, memory, rows, columns | {"class": names})
    except OSError as error:
        raise TraceError(f"cannot write {path}: {error.strerror}; choose another file") from error
