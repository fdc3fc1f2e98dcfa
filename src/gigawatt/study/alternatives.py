"""Other plans of a scenario: which vendor, site, system or provider could it do without, and at what cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import xarray as xr

from gigawatt.core.errors import ScenarioError
from gigawatt.plan.alternatives import Alternatives, alternatives
from gigawatt.plan.session import PlanSession
from gigawatt.study.inputs import plan_inputs

if TYPE_CHECKING:
    from gigawatt.study.resolve import Case

KINDS = ("vendor", "site", "system", "provider")


def other_plans(
    case: Case,
    *,
    by: Sequence[str] = ("vendor", "site"),
    slacks: Sequence[float] = (0.01, 0.05),
    at: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Alternatives:
    """Least and most of every group within each slack, and what doing without it costs.

    Raises ScenarioError for an unknown kind, slack or quarter, and what solving raises.
    """
    for kind in by:
        if kind not in KINDS:
            raise ScenarioError(f"--by {kind}: groups are {', '.join(KINDS)}")
    inputs = plan_inputs(case)
    labels = {
        "vendor": inputs.offer_vendor, "site": inputs.offer_site, "system": inputs.offer_system,
        "provider": xr.DataArray(
            [offer.offer.provider for offer in case.offers], dims="offer", coords={"offer": inputs.offer_site["offer"]}
        ),
    }  # fmt: skip
    try:
        return alternatives(PlanSession(inputs), {kind: labels[kind] for kind in by}, slacks=slacks, at=at, say=say)
    except ValueError as error:
        raise ScenarioError(str(error)) from error
