"""What a fleet does, in words: the policy that ``kernels`` and ``reference`` both follow, and its named choices.

**Time.** The clock of a replica is whole nanoseconds and a rest in femtoseconds (0 <= rest < 10^6). A step of d
femtoseconds adds to the rest, which carries. Times are compared in whole nanoseconds only. Every time of a step is a
whole number of femtoseconds, at least 10^6 (``steps``), so that a sum does not depend on how it is split.

**One instant T**, in this order:

1. *Control*: failures and repairs of the list at T in its order; replicas whose start-up ends at T become active, by
   index; then autoscaling decisions of pools at T, by index.
2. *Ends*: iterations that end at T complete, replicas by index.
3. *Arrivals*: requests due at T are routed. First those held back (follow-ups of a session, transfers from a prefill
   pool, retries, refills of a closed loop) by row, then rows of the stream in order. A row of a closed loop
   is due when the user of another has its answer; one that follows another of its session, its think time after that.
4. *Aborts*: requests whose patience ends at T, by row. One that waits leaves at once. One that runs is marked and
   leaves when the iteration in progress ends, without anything that iteration made: it does not count as finished
   even if it would have been. If its replica stands at a boundary it leaves at once.
5. *Begins*: replicas that stand at a boundary and have work begin an iteration, by index.

What becomes due at T after its phase makes another round of T.

**An iteration of a replica** begins so. *Running* is a list in order of admission; each running request is either
*decoding* or, at most one and always the last, *partly prefilled*. B is the tokens of a block.

a. *Decode.* A decoding request with c tokens in cache writes one more; it needs a block if c is a multiple of B. While
   the blocks needed exceed those available, a victim is preempted.
b. *Partial prefill.* Its chunk is min(tokens left, token budget - decoding). It needs blocks for tokens done + chunk,
   less those it holds. While they exceed those available a victim is preempted (which may be itself, which ends this;
   the chunk is counted anew after each victim).
c. *Admission*, only if nothing was preempted in this begin. While a request waits, running < max_sequences and budget
   is left (token budget - decoding - tokens of chunks): the head of the queue is the first of the smallest priority
   number. Its cached tokens h are known (given, or leading blocks found); its chunk is min(total - h, budget left). If
   the blocks for all it has to prefill and its surplus, less hits, exceed those available, admission ends (nobody
   overtakes the head). What is admitted takes the blocks of its chunk only. A request that comes with its cache
   (transferred from a prefill pool) has no chunk: it decodes in this very iteration, takes one token of budget and
   needs blocks for total + surplus + 1 tokens. (vLLM: ``scheduler_reserve_full_isl``, on unless said; with the first
   chunk's blocks as all that is asked for, long prompts evict each other for ever.)
d. With neither decoding requests nor chunks the replica is idle.
e. *Time.* With b decoding requests of K tokens in cache together (before the step; plus half the surplus of each,
   rounded down) and chunks of n_i tokens behind c_i cached ones:
   decode(b, K) + prefill(N, Q) - min(shared, decode, prefill), N = sum n_i, Q = sum n_i (2 c_i + n_i); a part that is
   absent is 0 and then nothing is shared. Loading given tokens from a store adds its time a token.

At its end: chunks count as done; a request whose prefill is complete emits its first token, then it is finished if no
iterations are left, is handed over if its pool hands over, or decodes from the next iteration on. Decoding requests
emit; those with no iterations left are finished. Requests that end in the same iteration do so by row.

**Handling.** A user waits besides for the way to the pool and request handling (the latency of the lane), and the
crowding of the pool that takes the prompt for each of min(outstanding, max_sequences) requests of the replica, this one
counted, beyond one an attention rank. That counts into the time to first token and the end that the user sees, and in
the time until the user sends what follows; replicas do not wait for it.

**Victim**: policy ``fcfs``: the last of running. ``priority``: the one with the largest priority number, of those the
last admitted. It gives back its blocks and goes to the front of its priority's queue. What it had computed is lost:
its total to prefill becomes its prompt and what it has generated, and the end of that prefill emits the next token (one
iteration fewer is left), unless it had not emitted any.

**Generated tokens.** A request for o tokens emits the first after prefill and the other o - 1 in m decode iterations;
m = o - 1 unless drafts are accepted (m is drawn before the run). Its *surplus* is o - 1 - m: tokens of cache which
are reserved with the last chunk of the prompt. A victim after j of its m iterations has generated, since its prefill,
j + floor(surplus j / m) tokens more; its surplus falls by floor(surplus j / m) and its m by j.

**Blocks.** t tokens take ceil(t / B) blocks. Available = capacity - held; a block that several hold is held once.

**Own prefix cache.** Requests carry ids of hashed blocks of H tokens (H a multiple of B) from their first token on.
At admission the leading ids that are known to the replica are *hits*, at most (total - 1) // H of them: they are
referenced and not computed. When an iteration ends, every full hashed block computed by then becomes known (ids that
another request has made known meanwhile are referenced instead and the copy is given back). When a request ends (at
its end also full blocks over what it generated become known, where it has ids for them), or is preempted or aborted,
its blocks are released from the last to the first. Known blocks which nobody references are not held; they stay until
the room is needed, and the one released first goes first. Blocks of H tokens count as H / B. To admit a request, hits
which nobody referenced are not available any more. A failed replica forgets all.

**Routing.** A *lane* of a stream is one of its pools, the door, and, where that hands over, the pool that decodes
behind it. A request's home lane is the stream's first or, where the stream has shares, the lane on whose part of the
cumulated shares a number falls that is drawn from the seed and the request's number, so that it is the same at every
try. Lanes are tried from home on in the stream's order, the first behind the last: one is taken if each of its pools
has an active replica and fewer outstanding requests than its ``spill_fill`` x max_sequences x active replicas, and
the wait at its door, queued tokens x nanoseconds a token of prefill / active replicas, is at most the stream's spill
limit. If none passes, the first is taken whose pools have an active replica each; if there is none, the request asks
again a second later, 3,600 times, and then fails. One handed over to a pool without an active replica asks likewise.
In the pool:
``round_robin``: active replicas in turn; ``least``: the fewest outstanding, then the smallest index; ``two_choices``:
of two drawn the one with fewer, then the first drawn; ``affinity``: the replica that its key is hashed to, unless
that holds more than ``affinity_bound`` x mean + 4 outstanding requests, then ``least``. Outstanding are requests sent
and not ended; queued tokens are those of prompts sent and not yet prefilled, whatever is found in a cache.

**Gating.** A request is turned away at arrival if the outstanding requests of the pools of all its stream's lanes are
at least the stream's gate x max_sequences of their active replicas (a pool counts once for each lane it is in). It is
counted as gated. Follow-ups of one that was turned away, aborted or failed are sent all the same, so that the load
stays as written.

**Failure.** All requests of the replica are lost with what they made and are sent again at the same instant as if they
had just come, at most ``retries`` times each, then they fail. Iterations that ended by T count. A failure strikes only
a replica that is active, draining or starting; after repair it is active.

**Autoscaling**, every interval: wanted = outstanding / target, rounded up, between least and most. If more than those
active or starting: draining replicas are active again, then those that are off start (by index) and are active after
their start-up. If fewer: the active ones of the largest index drain: they take nothing new and are off when empty.
Failed replicas are neither counted nor touched.
"""

from __future__ import annotations

ROUTERS = ("round_robin", "least", "two_choices", "affinity")
ROUND_ROBIN, LEAST, TWO_CHOICES, AFFINITY = range(4)

ORDERS = ("fcfs", "priority")
FCFS, PRIORITY = range(2)

CACHES = ("off", "given", "own")
CACHE_OFF, CACHE_GIVEN, CACHE_OWN = range(3)

OFF, STARTING, ACTIVE, DRAINING, FAILED = range(5)  # what a replica is

STATUSES = ("open", "completed", "aborted", "gated", "failed")
OPEN, COMPLETED, ABORTED, GATED, LOST = range(5)  # how a request ended

POLL_NS = 1_000_000_000
POLLS = 3_600

DRAWS = 1 << 32  # numbers that the draw of a home lane may be
HOME_DRAW = -1  # stands where other draws of a request have the number of its try
