"""Fixtures that several rooms share: finished runs are made once a worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from gigawatt.study.results import Results
from gigawatt.study.run import run

settings.register_profile("suite", deadline=None)  # machines are noisy, and first calls import
settings.load_profile("suite")

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def neocloud() -> Results:
    """A finished run of the smallest shipped scenario."""
    return run("neocloud")


@pytest.fixture(scope="session")
def announcement() -> Results:
    """A finished run of the founding case."""
    return run("announcement")
