"""Replays closed loops of measured serving points and compares: simulated, steadily predicted and measured times.

A row of the public points says system, model, layout, precision, backend, lengths and requests in flight. Its step
table (of the calibrated model, at the row's software and its age) goes into the simulator; lengths are drawn as the
benchmark does, uniformly between 0.8 and 1 of the nominal ones, or fixed where the file says so; ten requests for each
in flight are sent, each when the user of another has the answer (request handling is part of the loop). The first ones
make a share of their answers that is drawn, so that the loop starts as if it had long been going on (requests of one
length that start together stay together, in waves that no measured row shows), and are not counted. Medians of time
per output token and to first token are compared to the measured ones, beside what the calibrated model predicts for the
same row under a steady load.

    python benchmarks/replay.py DATA [--all | --ranks] [--rule fullest | even] [--csv FILE]

``--ranks`` takes all rows of several attention ranks, ``--rule`` says how much of a pass waits for the fullest one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd

from gigawatt.catalog.load import Catalog, load_catalog
from gigawatt.core.errors import CatalogError
from gigawatt.perf import inference
from gigawatt.perf.inference import capacity_sequences, software_of, table_of
from gigawatt.perf.operators import Pass, generation_step, values_of
from gigawatt.perf.predict import behind_of, predict_rows
from gigawatt.perf.replica import rank_frac
from gigawatt.perf.rows import Point, clean, length_ratio, point_of, read_rows
from gigawatt.serving.inputs import NS_PER_S, Fleet, Traffic, rows_of, setup_of
from gigawatt.serving.simulate import simulate_rows
from gigawatt.study.cluster import Cluster, felt_share, handling, pool_of, riding

SAMPLE = 60
ROUNDS = 10  # requests sent for each in flight
RULES = {"shared": rank_frac, "fullest": lambda run, fresh: 1.0, "even": lambda run, fresh: 0.0}
"""Share of a pass that waits for the fullest attention rank: as in a replay, all of it, nothing."""


def closed_loop(
    point: Point, nominal: tuple[float, float], ratio: float, catalog: Catalog, seed: int, rule: str
) -> dict[str, float]:
    """Simulated medians of a row [ms]."""
    calibration = catalog.calibration("inference-2026")
    behind = behind_of(catalog, point.system.vendor).value
    with patch.object(inference, "software_of", partial(software_of, age_y=point.age_y)):
        table = table_of(
            point.system, point.model, point.layout, point.serving, calibration, software=point.backend, behind=behind
        )
    software = software_of(
        calibration, point.backend, point.model.family, point.serving, generation_step(point.system), point.age_y
    )
    run = Pass(point.work(behind=behind), values_of(calibration), software)
    flight = max(1, round(point.batch * point.layout.dp))
    n = ROUNDS * flight
    draw = np.random.default_rng(seed)
    low = 2.0 * ratio - 1.0  # a mean of 0.9 is drawn from 0.8 to 1
    lengths = [np.maximum(np.rint(size * draw.uniform(low, 1.0, n)), 1).astype(np.int64) for size in nominal]
    lengths[1][:flight] = np.maximum(np.rint(lengths[1][:flight] * draw.uniform(0.0, 1.0, flight)), 1)
    ranks = point.layout.dp
    most = max(1, int(ranks * capacity_sequences(run.w, point.prompt + 0.75 * point.output)))
    share = felt_share(run)
    frac = RULES[rule](run, point.prompt)
    plain = Cluster(system="", model="")
    pool = pool_of(riding(table, share), ranks, point.prompt, plain, most=min(most, flight), frac=frac)
    fixed_s, each_s = handling(float(run.first_s()), float(pool.table.prefill(point.prompt, 0.0)), share, ranks)
    pool = replace(pool, crowding_s=each_s, ranks=ranks)
    fleet = Fleet(pools=(pool,), traffic=(Traffic(name="all", latency_s=(fixed_s,)),))
    setup = setup_of(fleet, flight)
    out = simulate_rows(setup, rows_of(np.zeros(n), *lengths))
    late = slice(flight, None)  # without those the loop starts with
    tpot = ((out.end_ns - out.first_ns) / np.maximum(lengths[1] - 1, 1))[late]
    ttft = (out.first_ns - out.sent_ns)[late]
    return {
        "sim_tpot_ms": 1e3 * float(np.median(tpot)) / NS_PER_S,
        "sim_ttft_ms": 1e3 * float(np.median(ttft + out.latency_ns[late])) / NS_PER_S,
        "bare_ttft_ms": 1e3 * (float(np.median(ttft)) / NS_PER_S + fixed_s),
        "requests": n,
    }  # fmt: skip


def compared(frame: pd.DataFrame, catalog: Catalog, rule: str) -> Iterator[dict[str, float]]:
    told = predict_rows(frame, catalog, maker="calibrated")
    for seed, row in enumerate(told.itertuples()):
        try:
            point = point_of(row, catalog)
            if not row.maker:
                raise CatalogError(row.note)
            ratio = length_ratio(row)
            yield closed_loop(point, (float(row.isl), float(row.osl)), ratio, catalog, seed, rule) | {
                "system": row.system, "model": row.model_path, "backend": row.backend, "isl": row.isl, "osl": row.osl,
                "layout": point.layout.name, "ranks": point.layout.dp, "ratio": ratio,
                "flight": point.batch * point.layout.dp,
                "tpot_ms": row.silicon_tpot_ms, "ttft_ms": row.silicon_ttft_ms, "table_tpot_ms": row.tpot_ms,
                "table_ttft_ms": row.ttft_ms,
            }  # fmt: skip
        except (CatalogError, ValueError) as error:
            print(f"row {row.id}: {error}", file=sys.stderr)


def summed(found: pd.DataFrame, words: str) -> None:
    def off(name: str, measured: str) -> str:
        error = found[name] / found[measured] - 1.0
        return f"{np.median(np.abs(error)):6.1%} ({np.median(error):+6.1%})"

    print(
        f"{words:28s} {len(found):5d} rows   TPOT: simulated {off('sim_tpot_ms', 'tpot_ms')}, steady "
        f"{off('table_tpot_ms', 'tpot_ms')}   TTFT: simulated {off('sim_ttft_ms', 'ttft_ms')}, without congestion "
        f"{off('bare_ttft_ms', 'ttft_ms')}, steady {off('table_ttft_ms', 'ttft_ms')}"
    )


def main() -> None:
    words = sys.argv[1:]
    data = Path(words[0] if words and not words[0].startswith("--") else "../shared/data")
    catalog = load_catalog()
    rows, _ = clean(read_rows(data / "inferencex_silicon" / "silicon_calibration.csv"), catalog)
    if "--ranks" in words:
        rows = rows[[point_of(row, catalog).layout.dp > 1 for row in rows.itertuples()]].reset_index(drop=True)
    elif "--all" not in words:
        rows = rows.iloc[np.random.default_rng(0).permutation(len(rows))[:SAMPLE]].reset_index(drop=True)
    started = time.perf_counter()
    found = pd.DataFrame(compared(rows, catalog, words[words.index("--rule") + 1] if "--rule" in words else "shared"))
    print("median |error| (median error); all rows are of the fit of the step tables")
    summed(found, "all")
    groups = {
        "lengths drawn (InferenceX)": found["ratio"] < 1.0, "lengths fixed": found["ratio"] == 1.0,
        "one attention rank": found["ranks"] == 1, "several": found["ranks"] > 1,
    }  # fmt: skip
    for name, many in groups.items():
        if many.any():
            summed(found[many], name)
    for low, high in ((0, 16), (16, 64), (64, 256), (256, 10**6)):
        part = found[(found["flight"] > low) & (found["flight"] <= high)]
        if len(part):
            summed(part, f"in flight above {low}, to {high}")
    print(f"{found['requests'].sum():,} requests in {time.perf_counter() - started:.0f} s")
    if "--csv" in words:
        found.to_csv(words[words.index("--csv") + 1], index=False)


if __name__ == "__main__":
    main()
