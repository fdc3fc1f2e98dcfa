"""Every family of rows and every bound is either a limit with words, or bookkeeping with a reason."""

from __future__ import annotations

import numpy as np
import pytest

from gigawatt.plan.algebra import Model
from gigawatt.plan.constraints import CONSTRAINTS
from gigawatt.plan.limits import BOOKKEEPING, BOUNDS, FIXED, PRICED_ELSEWHERE, WORDS, data_of, family_of, span
from gigawatt.plan.live import build
from tests.cases.every import every_model
from tests.cases.tiny import grid, tiny

MODELS = {name: (build(inputs)[0], inputs) for name, inputs in every_model().items()}


def rows_with_words(models: list[Model]) -> set[str]:
    return {name for model in models for name in model.constraints}


@pytest.mark.parametrize("family", [name for name, _ in CONSTRAINTS])
def test_a_family_has_words_or_a_reason(family: str) -> None:
    assert (family in WORDS) != (family in BOOKKEEPING), f"'{family}' belongs into WORDS or into BOOKKEEPING"


@pytest.mark.parametrize("name", sorted(rows_with_words([model for model, _ in MODELS.values()])))
def test_rows_have_words_or_a_reason(name: str) -> None:
    family = family_of(name)
    assert (family in WORDS) != (family in BOOKKEEPING), f"rows '{name}' belong into WORDS or into BOOKKEEPING"


def test_the_models_have_every_family() -> None:
    """Otherwise the test above would prove little."""
    seen = {family_of(name) for name in rows_with_words([model for model, _ in MODELS.values()])}
    assert set(WORDS) - seen == set()


def test_bounds_have_words_or_a_reason() -> None:
    for label, (model, _) in MODELS.items():
        upper, whole = np.concatenate(model.upper), np.concatenate(model.integer)
        for name, variable in model.variables.items():
            columns = variable.columns[variable.columns >= 0]
            if np.isfinite(upper[columns]).any() and not whole[columns].any():
                assert (name in BOUNDS) != (name in FIXED), f"{label}: bound of '{name}'"


def test_what_is_priced_elsewhere_is_a_family() -> None:
    assert set(PRICED_ELSEWHERE) <= set(WORDS)
    assert set(WORDS) & set(BOOKKEEPING) == set()


def test_the_longest_name_wins() -> None:
    assert family_of("vacate_fit_total") == "vacate_fit_total"  # accounts of classes, no term of a lease
    assert family_of("vacate_4_air") == "vacate"
    assert family_of("survival_capacity") == "survival_capacity"
    assert family_of("minimum_take_sites") == "minimum_take"
    assert family_of("unheard_of") == "unheard_of"


def test_one_figure_over_quarters_is_one_datum() -> None:
    # 10 facility MW in both quarters are one figure; 10 and then 30 are two. What stood is part of the user's figure
    def connections(mw: list[float]) -> list[tuple[float, tuple[str, ...]]]:
        inputs = tiny(
            connection_mw=grid("site", ["hall"], [mw]), energised_initial_mw=grid("site", ["hall"], 4.0)[:, 0]
        )
        return [(x.figure, x.quarters) for x in data_of(build(inputs)[0], inputs) if x.family == "connection"]

    assert connections([10.0, 10.0]) == [(10.0, ("2027Q1", "2027Q2"))]
    assert connections([10.0, 30.0]) == [(10.0, ("2027Q1",)), (30.0, ("2027Q2",))]


def test_quarters_as_people_say_them() -> None:
    every = ("2027Q1", "2027Q2", "2027Q3", "2027Q4")
    assert span(every[:1], every) == "2027Q1"
    assert span(every[1:], every) == "2027Q2 to 2027Q4"
    assert span((every[0], every[3]), every) == "2 quarters from 2027Q1 to 2027Q4"
