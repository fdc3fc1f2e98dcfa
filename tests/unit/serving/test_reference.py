"""The slow twin on cases that fit on paper; times in milliseconds, the arithmetic in the comment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from gigawatt.serving.inputs import NEVER, Fleet, Outage, Pool, Scaling, Traffic, rows_of, setup_of
from gigawatt.serving.policies import ABORTED, COMPLETED, GATED, LOST
from gigawatt.serving.reference import simulate_reference, splitmix64
from gigawatt.serving.reference_state import Outcome
from tests.cases.tables import constant, linear

MS = 1_000_000  # ns
TEN_ONE = constant(decode_s=1e-3, prefill_s=10e-3)  # 10 ms a prefill pass, 1 ms a decode step, 11 ms for both
HANDLED = (Traffic(name="handled", latency_s=(2e-3,)),)  # 2 ms of request handling
PER_TOKEN = linear(token_s=1e-3, decode_s=1e-3)  # 1 ms a prompt token, 1 ms a decode step


@dataclass(frozen=True)
class Seen:
    """An outcome with its times in milliseconds."""

    outcome: Outcome

    def __getattr__(self, name: str) -> list[Any]:
        if name.endswith("_ms"):
            values = getattr(self.outcome, name.removesuffix("_ms") + "_ns")
            return [None if value < 0 else float(value) / MS for value in values]
        return getattr(self.outcome, name).tolist()


def pool(table=TEN_ONE, **settings: Any) -> Pool:
    return Pool(**({"name": "paper", "table": table, "n_replicas": 1, "block_tokens": 4} | settings))


def run(pools, arrival_ms, inputs, outputs, *, traffic=None, outages=(), concurrency=0, seed=0, **columns) -> Seen:
    pools = pools if isinstance(pools, tuple) else (pools,)
    fleet = Fleet(pools=pools, traffic=traffic or (Traffic(name="all"),), outages=outages, seed=seed)
    arrival = np.array([NEVER if ms is None else round(ms * MS) for ms in arrival_ms])
    n = len(arrival_ms)
    if "ids" in columns:
        ids = columns.pop("ids")
        columns["block_start"] = np.cumsum([0, *(len(one) for one in ids)])
        columns["block_ids"] = np.array([name for one in ids for name in one], dtype=np.int64)
    rows = rows_of(arrival, np.broadcast_to(inputs, n), np.broadcast_to(outputs, n), **columns)
    return Seen(simulate_reference(setup_of(fleet, concurrency), rows))


# --- one replica


def test_one_request_alone() -> None:
    # prefill 5 -> 15, three decode steps -> 18; 7 + 3 tokens in cache take ceil(10 / 4) = 3 blocks
    seen = run(pool(kv_blocks=50), [5], 7, 4)
    assert seen.sent_ms == [5.0] and seen.admitted_ms == [5.0]
    assert seen.first_ms == [15.0] and seen.end_ms == [18.0]
    assert seen.status == [COMPLETED] and seen.replica == [0]
    assert seen.busy_fs == [13 * 10**12] and seen.iterations == [4] and seen.peak_blocks == [3]


def test_decode_slows_with_context() -> None:
    # prefill 10 tokens: 10 ms; decode at contexts 10 and 11: 1 + 0.1 x 10 = 2.0 and 2.1 -> 14.1
    assert run(pool(linear(1e-3, 1e-3, context_s=1e-4)), [0], 10, 3).end_ms == [14.1]


def test_rest_of_a_nanosecond_carries_through_a_run_and_is_dropped_when_idle() -> None:
    nanos = constant(1.5e-9, 1.5e-9)
    # 1.5, 3.0, 4.5, 6.0 ns
    assert run(pool(nanos), [0], 1, 4).outcome.end_ns.tolist() == [6]
    # the first ends at 1.5 ns, seen as 1; the second starts at 5 sharp: 6.5, seen as 6
    assert run(pool(nanos), [0, 5e-6], 1, 1).outcome.end_ns.tolist() == [1, 6]


def test_an_arrival_at_the_start_of_an_iteration_is_in_it() -> None:
    # 0: prefill 0 -> 10, decode -> 11 -> 12. Row 1 comes at 12: mixed step -> 23, decode -> 24
    seen = run(pool(), [0, 12], 4, [5, 2])
    assert seen.first_ms == [10.0, 23.0] and seen.end_ms == [24.0, 24.0]


def test_an_arrival_within_an_iteration_waits_for_the_next() -> None:
    # one nanosecond late: row 0 decodes 12 -> 13, mixed 13 -> 24 (row 0 through), row 1 decodes -> 25
    seen = run(pool(), [0, 12.000001], 4, [5, 2])
    assert seen.admitted_ms == [0.0, 13.0]
    assert seen.first_ms == [10.0, 24.0] and seen.end_ms == [24.0, 25.0]


def test_what_decode_and_prefill_share_is_counted_once() -> None:
    # mixed step of 12 is 11 - 0.5 ms long: 12 -> 22.5
    assert run(pool(constant(1e-3, 10e-3, 0.5e-3)), [0, 12], 4, [5, 2]).first_ms == [10.0, 22.5]


def test_chunked_prefill_mixes_with_decode() -> None:
    # budget 8. 0: A prefill 4 -> 4. 4: A decodes, B gets 7 of 12: 1 + 7 -> 12. 12: A, B the other 5: 1 + 5 -> 18.
    # B's second token -> 19. A's four further steps end at 12, 18, 19, 20, its fifth at 21
    seen = run(pool(PER_TOKEN, token_budget=8, max_sequences=8), [0, 1], [4, 12], [6, 2])
    assert seen.first_ms == [4.0, 18.0] and seen.end_ms == [21.0, 19.0]
    assert seen.admitted_ms == [0.0, 4.0]


def test_exhausted_cache_preempts_the_last_admitted_which_computes_again() -> None:
    # 6 blocks of 2 tokens. Both prefilled -> 10 (2 + 2 blocks), decode -> 11 (3 + 3), -> 12. At 12 each needs a
    # fourth: row 1 leaves, with 1 + 2 tokens made: 7 to prefill, 2 to make. Row 0 decodes -> 13 -> 14 and ends.
    # At 13 row 1 would need 4 blocks of the 2 that are free. 14: prefill makes one -> 24, decode the other -> 25.
    seen = run(pool(block_tokens=2, kv_blocks=6), [0, 0], 4, 5)
    assert seen.end_ms == [14.0, 25.0] and seen.first_ms == [10.0, 10.0]
    assert seen.preemptions == [0, 1] and seen.admitted_ms == [0.0, 0.0]
    assert seen.peak_blocks == [6] and seen.iterations == [7]


def test_priority_decides_who_is_admitted_and_who_is_preempted() -> None:
    traffic = (Traffic(name="low", priority=1), Traffic(name="high", priority=0))
    # one at a time: row 0 runs 0 -> 10; of those waiting the high one goes first, then the low one
    one = pool(max_sequences=1, order="priority")
    assert run(one, [0, 1, 2], 4, 1, traffic=traffic, stream=[0, 0, 1]).end_ms == [10.0, 30.0, 20.0]
    assert run(pool(max_sequences=1), [0, 1, 2], 4, 1, traffic=traffic, stream=[0, 0, 1]).end_ms == [10.0, 20.0, 30.0]
    # the case of exhaustion above with row 0 the low one: now row 0 is the victim
    short = pool(block_tokens=2, kv_blocks=6, order="priority")
    seen = run(short, [0, 0], 4, 5, traffic=traffic, stream=[0, 1])
    assert seen.preemptions == [1, 0] and seen.end_ms == [25.0, 14.0]


def test_a_partial_prefill_preempts_itself() -> None:
    # 5 blocks of 2. Row 0: 3 tokens -> 3 ms (2 blocks, 4 tokens). Row 1 of 5 needs 3 blocks for all of them, which are
    # there; budget 4. At 3: row 0 decodes, row 1 gets 3 of 5 (2 blocks): 1 + 3 -> 7. At 7 row 0 takes the fifth block
    # and row 1's last 2 tokens need one more: it preempts itself (2 back), row 0 decodes -> 8. At 8 row 1 needs 3
    # blocks again, 2 are free. Row 0 ends -> 9. At 9: 4 tokens -> 13, 1 -> 14
    seen = run(pool(PER_TOKEN, token_budget=4, max_sequences=4, block_tokens=2, kv_blocks=5), [0, 1], [3, 5], [4, 1])
    assert seen.preemptions == [0, 1] and seen.admitted_ms == [0.0, 3.0]
    assert seen.end_ms == [9.0, 14.0]


def test_a_prompt_is_admitted_only_where_all_of_it_fits() -> None:
    # 5 blocks of 2, budget 4. Row 0: 4 tokens -> 4 ms (2 blocks), decodes at 4 (a third block) and 5, -> 5 -> 6. Row 1 of
    # 6 tokens would fit with a first chunk of 3, but all of it needs 3 blocks and 2 are free: it waits until 6: 4 -> 10,
    # 2 -> 12, and nobody is preempted
    long = pool(PER_TOKEN, token_budget=4, max_sequences=4, block_tokens=2, kv_blocks=5)
    seen = run(long, [0, 1], [4, 6], [3, 1])
    assert seen.preemptions == [0, 0] and seen.admitted_ms == [0.0, 6.0] and seen.end_ms == [6.0, 12.0]


def test_hits_that_others_hold_count_as_fitting() -> None:
    # 5 blocks of 2, hashed blocks of 2, prompts of 6 tokens of which 4 are the same. Row 0: 6 ms (3 blocks), a fourth
    # for what it decodes. Row 1 needs 3 blocks, 2 of which row 0 holds: it is admitted at 6 with the one that is left,
    # 1 + 2 -> 9. Without ids it waits for row 0 (6 + 3 steps -> 9), and 9 + 6 -> 15
    own = pool(PER_TOKEN, max_sequences=4, block_tokens=2, kv_blocks=5, cache="own", hash_tokens=2)
    seen = run(own, [0, 1], 6, [3, 1], ids=[[1, 2, 3], [1, 2, 4]])
    assert seen.admitted_ms == [0.0, 6.0] and seen.hits == [0, 4] and seen.end_ms == [10.0, 9.0]
    assert run(own, [0, 1], 6, [3, 1]).admitted_ms == [0.0, 8.0]


def test_drafts_to_come_are_part_of_what_must_fit() -> None:
    # 4 blocks of 2. Row 0: 2 tokens -> 2 ms, decodes 4 steps -> 6 within 3 blocks. Row 1: 2 tokens and 3 drafts in 1 step
    # (5 tokens, 1 + 3 + 1): 3 blocks for prompt and surplus are free only at 6
    tight = pool(PER_TOKEN, max_sequences=4, block_tokens=2, kv_blocks=4)
    seen = run(tight, [0, 1], 2, 5, iterations=[4, 1])
    assert seen.admitted_ms == [0.0, 6.0] and seen.preemptions == [0, 0]


def test_handling_is_waited_for_and_grows_with_the_others() -> None:
    # way and handling 5 ms, 0.5 ms for each request beyond the two ranks', at most 4 count: four at once wait 5, 5, 5.5
    # and 6 ms besides, a fifth 6 ms as well
    traffic = (Traffic(name="far", latency_s=(5e-3,)),)
    crowded = pool(max_sequences=4, token_budget=64, crowding_s=0.5e-3, ranks=2)
    seen = run(crowded, [0, 0, 0, 0, 0], 4, 1, traffic=traffic)
    assert seen.latency_ms == [5.0, 5.0, 5.5, 6.0, 6.0] and seen.end_ms == [10.0, 10.0, 10.0, 10.0, 20.0]


def test_given_cache_saves_all_but_one_token_and_takes_time_to_load() -> None:
    # 8 tokens, 100 said to be cached: 7 are loaded in 7 x 0.5 ms, 1 is computed: 4.5
    seen = run(pool(PER_TOKEN, cache="given", load_s_per_token=0.5e-3), [0], 8, 1, cached=[100])
    assert seen.hits == [7] and seen.end_ms == [4.5]


def test_own_cache_hits_and_evicts_the_last_block_first() -> None:
    # 6 blocks of 2, hashed blocks of 4. Row 0 computes 8 -> 8, blocks "1", "2" stay. Row 1 finds both: 9 - 8 = 1.
    # Row 2 of 8 unknown tokens needs 4 blocks, 2 are free: "2" goes, "1" stays. Row 3 finds "1": 9 - 4 = 5.
    # Most held: 4 shared + 1 own of row 1; row 3: 2 shared + 3.
    own = pool(PER_TOKEN, cache="own", block_tokens=2, hash_tokens=4, kv_blocks=6)
    seen = run(own, [0, 10, 20, 30], [8, 9, 8, 9], 1, ids=[[1, 2], [1, 2], [], [1, 2]])
    assert seen.hits == [0, 8, 0, 4] and seen.end_ms == [8.0, 11.0, 28.0, 35.0]
    assert seen.peak_blocks == [5]


def test_own_cache_leaves_one_token_to_compute() -> None:
    # 8 tokens, both blocks known, but at most (8 - 1) // 4 = 1 counts
    own = pool(PER_TOKEN, cache="own", block_tokens=2, hash_tokens=4, kv_blocks=20)
    assert run(own, [0, 10], 8, 1, ids=[[1, 2], [1, 2]]).hits == [0, 4]


def test_own_cache_learns_what_was_generated_at_the_end() -> None:
    # 4 + 5 - 1 = 8 tokens in cache at the end: both blocks of 4 are known to row 1
    own = pool(PER_TOKEN, cache="own", block_tokens=2, hash_tokens=4, kv_blocks=20)
    assert run(own, [0, 20], [4, 9], [5, 1], ids=[[1, 2], [1, 2]]).hits == [0, 8]


def test_own_cache_gives_the_second_copy_back() -> None:
    # 6 blocks of 2; both compute the same 4 tokens side by side (2 + 2 blocks) and share 2 afterwards. With two
    # copies nothing would be left for row 2: 4 + 1 + 1 + 2 > 6
    own = pool(PER_TOKEN, cache="own", block_tokens=2, hash_tokens=4, kv_blocks=6)
    seen = run(own, [0, 0, 1], [4, 4, 4], [2, 2, 1], ids=[[1], [1], []])
    # 0: 8 tokens -> 8. 8: two decode (2 shared + 2), row 2 needs 2 blocks: fits; 1 + 4 -> 13
    assert seen.admitted_ms == [0.0, 0.0, 8.0] and seen.end_ms == [13.0, 13.0, 13.0]
    assert seen.peak_blocks == [6]


def test_drafts_fewer_iterations_half_their_tokens_in_the_time_all_in_memory() -> None:
    # 7 tokens in 3 iterations behind the first: surplus 3. Prefill 4 -> 4; decode at 4 + 1, 5 + 1, 6 + 1 tokens:
    # 1.5 + 1.6 + 1.7 -> 8.8. Blocks of 1: 4 + 3 with the prompt, 3 more: 10 = 4 + 7 - 1
    seen = run(pool(linear(1e-3, 1e-3, context_s=1e-4), block_tokens=1, kv_blocks=50), [0], 4, 7, iterations=[3])
    assert seen.end_ms == [8.8] and seen.peak_blocks == [10] and seen.iterations == [4]


def test_a_victim_keeps_the_drafts_it_had_accepted() -> None:
    # 14 blocks of 1. Two of 4 tokens, 7 to come in 3 iterations, surplus 3: 7 + 7 with the prompts -> 10 ms. At 10
    # both need one more: row 1 leaves with j = 0: total 4 + 1 = 5, still 3 and 3. Row 0 -> 11 -> 12 -> 13. Row 1
    # needs 5 + 3 = 8 blocks at 11 and 12 (8, 9 held), gets them at 13: -> 23 makes one, two iterations -> 25
    seen = run(pool(block_tokens=1, kv_blocks=14), [0, 0], 4, 7, iterations=[3, 3])
    assert seen.end_ms == [13.0, 25.0] and seen.preemptions == [0, 1]
    # with 17: at 10 both take one (16), at 11 both need one more, 1 is left: row 1 leaves after j = 1 of 3, with
    # 1 + 1 + floor(3 x 1 / 3) = 3 tokens: total 7, 2 iterations, surplus 2: 9 blocks. Row 0 holds 9 at 11, 10 at
    # 12, ends 13. 13: -> 23 makes one, the last iteration -> 24
    seen = run(pool(block_tokens=1, kv_blocks=17), [0, 0], 4, 7, iterations=[3, 3])
    assert seen.end_ms == [13.0, 24.0] and seen.preemptions == [0, 1]


# --- aborts


def test_impatient_while_waiting_leaves_at_once() -> None:
    traffic = (Traffic(name="calm"), Traffic(name="hasty", patience_s=5e-3))
    # row 0 has the only place until 10 + 9 = 19; row 1 comes at 1 and leaves at 6
    seen = run(pool(max_sequences=1), [0, 1], 4, [10, 1], traffic=traffic, stream=[0, 1])
    assert seen.status == [COMPLETED, ABORTED] and seen.end_ms == [19.0, 6.0]
    assert seen.first_ms == [10.0, None] and seen.admitted_ms == [0.0, None] and seen.replica == [0, 0]


@pytest.mark.parametrize(("patience_ms", "end_ms"), [(12.5, 13.0), (12.0, 12.0), (3.0, 10.0), (13.5, 14.0)])
def test_impatient_while_running_leaves_with_the_iteration(patience_ms: float, end_ms: float) -> None:
    # prefill -> 10, steps -> 11, 12, 13, 14 (the last); at 12 sharp no iteration is in progress. What the iteration
    # in progress made does not count: not the first token at 10, and not the end at 14
    seen = run(pool(), [0], 4, 5, traffic=(Traffic(name="hasty", patience_s=patience_ms / 1e3),))
    assert seen.status == [ABORTED] and seen.end_ms == [end_ms]
    assert seen.first_ms == [None if patience_ms < 10 else 10.0]


def test_patience_that_ends_with_the_last_token_is_enough() -> None:
    assert run(pool(), [0], 4, 5, traffic=(Traffic(name="hasty", patience_s=14e-3),)).status == [COMPLETED]


# --- hand-over


def test_hand_over_to_a_pool_that_decodes() -> None:
    # prefill -> 10, transfer 2 + 4 x 0.5 -> 14, two steps -> 16 on replica 1; with one token it ends where it was
    first = pool(hands_to=1, transfer_s=2e-3, transfer_s_per_token=0.5e-3, kv_blocks=50)
    seen = run((first, pool(kv_blocks=50)), [0, 20], 4, [3, 1])
    assert seen.first_ms == [10.0, 30.0] and seen.end_ms == [16.0, 30.0] and seen.replica == [1, 0]
    assert seen.admitted_ms == [0.0, 20.0]
    assert seen.busy_fs == [20 * 10**12, 2 * 10**12]
    # 4 tokens in cache and one more: 2 blocks of 4
    assert seen.peak_blocks == [1, 2]


def test_impatient_in_transfer_leaves_at_once() -> None:
    seen = run((pool(hands_to=1, transfer_s=5e-3), pool()), [0], 4, 3, traffic=(Traffic(name="h", patience_s=12e-3),))
    assert seen.status == [ABORTED] and seen.end_ms == [12.0] and seen.replica == [-1] and seen.first_ms == [10.0]


def test_preempted_behind_a_hand_over_it_prefills_on_the_decode_side() -> None:
    # decode pool: 6 blocks of 2; both arrive at 10 and decode there as in the case of exhaustion above, ending 14
    # and, after a prefill of 10 on that side from 14, at 25
    seen = run((pool(hands_to=1), pool(block_tokens=2, kv_blocks=6)), [0, 0], 4, 5)
    assert seen.end_ms == [14.0, 25.0] and seen.preemptions == [0, 1] and seen.replica == [1, 1]


# --- fleets


def test_a_lost_request_starts_again_elsewhere() -> None:
    # replica 0 fails at 4, after 4 of 10 ms: replica 1 from 4: -> 14 -> 15
    two = pool(n_replicas=2)
    out = (Outage(replica=0, start_s=4e-3, end_s=1.0),)
    seen = run(two, [0], 4, 2, outages=out)
    assert seen.sent_ms == [0.0] and seen.admitted_ms == [0.0]
    assert seen.first_ms == [14.0] and seen.end_ms == [15.0] and seen.replica == [1]
    assert seen.busy_fs == [0, 11 * 10**12]
    lost = run(pool(n_replicas=2, retries=0), [0], 4, 2, outages=out)
    assert lost.status == [LOST] and lost.end_ms == [4.0] and lost.first_ms == [None] and lost.replica == [0]


def test_an_iteration_that_ends_with_the_failure_counts() -> None:
    seen = run(pool(), [0, 0], 4, [1, 2], outages=(Outage(replica=0, start_s=10e-3, end_s=11e-3),))
    # row 0 is through at 10; row 1 is lost, asks again at 10 and, in vain, then at 1010: -> 1020 -> 1021
    assert seen.status == [COMPLETED, COMPLETED] and seen.end_ms == [10.0, 1021.0]


def test_without_a_replica_it_asks_every_second_and_fails_after_an_hour() -> None:
    out = (Outage(replica=0, start_s=4e-3, end_s=1.5),)
    assert run(pool(), [0], 4, 1, outages=out).end_ms == [2014.0]  # asks at 4, 1004, 2004
    seen = run(pool(), [0], 4, 1, outages=(Outage(replica=0, start_s=4e-3, end_s=np.inf),))
    assert seen.status == [LOST] and seen.end_ms == [3_600_004.0] and seen.replica == [-1]


def test_gate_turns_away_what_comes_above_the_slots() -> None:
    # 2 slots x 1 replica: the third finds 2 outstanding; at 10 (ends before arrivals) there is room again
    seen = run(pool(max_sequences=2), [0, 0, 0, 10], 4, 1, traffic=(Traffic(name="free", gate=1.0),))
    assert seen.status == [COMPLETED, COMPLETED, GATED, COMPLETED]
    assert seen.end_ms == [10.0, 10.0, 0.0, 20.0] and seen.replica[2] == -1


def test_a_long_queue_spills() -> None:
    # 1 ms a token queued: waits found are 0, 4 and 8 ms of at most 5; the third goes to pool 1
    home_and_away = (Traffic(name="all", pools=(0, 1), spill_s=5e-3),)
    seen = run((pool(PER_TOKEN), pool(PER_TOKEN)), [0, 0, 0], 4, 1, traffic=home_and_away)
    assert seen.replica == [0, 0, 1] and seen.end_ms == [8.0, 8.0, 4.0]
    # both too slow: home
    seen = run((pool(PER_TOKEN), pool(PER_TOKEN)), [0] * 5, 4, 1, traffic=home_and_away)
    assert seen.replica == [0, 0, 1, 1, 0]


def test_a_full_pool_spills() -> None:
    traffic = (Traffic(name="all", pools=(0, 1)),)
    seen = run((pool(max_sequences=4, spill_fill=0.5), pool()), [0] * 3, 4, 1, traffic=traffic)
    assert seen.replica == [0, 0, 1]


def test_a_full_decode_pool_spills() -> None:
    # row 0: prefill -> 10 at pool 0, 5 steps at pool 1 -> 15. At 12 pool 1 has 1 request of 1 x 1: row 1 goes to pool
    # 2; at 15 sharp (ends before arrivals) it is empty again: row 2 goes to pool 0 and -> 25, 26 at pool 1
    traffic = (Traffic(name="all", pools=(0, 2)),)
    pools = (pool(hands_to=1), pool(max_sequences=1, spill_fill=1.0), pool())
    seen = run(pools, [0, 12, 15], 4, [6, 2, 2], traffic=traffic)
    assert seen.replica == [1, 2, 1] and seen.end_ms == [15.0, 23.0, 26.0]
    # full itself the last lane does not take it either: home
    pools = (*pools[:2], pool(spill_fill=0.0))
    assert run(pools, [0, 12], 4, [6, 2], traffic=traffic).replica == [1, 1]


def test_a_lane_without_a_replica_that_decodes_is_not_taken() -> None:
    # pool 1 is gone from 5 to 1500: rows 1 and 2 come at 6 and 1600. Row 0 is at pool 0 by then, is handed over at 10
    # and asks at 10, 1010 and 2010: two steps -> 2012
    traffic = (Traffic(name="all", pools=(0, 2)),)
    out = (Outage(replica=1, start_s=5e-3, end_s=1.5),)
    seen = run((pool(hands_to=1), pool(), pool()), [0, 6, 1600], 4, [3, 1, 1], traffic=traffic, outages=out)
    assert seen.replica == [1, 2, 0] and seen.end_ms == [2012.0, 16.0, 1610.0]
    # without another lane row 1 asks at the door at 6, 1006 and 2006
    seen = run((pool(hands_to=1), pool()), [0, 6], 4, [3, 1], outages=out)
    assert seen.end_ms == [2012.0, 2016.0]


def test_gate_counts_the_pools_that_decode() -> None:
    # 1 + 2 places. Rows 0 and 1 are at pool 0 (10, 20), row 2 comes at 12 when 1 decodes (10 -> 15) and 1 prefills:
    # let in; row 3 finds 3 of 3
    gated = (Traffic(name="free", gate=1.0),)
    seen = run((pool(max_sequences=1, hands_to=1), pool(max_sequences=2)), [0, 0, 12, 13], 4, 6, traffic=gated)
    assert seen.status == [COMPLETED, COMPLETED, COMPLETED, GATED]


def test_home_lanes_by_share() -> None:
    # the draws of rows 0 to 5 with seed 0, as parts of 2^32: 0.736, 0.770, 0.782, 0.236, 0.909, 0.817
    drawn = [(splitmix64((k * 0xBF58476D1CE4E5B9 - 0x94D049BB133111EB) % 2**64) & 0xFFFFFFFF) / 2**32 for k in range(6)]
    assert [round(part, 3) for part in drawn] == [0.736, 0.770, 0.782, 0.236, 0.909, 0.817]
    # shares of 3, 0, 1: the first up to 0.75, then the third
    traffic = (Traffic(name="all", pools=(0, 1, 2), share=(3.0, 0.0, 1.0)),)
    assert run((pool(), pool(), pool()), [0] * 6, 4, 1, traffic=traffic).replica == [0, 2, 2, 0, 2, 2]
    # lost with its replica at 4 each goes to the other replica of its own lane
    out = tuple(Outage(replica=k, start_s=4e-3, end_s=1.0) for k in (0, 4))
    two = pool(n_replicas=2, max_sequences=8, router="round_robin")
    seen = run((two, two, two), [0, 0], 4, 1, traffic=traffic, outages=out)
    assert seen.replica == [1, 5] and seen.end_ms == [14.0, 14.0]


def test_spilling_goes_on_from_home_and_around() -> None:
    # room for one request each; home is the second lane: pools 1, 2, 0, and when all are full home
    one = pool(max_sequences=2, spill_fill=0.5)
    traffic = (Traffic(name="all", pools=(0, 1, 2), share=(0.0, 1.0, 0.0)),)
    assert run((one, one, one), [0] * 4, 4, 1, traffic=traffic).replica == [1, 2, 0, 1]


@pytest.mark.parametrize("share", [(1.0,), (1.0, -1.0), (0.0, 0.0), (np.inf, 1.0), (np.nan, 1.0)])
def test_shares_that_make_no_sense(share: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"traffic all: .*share"):
        Traffic(name="all", pools=(0, 1), share=share)


def test_routers() -> None:
    assert run(pool(n_replicas=3, router="round_robin"), [0] * 5, 4, 1).replica == [0, 1, 2, 0, 1]
    assert run(pool(n_replicas=3, router="least"), [0] * 5, [9, 4, 4, 4, 4], 1).replica == [0, 1, 2, 0, 1]
    preferred = splitmix64(7) % 2
    # with 5 on the preferred one and 0 on the other: 5 <= 0.5 x 2.5 + 4 stays, 6 > 0.5 x 3 + 4 goes to the other
    affine = run(pool(n_replicas=2, router="affinity", affinity_bound=0.5), [0] * 7, 4, 1, key=[7] * 7)
    assert affine.replica == [preferred] * 6 + [1 - preferred]
    x = splitmix64(3 * 0x9E3779B97F4A7C15 % 2**64)
    assert run(pool(n_replicas=4, router="two_choices"), [0], 4, 1, seed=3).replica == [(x & 0xFFFFFFFF) % 4]


def test_splitmix64_reference_values() -> None:
    # first three words from seed 1234567, as published with the Java and C sources
    words, state = [], 1234567
    for _ in range(3):
        words.append(splitmix64(state))
        state = (state + 0x9E3779B97F4A7C15) % 2**64
    assert words == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_autoscaling() -> None:
    # target 2 a replica. At 5: 5 outstanding -> 3 wanted, two start, active at 8, where row 5 goes to replica 1.
    # At 10 (before the ends): 6 -> 3. At 15: row 5 alone (8 -> 18) -> 1: replica 2 is empty and off, 1 drains; row 6
    # at 16 goes to replica 0. 2 + 2 changes
    scaling = Scaling(interval_s=5e-3, target=2.0, least=1, most=3, start_s=3e-3)
    seen = run(pool(n_replicas=3, n_start=1, scaling=scaling), [0] * 5 + [8, 16], 4, 1)
    assert seen.replica == [0] * 5 + [1, 0]
    assert seen.end_ms == [10.0] * 5 + [18.0, 26.0]
    assert seen.n_scaled == [4]


def test_autoscaling_takes_a_draining_replica_back() -> None:
    # at 5: 2 outstanding, target 2 -> 1 wanted: replica 1 drains, with row 1 (1 -> 11 and 10 steps, 21); four more
    # come at 6, all to replica 0; at 10: 6 outstanding -> replica 1 is active again; at 11 it has 1, replica 0 has 4
    scaling = Scaling(interval_s=5e-3, target=2.0, least=1, most=2, start_s=0.0)
    seen = run(pool(n_replicas=2, scaling=scaling), [0, 1] + [6] * 4 + [11], 4, [1, 11, 1, 1, 1, 1, 1])
    assert seen.replica == [0, 1, 0, 0, 0, 0, 1]
    assert seen.n_scaled[0] >= 2


def test_a_failure_cancels_a_start_and_draining_replicas_come_back_active() -> None:
    # 3 outstanding, target 1: at 5 replica 1 starts (ready at 25) but fails at 6, is repaired at 7: active then
    scaling = Scaling(interval_s=5e-3, target=1.0, least=1, most=2, start_s=20e-3)
    out = (Outage(replica=1, start_s=6e-3, end_s=7e-3),)
    seen = run(pool(n_replicas=2, n_start=1, scaling=scaling), [0, 0, 0, 7], 4, 1, outages=out)
    assert seen.replica == [0, 0, 0, 1] and seen.end_ms[3] == 17.0


def test_closed_loop_refills_at_once() -> None:
    # two at a time: 0 -> 10, 10 -> 20, and the fifth 20 -> 30; arrivals are ignored
    seen = run(pool(), [0, 1, 2, 3, 4], 4, 1, concurrency=2)
    assert seen.sent_ms == [0.0, 0.0, 10.0, 10.0, 20.0] and seen.end_ms == [10.0, 10.0, 20.0, 20.0, 30.0]


def test_a_closed_loop_waits_for_the_answer() -> None:
    # 10 ms on the replica and 2 ms of handling: the next is sent at 12
    seen = run(pool(), [0, 0, 0], 4, 1, concurrency=1, traffic=HANDLED)
    assert seen.sent_ms == [0.0, 12.0, 24.0] and seen.latency_ms == [2.0] * 3


def test_a_session_thinks_between_its_requests() -> None:
    # row 0 -> 10, thinks 5, row 1 15 -> 25; with 2 ms of handling it thinks from 12 on
    seen = run(pool(), [0, None], 4, 1, next=[1, -1], think=[0, 5 * MS])
    assert seen.sent_ms == [0.0, 15.0] and seen.end_ms == [10.0, 25.0]
    later = run(pool(), [0, None], 4, 1, next=[1, -1], think=[0, 5 * MS], traffic=HANDLED)
    assert later.sent_ms == [0.0, 17.0]


def test_who_follows_one_that_was_turned_away_comes_all_the_same() -> None:
    # gate 0 turns everything away; row 1 is due 5 ms later
    seen = run(pool(), [0, None], 4, 1, traffic=(Traffic(name="no", gate=0.0),), next=[1, -1], think=[0, 5 * MS])
    assert seen.status == [GATED, GATED] and seen.end_ms == [0.0, 5.0]


def test_rows_that_cannot_end_are_named() -> None:
    with pytest.raises(ValueError, match="row 1 has no arrival and follows no other row"):
        run(pool(), [0, None], 4, 1)
    with pytest.raises(ValueError, match="1 rows never end"):
        run(pool(kv_blocks=1), [0], 9, 1)
