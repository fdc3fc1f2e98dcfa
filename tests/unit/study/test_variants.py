"""A case planned again with something left out: nothing else is."""

from __future__ import annotations

from dataclasses import fields

from gigawatt.study.variants import without_commitments
from tests.cases.every import every_family


def test_without_commitments_nothing_else_is_left_out() -> None:
    """Held stock, minimum takes, rights and all other arrays and prices stay: one meaning of "without commitments"."""
    signed = every_family()
    free = without_commitments(signed)
    assert float(abs(signed.commitment_mw).sum()) > 0
    assert float(abs(free.commitment_mw).sum()) == 0
    changed = {field.name for field in fields(signed) if getattr(signed, field.name) is not getattr(free, field.name)}
    assert changed == {"commitment_mw", "terms", "rates"}
    paid = [row.kind for row, was in zip(free.rates, signed.rates, strict=True) if row is not was]
    assert paid == ["delay-damages"]  # what is late for nobody is paid for by nobody
    terms = {field.name for field in fields(signed.terms)
             if getattr(signed.terms, field.name) is not getattr(free.terms, field.name)}  # fmt: skip
    assert terms == {"late"}
    assert not any(row.musd.any() for row in free.rates if row.kind == "delay-damages")
    assert free.terms.late is None and free.terms.takes is not None and free.rights
