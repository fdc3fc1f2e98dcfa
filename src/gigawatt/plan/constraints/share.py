"""Speed is paid for by those who care for it, and a region asks for no more than its users do."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import WORK, Family, Words

SHARE = Family("share", WORK, Words("what users of a speed or a region ask for", once=True))


def share(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{l in g} rate[l,q] assign[l,b,q] <= most[g,b,q]   [Mwork/s]

    A group is what is served at a speed or faster, or what is served to users of one region.
    """
    if d.service is None or d.service.shares is None:
        return
    rows = d.service.shares
    served = (x.assign * d.rate).dot(rows.member, "lane")
    m.add_rows(SHARE, served, "<=", rows.most)
