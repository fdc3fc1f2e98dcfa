"""What a run came to: percentiles, counts, goodput, use of replicas, power and energy, from the books of its memory.

Times stand in sketches: a bucket is an exponent and the first 8 bits of the mantissa of a count of nanoseconds, and
answers with its midpoint, so a percentile is within 2^-9 (0.2 %) of the request's at that rank (the ceil(q n)-th
smallest). Sketches, counts and time lines of several runs add up (``merge``).

The books enter a run of iterations in the bin of its end; what does not fit into the time that replicas were on there
began before and is counted in the bins before. Replicas that wait draw idle power; those that are busy, that of the
load of what they did in the bin (``perf.effort``), which full batches raise and small ones do not.

A replica is *busy* while any request runs on it. Its *utilisation* is the time that the same tokens would have taken in
full batches: of a replica that runs one request all day it is small, and its inverse is how much more could be served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, nan
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gigawatt.perf.effort import Done
from gigawatt.serving import memory as c
from gigawatt.serving.inputs import NEVER, NS_PER_S, Fleet, Integers, Pool, Rows
from gigawatt.serving.memory import Memory, ended_ns
from gigawatt.serving.policies import COMPLETED, STATUSES

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

Floats = npt.NDArray[np.float64]

PERCENTILES = (0.5, 0.9, 0.95, 0.99)
RELATIVE_ERROR = 2.0 ** -(c.SUB_BITS + 1)
LINE_UNITS = {
    "sent": "request", "ended": "request", "output_tokens": "token", "computed_tokens": "token", "busy_frac": "1",
    "utilisation_frac": "1", "replicas_on": "1", "kv_held_frac": "1", "power_w": "W", "energy_j": "J",
}  # fmt: skip


def bucket_ns(bucket: npt.ArrayLike) -> Floats:
    """Midpoint of buckets of a sketch [ns]; a bucket of one number is that number.

    >>> bucket_ns([0, 256, 9 * 256]).tolist()
    [0.0, 2.0, 512.5]
    """
    at = np.asarray(bucket, dtype=np.int64)
    exponent, mantissa = at >> c.SUB_BITS, at & ((1 << c.SUB_BITS) - 1)
    low = np.ldexp(1.0 + mantissa / (1 << c.SUB_BITS), exponent)
    numbers = np.ldexp(1.0, np.maximum(exponent - c.SUB_BITS, 0))
    return np.where(at == 0, 0.0, low + 0.5 * (numbers - 1.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counts:
    """Of one kind of traffic, or of all.

    Attributes:
        name: of the stream; ``all`` in total.
        n: how many of each of ``memory.COUNTS``.
        sketches: (metrics, buckets) requests by time, order of ``memory.METRICS``; of completed requests.
    """

    name: str
    n: Mapping[str, int]
    sketches: Integers

    def percentile_s(self, metric: str, q: float) -> float:
        """The ``ceil(q n)``-th smallest ``ttft``, ``tpot``, ``e2e`` or ``queue`` time [s]; nan where there is none."""
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"a percentile lies between 0 and 1, not at {q:g}")
        below = np.cumsum(self.sketches[c.METRICS.index(metric)])
        if below[-1] == 0:
            return nan
        bucket = int(np.searchsorted(below, max(ceil(q * int(below[-1])), 1)))
        return float(bucket_ns(bucket)) / NS_PER_S

    def mean_s(self, metric: str) -> float:
        """Mean of a time [s], of the midpoints of its buckets; nan where there is none."""
        many = self.sketches[c.METRICS.index(metric)]
        held = np.flatnonzero(many)
        return float(np.average(bucket_ns(held), weights=many[held])) / NS_PER_S if len(held) else nan

    def percentiles_s(self, metric: str, of: Sequence[float] = PERCENTILES) -> dict[str, float]:
        """The same by name: ``p50`` and so on [s]."""
        return {f"p{100.0 * q:g}": self.percentile_s(metric, q) for q in of}

    @property
    def attained_frac(self) -> float:
        """Share of the requests that ended, in whichever way, that met both limits; nan where none has ended."""
        ended = sum(self.n[key] for key in ("completed", "aborted", "gated", "failed"))
        return self.n["good"] / ended if ended else nan

    @property
    def hit_frac(self) -> float:
        """Tokens found in a cache over input tokens, of completed requests; nan where there is none."""
        return self.n["hit_tokens"] / self.n["input_tokens"] if self.n["input_tokens"] else nan

    def to_dict(self) -> dict[str, Any]:
        """Counts, percentiles and shares for JSON; None for what no request says."""
        times = {f"{metric}_s": self.percentiles_s(metric) for metric in c.METRICS}
        return {"name": self.name, **self.n, **_plain(times), "slo_attained_frac": _plain(self.attained_frac)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """What a pool did, by bins of time.

    Attributes:
        name: of the pool.
        start_s, width_s: (bins,) of each bin; the last goes on to the end of the run.
        values: (bins,) of each of ``LINE_UNITS``; shares are of replicas that are on, held blocks of their capacity.
    """

    name: str
    start_s: Floats
    width_s: Floats
    values: Mapping[str, Floats]

    @property
    def energy_j(self) -> float:
        """IT energy of the pool's replicas while they were on [J]."""
        return float(self.values["energy_j"].sum())

    @property
    def busy_frac(self) -> float:
        """Share of the time that replicas were on in which any request ran, over the whole run."""
        return self._mean("busy_frac")

    @property
    def utilisation_frac(self) -> float:
        """Time that what was done takes in full batches, over the time that replicas were on, over the whole run."""
        return self._mean("utilisation_frac")

    @property
    def kv_held_frac(self) -> float:
        """Blocks held over capacity of replicas that were on, over the whole run; 0 without a limit."""
        return self._mean("kv_held_frac")

    def _mean(self, share: str) -> float:
        on = self.values["replicas_on"] * self.width_s
        return float((self.values[share] * on).sum() / on.sum()) if on.sum() > 0.0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metrics:
    """What a run came to.

    Attributes:
        streams: by kind of traffic.
        lines: by pool.
        end_s: last instant of the run.
    """

    streams: tuple[Counts, ...]
    lines: tuple[Line, ...]
    end_s: float

    @property
    def total(self) -> Counts:
        """Of all traffic."""
        return _added("all", self.streams)

    @property
    def energy_j(self) -> float:
        """IT energy of all pools [J]."""
        return sum(line.energy_j for line in self.lines)

    def by(self, labels: Sequence[str]) -> tuple[Counts, ...]:
        """Streams that share a label (a class, a tier) added up, in order of their first."""
        names = list(dict.fromkeys(labels))
        pairs = list(zip(self.streams, labels, strict=True))
        return tuple(_added(name, [one for one, label in pairs if label == name]) for name in names)

    def dataset(self) -> xr.Dataset:
        """Time lines of all pools over (pool, bin), every variable with its unit."""
        import xarray as xr

        bins = max(len(line.start_s) for line in self.lines)

        def padded(values: Floats, fill: float) -> Floats:
            return np.concatenate([values, np.full(bins - len(values), fill)])

        variables: dict[str, Any] = {
            key: (("pool", "bin"), np.stack([padded(line.values[key], 0.0) for line in self.lines]), {"units": unit})
            for key, unit in LINE_UNITS.items()
        }
        for key in ("start_s", "width_s"):
            stacked = np.stack([padded(getattr(line, key), nan) for line in self.lines])
            variables[key] = (("pool", "bin"), stacked, {"units": "s"})
        names = np.array([line.name for line in self.lines], dtype=object)
        return xr.Dataset(variables, coords={"pool": ("pool", names), "bin": ("bin", np.arange(bins))})

    def to_dict(self) -> dict[str, Any]:
        """Totals, streams and pools for JSON, without time lines."""
        pools = [
            {"name": line.name, "busy_frac": line.busy_frac, "utilisation_frac": line.utilisation_frac,
             "kv_held_frac": line.kv_held_frac, "energy_j": line.energy_j}
            for line in self.lines
        ]  # fmt: skip
        return {
            "total": self.total.to_dict(), "streams": [one.to_dict() for one in self.streams], "pools": _plain(pools),
            "end_s": self.end_s, "energy_j": self.energy_j, "relative_error_frac": RELATIVE_ERROR,
        }  # fmt: skip


