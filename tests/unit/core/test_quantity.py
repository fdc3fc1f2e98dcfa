"""How a figure is written: text, mapping, conflicting list; and what is refused with which sentence."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from gigawatt.core.quantity import Quantity
from gigawatt.core.source import KINDS, Fact

POWER = Quantity("W")
BARE = Quantity("W", bare=True)


def _figure(**changes: Any) -> dict[str, Any]:
    return {"value": "10 GW", "source": "own", "kind": "press", "as_of": "2026-01"} | changes


def test_figure_becomes_a_fact_in_base_units() -> None:
    fact = POWER.read(_figure(low="8 GW", high="12 GW", note="a note"))
    assert fact == Fact(
        value=1e10, unit="W", text="10 GW", source=("own",), kind="press", as_of="2026-01",
        low=8e9, high=12e9, note="a note",
    )  # fmt: skip
    assert fact.range == (8e9, 1e10, 1.2e10)


def test_range_is_the_value_where_none_is_stated() -> None:
    assert POWER.read(_figure()).range == (1e10, 1e10, 1e10)


def test_several_sources_and_dates_as_numbers_are_taken() -> None:
    fact = POWER.read(_figure(source=["a", "b"], as_of=2026))
    assert fact.source == ("a", "b")
    assert fact.as_of == "2026"


def test_a_fact_passes_through() -> None:
    fact = POWER.read(_figure())
    assert POWER.read(fact) is fact


def test_conflicting_figures_keep_the_others_beside_the_chosen() -> None:
    fact = POWER.read([_figure(), _figure(value="7 GW", chosen=True), _figure(value="9 GW")])
    assert fact.value == 7e9
    assert [other.value for other in fact.alternatives] == [1e10, 9e9]


def test_chosen_may_be_quoted() -> None:
    """A file that was written again by another tool has its truths as text."""
    assert POWER.read([_figure(), _figure(value="7 GW", chosen="true")]).value == 7e9


def test_bare_figures_are_for_scenarios() -> None:
    fact = BARE.read("10 GW")
    assert (fact.value, fact.kind, fact.source) == (1e10, "scenario", ())
    assert BARE.read({"value": "10 GW", "low": "9 GW", "high": "11 GW"}).range == (9e9, 1e10, 1.1e10)


def test_dates_are_quarters() -> None:
    fact = Quantity("quarter").read(_figure(value="2026Q3", low="2026-04", high="2026-12-31"))
    assert fact.range == (4 * 2026 + 1, 4 * 2026 + 2, 4 * 2026 + 3)


KEYS = "as_of, chosen, high, kind, low, note, source, value"


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ("10 GW", "'10 GW' is a bare number; write {value, source, kind, as_of}"),
        (10, "10 is a bare number; write {value, source, kind, as_of}"),
        ([], "[] is a bare number; write {value, source, kind, as_of}"),
        (_figure(value="10"), "'10' has no unit; write for example 1.2 GW"),
        (_figure(value="10 GB"), "'10 GB' is not a power; write for example 1.2 GW (units: W, kW, MW, GW)"),
        (_figure(value=None), "None is not a number with a unit"),
        ({"source": "own"}, "a figure needs a 'value'"),
        (_figure(unit="W"), f"a figure has no key 'unit'; it has {KEYS}"),
        (_figure() | {5: "x", "z": "y"}, f"a figure has no key '5'; it has {KEYS}"),
        (
            {"value": 2, "5 MW": None},
            "'5 MW' stands alone; in {...} a comma parts two keys, "
            "so write decimals with a point or the whole in quotes",
        ),
        (_figure(source=5), "source is 5; write the key of a source, or a list of keys"),
        (_figure(source=None), "source is None; write the key of a source, or a list of keys"),
        (_figure(source=[["a"]]), "source is [['a']]; write the key of a source, or a list of keys"),
        (_figure(source={"a": "b"}), "source is {'a': 'b'}; write the key of a source, or a list of keys"),
        (_figure(source=["a", 5]), "source is ['a', 5]; write the key of a source, or a list of keys"),
        (_figure(as_of={"a": 1}), "as_of is {'a': 1}; write a date"),
        (_figure(note=["a"]), "note is ['a']; write a sentence"),
        (_figure(chosen=5), "chosen is 5; write true or false"),
        (_figure(source=[]), "the figure 10 GW has no source; name a key of sources.yaml"),
        (_figure(as_of=""), "the figure 10 GW has no date; add as_of"),
        (_figure(kind="guess"), f"kind is 'guess'; it is one of {', '.join(KINDS)}"),
        (_figure(kind=None), f"kind is None; it is one of {', '.join(KINDS)}"),
        (_figure(kind="judgement"), "the judgement 10 GW needs low, high and a note that says why"),
        (
            _figure(kind="judgement", low="8 GW", high="12 GW"),
            "the judgement 10 GW needs low, high and a note that says why",
        ),
        (_figure(low="11 GW"), "value 10 GW lies below its low 11 GW"),
        (_figure(high="9 GW"), "value 10 GW lies above its high 9 GW"),
        ([_figure(), _figure()], "2 conflicting figures need exactly one with 'chosen: true', not 0"),
        (
            [_figure(chosen=True), _figure(chosen=True), _figure()],
            "3 conflicting figures need exactly one with 'chosen: true', not 2",
        ),
    ],
)
def test_error_says_what_would_be_right(raw: Any, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the sentence is compared whole
        POWER.read(raw)
    assert str(caught.value) == sentence


def test_wrong_date_is_refused() -> None:
    with pytest.raises(ValueError, match="'soon' is not a quarter; write for example 2026Q3 or 2026-08-15"):
        Quantity("quarter").read(_figure(value="soon"))


class _Box(BaseModel, arbitrary_types_allowed=True):
    power: Annotated[Fact, Quantity("W")]
    spare: Annotated[Fact, Quantity("W", bare=True)] | None = None


def test_pydantic_reads_and_refuses_through_it() -> None:
    box = _Box.model_validate({"power": _figure(), "spare": "5 MW"})
    assert box.power.value == 1e10
    assert box.spare is not None
    assert box.spare.value == 5e6
    with pytest.raises(ValidationError, match="'5 MW' is a bare number"):
        _Box.model_validate({"power": "5 MW"})


def test_editors_get_a_schema() -> None:
    properties = _Box.model_json_schema()["properties"]
    figure = properties["power"]["anyOf"][0]
    assert figure["required"] == ["value", "source", "kind", "as_of"]
    assert "judgement" in figure["properties"]["kind"]["enum"]


@settings(deadline=None)
@given(
    value=st.floats(min_value=1, max_value=1e6),
    down=st.floats(min_value=0, max_value=1),
    up=st.floats(min_value=1, max_value=10),
)
def test_range_holds_the_value(value: float, down: float, up: float) -> None:
    raw = _figure(
        value=f"{value!r} MW",
        low=f"{value * down!r} MW",
        high=f"{value * up!r} MW",
        kind="judgement",
        note="Because.",
    )
    low, central, high = POWER.read(raw).range
    assert low <= central <= high
    assert central == pytest.approx(value * 1e6)
