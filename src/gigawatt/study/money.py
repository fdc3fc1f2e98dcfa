"""Terms of money: nominal or real, declared once for a scenario.

A real plan is a nominal plan in other units. The planner always reckons in money of the quarter: prices of today follow
inflation until somebody signs them, and what a contract, a round or a date has fixed stays as it is written. With
``money: real`` what comes out is divided by the level of prices then, here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.core.calendar import YEAR_S
from gigawatt.core.money import per_quarter
from gigawatt.study.change import Priced, price_path

if TYPE_CHECKING:
    from gigawatt.finance.ledger import Flow
    from gigawatt.study.resolve import Case

Floats = npt.NDArray[np.float64]


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
            "money: real money needs the inflation that prices are divided by; write for example inflation: 2.5 %/yr"
        )


def inflation(case: Case) -> float:
    """Inflation per quarter; 0 where the scenario names none."""
    fact = case.scenario.inflation
    return per_quarter(fact.value) if fact else 0.0


def real_rate(case: Case, nominal: float) -> float:
    """Rate per quarter at prices of the first quarter, from a nominal rate per quarter; the same without inflation.

        (1 + n) / (1 + i) - 1

    Source: Fisher, The Theory of Interest (1930), chapter 2.
    """
    return (1.0 + nominal) / (1.0 + inflation(case)) - 1.0


def price_level(case: Case, after: int = 0, *, of: Priced | None = None) -> Floats:
    """Factor on prices of today, by quarter of the horizon and ``after`` quarters more: (1 + i)^q (quarter).

    ``of`` a kind of prices: with what has changed of it (``change.PRICES``).

    Prices of today are those of systems, buildings, energy and upkeep, rents until they are signed, and what work is
    worth and sold for. Money that a contract or a date fixes has no factor: rents once signed, deposits, premiums,
    fees, penalties, damages, rounds, credit, declared revenue, shares.
    """
    level = np.asarray((1.0 + inflation(case)) ** np.arange(len(case.quarters) + after))
    return level if of is None else level * price_path(case, of, after)


def deflator(case: Case) -> Floats:
    """Factor that brings money of a quarter into the scenario's terms (quarter): 1 in nominal, else (1 + i)^-q."""
    return 1.0 / price_level(case) if case.scenario.money == "real" else np.ones(len(case.quarters))


def flows_in_terms(case: Case, flows: Iterable[Flow]) -> Iterator[Flow]:
    """Flows of the quarter in the scenario's terms."""
    factor = dict(zip(case.labels, deflator(case).tolist(), strict=True))
    for flow in flows:
        yield flow if factor[flow.quarter] == 1.0 else replace(flow, usd=flow.usd * factor[flow.quarter])


def plan_in_terms(case: Case, plan: xr.Dataset) -> xr.Dataset:
    """The plan with its money in the scenario's terms; what has no quarter is money of the last.

    Present values, in money of the start, are the same in both: the objective, its bound, and shadow prices.
    """
    if case.scenario.money != "real":
        return plan
    factor = xr.DataArray(deflator(case), dims="quarter", coords={"quarter": list(case.labels)})
    money = [str(name) for name, values in plan.data_vars.items() if values.attrs.get("units") == "USD"]
    changed = {}
    for name in money:
        rows = plan[name]
        each = factor if "quarter" in rows.dims else float(factor[-1])
        changed[name] = (rows * each).transpose(*rows.dims).assign_attrs(rows.attrs)
    return plan.assign(changed)