def measure(memory: Memory, fleet: Fleet, *, end_ns: int | None = None) -> Metrics:
    """What the books of a memory say; ``settle`` it to the same instant before.

    ``end_ns`` is the end of the run; by default that of the last instant and of the last answer (``ended_ns``).
    """
    m = memory.m
    end = ended_ns(memory) if end_ns is None else end_ns
    streams = []
    for k, traffic in enumerate(fleet.traffic):
        at = int(m[c.G_STREAMS]) + k * c.K_COLUMNS
        counted = m[at + c.N_SENT : at + c.N_SENT + len(c.COUNTS)]
        first = int(m[at + c.K_SKETCHES])
        sketches = m[first : first + len(c.METRICS) * c.BUCKETS].reshape(len(c.METRICS), c.BUCKETS).copy()
        n = dict(zip(c.COUNTS, counted.tolist(), strict=True))
        streams.append(Counts(name=traffic.name, n=n, sketches=sketches))
    lines = tuple(_line(memory, fleet, k, end) for k in range(len(fleet.pools)))
    return Metrics(streams=tuple(streams), lines=lines, end_s=end / NS_PER_S)


def merge(parts: Sequence[Metrics]) -> Metrics:
    """Runs side by side (regions, tasks) as one: streams of one name add up, pools stand beside each other."""
    every = [stream for part in parts for stream in part.streams]
    names = dict.fromkeys(stream.name for stream in every)
    return Metrics(
        streams=tuple(_added(name, [one for one in every if one.name == name]) for name in names),
        lines=tuple(line for part in parts for line in part.lines), end_s=max(part.end_s for part in parts),
    )  # fmt: skip


