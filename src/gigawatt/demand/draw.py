"""Kernel of the synthetic load: next arrivals of many sources merged in order. Numbers in, numbers out.

A source's draws come from a generator of its own (SplitMix64), in the order of its own events, so that it does not
matter where a chunk ends. Arrivals are a renewal process in operational time, the integral of the rate: a gap of mean 1
is spent at the rate of the bin. A tree of winners finds the source that is next, a heap the next turn of a session.

Helpers take and return numbers: arrays handed from call to call cost more than what is drawn here.

Source: Steele et al. 2014, doi:10.1145/2660193.2660195 (SplitMix64); Marsaglia and Tsang 2000,
doi:10.1145/358407.358414 (gamma) and doi:10.18637/jss.v005.i08 (ziggurat).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]
_Function = TypeVar("_Function", bound=Callable[..., object])


def _kernel(function: _Function) -> _Function:
    return cast(_Function, njit(cache=True, nogil=True, error_model="numpy")(function))


class Sources(NamedTuple):
    """What does not change, one row a source.

    ``length_*`` have three columns: input, output, growth of a session's turn. Kind 0 is fixed, 1 lognormal (a, b: mu,
    sigma), 2 a table (begin, size in ``keep``, ``other``, ``value``).
    """

    stream: Ints32
    family: Ints
    shape: Floats
    scale: Floats
    bin_s: Floats
    rate_begin: Ints
    rate_size: Ints
    rates: Floats
    length_kind: Ints
    length_a: Floats
    length_b: Floats
    table_begin: Ints
    table_size: Ints
    keep: Floats
    other: Ints
    value: Ints
    hit_share: Floats
    goes_on: Floats
    think_mean: Floats
    think_mu: Floats
    think_sigma: Floats
    nominal_ttft_s: Floats
    nominal_tpot_s: Floats
    most_tokens: Ints


class State(NamedTuple):
    """What a run carries from chunk to chunk. ``counts``: rows so far, sessions so far, turns that wait, free slots."""

    random: Words
    next_s: Floats
    bin: Ints
    tree: Ints
    counts: Ints
    heap_s: Floats
    heap_slot: Ints
    free: Ints
    slot_source: Ints
    slot_session: Ints
    slot_context: Ints
    slot_previous: Ints
    slot_think: Floats


class Out(NamedTuple):
    """Columns of a chunk; those of sessions are empty where no source has any."""

    arrival_s: Floats
    input_tokens: Ints
    output_tokens: Ints
    stream: Ints32
    session: Ints
    previous: Ints
    think_s: Floats
    shared_tokens: Ints
    block_start: Ints
    block_ids: Ints


_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_ONE, _S11, _S27, _S30, _S31 = np.uint64(1), np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)
_UNIT = 2.0**-53
SESSION_BLOCKS = 1 << 20
"""Ids of blocks set aside for each session."""


def _layers(r: float, density: Callable[[float], float], inverse: Callable[[float], float], area: float) -> Floats:
    """(257,) right ends of a ziggurat's 256 layers of equal area, the lowest stretched to hold the tail."""
    x = [area / density(r), r]
    while len(x) < 256:
        x.append(inverse(area / x[-1] + density(x[-1])))
    return np.array([*x, 0.0])


_EXP_R, _NORMAL_R = 7.69711747013104972, 3.6541528853610088
_EXP_X = _layers(_EXP_R, lambda x: math.exp(-x), lambda y: -math.log(y), (_EXP_R + 1.0) * math.exp(-_EXP_R))
_EXP_Y = np.exp(-_EXP_X)
_NORMAL_X = _layers(
    _NORMAL_R, lambda x: math.exp(-x * x / 2.0), lambda y: math.sqrt(-2.0 * math.log(y)),
    _NORMAL_R * math.exp(-(_NORMAL_R**2) / 2.0) + math.sqrt(math.pi / 2.0) * math.erfc(_NORMAL_R / math.sqrt(2.0)),
)  # fmt: skip
_NORMAL_Y = np.exp(-(_NORMAL_X**2) / 2.0)
_LAYER, _SIGN = np.uint64(255), np.uint64(256)


@_kernel
def _bits(z: Any) -> tuple[Any, Any]:
    """64 random bits, and the state behind them."""
    z = z + _STEP
    x = (z ^ (z >> _S30)) * _MIX_1
    x = (x ^ (x >> _S27)) * _MIX_2
    return x ^ (x >> _S31), z


