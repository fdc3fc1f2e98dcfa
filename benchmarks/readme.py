"""Writes what README.md says of runs and of the catalogue, and draws its figure: python benchmarks/readme.py

Texts stand between marks, <!-- readme:NAME --> and <!-- readme -->. No browser is needed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gigawatt.study.results import Results

HERE = Path(__file__).parents[1]
FIGURE = "docs/figures/announcement-gw.svg"
MARKED = re.compile(r"(<!-- readme:([a-z-]+) -->)(.*?)(<!-- readme -->)", flags=re.DOTALL)


def main() -> int:
    from gigawatt.study.run import run

    results = run("announcement")
    (HERE / FIGURE).write_text(figure(results), encoding="utf-8")
    page = HERE / "README.md"
    page.write_text(filled(page.read_text(encoding="utf-8"), texts(results)), encoding="utf-8")
    print(f"written: {FIGURE} and {len(texts(results))} texts of README.md")
    return 0


def figure(results: Results) -> str:
    """The figure as SVG."""
    from gigawatt.report.figures import gw_by_site
    from svg import stacked_svg

    return stacked_svg(gw_by_site(results))


def filled(page: str, new: dict[str, str]) -> str:
    """The page with each marked text replaced; KeyError for a mark that has no text."""
    return MARKED.sub(lambda match: f"{match[1]}{new[match[2]]}{match[4]}", page)


def texts(results: Results) -> dict[str, str]:
    """Text of each mark."""
    return {
        "announcement": f"\n{caption(results)}\n",
        "catalogue": catalogue(results),
        "claims": claimed(results),
        "variables-announcement": f"{variables('announcement'):,}",
        "variables-renegotiated": f"{variables('renegotiated'):,}",
    }


def caption(results: Results) -> str:
    """What stands below the figure: where the run ends, on what, at which sites, and what was assumed."""
    import textwrap

    from gigawatt.core.calendar import str_quarter
    from gigawatt.core.units import pretty
    from gigawatt.report.money_figures import capex_by_part_usd_per_w

    figures, case = results.summary, results.case
    accepted, idle = figures["gw_by_quarter"], figures["committed_idle_gw_by_quarter"]
    free, last = figures["gw_without_commitments_by_quarter"], case.labels[-1]
    parts = ", ".join(f"{gw:.1f} {name}" for name, gw in by_system(results).items())
    unnamed = sum(gw for site, gw in by_site(results).items() if site is None)
    promise = case.scenario.commitments[0]
    due = str_quarter(int(promise.by[-1].quarter.value))
    assert promise.penalty
    per_gw = pretty(1e9 * sum(capex_by_part_usd_per_w(results).values()), "USD")
    text = (
        f"*The letter of intent of September 2025 planned quarter by quarter, as `gigawatt run announcement` has it: "
        f"{accepted[due]:.1f} GW are accepted by {due} and {accepted[last]:.1f} by {last} ({parts}), "
        f"{unnamed:.1f} GW of them at sites that have no name yet. It says what else follows: {per_gw} a gigawatt with "
        f"the prices that are public, {figures['n_packages'] / 1e6:.1f} million packages but "
        f"{figures['n_dies'] / 1e6:.1f} million dies, and {idle[due]:.1f} of the {accepted[due]:.0f} GW "
        f"without demand in {due}; without the commitment {free[due]:.1f} GW would be accepted by then. The "
        f"letter never became definitive: its dates after the first gigawatt and the penalty of "
        f"{promise.penalty.text} that makes the plan keep them are assumptions of the scenario.*"
    )
    return "\n".join(textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False))


def by_system(results: Results) -> dict[str, float]:
    """Facility GW accepted by the end, by name of the system, the most first."""
    found: dict[str, float] = {}
    for offer, watts in zip(
        results.case.offers, results.plan["accepted_facility_w"].isel(quarter=-1).values, strict=True
    ):
        name = offer.system.name.removeprefix("NVIDIA ")
        found[name] = found.get(name, 0.0) + float(watts) / 1e9
    return {name: gw for name, gw in sorted(found.items(), key=lambda item: -item[1]) if gw >= 0.05}


def by_site(results: Results) -> dict[str | None, float]:
    """Facility GW accepted by the end, by site of the catalogue; None for those that only the scenario has."""
    found: dict[str | None, float] = {}
    for offer, watts in zip(
        results.case.offers, results.plan["accepted_facility_w"].isel(quarter=-1).values, strict=True
    ):
        site = offer.site.entry.id if offer.site.entry else None
        found[site] = found.get(site, 0.0) + float(watts) / 1e9
    return found


def catalogue(results: Results) -> str:
    """How much the catalogue holds."""
    entries = results.case.catalog.entries
    kinds = (
        ("systems", "systems"),
        ("models", "models"),
        ("workloads", "classes"),
        ("sites", "sites"),
        ("deals", "deals"),
    )
    return ", ".join(f"{len(entries[kind])} {word}" for kind, word in kinds)


def claimed(results: Results) -> str:
    """How many statements are computed, enter as input, or lie outside."""
    from gigawatt.report.claims import claims, count

    tally = count(claims(results), results.case.catalog)
    return (
        f"all {tally['statements']} statements of five articles: {tally['computed']} computed, "
        f"{tally['input']} reproduced as input, {tally['outside']} outside with the reason"
    )


def variables(name: str) -> int:
    """Columns of a shipped scenario's plan."""
    from gigawatt.catalog.load import load_catalog
    from gigawatt.plan.solve import open_plan
    from gigawatt.study.inputs import plan_inputs
    from gigawatt.study.resolve import resolve
    from gigawatt.study.scenario import load_scenario

    return open_plan(plan_inputs(resolve(load_scenario(name), load_catalog()))).model.n_columns


if __name__ == "__main__":
    sys.exit(main())
