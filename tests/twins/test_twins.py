"""The kernel against its slow twin, number by number, on fleets that hypothesis makes up."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import Phase, given, settings

from gigawatt.serving.inputs import Rows, Setup
from gigawatt.serving.reference import Outcome, simulate_reference
from tests.twins.strategies import cases


@given(case=cases())
@settings(max_examples=150, phases=[Phase.reuse, Phase.generate])
def test_kernel_and_twin_agree_in_every_number(case: tuple[Setup, Rows]) -> None:
    simulate = pytest.importorskip("gigawatt.serving.simulate")
    fast, slow = simulate.simulate_rows(*case), simulate_reference(*case)
    different = {
        field.name: (getattr(fast, field.name).tolist(), getattr(slow, field.name).tolist())
        for field in dataclasses.fields(Outcome)
        if not np.array_equal(getattr(fast, field.name), getattr(slow, field.name))
    }
    assert not different
