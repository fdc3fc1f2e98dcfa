"""From fleets and requests to outcomes: calls the kernel, gives it room, hands on chunks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gigawatt.serving import memory as c
from gigawatt.serving.inputs import NEVER, Integers, Rows, Setup
from gigawatt.serving.kernels import NEED_SPACE, PAUSED, advance, settle
from gigawatt.serving.memory import Memory, grown, new_memory, packed
from gigawatt.serving.reference_state import Outcome

_PAUSE = 200_000  # requests between two looks at the clock


def run_kernel(
    memory: Memory,
    rows: Integers,
    ids: Integers,
    *,
    stop: int = NEVER,
    drain: bool = True,
    tick: Callable[[int], bool | None] | None = None,
    pause: int = _PAUSE,
) -> Memory:
    """The fleet after all instants before ``stop``, or after the last request if ``drain``.

    Args:
        memory: of the fleet, at rest or wherever it stopped; changed in place.
        rows: (n x W_COLUMNS,), in order of arrival.
        ids: hashed blocks of all rows.
        stop: first instant that is not simulated [ns]; does not count with ``drain``.
        drain: go on to the end of the last request.
        tick: called every ``pause`` requests with how many have ended. False, or what it raises, ends the run between
            two instants; after False the memory that comes back goes on where it stopped.
        pause: requests between two ticks.
    """
    memory.m[c.G_N_ROWS] = len(rows) // c.W_COLUMNS
    with np.errstate(over="ignore"):  # hashes wrap; only interpreted kernels would say so
        while True:
            why = advance(memory.m, memory.x, rows, ids, stop, drain, pause)
            if why == NEED_SPACE:
                memory = grown(memory)
            elif why == PAUSED:
                if tick and tick(int(memory.m[c.G_ENDED])) is False:
                    return memory
            else:
                return memory


def simulate_rows(setup: Setup, rows: Rows) -> Outcome:
    """Every row's way through the fleet, to the end of the last."""
    memory = new_memory(setup, slots=max(1024, 8 * setup.settings.concurrency), records=len(rows.arrival))
    memory = run_kernel(memory, *packed(rows))
    settle(memory.m, int(memory.m[c.G_NOW]))
    return outcome_of(memory)


def outcome_of(memory: Memory) -> Outcome:
    """Records of rows and counts of replicas."""
    m = memory.m
    records = area(m, m[c.G_RECORDS], m[c.G_N_RECORDS], c.REC_COLUMNS)
    replicas = area(m, m[c.G_REPLICAS], m[c.G_N_REPLICAS], c.R_COLUMNS)
    pools = area(m, m[c.G_POOLS], m[c.G_N_POOLS], c.P_COLUMNS)
    return Outcome(
        status=records[:, c.REC_STATUS],
        first_ns=records[:, c.REC_FIRST],
        end_ns=records[:, c.REC_END],
        replica=records[:, c.REC_REPLICA],
        admitted_ns=records[:, c.REC_ADMITTED],
        preemptions=records[:, c.REC_PREEMPTIONS],
        hits=records[:, c.REC_HITS],
        sent_ns=records[:, c.REC_SENT],
        latency_ns=records[:, c.REC_LATENCY],
        busy_fs=replicas[:, c.R_BUSY_NS] * 1_000_000 + replicas[:, c.R_BUSY_REST],
        iterations=replicas[:, c.R_ITERATIONS].copy(),
        peak_blocks=replicas[:, c.R_PEAK].copy(),
        n_scaled=pools[:, c.P_SCALED].copy(),
        done=np.array([_done(m, pool) for pool in pools], dtype=np.int64),
    )


def _done(m: Integers, pool: Integers) -> Integers:
    """(DONE,) what a pool did, over all bins."""
    lines = area(m, pool[c.P_LINES], m[c.G_N_BINS], c.T_COLUMNS)
    return np.asarray(lines[:, c.T_STEPS : c.T_STEPS + len(c.DONE)].sum(axis=0))


def area(m: Integers, at: int, n: int, columns: int) -> Integers:
    """(n, columns) copy of the records at an address."""
    return m[int(at) : int(at) + int(n) * columns].reshape(int(n), columns).copy()
