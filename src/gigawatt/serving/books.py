"""What is counted while a fleet runs: sketches and counts by stream, a time line by pool, optional records by row."""

from __future__ import annotations

from gigawatt.serving import memory as c
from gigawatt.serving.inputs import NEVER, Integers
from gigawatt.serving.policies import ABORTED, COMPLETED, GATED
from gigawatt.serving.steps import bit_length, kernel, part, quotient


@part
def bucket_of(value: int) -> int:
    """Bucket of a sketch: the exponent and the first 8 bits of the mantissa of a count of nanoseconds."""
    if value < 1:
        return 0
    exponent = bit_length(value) - 1
    if exponent <= c.SUB_BITS:
        return (exponent << c.SUB_BITS) + (value << (c.SUB_BITS - exponent)) - (1 << c.SUB_BITS)
    return min((exponent << c.SUB_BITS) + (value >> (exponent - c.SUB_BITS)) - (1 << c.SUB_BITS), c.BUCKETS - 1)


@kernel
def enter_bin(m: Integers, now: int) -> None:
    """Moves on to the bin of an instant, the last one if it lies behind all."""
    k = min(now // m[c.G_BIN_NS], m[c.G_N_BINS] - 1)
    m[c.G_LINE] = k * c.T_COLUMNS
    m[c.G_LINE_END] = (k + 1) * m[c.G_BIN_NS] if k < m[c.G_N_BINS] - 1 else NEVER


@kernel
def count_on(m: Integers, pool: int, change: int, now: int) -> None:
    """Replica-nanoseconds of a pool that is on, spread over bins; then the count changes."""
    width, last = m[c.G_BIN_NS], m[c.G_N_BINS] - 1
    since = m[pool + c.P_ON_SINCE]
    while since < now:
        k = min(since // width, last)
        until = now if k == last else min((k + 1) * width, now)
        m[m[pool + c.P_LINES] + k * c.T_COLUMNS + c.T_ON] += m[pool + c.P_N_ON] * (until - since)
        since = until
    m[pool + c.P_ON_SINCE] = now
    m[pool + c.P_N_ON] += change


@part
def book_run(m: Integers, replica: int, before: int, tokens: int) -> None:
    """Tokens and busy time of a run that began at ``before`` with ``tokens`` computed, in the bin of its end."""
    line = m[m[replica + c.R_POOL] + c.P_LINES] + m[c.G_LINE]
    spent = m[replica + c.R_NS] - before
    m[line + c.T_BUSY] += spent
    m[line + c.T_COMPUTED] += m[replica + c.R_TOKENS] - tokens
    m[line + c.T_HELD] += m[replica + c.R_HELD] * (spent // 1000)


@part
def _sketch(m: Integers, stream: int, metric: int, value: int) -> None:
    m[m[stream + c.K_SKETCHES] + metric * c.BUCKETS + bucket_of(value)] += 1


@part
def book_end(m: Integers, slot: int, replica: int, now: int, status: int) -> None:
    """How a request ended, in the books of its stream and, where records are kept, of its row."""
    stream = m[slot + c.S_STREAM]
    m[stream + c.N_PREEMPTIONS] += m[slot + c.S_PREEMPTIONS]
    if status == COMPLETED:
        ttft = m[slot + c.S_FIRST] - m[slot + c.S_SENT] + m[slot + c.S_LATENCY]
        outputs = m[slot + c.S_OUTPUT]
        tpot = 0
        _sketch(m, stream, c.M_TTFT, ttft)
        _sketch(m, stream, c.M_E2E, now - m[slot + c.S_SENT] + m[slot + c.S_LATENCY])
        _sketch(m, stream, c.M_QUEUE, m[slot + c.S_ADMITTED] - m[slot + c.S_SENT])
        if outputs > 1:
            tpot = quotient(now - m[slot + c.S_FIRST], outputs - 1)
            _sketch(m, stream, c.M_TPOT, tpot)
        m[stream + c.N_COMPLETED] += 1
        m[stream + c.N_INPUT] += m[slot + c.S_INPUT]
        m[stream + c.N_OUTPUT] += outputs
        m[stream + c.N_HITS] += m[slot + c.S_HITS]
        if ttft <= m[slot + c.S_TTFT]:
            m[stream + c.N_GOOD_TTFT] += 1
        if tpot <= m[slot + c.S_TPOT]:
            m[stream + c.N_GOOD_TPOT] += 1
            if ttft <= m[slot + c.S_TTFT]:
                m[stream + c.N_GOOD] += 1
                m[stream + c.N_GOOD_OUTPUT] += outputs
    elif status == ABORTED:
        m[stream + c.N_ABORTED] += 1
    elif status == GATED:
        m[stream + c.N_GATED] += 1
    else:
        m[stream + c.N_FAILED] += 1
    if m[slot + c.S_NUMBER] < m[c.G_N_RECORDS]:
        record = m[c.G_RECORDS] + m[slot + c.S_NUMBER] * c.REC_COLUMNS
        m[record + c.REC_STATUS] = status
        m[record + c.REC_FIRST] = m[slot + c.S_FIRST]
        m[record + c.REC_END] = now
        m[record + c.REC_REPLICA] = replica
        m[record + c.REC_ADMITTED] = m[slot + c.S_ADMITTED]
        m[record + c.REC_PREEMPTIONS] = m[slot + c.S_PREEMPTIONS]
        m[record + c.REC_HITS] = m[slot + c.S_HITS]
        m[record + c.REC_SENT] = m[slot + c.S_SENT]
        m[record + c.REC_LATENCY] = m[slot + c.S_LATENCY] if status == COMPLETED else 0
