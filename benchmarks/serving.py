"""Times the simulation of fleets: requests a second of the kernel, of its twin, of ``vllm-sr-sim`` where installed.

``--day`` adds a ChatGPT day of 2.5 billion requests, or as many as are named, of the planned fleet of ``announcement``
in 2027Q3 on all cores, which takes long.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import sys
import time

import numpy as np

REPEATS = 3
CHATGPT_DAY = 2.5e9  # messages a day (How People Use ChatGPT, NBER working paper 34255, July 2025)


def _setup(n_replicas: int, **pool: object) -> object:
    from gigawatt.serving.inputs import Fleet, Pool, Traffic, setup_of

    one = Pool(name="bench", table=_table(), n_replicas=n_replicas, max_sequences=256, **pool)  # type: ignore[arg-type]
    return setup_of(Fleet(pools=(one,), traffic=(Traffic(name="chat", ttft_s=1.0, tpot_s=0.05),)))


def _table() -> object:
    """Step times of the order of Llama-3.1 70B on eight H200: 10 ms and 20 us a sequence."""
    from gigawatt.perf.table import StepTable

    sequences, context = np.array([1.0, 8, 32, 128, 256]), np.array([128.0, 1024, 4096, 16384, 131072])
    decode = 0.010 + 2e-5 * sequences[:, None] + 2e-9 * sequences[:, None] * context
    tokens, cached = np.array([16.0, 256, 1024, 4096, 16384, 65536]), np.array([0.0, 4096, 32768, 131072])
    prefill = 0.008 + 2e-5 * tokens[:, None] + 1e-10 * tokens[:, None] * (cached + tokens[:, None] / 2)
    band = np.array([0.9, 1.0, 1.1])[:, None, None]
    return StepTable(
        system="bench", model="bench", layout="tp8", precision="fp8", software="", maker="calibrated", n_packages=8,
        sources=(), sequences=sequences, context=context, decode_s=decode * band, new_tokens=tokens, cached=cached,
        prefill_s=prefill * band, shared_s=np.full(3, 0.007), decode_provenance=np.ones(decode.shape, dtype=np.int8),
        prefill_provenance=np.ones(prefill.shape, dtype=np.int8), kv_bytes_per_token=1e5,
        state_bytes_per_sequence=0.0, kv_capacity_tokens=1e6, load=np.array([0.0, 1.0]),
        watts=np.array([[2e3, 8e3]] * 3),
    )  # fmt: skip


def _rows(n: int, rate_per_s: float, *, shared: float = 0.0) -> object:
    from gigawatt.serving.inputs import rows_of

    rng = np.random.default_rng(1)
    arrival = np.cumsum(rng.exponential(1e9 / rate_per_s, n).astype(np.int64))
    inputs = np.maximum(rng.lognormal(6.0, 1.0, n).astype(np.int64), 1)
    outputs = np.maximum(rng.lognormal(5.0, 0.8, n).astype(np.int64), 1)
    columns = {"cached": (inputs * shared).astype(np.int64)} if shared else {}
    return rows_of(arrival, inputs, outputs, **columns)


def _sessions(n: int, rate_per_s: float, depth: int) -> object:
    """Requests of ten turns a session, each with ids of 512 tokens over all its context: ``depth`` at the mean."""
    from gigawatt.serving.inputs import rows_of

    rng = np.random.default_rng(1)
    arrival = np.cumsum(rng.exponential(1e9 / rate_per_s, n).astype(np.int64))
    block = np.arange(n) // 200  # sessions that run side by side
    session, turn = block * 20 + np.arange(n) % 20, np.arange(n) // 20 % 10
    n_ids = np.maximum((0.5 + turn / 9.0) * depth, 1.0).astype(np.int64)
    ids = np.concatenate([k * 100_000 + np.arange(many) for k, many in zip(session, n_ids, strict=True)])
    outputs = np.maximum(rng.lognormal(5.0, 0.8, n).astype(np.int64), 1)
    start = np.concatenate([[0], np.cumsum(n_ids)])
    return rows_of(arrival, 512 * n_ids + 7, outputs, key=session, block_start=start, block_ids=ids)


def _kernel_s(setup: object, rows: object, repeats: int = REPEATS) -> float:
    """Processor time of the kernel, which is that of one core whatever else runs; the median [s]."""
    from gigawatt.serving.memory import new_memory, packed
    from gigawatt.serving.simulate import run_kernel

    table, ids = packed(rows)  # type: ignore[arg-type]
    times = []
    for _ in range(repeats):
        memory = new_memory(setup)  # type: ignore[arg-type]
        start = time.process_time()
        run_kernel(memory, table, ids)
        times.append(time.process_time() - start)
    return sorted(times)[len(times) // 2]


def _peer_per_s(n: int, rate_per_s: float) -> float:
    """Requests a second of vllm-sr-sim on the same lengths, 64 instances of about the same step times."""
    from fleet_sim import Fleet, FleetConfig, ManualProfile, PoolConfig, Request

    rows = _rows(n, rate_per_s)
    profile = ManualProfile(
        name="bench", W=0.010, H=2e-5, chunk=8192, blk_size=16, total_kv_blks=20_000, max_slots=256, cost_per_hr=1.0
    )
    fleet = Fleet(
        FleetConfig(
            pools=[PoolConfig("bench", profile, 64, 8192)], router_type="LengthRouter", router_kwargs={"threshold": 1e9}
        )
    )
    arrivals = [
        (t / 1e9, Request(req_id=k, arrival_time=t / 1e9, l_in=int(i), l_out=int(o)))
        for k, (t, i, o) in enumerate(zip(rows.arrival, rows.inputs, rows.outputs, strict=True))  # type: ignore[attr-defined]
    ]
    start = time.process_time()
    fleet.run(arrivals)
    return n / (time.process_time() - start)


def main() -> None:
    from gigawatt.serving.reference import simulate_reference

    print(f"load average {os.getloadavg()[0]:.1f}; one thread, processor time, median of {REPEATS}")
    plain, n = _setup(1), 1_000_000
    _kernel_s(plain, _rows(1000, 10.0), 1)
    for size in (n, 4 * n):
        rows = _rows(size, 10.0)
        print(f"plain, one replica, {size:,} requests: {size / _kernel_s(plain, rows) / 1e6:5.2f} million a second")
    cases = {
        "64 replicas, round robin": _setup(64, router="round_robin"),
        "64 replicas, least outstanding": _setup(64),
        "64 replicas, cache given, KV limit, two choices": _setup(
            64, kv_blocks=20_000, cache="given", router="two_choices"
        ),
    }
    for name, setup in cases.items():
        rate = n / _kernel_s(setup, _rows(n, 640.0, shared=0.3))
        print(f"{name}: {rate / 1e6:5.2f} million a second")
    own = _setup(8, kv_blocks=400_000, cache="own", hash_tokens=512, token_budget=65_536, router="affinity")
    for depth in (40, 400):
        size = 2_000_000 // depth
        rate = size / _kernel_s(own, _sessions(size, 4.0, depth))
        print(f"8 replicas, own prefix cache, {depth} ids a request: {rate / 1e6:5.3f} million a second, "
              f"{depth * rate / 1e6:.0f} million ids")  # fmt: skip
    few = _rows(2000, 10.0)
    start = time.process_time()
    simulate_reference(plain, few)  # type: ignore[arg-type]
    twin = 2000 / (time.process_time() - start)
    fast = n / _kernel_s(plain, _rows(n, 10.0))
    print(f"twin, iteration by iteration: {twin:,.0f} a second; the kernel is {fast / twin:,.0f} times as fast")
    if importlib.util.find_spec("fleet_sim"):
        peer = _peer_per_s(20_000, 640.0)
        ours = n / _kernel_s(cases["64 replicas, least outstanding"], _rows(n, 640.0))
        print(f"vllm-sr-sim, 64 replicas: {peer:,.0f} a second; the kernel is {ours / peer:,.0f} times as fast")
    else:
        print("vllm-sr-sim is not installed: pip install vllm-sr-sim to set it beside")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
    if "--day" in sys.argv:
        rest = sys.argv[sys.argv.index("--day") + 1 :]
        _day(float(rest[0]) if rest else CHATGPT_DAY)


def _day(requests: float) -> None:
    """So many requests of a whole day of the planned fleet, as whole days of a sample of its cells, on all cores."""
    import gigawatt
    from gigawatt.study.cells import cells_of
    from gigawatt.study.fleet import simulate_cells

    results = gigawatt.run("announcement")
    found = cells_of(results.case, results.plan, "2027Q3")
    asked = sum(cells.rate_per_s * cells.hours * 3600.0 for cells in found)
    share = min(requests / asked, 1.0)
    print(f"the fleet of 2027Q3 is asked for {asked:,.0f} requests a day; {share:.2%} of its cells are simulated")
    start, n = time.perf_counter(), 0
    for cells in found:
        one = simulate_cells(cells, n=max(1, round(share * cells.n)))
        n += one.n_requests
        told = f"{one.n_requests:,} requests in {max(1, round(share * cells.n))} of {cells.n} cells"
        print(f"{cells.name}, {cells.block}: {told}, {one.attained_frac:.1%} within limits", flush=True)
    spent = time.perf_counter() - start
    print(f"a day of {n:,} requests in {spent / 60.0:.1f} minutes: {n / spent / 1e6:.2f} million a second")


if __name__ == "__main__":
    main()
