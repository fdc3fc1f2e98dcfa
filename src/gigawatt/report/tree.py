"""A plan of a tree as plain data, and in the terminal: orders, cases, regret, what foresight is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

from gigawatt.core.units import pretty
from gigawatt.plan.foresight import missed_by, plain_cost
from gigawatt.plan.metadata import DECIDED
from gigawatt.report.payments import payments_table
from gigawatt.report.terminal import add_row, table_of
from gigawatt.study.outcomes import prices_of

if TYPE_CHECKING:
    import xarray as xr
    from rich.console import RenderableType
    from rich.table import Table

    from gigawatt.plan.foresight import Followed
    from gigawatt.study.tree import TreeResults

_LITTLE = 0.005  # orders that differ by less than this share of the largest are the same
_ORDERS = {"add": "Systems to order now", "energise": "Buildings to commit to now", "retire": "To retire now"}


def tree_body(results: TreeResults) -> dict[str, Any]:
    """Everything of a tree's plan as plain data, money in USD, power in W."""
    found, whole, checked = results.found, results.whole, results.check()
    tree, evpi = whole.tree, results.evpi_musd()
    plain = plain_cost(whole, found.x, results.tail)
    return {
        "scenario": results.case.scenario.name, "branches": [branch.quarter for branch in tree.branches],
        "outcomes": [
            {"name": one.name, "probability": one.probability, "prices": prices_of(one)}
            for one in tree.branches[0].outcomes
        ],
        "decisions": int(whole.lower.size), "constraints": int(whole.row_lower.size),
        "cvar_level": results.tail.level, "cvar_weight": results.tail.weight,
        "expected_usd": results.expected_musd * 1e6, "cvar_usd": results.cvar_musd(results.tail.level) * 1e6,
        "lower_usd": found.lower * 1e6, "upper_usd": found.upper * 1e6, "gap_frac": found.gap, "ended": found.ended,
        "missed_charge_usd": results.charged_musd * 1e6, "upper_without_charge_usd": plain * 1e6,
        "missed": [asdict(row) for row in missed_by(whole, found.x)],
        "rounds": [
            {"round": r.number, "lower_usd": r.lower * 1e6 if r.lower > -1e300 else None,
             "upper_usd": r.upper * 1e6 if r.upper < 1e300 else None,
             "gap_frac": r.gap if r.gap < 1e300 else None, "seconds": round(r.seconds, 2)} for r in found.rounds
        ],
        "lumps": int(whole.lumps.size), "lumps_whole": bool(found.is_whole),
        "violation": checked.violation, "violation_at": checked.where, "cost_error": checked.cost_error,
        "central_usd": results.central.objective_musd * 1e6,
        "foresight_usd": None if results.foresight_musd is None else results.foresight_musd * 1e6,
        "evpi_usd": None if evpi is None else [bound * 1e6 for bound in evpi],
        "mean_orders": _followed(results.mean, results, plain),
        "central_orders": _followed(results.of_central, results, plain),
        "regret": [_followed(row, results, plain) for row in results.regrets],
        "leaves": [
            {"name": leaf.name, "probability": leaf.probability, "cost_usd": cost * 1e6, "missed_charge_usd": due * 1e6}
            for leaf, cost, due in zip(
                whole.leaves, found.leaf_cost.tolist(), whole.charged(found.x).tolist(), strict=True
            )
        ],
        "orders": {family: _orders(*results.orders(family)) for family in ("add", "energise", "retire")},
        "decided": [{"when": DECIDED[rule], "families": list(names)} for rule, names in whole.rules().items()],
        "notes": list(results.notes), "expected_payments": results.expected_book().to_dict("records"),
    }  # fmt: skip


