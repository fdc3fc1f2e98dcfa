"""Fixtures that several rooms share: finished runs are made once a suite."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from gigawatt.study.results import Results
from tests.cases.shipped import finished

settings.register_profile("suite", deadline=None)  # machines are noisy, and first calls import
settings.load_profile("suite")


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which workers of this suite leave finished runs for each other."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "runs"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def neocloud(runs: Path) -> Results:
    """A finished run of the smallest shipped scenario."""
    return finished("neocloud", runs)


@pytest.fixture(scope="session")
def announcement(runs: Path) -> Results:
    """A finished run of the founding case."""
    return finished("announcement", runs)
