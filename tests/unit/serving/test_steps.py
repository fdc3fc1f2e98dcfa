"""Whole numbers of kernels."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gigawatt.serving.steps import quotient, remainder


@given(st.integers(0, 2**52 - 1), st.integers(1, 2**52 - 1))
def test_quotients_are_those_of_integers(a: int, b: int) -> None:
    assert (quotient(a, b), remainder(a, b)) == divmod(a, b)


@given(st.integers(1, 2**26), st.integers(1, 2**26 - 1))
def test_quotients_just_below_a_whole_number(k: int, b: int) -> None:
    # k b - 1 over b is the float nearest to k from below that a division can come to
    assert quotient(k * b - 1, b) == k - 1
    assert quotient(k * b, b) == k
