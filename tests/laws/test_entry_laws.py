"""The price that ``why`` says brings a choice in: set it and it enters; a little worse and it does not."""

from __future__ import annotations

import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.plan.session import PlanSession
from gigawatt.study.change import OfferPrice, apply
from gigawatt.study.entry import enough_mw, entering_share, has_room
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import Case, OfferCase, resolve
from gigawatt.study.scenario import bundled, load_scenario

QUICK = ("neocloud", "starter")
MOST = 2
"""Offers of a scenario that are asked about."""


def takes(case: Case, offers: tuple[OfferCase, ...]) -> bool:
    """Whether a plan made from nothing takes some of an offer."""
    accepted = PlanSession(plan_inputs(case)).solve(explain=False).value("add").sum("quarter")
    return float(accepted.sel(offer=[row.id for row in offers]).sum()) > enough_mw(float(accepted.sum()))


def at_share(case: Case, offers: tuple[OfferCase, ...], share: float) -> Case:
    return apply(case, [OfferPrice(id=row.id, share=share) for row in offers])


def entries(case: Case) -> list[tuple[OfferCase, ...]]:
    names = dict.fromkeys(row.offer.id for row in case.offers)
    return [tuple(row for row in case.offers if row.offer.id == name) for name in names]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.heavy) for name in ("starter", *bundled())]
)
def test_the_price_said_is_the_price_it_enters_at(name: str) -> None:
    case = resolve(load_scenario(name), load_catalog())
    session = PlanSession(plan_inputs(case))
    plan = session.solve()
    accepted = plan.value("add").sum("quarter")
    enough = enough_mw(float(accepted.sum()))
    left_out = [row for row in entries(case)
                if float(accepted.sel(offer=[each.id for each in row]).sum()) <= enough and has_room(session, row)]  # fmt: skip
    for offers in left_out[:MOST]:
        share = entering_share(case, session, offers)
        if share is None:
            assert not takes(at_share(case, offers, 0.0), offers), offers[0].id
            continue
        assert takes(at_share(case, offers, 0.995 * share), offers), (offers[0].id, share)
        assert not takes(at_share(case, offers, 1.005 * share), offers), (offers[0].id, share)
