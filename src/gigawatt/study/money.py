"""Terms of money: nominal or real, declared once for a scenario, and rates and prices in the same terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gigawatt.core.money import per_quarter
from gigawatt.core.units import HOURS_PER_YEAR

if TYPE_CHECKING:
    from gigawatt.study.resolve import Case, SiteCase

Floats = npt.NDArray[np.float64]
YEAR_S = HOURS_PER_YEAR * 3600.0


MOST_INFLATION = 0.5
"""Yearly inflation above which a figure is taken for a slip of the pen: no currency that data centres pay in had it."""


def check_money(scenario: Any) -> None:
    """Real money needs the inflation that makes rates real. Raises ValueError with a sentence."""
    if scenario.inflation is not None and scenario.inflation.value * YEAR_S > MOST_INFLATION:
        raise ValueError(
            f"inflation: {scenario.inflation.text} is more than {MOST_INFLATION * 100:g} % a year; write by how much "
            "prices rise in a year, for example 2.5 %/yr"
        )
    if scenario.money == "real" and scenario.inflation is None:
        raise ValueError(
            "money: real money needs the inflation that turns nominal rates into real ones; "
            "write for example inflation: 2.5 %/yr"
        )


def inflation(case: Case) -> float:
    """Inflation per quarter; 0 where the scenario names none."""
    fact = case.scenario.inflation
    return per_quarter(fact.value) if fact else 0.0


def rate(case: Case, nominal_per_s: float) -> float:
    """Rate per quarter in the terms of the scenario's money, from a nominal rate as markets quote it.

        real: (1 + n) / (1 + i) - 1

    Source: Fisher, The Theory of Interest (1930), chapter 2.
    """
    nominal = per_quarter(nominal_per_s)
    return (1.0 + nominal) / (1.0 + inflation(case)) - 1.0 if case.scenario.money == "real" else nominal


def escalation(case: Case) -> Floats:
    """Factor on prices that follow inflation: energy, maintenance and upkeep of buildings (quarter).

    1 in real money and without inflation. Prices that a contract fixes stay as they are written.
    """
    steps = np.arange(len(case.quarters))
    return np.ones(steps.size) if case.scenario.money == "real" else np.asarray((1.0 + inflation(case)) ** steps)


def building_escalation(case: Case, site: SiteCase) -> Floats:
    """Factor on what a building costs while it is in use: upkeep follows inflation, a lease is fixed (quarter)."""
    return escalation(case) if site.use.tenure == "own" else np.ones(len(case.quarters))