def _added(name: str, parts: Sequence[Counts]) -> Counts:
    return Counts(
        name=name, n={key: sum(one.n[key] for one in parts) for key in c.COUNTS},
        sketches=np.sum([one.sketches for one in parts], axis=0, dtype=np.int64),
    )  # fmt: skip


def _line(memory: Memory, fleet: Fleet, k: int, end_ns: int) -> Line:
    """Time line of a pool up to the bin in which the run ends."""
    m, pool = memory.m, fleet.pools[k]
    at = int(m[int(m[c.G_POOLS]) + k * c.P_COLUMNS + c.P_LINES])
    bins, width = int(m[c.G_N_BINS]), int(m[c.G_BIN_NS])
    used = min(bins, max(end_ns - 1, 0) // width + 1)
    raw = m[at : at + bins * c.T_COLUMNS].reshape(bins, c.T_COLUMNS).astype(np.float64)
    raw[used - 1] += raw[used:].sum(axis=0)
    found = dict(zip(c.LINES, raw[:used].T, strict=True))
    start = np.arange(used) * (width if width < NEVER else 0) / NS_PER_S
    widths = np.diff(np.append(start, end_ns / NS_PER_S))
    on, busy, held = found["on_ns"] / NS_PER_S, found["busy_ns"] / NS_PER_S, found["held_block_us"] / 1e6
    done = Done(*(found[key] for key in c.DONE))
    _carry_back(busy, on, (held, *done))
    table, effort = pool.table, pool.table.effort
    idle, working = (
        table.watts_at(load, fleet.band) for load in (0.0, 1.0 if effort is None else effort.load(done, busy))
    )
    energy = on * idle + np.minimum(busy, on) * (working - idle)
    values = {key: found[key] for key in ("sent", "ended", "output_tokens", "computed_tokens")} | {
        "busy_frac": _over(busy, on), "utilisation_frac": _over(np.minimum(_full_s(pool, done), busy), on),
        "replicas_on": _over(on, widths), "kv_held_frac": _over(held, on * pool.kv_blocks),
        "power_w": _over(energy, widths), "energy_j": energy,
    }  # fmt: skip
    return Line(name=pool.name, start_s=start, width_s=widths, values=values)


def _full_s(pool: Pool, done: Done) -> Floats:
    """Seconds that a replica would take for what was done if its decode steps had the most sequences that it holds."""
    (_, context), (tokens, behind) = done.mean_step, done.mean_pass
    room = pool.kv_blocks * pool.block_tokens if pool.kv_blocks else np.inf
    full = np.clip(room / np.maximum(context, 1.0), 1.0, pool.max_sequences)
    steps = done.decoded / full
    passes = done.passes * pool.table.prefill(tokens, behind)
    return np.asarray(steps * pool.table.decode(full, context) + passes)


def _over(amount: Floats, of: Floats) -> Floats:
    return np.divide(amount, of, out=np.zeros(len(amount)), where=of > 0.0)


def _carry_back(busy: Floats, on: Floats, others: Sequence[Floats]) -> None:
    """Moves busy time that its bin has no room for, and what was done in it, into the bin before; in place."""
    for k in range(len(busy) - 1, 0, -1):
        more = busy[k] - on[k]
        if more > 0.0:
            share = more / busy[k]
            for one in (busy, *others):
                one[k - 1] += share * one[k]
                one[k] -= share * one[k]


def _plain(value: Any) -> Any:
    """The same for JSON: None for what is not a number."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and value != value else value


def write_requests(path: Path, memory: Memory, rows: Rows, columns: Mapping[str, npt.NDArray[Any]]) -> int:
    """Writes a row for each request that was sent (parquet) and says how many.

    Columns: status, sent_s, queue_s, ttft_s, tpot_s, e2e_s (null where it did not come to that), input_tokens,
    output_tokens, hit_tokens, preemptions, replica; then ``columns``, (n,) each, over all rows. Times are those that
    users see, with request handling, as percentiles are.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    m, n = memory.m, len(rows.inputs)
    at = int(m[c.G_RECORDS])
    kept = m[at : at + int(m[c.G_N_RECORDS]) * c.REC_COLUMNS].reshape(-1, c.REC_COLUMNS)[:n]
    sent, first, end = (kept[:, place] for place in (c.REC_SENT, c.REC_FIRST, c.REC_END))
    done, latency = kept[:, c.REC_STATUS] == COMPLETED, kept[:, c.REC_LATENCY]
    many = done & (rows.outputs > 1)

    def seconds(values: npt.NDArray[Any], known: npt.NDArray[np.bool_]) -> Any:
        return pa.array(values / NS_PER_S, mask=~known)

    table = pa.table({
        "status": pa.DictionaryArray.from_arrays(kept[:, c.REC_STATUS].astype(np.int8), list(STATUSES)),
        "sent_s": seconds(sent, sent >= 0),
        "queue_s": seconds(kept[:, c.REC_ADMITTED] - sent, kept[:, c.REC_ADMITTED] >= 0),
        "ttft_s": seconds(first - sent + latency, done),
        "tpot_s": seconds((end - first) / np.maximum(rows.outputs - 1, 1), many),
        "e2e_s": seconds(end - sent + latency, done),
        "input_tokens": rows.inputs, "output_tokens": rows.outputs, "hit_tokens": kept[:, c.REC_HITS],
        "preemptions": kept[:, c.REC_PREEMPTIONS], "replica": kept[:, c.REC_REPLICA], **columns,
    })  # fmt: skip
    table = table.filter(pa.array(sent >= 0))
    pq.write_table(table, path)
    return len(table)
