"""Writes docs/reference/model.md from what the planner says of its decisions, rules and money: benchmarks/model.py"""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType

from gigawatt.catalog.load import load_catalog
from gigawatt.finance.ledger import ACCOUNTS, FUNDING_KINDS
from gigawatt.plan.amounts import AMOUNTS
from gigawatt.plan.decisions import COLUMNS
from gigawatt.plan.elements import RULES, Rule
from gigawatt.plan.flows import ENDS, MINIMISED
from gigawatt.plan.metadata import DECIDED, Column, Family, Words
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import resolve
from gigawatt.study.scenario import bundled, load_scenario

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "model.md"
HEAD = """# The model

Every decision of the planner, every rule it obeys and all money it counts, written by `make model` from what the code
says of itself (`plan/decisions.py`, `plan/elements/`, `plan/amounts.py`). [planner.md](../planner.md) says how they fit
together and what is minimised.

## Decisions

All are 0 or more. When a decision is taken says what a plan over several cases ties together:

"""
RULES_HEAD = """
## Rules

A *limit* is a figure of the scenario or of a contract: `gigawatt explain` says what one unit more of it is worth, and
of a plan that does not exist which of them would have to give way. *Bookkeeping* says what decisions mean; no user can
relax it. All rules are firm, but for those that may be *missed* in a plan over several cases, at a price above all
others, where lateness leaves no other way.
"""
MONEY_HEAD = """
## Money

All that is paid is a price times an amount (`study/rates.py`), but for declared revenue and funding, which
`study/cash.py` books. Cash row, objective, books and replays are sums of them.

### Amounts

"""
KINDS_HEAD = """
### Kinds of flow

What a flow stands against beside cash, in the books of who pays and of who is paid; and the amounts on which a shipped
scenario has a price of the kind other than 0, no event switched on. Declared revenue is `sales` too, and may be shared.
`sales` are cash and no part of what is minimised: the value of work not served stands there instead.

"""
ENDS_HEAD = """
### Values at the end

What amounts leave at the end of the horizon, discounted to the start, on which amounts a shipped scenario has it, and
its sign in what the plan minimises.

"""


def main() -> int:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: {PAGE.relative_to(PAGE.parents[2])}, {len(COLUMNS)} decisions, {len(RULES)} rules")
    return 0


def page() -> str:
    """The page as text."""
    taken = "".join(f"- {when}: {text}\n" for when, text in DECIDED.items())
    heads = ("decision", "over", "unit", "what it is", "taken", "upper bound", "whole on demand")
    return (
        HEAD + taken + "\n" + table(heads, [decision(column) for column in COLUMNS.values()])
        + RULES_HEAD + "".join(element(name, list(rules)) for name, rules in by_element()) + money()
    )  # fmt: skip


def decision(column: Column) -> tuple[str, ...]:
    """Cells of one decision."""
    bound = f"limit: {column.bound.text}" if isinstance(column.bound, Words) else column.bound
    taken = column.decided if column.lead in ("", column.name) else f"{column.decided}, with `{column.lead}`"
    signed = " (then signed)" if column.signed else ""
    whole = column.whole.text if column.whole else ""
    axes = ", ".join(column.axes)
    return f"`{column.name}`", axes, column.unit.text, column.text, taken + signed, bound, whole


def by_element() -> Iterator[tuple[str, list[Rule]]]:
    """(module, its rules) in the order of the modules' names."""
    found: dict[str, list[Rule]] = {}
    for rule in RULES:
        found.setdefault(rule.__module__, []).append(rule)
    yield from sorted(found.items())