@_kernel
def _uniform(z: Any) -> tuple[float, Any]:
    """Next number in (0, 1), and the state of its generator behind it."""
    bits, z = _bits(z)
    return (float(bits >> _S11) + 0.5) * _UNIT, z


@_kernel
def _exponential(z: Any) -> tuple[float, Any]:
    """Exponential of mean 1."""
    while True:
        bits, z = _bits(z)
        layer = bits & _LAYER
        x = (float(bits >> _S11) + 0.5) * _UNIT * _EXP_X[layer]
        if x < _EXP_X[layer + _ONE]:
            return x, z
        u, z = _uniform(z)
        if layer == 0:
            return _EXP_R - math.log(u), z
        if _EXP_Y[layer] + u * (_EXP_Y[layer + _ONE] - _EXP_Y[layer]) < math.exp(-x):
            return x, z


@_kernel
def _normal(z: Any) -> tuple[float, Any]:
    """Normal of mean 0 and variance 1."""
    while True:
        bits, z = _bits(z)
        layer = bits & _LAYER
        x = (float(bits >> _S11) + 0.5) * _UNIT * _NORMAL_X[layer]
        sign = 1.0 if bits & _SIGN else -1.0
        if x < _NORMAL_X[layer + _ONE]:
            return sign * x, z
        u, z = _uniform(z)
        if layer == 0:
            while True:
                v, z = _uniform(z)
                w, z = _uniform(z)
                x = -math.log(v) / _NORMAL_R
                if -2.0 * math.log(w) > x * x:
                    return sign * (_NORMAL_R + x), z
        if _NORMAL_Y[layer] + u * (_NORMAL_Y[layer + _ONE] - _NORMAL_Y[layer]) < math.exp(-x * x / 2.0):
            return sign * x, z


@_kernel
def _gap(z: Any, family: int, shape: float, scale: float) -> tuple[float, Any]:
    """Gap of mean 1: exponential, gamma by Marsaglia and Tsang, or Weibull."""
    if family == 0:
        return _exponential(z)
    if family == 2:
        x, z = _exponential(z)
        return x ** (1.0 / shape) * scale, z
    boost = scale
    if shape < 1.0:
        u, z = _uniform(z)
        boost *= u ** (1.0 / shape)
        shape += 1.0
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x, z = _normal(z)
        v = 1.0 + c * x
        u, z = _uniform(z)
        if v > 0.0:
            v = v * v * v
            if math.log(u) < 0.5 * x * x + d - d * v + d * math.log(v):
                return d * v * boost, z


@_kernel
def later(
    t: float, at: int, gap: float, rates: Floats, begin: int, size: int, width: float, end_s: float
) -> tuple[float, int]:
    """(t, bin) a gap of operational time later; t is infinite at or behind the end."""
    if size == 1:
        rate = rates[begin]
        t = t + gap / rate if rate > 0.0 else math.inf
    else:
        while t < end_s:
            rate = rates[begin + at % size]
            border = (at + 1) * width
            room = rate * (border - t)
            if gap < room:
                t += gap / rate
                break
            gap -= room
            t = border
            at += 1
    return (t if t < end_s else math.inf), at


@_kernel
def _length(
    z: Any, kind: int, a: float, b: float, begin: int, size: int, keep: Floats, other: Ints, value: Ints
) -> Any:
    """(tokens, state) of one length."""
    if kind == 0:
        return max(1, int(a + 0.5)), z
    if kind == 1:
        x, z = _normal(z)
        return max(1, int(math.exp(a + b * x) + 0.5)), z
    u, z = _uniform(z)
    place = u * size
    cell = int(place)
    if place - cell >= keep[begin + cell]:
        cell = other[begin + cell]
    return value[begin + cell], z


@_kernel
def plant(tree: Ints, next_s: Floats) -> None:
    """Builds the tree of winners: ``tree[1]`` is the source that is next."""
    size = len(tree) // 2
    for i in range(size):
        tree[size + i] = min(i, len(next_s) - 1)
    for i in range(size - 1, 0, -1):
        left, right = tree[2 * i], tree[2 * i + 1]
        tree[i] = left if next_s[left] <= next_s[right] else right


