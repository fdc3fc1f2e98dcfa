"""What a run rests on, for people: judgements first, then every source with the figures that stand on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gigawatt.core.source import Fact
from gigawatt.report.values import fact_row, spread
from gigawatt.study.resolve import Case
from gigawatt.study.results import Results, rests_on
from gigawatt.study.scenario import Scenario

if TYPE_CHECKING:
    from rich.console import RenderableType


def judgement_rows(case: Case) -> list[dict[str, Any]]:
    """Every judgement a run used, by place: value, range, high over low end, the sentence, sources."""
    rows = []
    for place, fact in rests_on(case):
        if fact.kind == "judgement":
            label = label_of(case.scenario, place)
            rows.append(fact_row(place, fact) | {"label": label, "spread": spread(fact)})
    return rows


def own_rows(case: Case) -> list[dict[str, Any]]:
    """Figures the scenario states without a source and without calling them a judgement, dates left out."""
    return [
        fact_row(place, fact) | {"label": label_of(case.scenario, place)}
        for place, fact in rests_on(case)
        if fact.kind == "scenario" and fact.unit != "quarter" and not fact.source
    ]


def source_rows(case: Case) -> list[dict[str, Any]]:
    """Every source a run cites, sorted by key, with the figures that rest on it."""
    figures: dict[str, list[dict[str, Any]]] = {}
    for place, fact in rests_on(case):
        for key in fact.source:
            figures.setdefault(key, []).append(fact_row(place, fact))
    rows = []
    for key in sorted(figures, key=str.lower):
        source = case.catalog.sources.get(key)
        rows.append(
            {
                "key": key,
                "title": source.title if source else "named in the scenario, not in the catalogue",
                "site": source.site if source else "",
                "date": source.date if source else "",
                "url": source.url if source else "",
                "figures": figures[key],
            }
        )
    return rows


def counts(case: Case) -> dict[str, int]:
    """Number of figures a run used by kind, most first."""
    found: dict[str, int] = {}
    for _, fact in rests_on(case):
        found[fact.kind] = found.get(fact.kind, 0) + 1
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def by_group(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Rows under the entry or the part of the scenario they stand in, in their order."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(group_of(str(row["place"])), []).append(row)
    return groups


def group_of(place: str) -> str:
    """Entry or part of a scenario that a place belongs to.

    >>> group_of("scenario.demand.tiers[0].share"), group_of("systems/vr-nvl72.package.memory")
    ('scenario.demand', 'systems/vr-nvl72')
    """
    if place.startswith("scenario."):
        return ".".join(place.split(".")[:2]).split("[")[0]
    head, _, rest = place.partition("/")
    return f"{head}/{_entry(rest)}" if rest else place.split(".")[0]


def _entry(rest: str) -> str:
    """Identifier of an entry at the start of a path; a dot before a digit belongs to it ("llama-3.1-8b")."""
    words = rest.split(".")
    name = words[0]
    for word in words[1:]:
        if not word[:1].isdigit():
            break
        name += f".{word}"
    return name


def label_of(scenario: Scenario, place: str) -> str:
    """A place inside its group as words: names in place of numbers, "inference chat · growth"."""
    if not place.startswith("scenario."):
        return place.removeprefix(group_of(place)).lstrip(".").replace("_", " ") or place
    item: Any = scenario
    words: list[str] = []
    for part in place.split(".")[1:]:
        parent, (name, _, index) = item, part.partition("[")
        item = item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)
        if index:
            item = item[int(index.rstrip("]"))]
            words.append(f"{name} {_tag(item) or index.rstrip(']')}")
        elif not (name == "value" and hasattr(parent, "quarter")):
            words.append(name)
    inside = words[1:] if len(words) > 1 and words[0] == place.split(".")[1] else words
    return " · ".join(word.replace("_", " ") for word in inside)


def _tag(item: Any) -> str:
    """What names a part of a scenario, or dates it."""
    for key in ("id", "name", "workload", "site", "tier", "vendor"):
        if isinstance(value := getattr(item, key, None), str) and value:
            return value
    quarter = getattr(item, "quarter", None) or getattr(item, "start", None)
    return str(quarter.text) if isinstance(quarter, Fact) else ""


def citation(results: Results) -> RenderableType:
    """Bibliography of a run for the terminal: judgements with range and sentence, then sources and their figures."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    case = results.case
    judgements, sources = judgement_rows(case), source_rows(case)
    total = counts(case)
    kinds = ", ".join(f"{n} {kind}" for kind, n in total.items())
    first = Table(box=None, show_edge=False, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name, share in (("figure", 4), ("value", 2), ("range", 3), ("why", 6)):
        first.add_column(name, ratio=share, overflow="fold")
    for group, rows in by_group(judgements).items():
        first.add_row(Text(group, style="bold cyan"), "", "", "")
        for row in rows:
            sources_of = f"  [{', '.join(row['sources'])}]" if row["sources"] else ""
            cells = row["label"], row["text"], row["range"], row["note"]
            first.add_row(*(Text(cell) for cell in cells[:3]), Text(cells[3]) + Text(sources_of, style="dim"))
    second = Table(box=None, show_edge=False, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name, share in (("source", 2), ("title", 6), ("what rests on it", 6)):
        second.add_column(name, ratio=share, overflow="fold")
    for source in sources:
        where = ", ".join(part for part in (source["site"], source["date"]) if part)
        title = Text(source["title"]) + Text(f"\n{where}" if where else "", style="dim")
        if source["url"]:
            title += Text(f"\n{source['url']}", style="dim")
        figures = "\n".join(f"{row['place']} = {row['text']}" for row in source["figures"])
        second.add_row(Text(source["key"], style="cyan"), title, Text(figures))
    name = results.folder_name
    return Group(
        Text(f"{name} rests on {sum(total.values())} figures: {kinds}.", style="bold"),
        Text(f"\nJudgements ({len(judgements)})\n", style="bold underline"),
        first,
        Text(f"\nSources ({len(sources)})\n", style="bold underline"),
        second,
    )