def element(module: str, rules: list[Rule]) -> str:
    """Section of one thing of the world: what it is, the equations of its rules, its families of rows."""
    text = f"\n### {module.rpartition('.')[2].capitalize()}\n\n{inspect.getdoc(sys.modules[module])}\n"
    rows: list[tuple[str, ...]] = []
    for rule in rules:
        for part, families in parts(rule):
            lines = (inspect.getdoc(part) or "").split("\n\nArgs:")[0].splitlines()
            text += f"\n**{part.__name__.strip('_').replace('_', ' ').capitalize()}**\n\n"
            text += "\n".join(f"    {line}".rstrip() for line in lines) + "\n"
            rows += [said(family) for family in families]
    heads = ("rows", "unit", "what they are", "in words, or why no user can relax them", "missed")
    return text + "\n" + table(heads, rows)


def said(family: Family) -> tuple[str, ...]:
    """Cells of one family of rows."""
    words = family.words
    text = str(family.said) if words is None else f"{words.text}: {words.eased(family.unit.one)} helps"
    early = " (only orders placed before a branch)" if family.missed_if_early else ""
    kind = "limit" if words else "bookkeeping"
    return f"`{family.name}`", family.unit.text, kind, text, family.missed + early


def parts(function: Rule) -> Iterator[tuple[FunctionType, list[Family]]]:
    """A function of rules and those of the planner that it calls, each with the families that its code names."""
    waiting: list[object] = [function]
    seen = set[str]()
    while waiting:
        part = waiting.pop(0)
        assert isinstance(part, FunctionType)
        named = [part.__globals__.get(name) for name in names_in(part.__code__)]
        families = list(dict.fromkeys(each for each in named if isinstance(each, Family) and each.name not in seen))
        seen |= {family.name for family in families}
        if families:
            yield part, families
        waiting += [
            value for value in named
            if isinstance(value, FunctionType) and value.__module__.startswith("gigawatt.plan") and value is not part
        ]  # fmt: skip


def money() -> str:
    """Section of amounts, kinds of flow and values at the end."""
    rates, ends = shipped()
    amounts = [(f"`{name}`", ", ".join(one.axes), one.unit.text, one.text) for name, one in AMOUNTS.items()]
    kinds = [(f"`{kind}`", *accounts, priced_on(kind, rates)) for kind, accounts in ACCOUNTS.items()]
    signs = {-1.0: "less", 1.0: "more", 0.0: "no part: said in results"}
    values = [(f"`{what}`", text, in_order(ends[what]), signs[MINIMISED.get(what, 0.0)]) for what, text in ENDS.items()]
    return (
        MONEY_HEAD + table(("amount", "over", "unit", "what it is"), amounts)
        + KINDS_HEAD + table(("kind", "account of the payer", "account of the payee", "priced on"), kinds)
        + ENDS_HEAD + table(("value", "what it is", "on", "in the cost"), values)
    )  # fmt: skip


def shipped() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Amounts on which shipped scenarios have a price other than 0: (by kind of flow, by kind of value at the end)."""
    rates: dict[str, set[str]] = {kind: set() for kind in ACCOUNTS}
    ends: dict[str, set[str]] = {what: set() for what in ENDS}
    catalog = load_catalog()
    for name in ("starter", *bundled()):
        d = plan_inputs(resolve(load_scenario(name), catalog))
        for rate in d.rates:
            rates[rate.kind] |= {rate.on} if rate.musd.any() else set()
        for end in d.ends:
            ends[end.what] |= {end.on} if end.musd.any() else set()
    return rates, ends


def priced_on(kind: str, rates: dict[str, set[str]]) -> str:
    """Amounts on which a kind is priced, or why there are none."""
    none = "none: funding, which is no price times an amount" if kind in FUNDING_KINDS else "in no shipped scenario"
    return in_order(rates[kind]) or none


def in_order(names: set[str]) -> str:
    """Amounts in their order."""
    return ", ".join(f"`{name}`" for name in AMOUNTS if name in names)


def names_in(code: CodeType) -> list[str]:
    """Globals that code reads, with what stands within it, in their order."""
    within = [name for each in code.co_consts if isinstance(each, CodeType) for name in names_in(each)]
    return [step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"] + within


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table of the page."""
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join("| " + " | ".join(cells).replace("  ", " ") + " |\n" for cells in lines)


if __name__ == "__main__":
    sys.exit(main())
