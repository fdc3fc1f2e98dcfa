"""Every family of rows and every bound is either a limit with words, or bookkeeping with a reason."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xarray as xr

from gigawatt.core.errors import InfeasibleError
from gigawatt.plan.algebra import Model
from gigawatt.plan.amounts import AMOUNTS
from gigawatt.plan.decisions import COLUMNS, Decisions
from gigawatt.plan.explain import bindings
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.limits import data_of, span
from gigawatt.plan.live import build
from gigawatt.plan.lumps import Lumps
from gigawatt.plan.metadata import DECIDED, WORK, Family, Words
from tests.cases.contracts import FOUR, LATE, block
from tests.cases.every import every_model
from tests.cases.tiny import by, grid, solved, tiny

HERE = Path(__file__).parents[3]
MODELS = {name: (build(inputs)[0], inputs) for name, inputs in every_model().items()}


def families_of(models: list[Model]) -> dict[str, Family]:
    return {rows.family.name: rows.family for model in models for rows in model.constraints.values()}


def test_the_models_have_every_decision() -> None:
    """Otherwise the tests below would prove little; a gang of one system is in no model of them."""
    seen = {name for model, _ in MODELS.values() for name in model.variables}
    assert set(COLUMNS) - seen == {"gang_on", "sold_initial", "steady", "at_tariff", "kept_fit", "kept_retrofit"}


def test_a_family_means_one_thing() -> None:
    for model, _ in MODELS.values():
        for rows in model.constraints.values():
            assert rows.family == families_of([model])[rows.family.name]
            assert rows.family.said


def test_amounts_have_the_axes_they_say() -> None:
    """Every amount but those of numbers alone is in a model, and is over the axes that docs/reference/model.md gives."""
    seen = set()
    for model, inputs in MODELS.values():
        for name, amount in AMOUNTS.items():
            if (found := amount.of(inputs, Decisions(model, inputs))) is not None:
                assert tuple(found.axes) == amount.axes, name
                seen.add(name)
    assert set(AMOUNTS) - seen == {"sold_initial", "kept_fit", "kept_retrofit", "at_work", "withheld"}


def test_bounds_have_words_or_a_reason() -> None:
    for label, (model, _) in MODELS.items():
        upper, whole = np.concatenate(model.upper), np.concatenate(model.integer)
        for name, variable in model.variables.items():
            columns = variable.columns[variable.columns >= 0]
            if np.isfinite(upper[columns]).any() and not whole[columns].any():
                assert variable.column.bound, f"{label}: bound of '{name}'"
            assert variable.column.whole or not whole[columns].any(), f"{label}: '{name}' comes whole without words"


def test_decisions_have_the_axes_they_say() -> None:
    for model, _ in MODELS.values():
        for variable in model.variables.values():
            said = variable.column.axes
            assert tuple(variable.axes) == said or (variable.name == "z" and tuple(variable.axes) == said[1:])


def test_who_knows_what_when() -> None:
    for name, column in COLUMNS.items():
        assert column.decided in DECIDED and (column.decided == "order") == bool(column.lead), name
        if "quarter" not in column.axes:
            assert column.decided in ("start", "end"), name


@pytest.mark.parametrize("job", ["gang", "reserved", "pace", "right", "stock", "gang_job", "one_system"])
def test_the_name_of_a_job_says_nothing_of_its_rows(job: str) -> None:
    """Rows of a block are those of a block that is called "work", whatever it is called."""

    def found(name: str) -> list[tuple[str, str, tuple[str, ...], str]]:
        inputs = called(block([4.0] * 4, [8.0] * 4, gang=8.0), name)
        return sorted(
            (rows.family.name, str(rows.part), rows.labels, rows.family.missed)
            for rows in (each.block for each in build(inputs)[0].constraints.values())
        )

    assert [(family, part, missed) for family, part, _, missed in found(job)] == [
        (family, part, missed) for family, part, _, missed in found("work")
    ]


def called(d: PlanInputs, name: str) -> PlanInputs:
    """A plan of one class whose class has another name, in every array that has it as a label."""
    (old,) = [str(each) for each in d.demand["workload"].values]

    def renamed(values: object) -> object:
        if not isinstance(values, xr.DataArray):
            return values
        for dim in ("workload", "job", "gang"):
            if dim in values.dims:
                values = values.assign_coords({dim: [name if each == old else each for each in values[dim].values]})
        return (
            values.copy(data=np.where(values.values == old, name, values.values))
            if values.dtype.kind in "UO"
            else values
        )

    fields = {key: renamed(getattr(d, key)) for key in d.__dataclass_fields__}
    fields["gang_workload"] = tuple(name if each == old else each for each in d.gang_workload)
    if d.pace is not None:
        fields["pace"] = replace(d.pace, most=renamed(d.pace.most), carry=renamed(d.pace.carry))  # type: ignore[arg-type]
    return replace(d, **fields)  # type: ignore[arg-type]


def test_a_pace_that_binds_says_of_which_job() -> None:
    # 5 a quarter of 16 that are due in two: the pace binds in both
    (row,) = bindings(solved(block([4.0] * 4, [5.0] * 4, **LATE)))
    assert (row.family, row.label, row.quarters) == ("pace", "day, work", ("2027Q3", "2027Q4"))


def test_a_gang_of_uneven_pace_is_no_stranger_to_conflicts() -> None:
    # 200 MW of IT need 250 facility MW of 100; the rows of the block at its place have no axis of gangs
    able = xr.DataArray([[[1.0]]], dims=("gang", "place", "offer"),
                        coords={"gang": ["work"], "place": ["hall"], "offer": ["a"]})  # fmt: skip
    lumps = Lumps(whole=False, hall_mw=by("site", ["hall"], [0.0]),
                  gang_able=able)  # fmt: skip
    inputs = block([4.0] * 4, [8.0] * 4, gang=8.0, lumps=lumps, stock_min_mw=grid("offer", ["a"], 200.0, FOUR))
    with pytest.raises(InfeasibleError) as found:
        solved(inputs)
    assert str(found.value).splitlines()[1:] == [
        "  a contract's minimum take (a, 2027Q1 to 2027Q4): give way by 120 MW of IT, from 200",
        "  or energised connections (hall, 2027Q1 to 2027Q4): give way by 150 MW of facility power, from 100",
    ]


def test_rows_of_one_name_stand_apart() -> None:
    # the pace of a job "gang_a" and the gang of a job "a" are both called pace_gang_a
    m, x = Model(), build(tiny())[0]
    m.variables, m.n_columns = x.variables, x.n_columns
    pace, gang = Family("pace", WORK, Words("pace")), Family("pace_gang", WORK, "a gang of its pace")
    m.add_rows(pace.of("gang_a"), m.expression("stock"), "<=", 1.0)
    m.add_rows(gang.of("a"), m.expression("stock"), "<=", 2.0)
    assert [(name, rows.family) for name, rows in m.constraints.items()] == [
        ("pace_gang_a", pace),
        ("pace_gang[;a]", gang),
    ]
    with pytest.raises(ValueError, match="the rows 'pace_gang_a' stand already"):
        m.add_rows(gang.of("a"), m.expression("stock"), "<=", 2.0)


def test_the_reference_of_the_model_is_fresh() -> None:
    """docs/reference/model.md is what `make model` writes: every decision, and every family of rows that a plan has."""
    written = import_from(HERE / "benchmarks" / "model.py")
    page = (HERE / "docs" / "reference" / "model.md").read_text(encoding="utf-8")
    assert page == written.page()
    for family in families_of([model for model, _ in MODELS.values()]):
        assert f"| `{family}` |" in page


def import_from(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_figure_over_quarters_is_one_datum() -> None:
    # 10 facility MW in both quarters are one figure; 10 and then 30 are two. What stood is part of the user's figure
    def connections(mw: list[float]) -> list[tuple[float, tuple[str, ...]]]:
        inputs = tiny(
            connection_mw=grid("site", ["hall"], [mw]), energised_initial_mw=grid("site", ["hall"], 4.0)[:, 0]
        )
        return [(x.figure, x.quarters) for x in data_of(build(inputs)[0]) if x.family == "connection"]

    assert connections([10.0, 10.0]) == [(10.0, ("2027Q1", "2027Q2"))]
    assert connections([10.0, 30.0]) == [(10.0, ("2027Q1",)), (30.0, ("2027Q2",))]


def test_quarters_as_people_say_them() -> None:
    every = ("2027Q1", "2027Q2", "2027Q3", "2027Q4")
    assert span(every[:1], every) == "2027Q1"
    assert span(every[1:], every) == "2027Q2 to 2027Q4"
    assert span((every[0], every[3]), every) == "2 quarters from 2027Q1 to 2027Q4"
