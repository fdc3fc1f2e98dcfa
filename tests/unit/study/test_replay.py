"""Replays: prefix hits of published traces, ranks, sessions, refusals, and runs that go on where they stopped."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.core.errors import CatalogError, TraceError
from gigawatt.demand.requests import Requests, Stream, requests_of
from gigawatt.demand.traces import read_trace
from gigawatt.perf.inference import Speculation
from gigawatt.perf.layout import parse_layout
from gigawatt.perf.operators import Pass, values_of, work_of
from gigawatt.perf.precision import settle
from gigawatt.perf.replica import rank_frac
from gigawatt.serving import memory as c
from gigawatt.study.cluster import Cluster, Limits, over_ranks
from gigawatt.study.replay import How, Replayed, replay
from gigawatt.study.resume import read_state, write_state
from tests.cases.places import SHARED
from tests.cases.tables import linear

CATALOG = load_catalog()
CLUSTER = Cluster(system="h200", model="llama-70b", n_replicas=2, layout="tp4", maker="calibrated")
DATA = SHARED / "data"


def public(name: str) -> Requests:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside the project")
    return read_trace(path).requests


def some(n: int = 200, gap_s: float = 0.1, **columns: Any) -> Requests:
    return requests_of(np.arange(n) * gap_s, 1000, 50, **columns)


def ran(requests: Requests, cluster: Cluster = CLUSTER, **more: Any) -> Replayed:
    return replay(requests, cluster, catalog=CATALOG, how=How(**more))


def test_a_plain_trace_is_served_to_the_end() -> None:
    done = ran(some())
    told = done.to_dict()
    assert told["completed"] == told["requests"] == 200 and done.is_finished and told["note"]
    assert told["output_tokens"] == 10_000 and told["layout"] == "tp4" and told["n_packages"] == 8
    assert told["tokens_per_s"] == pytest.approx(10_000 / told["duration_s"])
    assert 0.02 < told["ttft_s"]["p50"] < 0.5 and 0.005 < told["tpot_s"]["p50"] < 0.05
    idle = 2 * done.replica.table.watts_at(0.0) * done.metrics.end_s
    full = 2 * done.replica.table.watts_at(1.0) * done.metrics.end_s
    assert idle < told["energy_j"] < full
    again = ran(some()).to_dict()
    assert {key: value for key, value in again.items() if key not in ("wall_s", "requests_per_s")} == {
        key: value for key, value in told.items() if key not in ("wall_s", "requests_per_s")
    }


def test_dates_count_from_the_first_row() -> None:
    early, late = some(gap_s=0.25), some(gap_s=0.25)
    late = replace(late, arrival_s=late.arrival_s + 1.7e9)
    moved, told = ran(late).to_dict(), ran(early).to_dict()
    for key in ("duration_s", "energy_j", "tokens_per_s", "ttft_s", "e2e_s", "pools"):
        assert moved[key] == told[key]


def test_mooncake_hits_of_an_infinite_store_and_of_smaller_ones() -> None:
    requests = public("mooncake/conversation_trace.jsonl")
    shares = []
    for size in ("infinite", 8e12, 2e12, 0.2e12, 0.0):
        done = ran(requests, replace(CLUSTER, n_replicas=32, prefix_cache=size))
        told = done.to_dict()
        assert told["completed"] == 12_031 and "all blocks" in told["prefix_hit_basis"]
        shares.append(told["prefix_hit_share"])
    assert shares[0] == pytest.approx(0.366, abs=0.001) and shares[-1] == 0.0
    assert all(more >= less for more, less in pairwise(shares))


def test_coding_agents_hit_what_their_columns_say() -> None:
    requests = public("agentic_claude_code/requests_all_traces.csv")
    done = ran(requests, replace(CLUSTER, layout="tp8", n_replicas=16, prefix_cache="infinite"))
    told = done.to_dict()
    assert told["completed"] == len(requests) and told["prefix_hit_share"] == pytest.approx(0.963, abs=0.001)


def test_replicas_find_prefixes_in_their_own_memory() -> None:
    ids = np.tile(np.arange(2), 200)
    blocks = {"block_tokens": 512, "block_start": np.arange(201) * 2, "block_ids": ids}
    own = ran(some(**blocks)).to_dict()
    off = ran(some(**blocks), replace(CLUSTER, prefix_cache="off")).to_dict()
    # 512 of 1,000 tokens, but for the first on each replica
    assert own["prefix_hit_share"] == pytest.approx(0.512, abs=0.01) and "own caches" in own["prefix_hit_basis"]
    assert off["prefix_hit_share"] == 0.0 and own["ttft_s"]["p50"] < off["ttft_s"]["p50"]
    assert ran(some()).to_dict()["prefix_hit_basis"] == "the trace names no blocks: nothing is found"


def test_a_closed_loop_keeps_so_many_in_flight() -> None:
    few, many = (ran(some(400), concurrency=n).to_dict() for n in (2, 64))
    assert many["tokens_per_s"] > 5 * few["tokens_per_s"] and many["tpot_s"]["p50"] > few["tpot_s"]["p50"]
    # Little: requests in flight = rate x time that users wait, handling and all
    rate = few["completed"] / few["duration_s"]
    assert rate * few["e2e_s"]["p50"] == pytest.approx(2.0, rel=0.01)


def test_prompts_on_packages_of_their_own() -> None:
    done = ran(some(), replace(CLUSTER, layout="tp4 + tp8"))
    told = done.to_dict()
    assert [pool.name for pool in done.fleet.pools] == ["prefill", "decode"] and told["completed"] == 200
    assert told["prefill_layout"] == "tp8" and "take the prompts of 2" in told["note"]
    prefill, decode = (line.values["sent"].sum() for line in done.metrics.lines)
    assert prefill == decode == 200


def test_drafts_make_it_faster_and_keep_every_token() -> None:
    plain = ran(some()).to_dict()
    drafted = ran(some(), replace(CLUSTER, speculation=Speculation(tokens=3, accepted=0.7))).to_dict()
    assert drafted["output_tokens"] == plain["output_tokens"]
    assert drafted["tpot_s"]["p50"] < 0.6 * plain["tpot_s"]["p50"]


def test_sessions_wait_for_their_own() -> None:
    session = {"session": np.repeat(np.arange(10), 20), "previous": np.arange(200) - 1, "think_s": 1.0}
    session["previous"][::20] = -1
    linked = some(gap_s=0.0, **session)
    done = ran(linked).to_dict()
    assert done["completed"] == 200 and done["duration_s"] > 19.0
    assert ran(linked.open_loop()).to_dict()["duration_s"] < 19.0


def test_limits_of_rows_and_streams() -> None:
    strict = some(ttft_s=np.where(np.arange(200) < 50, 1e-6, np.nan))
    assert ran(strict).to_dict()["goodput"]["slo_attained_frac"] == pytest.approx(0.75)
    streams = (Stream(name="chat", tier="free"), Stream(name="chat", tier="paid", ttft_s=1e-6))
    mixed = ran(some(streams=streams, stream=np.arange(200) % 2), replace(CLUSTER, layout="tp4")).to_dict()
    assert mixed["goodput"]["by_tier"] == {"free": 1.0, "paid": 0.0} and mixed["goodput"]["by_class"] == {"chat": 0.5}


def test_a_request_that_no_replica_holds_is_named() -> None:
    big = requests_of([0.0, 1.0, 2.0], [100, 9_000_000, 100], 5, line=np.array([4, 5, 6]))
    with pytest.raises(TraceError, match=r"row 5: 9,000,000 input and 5 output tokens are more than the [\d,]+ that"):
        ran(big)
    done = ran(big, skip_bad=True)
    assert [one.line for one in done.bad] == [5] and done.to_dict()["completed"] == 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"router": "best"}, "no router is called 'best'; known are round_robin, least, two_choices, affinity"),
        ({"prefix_cache": "big"}, "'big' is no prefix cache; write own, infinite, off or a size"),
        ({"n_replicas": 0}, "0 replicas serve nothing"),
        ({"system": "h200+b200"}, "is no hybrid"),
        ({"layout": "tp64"}, "tp64"),
    ],
)
def test_a_cluster_that_cannot_be(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CatalogError, match=sentence):
        ran(some(3), replace(CLUSTER, **change))


def test_a_store_of_limited_size_needs_blocks() -> None:
    told = ran(some(3), replace(CLUSTER, prefix_cache=1e12)).to_dict()
    assert told["prefix_hit_share"] == 0.0 and "names no blocks" in told["prefix_hit_basis"]
    with pytest.raises(TraceError, match="a store of limited size needs a trace that names blocks"):
        ran(some(3, shared_tokens=10), replace(CLUSTER, prefix_cache=1e12))


def test_what_was_stopped_goes_on_to_the_same_end(tmp_path: Path) -> None:
    requests = requests_of(np.arange(50_000) * 0.1, 100, 10)
    whole = ran(requests)
    part = replay(requests, CLUSTER, catalog=CATALOG, tick=lambda ended: False)
    assert not part.is_finished and 20_000 <= part.to_dict()["completed"] < 50_000
    part.save(tmp_path / "r.npz")
    rest = ran(requests, resume=tmp_path / "r.npz")
    ours, theirs = rest.to_dict(), whole.to_dict()
    same = [key for key in theirs if key not in ("wall_s", "requests_per_s")]
    assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}
    with pytest.raises(TraceError, match="is of another replay"):
        ran(requests, seed=1, resume=tmp_path / "r.npz")
    with np.load(tmp_path / "r.npz") as held:
        arrays = {name: held[name] for name in held.files}
    for name, wrong in (("x", arrays["x"][:1]), ("m", arrays["m"].astype(float))):  # short, or of another type
        np.savez(tmp_path / "no.npz", **(arrays | {name: wrong}))
        with pytest.raises(TraceError, match=f"interrupted replay: its array '{name}' is not what was written; start"):
            ran(requests, resume=tmp_path / "no.npz")
    key, kept = read_state(tmp_path / "r.npz", "replay")
    m, x = kept["m"], kept["x"]
    for wrong in (  # with checksums that are right
        {"m": m[:-1]}, {"m": m[:100]}, {"m": np.full(len(m), "7")}, {"m": np.full_like(m, -7)}, {"m": m.reshape(1, -1)},
        {"m": np.append(m, 0)}, {"x": x[:1]}, {"x": np.full_like(x, -7.0)}, {"x": x.astype(np.float32)},
        *({"m": np.where(np.arange(len(m)) == place, -7, m)}
          for place in (c.G_ROW, c.G_N_FREE, c.G_FREE, c.G_SLOTS, m[c.G_STREAMS] + c.N_SENT, m[c.G_POOLS])),
    ):  # fmt: skip
        write_state(tmp_path / "no.npz", "replay", key, kept | wrong)
        with pytest.raises(TraceError) as caught:
            ran(requests, resume=tmp_path / "no.npz")
        assert str(caught.value) == (
            f"{tmp_path / 'no.npz'} is no file of an interrupted replay: its arrays are not those of this fleet; "
            "start without --resume"
        )
    (tmp_path / "no.npz").write_text("x")
    with pytest.raises(TraceError, match="is no file of an interrupted replay"):
        ran(requests, resume=tmp_path / "no.npz")


def test_the_fullest_rank_sets_the_pass() -> None:
    # 1 ms a token of the whole replica; four ranks, prompts of 100 tokens
    spread = over_ranks(linear(token_s=1e-3, decode_s=1e-3), 4, 100.0)
    alone, few, many = (float(spread.prefill(n, 0.0)) for n in (100, 300, 800))
    assert alone == pytest.approx(0.4) and few == pytest.approx(0.4) and many == pytest.approx(0.8)
    assert over_ranks(spread, 1, 100.0) is spread
    partly = over_ranks(linear(token_s=1e-3, decode_s=1e-3), 4, 100.0, 0.25)  # the rest goes by all tokens
    assert float(partly.prefill(100, 0.0)) == pytest.approx(0.25 * 0.4 + 0.75 * 0.1)
    assert float(partly.prefill(800, 0.0)) == pytest.approx(0.8)


def test_spread_experts_wait_for_no_rank() -> None:
    def frac(model: str, layout: str) -> float:
        system, of = CATALOG.system("h200"), CATALOG.model(model)
        serving = settle(system, of, "", "", "")
        work = work_of(system, system.package, of, serving, parse_layout(layout, of))
        return rank_frac(Pass(work, values_of(CATALOG.calibration("inference-2026"))), 1000.0)

    assert frac("llama-70b", "tp2 dp4") == 1.0
    assert 0.0 < frac("deepseek-r1", "tp1 dp8 ep8") < 1.0


def test_the_class_of_the_catalogue_gives_its_slo() -> None:
    done = ran(some(20, streams=(Stream(name="chat"),)))
    assert done.fleet.traffic[0].ttft_s == CATALOG.workload("chat").slo.ttft.value
    given = ran(some(20, streams=(Stream(name="chat"),)), limits=Limits(ttft_s=7.0))
    assert given.fleet.traffic[0].ttft_s == 7.0
