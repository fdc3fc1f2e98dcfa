"""How hard the packages of a replica work: what it has done in seconds at peak, over the seconds it took.

    load = min(1, w_c c^p + w_m m)          0 waiting, 1 at design power

c and m are the shares of peak arithmetic and of peak memory bandwidth that were achieved, w_c, p and w_m those of
``perf.energy`` over the span between idle and design power. ``StepTable.watts_at`` has the watts of a load.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gigawatt.perf.grid import on_grid

Floats = npt.NDArray[np.float64]


class Done(NamedTuple):
    """What a replica, or several, have done; (k,) each.

    Attributes:
        steps: iterations with decoding sequences.
        decoded: those sequences, added over the steps.
        context: their tokens in cache, added over the steps.
        passes: iterations with prompts.
        mixed: iterations with both.
        fresh: prompt tokens.
        weighted: sum of n (2 c + n) over prompts of n tokens behind c cached ones.
    """

    steps: Floats
    decoded: Floats
    context: Floats
    passes: Floats
    mixed: Floats
    fresh: Floats
    weighted: Floats

    @property
    def mean_step(self) -> tuple[Floats, Floats]:
        """(sequences, tokens in cache of each) of a mean step."""
        return _over(self.decoded, self.steps), _over(self.context, self.decoded)

    @property
    def mean_pass(self) -> tuple[Floats, Floats]:
        """(tokens, cached ones before them) of a mean pass, as ``serving.steps.prefill_fs`` counts them."""
        tokens = _over(self.fresh, self.passes)
        return tokens, 0.5 * (_over(self.weighted, self.fresh) - tokens)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Effort:
    """Seconds at peak of the packages of a replica, of arithmetic and of memory bandwidth (first axis).

    Args:
        sequences, context: (n,), (m,) axes of ``decode_s``, as of a StepTable.
        decode_s: (2, n, m) one decode step [s].
        new_tokens, cached: (p,), (q,) axes of ``prefill_s``.
        prefill_s: (2, p, q) one pass [s].
        shared_s: (2,) counted in both where an iteration does both: weights are read once [s].
        weights: (3,) w_c, p, w_m.
    """

    sequences: Floats
    context: Floats
    decode_s: Floats
    new_tokens: Floats
    cached: Floats
    prefill_s: Floats
    shared_s: Floats
    weights: Floats

    def load(self, done: Done, spent_s: npt.ArrayLike) -> Floats:
        """Load of packages that took ``spent_s`` (k,) for what they did [0 to 1]."""
        compute, memory = (np.clip(_over(self._at_peak(done, k), np.asarray(spent_s)), 0.0, 1.0) for k in (0, 1))
        by_compute, exponent, by_memory = self.weights
        return np.asarray(np.minimum(by_compute * compute**exponent + by_memory * memory, 1.0))

    def sharing(self, tokens_per_step: float) -> Effort:
        """The same where a step is a share of one that makes several tokens of each sequence."""
        return replace(self, decode_s=self.decode_s / tokens_per_step)

    def _at_peak(self, done: Done, k: int) -> Floats:
        decode = on_grid(*done.mean_step, self.sequences, self.context, self.decode_s[k])
        prefill = on_grid(*done.mean_pass, self.new_tokens, self.cached, self.prefill_s[k])
        return np.asarray(done.steps * decode + done.passes * prefill - done.mixed * self.shared_s[k])


def _over(amount: Floats, of: npt.ArrayLike) -> Floats:
    parts = np.asarray(of, dtype=np.float64)
    return np.divide(amount, parts, out=np.zeros(np.shape(amount)), where=parts > 0.0)
