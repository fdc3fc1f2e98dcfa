"""What a run says first: its key figures in words, the same in the terminal and on paper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gigawatt.core.units import pretty
from gigawatt.report.money_figures import capex_by_part_usd_per_w
from gigawatt.report.names import class_name, party_name
from gigawatt.study.results import Results


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """One key figure: what it is, the figure with its unit, and what it has to be read with.

    ``tone`` is "good" or "warn" where more or less of it is plainly better, else empty.
    """

    id: str
    label: str
    text: str
    note: str = ""
    tone: str = ""


def headlines(results: Results) -> list[Headline]:
    """Key figures of a run in the order of the questions a reader has."""
    rows = [_accepted(results), _packages(results), _needed(results), _capex(results)]
    rows += [
        _milestones(results),
        _warrants(results),
        _gap(results),
        _owed(results),
        *_circles(results),
        *_tokens(results),
        _unmet(results),
    ]
    return [row for row in rows if row is not None]


def _accepted(results: Results) -> Headline:
    by_quarter = results.summary["gw_by_quarter"]
    labels, values = list(by_quarter), np.array(list(by_quarter.values()))
    note = "nothing new is accepted"
    if values[-1] > 0:
        last = labels[int(np.argmax(values >= values[-1] * (1 - 1e-6)))]
        whole = values >= 1.0 - 1e-6
        first = int(np.argmax(whole)) if whole.any() else int(np.argmax(values > 0))
        note = f"by {last}; the first {'gigawatt' if whole.any() else 'of it'} in {labels[first]}"
    return Headline(id="accepted", label="New facility power", text=pretty(float(values[-1]) * 1e9, "W"), note=note)


def _packages(results: Results) -> Headline | None:
    packages, dies = results.summary["n_packages"], results.summary["n_dies"]
    if packages < 0.5:
        return None
    return Headline(
        id="packages", label="Packages accepted", text=pretty(packages), note=f"{pretty(dies)} dies in them"
    )


def _needed(results: Results) -> Headline | None:
    idle = results.summary["committed_idle_gw_by_quarter"]
    most = max(idle, key=lambda quarter: float(idle[quarter]))
    note = f"most idle power, in {most}" if idle[most] > 1e-6 else "demand needs all that stands"
    if "gw_without_commitments_by_quarter" in results.summary:
        by = most if idle[most] > 1e-6 else list(idle)[-1]
        free, whole = (results.summary[key][by] for key in ("gw_without_commitments_by_quarter", "gw_by_quarter"))
        note += (
            f"; without commitments {pretty(free * 1e9, 'W')} would be accepted by {by}, not {pretty(whole * 1e9, 'W')}"
        )
    return Headline(id="idle", label="Held beyond demand", text=pretty(float(idle[most]) * 1e9, "W"), note=note)


def _capex(results: Results) -> Headline | None:
    capex, parts = results.summary["capex_usd"], capex_by_part_usd_per_w(results)
    if capex < 1.0:
        return None
    accepted_gw = float(list(results.summary["gw_by_quarter"].values())[-1])
    unit, per = ("GW", 1e9) if accepted_gw >= 0.1 else ("MW", 1e6)
    note = f"{pretty(sum(parts.values()) * per, 'USD')} per {unit} that is bought"
    return Headline(id="capex", label="Capex", text=pretty(capex, "USD"), note=note)


def _milestones(results: Results) -> Headline | None:
    tranches = results.summary["tranches_usd"]
    if not tranches:
        return None
    share = results.summary["equity_sold_share"]
    note = f"{len(tranches)} payments, the last in {list(tranches)[-1]}; buys {100 * share:.1f} % of the company"
    return Headline(id="tranches", label="Milestone equity", text=pretty(sum(tranches.values()), "USD"), note=note)


def _warrants(results: Results) -> Headline | None:
    worth = results.summary["vested_usd"]
    if worth < 1.0:
        return None
    vendors = ", ".join(party_name(results.case, row.vendor) for row in results.case.scenario.warrants)
    note = f"of {vendors}, vested with deliveries at assumed prices: lowers the cost, is no cash"
    return Headline(id="warrants", label="Shares earned", text=pretty(worth, "USD"), note=note)


def _owed(results: Results) -> Headline | None:
    owed = results.summary["owed_after_usd"]
    if owed < 1.0:
        return None
    worth = pretty(results.summary["rest_worth_usd"], "USD")
    note = f"its use is taken to be worth {worth} then; the plan is charged the rest"
    return Headline(id="owed", label="Rent owed after the horizon", text=pretty(owed, "USD"), note=note)


def _gap(results: Results) -> Headline:
    """The most that is owed at once: what is repaid can be lent again, so sums of what is found count it twice."""
    peak, rest = results.summary["gap_peak_usd"], results.summary["gap_owed_at_end_usd"]
    if peak <= 1.0:
        return Headline(id="gap", label="Still to be found", text="$0", note="all money is found", tone="good")
    owed, found = results.plan["gap_owed_usd"].values, results.plan["gap_usd"].values
    when = results.case.labels[int(owed.argmax())]
    first = next(q for q, usd in zip(results.case.labels, found, strict=True) if usd > 1.0)
    at_end = f"{pretty(rest, 'USD')} are" if rest > 1.0 else "nothing is"
    note = f"owed in {when}, the most at once; the first is found in {first}, {at_end} owed at the end"
    return Headline(id="gap", label="Still to be found", text=pretty(peak, "USD"), note=note, tone="warn")


def _circles(results: Results) -> list[Headline]:
    rows = []
    for row in results.summary["circularity"]:
        if row["returned_usd"] > 1.0:
            name = party_name(results.case, row["investor"])
            put, back = pretty(row["invested_usd"], "USD"), pretty(row["returned_usd"], "USD")
            note = f"{put} of equity, {back} of revenue"
            text = f"${row['share']:.2f} per $1"
            rows.append(Headline(id=f"circle-{row['investor']}", label=f"Back to {name}", text=text, note=note))
    return rows


def _tokens(results: Results) -> list[Headline]:
    costs = results.summary["cost_per_mtok_usd"]
    if not costs:
        return []
    low, high = (choose(costs, key=lambda name: float(costs[name])) for choose in (min, max))
    cheap, dear = pretty(costs[low] / 1e6, "USD/token"), pretty(costs[high] / 1e6, "USD/token")
    names = class_name(results.case, low), class_name(results.case, high)
    if low == high:
        return [Headline(id="token", label="Cost of a million tokens", text=cheap, note=names[0])]
    text = f"{cheap.removesuffix('/Mtok')} to {dear}"
    return [Headline(id="token", label="Cost of output tokens", text=text, note=f"{names[0]} to {names[1]}")]


def _unmet(results: Results) -> Headline:
    share = results.summary["unmet_share"]
    note = "of the value of all demand over the horizon"
    text = f"{100 * share:.1f} %" if share >= 5e-4 else "under 0.1 %" if share > 1e-7 else "0 %"
    return Headline(id="unmet", label="Not served", text=text, note=note)


def circle_sentences(results: Results) -> list[str]:
    """A sentence on each investor: what it puts in and what comes back to it as revenue."""
    rows = []
    for row in results.summary["circularity"]:
        name = party_name(results.case, row["investor"])
        put, back = pretty(row["invested_usd"], "USD"), pretty(row["returned_usd"], "USD")
        if row["returned_usd"] > 1.0:
            rows.append(
                f"{name}: {put} in as equity, {back} back for goods and services, "
                f"{row['share']:.2f} dollars for each dollar put in."
            )
        else:
            rows.append(f"{name}: {put} in as equity, nothing back for goods or services.")
    return rows