def _followed(row: Followed | None, results: TreeResults, plain_musd: float) -> dict[str, Any] | None:
    """What other first orders cost more than the plan, between two bounds, and without the price of what is missed.

    None for what is not known; ``works`` is False where no plan with them is.
    """
    if row is None:
        return None
    works = row.upper < float("inf")
    more = results.more_musd(row) if works else None
    return {
        "name": row.name, "works": works, "possible": row.lower < float("inf"),
        "orders_planned_at_usd": None if isnan(row.order_musd) else row.order_musd * 1e6,
        "cost_usd": row.upper * 1e6 if works else None,
        "least_more_usd": None if more is None else more[0] * 1e6, "more_usd": None if more is None else more[1] * 1e6,
        "more_without_charge_usd": (row.plain - plain_musd) * 1e6 if works else None,
        "missed": [asdict(one) for one in row.missed],
    }  # fmt: skip


def _orders(tree: xr.DataArray, central: xr.DataArray) -> list[dict[str, Any]]:
    axis = str(tree.dims[0])
    rows = []
    little = _LITTLE * max(float(tree.sum("quarter").max()), float(central.sum("quarter").max()))
    for name in tree[axis].values.tolist():
        here, there = tree.sel({axis: name}), central.sel({axis: name})
        mw, central_mw = (amount if amount > little else 0.0 for amount in (float(here.sum()), float(there.sum())))
        if mw == central_mw == 0.0:
            continue
        used = ((here > 1e-6) | (there > 1e-6)).values
        rows.append({
            "name": name, "w": mw * 1e6, "central_w": central_mw * 1e6, "differs": abs(mw - central_mw) > little,
            "by_quarter": {
                str(q): [float(here.sel(quarter=q)) * 1e6, float(there.sel(quarter=q)) * 1e6]
                for q in here["quarter"].values[used]
            },
        })  # fmt: skip
    return rows


def _money(value: float) -> str:
    return f"${value / 1e9:,.2f}B" if abs(value) >= 1e9 else f"${value / 1e6:,.1f}M"


def tree_ending(body: Mapping[str, Any], time_limit_s: float, *, is_stopped: bool) -> str:
    """Why the search ended before its gap was reached, and what is known of the best plan; empty where it was."""
    if is_stopped and body["ended"] != "interrupted":
        return "Stopped: what was not asked yet of the plan is left out."
    if body["ended"] == "gap":
        return ""
    why = {"interrupted": "Stopped", "time": f"Stopped after {time_limit_s:g} s", "rounds": "Stopped"}
    bound = f"no plan costs less than {_money(body['lower_usd'])} (gap {body['gap_frac']:.2%})"
    if not isfinite(body["lower_usd"]):
        bound = "how much less another may cost is not known"
    return f"{why.get(body['ended'], 'Ended')}: the best plan so far costs {_money(body['upper_usd'])}, and {bound}."


def tree_parts(body: Mapping[str, Any]) -> list[RenderableType]:
    """Tables and sentences of a tree's plan."""
    parts: list[RenderableType] = []
    for family, title in _ORDERS.items():
        if body["orders"][family]:
            parts += [_order_table(body, family, title), ""]
    leaves = table_of([("case", "left", 0), ("chance", "right", 0), ("cost", "right", 0)], title="What may happen")
    for row in body["leaves"]:
        add_row(leaves, (row["name"], f"{row['probability']:.1%}", _money(row["cost_usd"])))
    parts += [leaves, "", payments_table(body["expected_payments"]), ""]
    if body["regret"]:
        heads = ("orders of", "left", 0), ("cost more by", "right", 0), ("without the charge", "right", 0)
        table = table_of([*heads, ("and miss, expected", "left", 0)], title="Regret of other orders")
        for row in body["regret"]:
            add_row(table, (row["name"], *_regret(row)))
        parts += [table, ""]
    return [*parts, *_sentences(body)]


def _order_table(body: Mapping[str, Any], family: str, title: str) -> Table:
    heads = [("", "left", 0), ("tree", "right", 0), ("central plan", "right", 0), ("difference", "right", 0)]
    table = table_of(heads, title=f"{title}, before anything is learned in {body['branches'][0]}")
    for row in body["orders"][family]:
        more = row["w"] - row["central_w"]
        difference = f"{'+' if more > 0 else '-'}{pretty(abs(more), 'W')}" if row["differs"] else "as planned"
        add_row(table, (row["name"], pretty(row["w"], "W"), pretty(row["central_w"], "W"), difference))
    return table


