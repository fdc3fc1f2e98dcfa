"""``gigawatt tree``: what to order now if demand, chips and power may turn out otherwise."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import asdict
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gigawatt.cli.common import Events, Json, Overlay, Scenario, catalog_with, console_of, print_json, progress
from gigawatt.cli.given import number, out_file, real, whole

if TYPE_CHECKING:
    import xarray as xr

    from gigawatt.plan.foresight import Followed
    from gigawatt.plan.tail import Tail
    from gigawatt.study.tree import TreeResults

_LITTLE = 0.005  # orders that differ by less than this share of the largest are the same


def tree(
    scenario: Scenario,
    branches: Annotated[
        str, typer.Option("--branches", help="Quarters in which something is learned, A,B; or the scenario's.")
    ] = "",
    cvar: Annotated[
        str, typer.Option("--cvar", help="LEVEL:WEIGHT, 0.9:0.5 gives the mean of the worst tenth half the weight.")
    ] = "",
    gap: Annotated[str, typer.Option("--gap", help="Relative gap of the bounds at which the search ends.")] = "0.5%",
    time_limit: Annotated[
        float, typer.Option("--time-limit", parser=real(1.0), help="Seconds of the search with its foresight.")
    ] = 180.0,
    lumps: Annotated[
        bool, typer.Option("--lumps", help="Lumps decided before the first branch whole, whatever the scenario says.")
    ] = False,
    extensive: Annotated[bool, typer.Option("--extensive", help="Solve the tree as one problem.")] = False,
    regret: Annotated[
        float,
        typer.Option("--regret", parser=real(0.0), help="Seconds for each case whose orders are followed; 0: none."),
    ] = 30.0,
    workers: Annotated[
        int, typer.Option("--workers", parser=whole(1, 64), help="Processes; the result is the same.")
    ] = 2,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", callback=out_file, help="HTML file for the fan of what stands in every case."),
    ] = None,
    event: Events = None,
    overlay: Overlay = None,
    as_json: Json = False,
) -> None:
    """Plan over a tree of what may happen: orders to place now, bounds, and what foresight would be worth."""
    from gigawatt.core.writing import write_whole
    from gigawatt.study.resolve import resolve
    from gigawatt.study.scenario import load_scenario
    from gigawatt.study.tree import plan_tree, serial_or_processes

    tail, wanted = _tail(cvar), _share(gap)
    catalog = catalog_with(overlay)
    with closing(serial_or_processes(workers)) as executor, progress() as say:
        chosen = load_scenario(scenario)
        if lumps:
            chosen = chosen.model_copy(update={"policy": chosen.policy.model_copy(update={"lumps": "whole"})})
        case = resolve(chosen, catalog, event or [])
        results = plan_tree(
            case, branches=[name.strip() for name in branches.split(",") if name.strip()], tail=tail, gap=wanted,
            time_limit_s=time_limit, as_one=extensive, regret_limit_s=regret, executor=executor, say=say,
        )  # fmt: skip
    body = tree_body(results)
    if results.is_stopped and results.found.ended != "interrupted":
        print("Stopped: what was not asked yet of the plan is left out.", file=sys.stderr)
    elif results.found.ended != "gap":
        why = {"interrupted": "Stopped", "time": f"Stopped after {time_limit:g} s", "rounds": "Stopped"}
        bound = f"no plan costs less than {_money(body['lower_usd'])} (gap {body['gap_frac']:.2%})"
        if not isfinite(body["lower_usd"]):
            bound = "how much less another may cost is not known"
        print(
            f"{why.get(results.found.ended, 'Ended')}: the best plan so far costs {_money(body['upper_usd'])}, and "
            f"{bound}.",
            file=sys.stderr,
        )
    if figure is not None:
        from gigawatt.report.fan import stock_fan

        write_whole(figure, stock_fan(results).to_html())
    if as_json:
        paid = results.expected_book().to_dict("records")
        print_json(body | {"expected_payments": paid})
    else:
        console = console_of()
        for part in _tables(body):
            console.print(part, highlight=False, soft_wrap=isinstance(part, str))
    if results.is_stopped:
        raise SystemExit(130)


def tree_body(results: TreeResults) -> dict[str, Any]:
    """Everything of a tree's plan as plain data, money in USD, power in W."""
    from gigawatt.plan.foresight import missed_by, plain_cost
    from gigawatt.plan.metadata import DECIDED
    from gigawatt.study.outcomes import prices_of

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
        "notes": list(results.notes),
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


