"""A case planned again with something left out: nothing else is."""

from __future__ import annotations

from dataclasses import fields

from gigawatt.catalog.load import load_catalog
from gigawatt.study.change import Without, apply
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import resolve
from gigawatt.study.scenario import load_scenario


def test_without_commitments_nothing_else_is_left_out() -> None:
    """Held stock, minimum takes, and every other array stay: one meaning of "without commitments"."""
    case = resolve(load_scenario("renegotiated"), load_catalog(), ["rubin-late"])
    promises = [Without(kind="commitment", id=row.id) for row in case.scenario.commitments]
    signed, free = plan_inputs(case), plan_inputs(apply(case, promises))
    assert float(abs(signed.commitment_mw).sum()) > 0 and signed.terms.late is not None
    assert free.commitment_mw.sizes["commitment"] == 0 and free.terms.late is None
    assert free.terms.takes is not None and signed.terms.takes is not None
    assert free.terms.takes.mw.equals(signed.terms.takes.mw) and free.stock_min_mw.equals(signed.stock_min_mw)
    moved = {
        field.name for field in fields(signed) if not _same(getattr(signed, field.name), getattr(free, field.name))
    }
    assert moved - {"terms"} == {"commitment_weight", "commitment_mw", "rates"}
    of_commitments = {"cancellation", "penalty", "delay-damages"}
    assert _same([rate for rate in signed.rates if rate.kind not in of_commitments], list(free.rates))


def _same(one: object, other: object) -> bool:
    return one.equals(other) if hasattr(one, "equals") else repr(one) == repr(other)  # type: ignore[attr-defined]
