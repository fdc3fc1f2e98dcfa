"""What stands in a plan beside what was published: power at the ends of years, and the residual."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from gigawatt.catalog.schema import Reference
from gigawatt.core.calendar import str_quarter, year_and_number
from gigawatt.study.resolve import Case


def beside_published(case: Case, stands_gw: dict[str, float], initial_gw: float) -> list[dict[str, Any]]:
    """Rows of quarter, what, published low, central and high, planned and residual [GW of facility power].

    Published are the catalogue's references ``<buyer>-compute-<year>`` (what stood) and ``<buyer>-plan-<year>`` (what
    was planned). They are of a whole fleet: a scenario that does not say ``whole_fleet`` has no rows. The plan's side
    is the stock at the end of the quarter, or what it starts with; None where the plan does not reach. Years of the
    horizon without a published figure have a row as well, so that none is passed over.
    Bases of published power are mostly not stated: the residual is shown as it is, and nothing is fitted to it.
    """
    pattern = re.compile(rf"{re.escape(case.scenario.buyer)}-(compute|plan)-\d{{4}}")
    if not case.scenario.whole_fleet:
        return []
    found = [row for row in case.catalog.all(Reference) if pattern.fullmatch(row.id) and row.power and row.quarter]
    if not found:
        return []
    said = {int(row.quarter.value): row for row in found if row.quarter}
    start = case.quarters[0]
    ends = [q for q in case.quarters if year_and_number(q)[1] == 4 and q <= max(said)]
    rows = []
    for quarter in sorted({*said, *ends}):
        reference = said.get(quarter)
        power = reference.power if reference else None
        low, central, high = (None, None, None) if power is None else tuple(v / 1e9 for v in power.range)
        planned = initial_gw if quarter == start - 1 else stands_gw.get(str_quarter(quarter))
        residual = planned - central if planned is not None and central is not None else None
        rows.append(
            {
                "quarter": str_quarter(quarter), "what": reference.name if reference else "",
                "low_gw": low, "published_gw": central, "high_gw": high,
                "planned_gw": None if planned is None else float(np.round(planned, 9)), "residual_gw": residual,
            }
        )  # fmt: skip
    return rows
