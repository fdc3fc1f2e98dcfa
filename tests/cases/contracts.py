"""Plans with contracts, small enough to solve by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from gigawatt.plan.flows import EndValue, Rate
from gigawatt.plan.inputs import Milestones, PlanInputs
from gigawatt.plan.pace import Pace
from gigawatt.plan.terms import Leases, Terms
from tests.cases.tiny import QUARTERS, by, end, grid, owed, rate, text, tiny

FOUR = ("2027Q1", "2027Q2", "2027Q3", "2027Q4")
LATE = {"add_max_mw": grid("offer", ["a"], [[0.0, 0.0, np.inf, np.inf]], FOUR)}
"""Nothing before the third of four quarters."""


def rented(offers: list[str] | None = None, quarters: tuple[str, ...] = QUARTERS, **changes: Any) -> Any:
    """Offers rented at 1 MUSD a MW and quarter for one quarter at least."""
    names = offers or ["a"]
    base: dict[str, Any] = {
        "capex_musd_per_mw": grid("offer", names, 0.0, quarters),
        "hold_musd_per_mw": grid("offer", names, 1.0, quarters),
        "term_quarters": by("offer", names, np.ones(len(names))).astype(int),
        "offer_contract": text("offer", names, ["cloud"] * len(names)),
    }
    return tiny(offers=names, quarters=quarters, **(base | changes))


def cube(values: Any, quarters: tuple[str, ...] = QUARTERS, offers: tuple[str, ...] = ("a",)) -> xr.DataArray:
    n = len(quarters)
    table = np.broadcast_to(np.asarray(values, dtype=float), (len(offers), n, n)).copy()
    coords = {"offer": list(offers), "signed": list(quarters), "quarter": list(quarters)}
    return xr.DataArray(table, dims=("offer", "signed", "quarter"), coords=coords)


def link(row: str, label: str, offers: list[str], values: list[float]) -> xr.DataArray:
    return xr.DataArray([values], dims=(row, "offer"), coords={row: [label], "offer": offers})


def building(term: int = 99, due: float = 0.0, owing: Any = 0.0, deposit: float = 0.0, after: float = 0.0,
             quarters: tuple[str, ...] = QUARTERS, rent: float = 0.5) -> dict[str, Any]:  # fmt: skip
    """A lease of the hall; what is owed for an unused MW is what is owed for one taken into use first."""
    table = grid("site", ["hall"], owing, quarters)
    taken = table.rename(quarter="signed")
    return {
        "terms": Terms(leases=Leases(due_mw=grid("site", ["hall"], due, quarters),
                                     term_quarters=by("site", ["hall"], [term]).astype(int))),
        "rates": (rate("take-or-pay", "unused", grid("site", ["hall"], rent, quarters)),
                  rate("deposit-return", "vacate", by("site", ["hall"], [deposit]))),
        "ends": (*owed("taken", taken), *owed("unused_at_end", table.isel(quarter=0, drop=True)),
                 end("salvage", "vacate", by("site", ["hall"], [-after]))),
    }  # fmt: skip


def block(due: list[float], most: list[float] | None = None, gang: float = 0.0, **changes: Any) -> PlanInputs:
    """Work due by 2027Q4 on offer "a", 2 MUSD a MW, evenly as ``due``, or freely at ``most`` a quarter."""
    jobs = ("work",) if gang else ()
    pace = None
    if most is not None:
        asked = np.diff(np.minimum(np.cumsum(most), sum(due)), prepend=0.0)
        carry = grid("job", ["work"], [np.inf, np.inf, np.inf, 0.0], FOUR)
        pace = Pace(most=grid("job", ["work"], most, FOUR), carry=carry)
        due = asked.tolist()
    base: dict[str, Any] = {
        "delay_musd": grid("workload", ["work"], 0.0, FOUR),
        "patience": by("workload", ["work"], [2]).astype(int), "gang_workload": jobs, "pace": pace,
        "gang_mw": grid("gang", list(jobs), [gang if mw else 0.0 for mw in (most or due)], FOUR),
        "gang_offer": xr.DataArray(np.ones((len(jobs), 1)), dims=("gang", "offer"),
                                   coords={"gang": list(jobs), "offer": ["a"]}),
    }  # fmt: skip
    return tiny(quarters=FOUR, demand=[[due]], **(base | changes))


def milestones(**changes: object) -> Milestones:
    base = {
        "per_gw_musd": 1000.0, "n_max": 3, "whole": True, "lag": 1, "counts": by("offer", ["a"], [1.25]),
        "signing_quarter": None, "signing_musd": 0.0, "from_quarter": "2027Q1",
    }  # fmt: skip
    return Milestones(**(base | changes))  # type: ignore[arg-type]


def rents(over: Any, quarters: tuple[str, ...] = QUARTERS) -> Rate:
    """What a MW signed in a quarter pays beyond the rent of stock."""
    return rate("chip-rent", "signed", cube(over, quarters))


def owed_by_signing(values: list[float], quarters: tuple[str, ...] = QUARTERS) -> tuple[EndValue, EndValue]:
    coords = {"offer": ["a"], "signed": list(quarters)}
    return owed("signed_at_end", xr.DataArray([values], dims=("offer", "signed"), coords=coords))


def short(musd: float, quarters: tuple[str, ...] = QUARTERS) -> Rate:
    return rate("take-or-pay", "short", grid("take", ["k"], musd, quarters))
