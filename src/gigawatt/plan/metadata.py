"""What is said of a decision and of a rule of the plan, once, where it is made: units, words, who may change it, when.

All else that depends on which decision or rule it is derives from here: limits in words, what a tree ties together,
what is signed, what a result is called, ``docs/reference/model.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, overload

import xarray as xr

if TYPE_CHECKING:
    from gigawatt.plan.algebra import Expression

LESS = "one {one} less"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of the plan, what one of it is called, and in results: base unit, how many of it, ending of the name."""

    text: str
    one: str
    base: str = "1"
    scale: float = 1.0
    ending: str = ""


IT = Unit("MW of IT", "MW of IT", "W", 1e6, "_w")
FACILITY = Unit("MW of facility power", "facility MW", "W", 1e6, "_w")
MW = Unit("MW", "MW", "W", 1e6, "_w")
"""IT or facility power, as the contract counts it"""
GW = Unit("GW", "GW")
WORK = Unit("Mwork/s", "Mwork/s", "token/s or FLOP/s")
"""in results times ``PlanInputs.work_scale``"""
MUSD = Unit("MUSD", "MUSD", "USD", 1e6, "_usd")
PACKAGES, HALLS, PLACES = Unit("packages", "package"), Unit("halls", "hall"), Unit("places", "place")
SHARE, STEPS, ONE = Unit("share", "share"), Unit("steps", "step"), Unit("1", "1")


@dataclass(frozen=True, slots=True)
class Words:
    """A limit that a user can change: in words, and the change of one unit that helps.

    ``many``: the words are plural. ``once``: the figure is of one quarter; else it stands until the next step of its
    schedule. ``whole``: it gives way by whole ones. ``instead``: said in place of an amount. ``beyond_start``: the
    figure counts beyond what stood at the start. ``first``: of limits that could give way by as much, it does.
    """

    text: str
    change: str = "one more {one}"
    many: bool = False
    once: bool = False
    whole: bool = False
    instead: str = ""
    beyond_start: bool = False
    first: bool = False

    def eased(self, one: str) -> str:
        """The change of one unit that helps: "one more package"."""
        return self.change.format(one=one)


@dataclass(frozen=True, slots=True)
class Family:
    """Rows of one meaning. What is ``said`` is words, of a limit that a user can change; else the reason why none can.

    Args:
        name: the beginning of the rows' names.
        unit: of the right-hand side.
        said: see above.
        missed: what a miss is called, where rows may be missed at a price as lateness leaves no other way; "": firm.
        missed_if_early: whether only rows may that hold an order placed before a branch.
        priced: False where the dual is mostly the cost of another decision: then it is named in conflicts alone.
        of_offers: whether rows add up the capacity of offers.
    """

    name: str
    unit: Unit
    said: Words | str
    missed: str = ""
    missed_if_early: bool = False
    priced: bool = True
    of_offers: bool = False

    @property
    def words(self) -> Words | None:
        """Words of a limit; None for bookkeeping."""
        return self.said if isinstance(self.said, Words) else None

    def of(self, *labels: str, part: str | int = "", figure: xr.DataArray | None = None) -> Block:
        """Rows of the family that are about some labels, or a part of it."""
        return Block(family=self, labels=labels, part=part, figure=figure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Rows that stand together: their family, which part of it, and who they are about beyond what their axes say.

    ``figure`` is the user's own, where the right-hand side is net of what stands already, of fixed payments or of a
    decision; None where it is the right-hand side.
    """

    family: Family
    labels: tuple[str, ...] = ()
    part: str | int = ""
    figure: xr.DataArray | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """What tells rows apart."""
        return (self.family.name, str(self.part), *self.labels)

    @property
    def name(self) -> str:
        """Name for people and for the LP text; nothing reads it."""
        return "_".join(word.replace(" ", "_") for word in self.key if word)


Decided = Literal["order", "start", "quarter", "end"]
DECIDED: dict[Decided, str] = {
    "order": "a lead before the quarter it stands in, with the branches known then",
    "start": "once, before anything is learned",
    "quarter": "in its quarter, with the branches known then",
    "end": "at the end of the horizon, with everything known",
}
"""Who knows what when: how decisions of a family are tied between cases."""


@dataclass(frozen=True, slots=True)
class Whole:
    """What comes whole, in words, what would help where it cannot, and whether that is so whatever ``policy.lumps``."""

    text: str
    hope: str
    always: bool = False


class Holder(Protocol):
    """What has decisions as expressions."""

    def expression(self, column: Column) -> Expression:
        """A decision as an expression."""


@dataclass(frozen=True, slots=True)
class Column:
    """A decision over axes; of whoever holds decisions, its expression.

    Args:
        axes: axes, where all are used.
        unit: unit in the plan.
        text: what it is, in a sentence.
        decided: when: see ``DECIDED``.
        lead: of an order, the name of the decision whose lead it has.
        signed: whether what was decided stays decided.
        bound: words of the upper bound, where a user can change it; else the reason why none can; "": it has none.
        whole: words where it may come whole.
        result: whether it is a result as it is.
        sites: its axis of sites in results, where it has some sites only.
        name: the name it has in the model; that of its attribute if "".
    """

    axes: tuple[str, ...]
    unit: Unit
    text: str
    decided: Decided = "quarter"
    lead: str = ""
    signed: bool = False
    bound: Words | str = ""
    whole: Whole | None = None
    result: bool = False
    sites: str = ""
    name: str = ""

    def __set_name__(self, owner: type, name: str) -> None:
        """Takes the name of the attribute."""
        if not self.name:
            object.__setattr__(self, "name", name)

    @overload
    def __get__(self, holder: None, owner: type) -> Column: ...
    @overload
    def __get__(self, holder: Holder, owner: type) -> Expression: ...
    def __get__(self, holder: Holder | None, owner: type) -> Column | Expression:
        """What is said of the decision, of a class; its expression, of a holder."""
        return self if holder is None else holder.expression(self)

    @property
    def words(self) -> Words | None:
        """Words of the upper bound, where a user can change it."""
        return self.bound if isinstance(self.bound, Words) else None

    @property
    def result_name(self) -> str:
        """Name in results, with the ending of its base unit."""
        return self.name + self.unit.ending