def _sentences(body: Mapping[str, Any]) -> list[str]:
    """What the plan costs and misses, what it is worth, when what is decided."""
    worst = f"{1 - body['cvar_level']:.0%}"
    what = "Expected discounted cost of the tree"
    if body["cvar_weight"] != 0.0:
        what = f"Discounted cost of the tree, {body['cvar_weight']:.0%} of it the mean of the worst {worst}"
    lower = _money(body["lower_usd"]) if isfinite(body["lower_usd"]) else "an unknown amount"
    lines: list[str | None] = [
        f"{what}: between {lower} and {_money(body['upper_usd'])}, gap "
        f"{body['gap_frac']:.2%} after {len(body['rounds'])} rounds and {body['rounds'][-1]['seconds']:.0f} s; "
        f"{body['decisions']:,} decisions, {body['constraints']:,} constraints, in every case none missed by more than "
        f"{body['violation']:.1e} of its bound.",
        f"Expected cost of the plan {_money(body['expected_usd'])}, mean of its worst {worst} "
        f"{_money(body['cvar_usd'])}.",
    ]
    if body["missed"]:
        lines.append(
            f"Missed where lateness leaves no other way: {_misses(body['missed'])}, expected over the cases and summed "
            f"over quarters. Costs hold $1B for each, {_money(body['missed_charge_usd'])} expected; without it the "
            f"plan costs {_money(body['upper_without_charge_usd'])}."
        )
    lines += [_value_of(body["mean_orders"]), _of_central(body["central_orders"])]
    if body["evpi_usd"] is not None:
        least, most = body["evpi_usd"]
        lines.append(f"Value of perfect information: {_money(least)} to {_money(most)}.")
    told = "; ".join(f"{', '.join(row['families'])} {row['when']}" for row in body["decided"] if row["families"])
    lines.append(f"Decided: {told}.")
    if body["lumps"]:
        whole = "come whole" if body["lumps_whole"] else "are amounts still: the search ended before they came whole"
        lines.append(f"Lumps: {body['lumps']:,} decisions before the first branch {whole}; later ones are amounts.")
    return [*(line for line in lines if line is not None), *(f"Note: {note}." for note in body["notes"])]


def _regret(row: dict[str, Any]) -> tuple[str, str, str]:
    """Cells of a plan that follows other orders."""
    if not row["works"]:
        return ("no plan found in time" if row["possible"] else "not possible", "", "")
    return (
        f"{_money(row['least_more_usd'])} to {_money(row['more_usd'])}",
        _money(row["more_without_charge_usd"]), _misses(row["missed"]),
    )  # fmt: skip


def _misses(rows: list[dict[str, Any]]) -> str:
    """Amounts missed by kind, expected."""
    return ", ".join(f"{row['expected']:,.3g} {row['unit']} x quarter of {row['kind']}" for row in rows)


def _value_of(row: dict[str, Any] | None) -> str | None:
    if row is None:
        return None
    name = "Value of the stochastic solution"
    if not row["works"]:
        why = "no plan was found in time" if row["possible"] else "they cannot be followed in every case"
        return f"{name}: not known with the orders of the plan for the mean case: {why}."
    more, plain, missed = _regret(row)
    tail = f", {plain} without the charge for what they miss: {missed}" if missed else ""
    return (
        f"{name}: {more}{tail}. That is what the orders of the plan for the mean case, in which it costs "
        f"{_money(row['orders_planned_at_usd'])}, cost the tree more."
    )


def _of_central(row: dict[str, Any] | None) -> str | None:
    if row is None:
        return None
    if not row["works"]:
        why = "are not followed to a plan in time" if row["possible"] else "cannot be followed in every case"
        return f"The orders of the plan for the scenario as it stands {why}."
    more, plain, missed = _regret(row)
    tail = f", {plain} without the charge for what they miss: {missed}" if missed else ""
    return f"The orders of the plan for the scenario as it stands cost the tree {more} more{tail}."