def _share(text: str) -> float:
    from gigawatt.core.errors import ScenarioError, shown

    try:
        value = number(text)
    except typer.BadParameter:
        value = -1.0
    if not 0.0 <= value < 1.0:
        raise ScenarioError(f"--gap is {shown(text)}; write a share, for example 0.5% or 0.005")
    return value


def _tail(text: str) -> Tail:
    from gigawatt.core.errors import ScenarioError, shown
    from gigawatt.plan.tail import Tail

    if not text:
        return Tail()
    try:
        level, weight = (number(part) for part in text.split(":"))
    except (ValueError, typer.BadParameter):
        raise ScenarioError(f"--cvar is {shown(text)}; write LEVEL:WEIGHT, for example 0.9:0.5") from None
    try:
        return Tail(level=level, weight=weight)
    except ValueError as error:
        raise ScenarioError(f"--cvar is {shown(text)}: {error}") from None


def _tables(body: dict[str, Any]) -> list[Any]:
    from gigawatt.core.units import pretty
    from gigawatt.report.terminal import add_row, table_of

    parts: list[Any] = []
    titles = {"add": "Systems to order now", "energise": "Buildings to commit to now", "retire": "To retire now"}
    for family, title in titles.items():
        if not body["orders"][family]:
            continue
        orders = table_of(
            [("", "left", 0), ("tree", "right", 0), ("central plan", "right", 0), ("difference", "right", 0)],
            title=f"{title}, before anything is learned in {body['branches'][0]}",
        )
        for row in body["orders"][family]:
            more = row["w"] - row["central_w"]
            sign = "+" if more > 0 else "-"
            difference = f"{sign}{pretty(abs(more), 'W')}" if row["differs"] else "as planned"
            add_row(orders, (row["name"], pretty(row["w"], "W"), pretty(row["central_w"], "W"), difference))
        parts += [orders, ""]
    leaves = table_of([("case", "left", 0), ("chance", "right", 0), ("cost", "right", 0)], title="What may happen")
    for row in body["leaves"]:
        add_row(leaves, (row["name"], f"{row['probability']:.1%}", _money(row["cost_usd"])))
    parts += [leaves, ""]
    if body["regret"]:
        table = table_of(
            [("orders of", "left", 0), ("cost more by", "right", 0), ("without the charge", "right", 0),
             ("and miss, expected", "left", 0)], title="Regret of other orders",
        )  # fmt: skip
        for row in body["regret"]:
            add_row(table, (row["name"], *_regret(row)))
        parts += [table, ""]
    what = "Expected discounted cost of the tree" if body["cvar_weight"] == 0.0 else (
        f"Discounted cost of the tree, {body['cvar_weight']:.0%} of it the mean of the worst "
        f"{1 - body['cvar_level']:.0%}"
    )  # fmt: skip
    lower = _money(body["lower_usd"]) if isfinite(body["lower_usd"]) else "an unknown amount"
    parts += [
        f"{what}: between {lower} and {_money(body['upper_usd'])}, gap "
        f"{body['gap_frac']:.2%} after {len(body['rounds'])} rounds and {body['rounds'][-1]['seconds']:.0f} s; "
        f"{body['decisions']:,} decisions, {body['constraints']:,} constraints, in every case none missed by more than "
        f"{body['violation']:.1e} of its bound.",
        f"Expected cost of the plan {_money(body['expected_usd'])}, mean of its worst {1 - body['cvar_level']:.0%} "
        f"{_money(body['cvar_usd'])}.",
    ]
    if body["missed"]:
        parts.append(
            f"Missed where lateness leaves no other way: {_misses(body['missed'])}, expected over the cases and summed "
            f"over quarters. Costs hold $1B for each, {_money(body['missed_charge_usd'])} expected; without it the "
            f"plan costs {_money(body['upper_without_charge_usd'])}."
        )
    parts += [_value_of(body["mean_orders"]), _of_central(body["central_orders"])]
    if body["evpi_usd"] is not None:
        least, most = body["evpi_usd"]
        parts.append(f"Value of perfect information: {_money(least)} to {_money(most)}.")
    told = "; ".join(f"{', '.join(row['families'])} {row['when']}" for row in body["decided"] if row["families"])
    parts.append(f"Decided: {told}.")
    if body["lumps"]:
        whole = "come whole" if body["lumps_whole"] else "are amounts still: the search ended before they came whole"
        parts.append(f"Lumps: {body['lumps']:,} decisions before the first branch {whole}; later ones are amounts.")
    return [*(part for part in parts if part is not None), *(f"Note: {note}." for note in body["notes"])]


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