@_kernel
def _replay(tree: Ints, next_s: Floats, s: int) -> None:
    """Mends the tree after source s moved."""
    i = (s + len(tree) // 2) >> 1
    while i >= 1:
        left, right = tree[2 * i], tree[2 * i + 1]
        tree[i] = left if next_s[left] <= next_s[right] else right
        i >>= 1


@_kernel
def _push(key: Floats, slots: Ints, n: int, time: float, slot: int) -> None:
    """Adds to a heap of n."""
    i = n
    while i > 0:
        up = (i - 1) >> 1
        if key[up] <= time:
            break
        key[i], slots[i] = key[up], slots[up]
        i = up
    key[i], slots[i] = time, slot


@_kernel
def _pop(key: Floats, slots: Ints, n: int) -> int:
    """Takes the first from a heap that then holds n."""
    top = slots[0]
    time, slot = key[n], slots[n]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        if child + 1 < n and key[child + 1] < key[child]:
            child += 1
        if key[child] >= time:
            break
        key[i], slots[i] = key[child], slots[child]
        i = child
    key[i], slots[i] = time, slot
    return int(top)


@_kernel
def fill_plain(sources: Sources, state: State, out: Out, end_s: float) -> tuple[int, int]:
    """(rows, why): a chunk of loads without sessions; why is 0 full, 1 no more requests."""
    n = len(out.arrival_s)
    has_streams, has_shared = len(out.stream) > 0, len(out.shared_tokens) > 0
    arrival, inputs, outputs, shared, streams = (
        out.arrival_s, out.input_tokens, out.output_tokens, out.shared_tokens, out.stream,
    )  # fmt: skip
    random, next_s, bins, tree = state.random, state.next_s, state.bin, state.tree
    family, shape, scale, width = sources.family, sources.shape, sources.scale, sources.bin_s
    rates, rate_begin, rate_size = sources.rates, sources.rate_begin, sources.rate_size
    kind, a, b, begin, size = (
        sources.length_kind, sources.length_a, sources.length_b, sources.table_begin, sources.table_size,
    )  # fmt: skip
    keep, other, value, stream, hit = sources.keep, sources.other, sources.value, sources.stream, sources.hit_share
    leaves = len(tree) // 2
    for i in range(n):
        s = tree[1]
        t = next_s[s]
        if t == math.inf:
            return i, 1
        z = random[s]
        tokens, answer = 0, 0
        if kind[s, 0] == 2:
            u, z = _uniform(z)
            u *= size[s, 0]
            cell = begin[s, 0] + int(u)
            tokens = value[cell] if u - int(u) < keep[cell] else value[begin[s, 0] + other[cell]]
        elif kind[s, 0] == 1:
            x, z = _normal(z)
            tokens = max(1, int(math.exp(a[s, 0] + b[s, 0] * x) + 0.5))
        else:
            tokens = int(a[s, 0] + 0.5)
        if kind[s, 1] == 2:
            u, z = _uniform(z)
            u *= size[s, 1]
            cell = begin[s, 1] + int(u)
            answer = value[cell] if u - int(u) < keep[cell] else value[begin[s, 1] + other[cell]]
        elif kind[s, 1] == 1:
            x, z = _normal(z)
            answer = max(1, int(math.exp(a[s, 1] + b[s, 1] * x) + 0.5))
        else:
            answer = int(a[s, 1] + 0.5)
        arrival[i], inputs[i], outputs[i] = t, tokens, answer
        if has_shared:
            shared[i] = int(hit[s] * tokens)
        if has_streams:
            streams[i] = stream[s]
        gap, z = _gap(z, family[s], shape[s], scale[s])
        random[s] = z
        first, bins_of = rate_begin[s], rate_size[s]
        if bins_of == 1:  # as in ``later``
            rate = rates[first]
            t = t + gap / rate if rate > 0.0 else math.inf
        else:
            at = bins[s]
            while t < end_s:
                rate = rates[first + at % bins_of]
                border = (at + 1) * width[s]
                room = rate * (border - t)
                if gap < room:
                    t += gap / rate
                    break
                gap -= room
                t = border
                at += 1
            bins[s] = at
        next_s[s] = t if t < end_s else math.inf
        node = (s + leaves) >> 1
        while node >= 1:  # as in ``_replay``
            left, right = tree[2 * node], tree[2 * node + 1]
            tree[node] = left if next_s[left] <= next_s[right] else right
            node >>= 1
    return n, 0


@_kernel
def fill_sessions(
    sources: Sources, state: State, out: Out, first_row: int, end_s: float, block_tokens: int
) -> tuple[int, int]:
    """(rows, why): goes on filling a chunk where a load has sessions; why 2 asks for more room for turns that wait."""
    n = len(out.arrival_s)
    has_streams = len(out.stream) > 0
    random, next_s, bins, tree, counts = state.random, state.next_s, state.bin, state.tree, state.counts
    key, slots, free = state.heap_s, state.heap_slot, state.free
    slot_source, slot_session, slot_context = state.slot_source, state.slot_session, state.slot_context
    slot_previous, slot_think = state.slot_previous, state.slot_think
    kind, a, b, begin, size = (
        sources.length_kind, sources.length_a, sources.length_b, sources.table_begin, sources.table_size,
    )  # fmt: skip
    keep, other, value, rates = sources.keep, sources.other, sources.value, sources.rates
    most_blocks = sources.most_tokens.max() // max(block_tokens, 1) + 1
    base = counts[0]  # rows before this chunk
    row, sessions, waiting, spare = first_row, counts[1], counts[2], counts[3]
    why = 0
    while row < n:
        s = tree[1]
        t = next_s[s]
        is_turn = waiting > 0 and key[0] <= t
        if not is_turn and t == math.inf:
            why = 1
            break
        if block_tokens > 0 and row > 0 and out.block_start[row] + most_blocks > len(out.block_ids):
            break
        if spare == 0:
            why = 2
            break
        session, context, previous, think = -1, 0, -1, 0.0
        if is_turn:
            t = key[0]
            waiting -= 1
            slot = _pop(key, slots, waiting)
            s, session, context = slot_source[slot], slot_session[slot], slot_context[slot]
            previous, think = slot_previous[slot], slot_think[slot]
            free[spare] = slot
            spare += 1
        z = random[s]
        w = 2 if is_turn else 0
        new, z = _length(z, kind[s, w], a[s, w], b[s, w], begin[s, w], size[s, w], keep, other, value)
        output, z = _length(z, kind[s, 1], a[s, 1], b[s, 1], begin[s, 1], size[s, 1], keep, other, value)
        tokens, most = context + new, sources.most_tokens[s]
        in_sessions = sources.goes_on[s] >= 0.0
        blocks = 0
        if in_sessions:
            tokens = min(tokens, most - 1)
            output = min(output, most - tokens)
            if not is_turn:
                session = sessions
                sessions += 1
            if block_tokens > 0:
                blocks = (tokens + output) // block_tokens
        out.arrival_s[row], out.input_tokens[row], out.output_tokens[row] = t, tokens, output
        out.session[row], out.think_s[row] = session, think
        out.previous[row] = previous - base if previous >= base else -1
        out.shared_tokens[row] = min(context, tokens) if in_sessions else int(sources.hit_share[s] * tokens)
        if has_streams:
            out.stream[row] = sources.stream[s]
        first = out.block_start[row]
        for j in range(blocks):
            out.block_ids[first + j] = session * SESSION_BLOCKS + j
        out.block_start[row + 1] = first + blocks
        if in_sessions and tokens + output < most - 1:
            u, z = _uniform(z)
            if u < sources.goes_on[s]:
                pause = 0.0
                if sources.think_mean[s] > 0.0:
                    x, z = _normal(z)
                    pause = math.exp(sources.think_mu[s] + sources.think_sigma[s] * x)
                at = t + sources.nominal_ttft_s[s] + sources.nominal_tpot_s[s] * output + pause
                if at < end_s:
                    spare -= 1
                    slot = free[spare]
                    slot_source[slot], slot_session[slot], slot_context[slot] = s, session, tokens + output
                    slot_previous[slot], slot_think[slot] = base + row, pause
                    _push(key, slots, waiting, at, slot)
                    waiting += 1
        if not is_turn:
            gap, z = _gap(z, sources.family[s], sources.shape[s], sources.scale[s])
            next_s[s], bins[s] = later(
                t, bins[s], gap, rates, sources.rate_begin[s], sources.rate_size[s], sources.bin_s[s], end_s
            )
            _replay(tree, next_s, s)
        random[s] = z
        row += 1
    counts[1], counts[2], counts[3] = sessions, waiting, spare
    if why != 2:
        counts[0] = base + row
    return row, why
