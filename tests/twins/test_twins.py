"""The kernel against its slow twin, number by number, on fleets that hypothesis makes up."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import Phase, given, settings

from gigawatt.serving.inputs import Rows, Setup
from gigawatt.serving.reference import simulate_reference
from gigawatt.serving.reference_state import Outcome
from gigawatt.serving.simulate import simulate_rows
from tests.cases.fleets import cases


def differences(case: tuple[Setup, Rows]) -> dict[str, tuple[object, object]]:
    """What kernel and twin say differently, by name."""
    fast, slow = simulate_rows(*case), simulate_reference(*case)
    return {
        field.name: (getattr(fast, field.name).tolist(), getattr(slow, field.name).tolist())
        for field in dataclasses.fields(Outcome)
        if not np.array_equal(getattr(fast, field.name), getattr(slow, field.name))
    }


@given(case=cases())
@settings(max_examples=150, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # shrinking takes minutes
def test_kernel_and_twin_agree_in_every_number(case: tuple[Setup, Rows]) -> None:
    assert not differences(case)


@pytest.mark.heavy
@given(case=cases())
@settings(max_examples=3_000, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_kernel_and_twin_agree_on_many_fleets(case: tuple[Setup, Rows]) -> None:
    assert not differences(case)


def test_kernels_say_the_same_uncompiled() -> None:
    # the same comparison in a process where numba compiles nothing
    script = (
        "from hypothesis import Phase, given, settings\n"
        "from tests.cases.fleets import cases\n"
        "from tests.twins.test_twins import differences\n"
        "@given(case=cases())\n"
        "@settings(max_examples=15, phases=[Phase.generate], deadline=None, derandomize=True, database=None)\n"
        "def same(case):\n"
        "    assert not differences(case)\n"
        "same()\n"
        "from gigawatt.serving import kernels\n"
        "assert not hasattr(kernels.advance, 'py_func')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
