"""Near-optimal ranges as a picture (SVG) and as one page: bars from least to most, a mark at the optimum."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from gigawatt.core.errors import ScenarioError
from gigawatt.core.units import pretty
from gigawatt.core.writing import write_whole
from gigawatt.plan.alternatives import LeftOut, Span
from gigawatt.report.style import BLUE, FONT, GRID, INK, LINE, ORANGE, SOFT, power_scale, shades
from gigawatt.report.terminal import add_row, table_of

if TYPE_CHECKING:
    from rich.table import Table

_LEFT, _WIDTH, _RIGHT, _ROW, _BAR = 210, 620, 150, 24, 13
_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)


def picture(spans: Sequence[Span], without: Sequence[LeftOut], *, title: str, subtitle: str) -> str:
    """SVG text: one row a name, grouped by what is asked; the wider the slack the lighter the bar."""
    slacks = sorted({span.slack_frac for span in spans})
    tints = dict(zip(slacks, reversed(shades(BLUE, len(slacks))), strict=True))
    most = max([span.most_gw for span in spans], default=0.0) or 1.0
    cost = {(row.by, row.name): row for row in without}
    scale = power_scale(most * 1e9)
    tick = _tick(float(scale.of(most * 1e9)))

    def x(gw: float) -> float:
        return _LEFT + _WIDTH * gw / most

    lines = subtitle.splitlines()
    top = 78 + 18 * len(lines)
    body, y = [], top
    for by in dict.fromkeys(span.by for span in spans):
        names = list(dict.fromkeys(span.name for span in spans if span.by == by))
        body.append(_text(14, y + 12, by.capitalize(), weight=650))
        y += 22
        for name in names:
            rows = sorted((s for s in spans if (s.by, s.name) == (by, name)), key=lambda s: -s.slack_frac)
            body.append(_text(_LEFT - 10, y + 14, name, anchor="end"))
            for span in rows:
                width = max(x(span.most_gw) - x(span.least_gw), 1.0)
                tip = f"{name}, within {percent(span.slack_frac)}: {watts(span.least_gw)} to {watts(span.most_gw)}"
                body.append(
                    f'<rect x="{x(span.least_gw):.1f}" y="{y + 4}" width="{width:.1f}" height="{_BAR}" '
                    f'fill="{tints[span.slack_frac]}"><title>{escape(tip)}</title></rect>'
                )
            at = x(rows[0].optimum_gw)
            body.append(f'<rect x="{at - 1.5:.1f}" y="{y + 1}" width="3" height="{_BAR + 6}" fill="{ORANGE}"/>')
            if (by, name) in cost:
                body.append(_text(_LEFT + _WIDTH + 14, y + 14, price(cost[by, name]), colour=SOFT))
            y += _ROW
        y += 10
    height = y + 62
    grid = []
    for step in range(int(float(scale.of(most * 1e9)) / tick + 1e-9) + 1):
        at = x(step * tick * scale.divisor / 1e9)
        grid.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top - 4}" y2="{y}" stroke="{GRID}"/>')
        grid.append(_text(at, y + 16, f"{step * tick:g}", anchor="middle", colour=SOFT))
    grid.append(f'<line x1="{_LEFT}" x2="{_LEFT}" y1="{top - 4}" y2="{y}" stroke="{LINE}"/>')
    legend, place = [], float(_LEFT)
    for slack in slacks:
        legend.append(f'<rect x="{place:.0f}" y="{y + 38}" width="22" height="{_BAR}" fill="{tints[slack]}"/>')
        legend.append(_text(place + 28, y + 49, f"within {percent(slack)}"))
        place += 120
    legend.append(f'<rect x="{place + 9:.0f}" y="{y + 35}" width="3" height="{_BAR + 6}" fill="{ORANGE}"/>')
    legend.append(_text(place + 20, y + 49, "optimum"))
    heads = [
        _text(14, 30, title, size=19, weight=650),
        *(_text(14, 52 + 18 * place, line, colour=SOFT) for place, line in enumerate(lines)),
        _text(_LEFT, top - 14, f"facility {scale.unit}", colour=SOFT),
        _text(_LEFT + _WIDTH + 14, top - 14, "cost without it" if without else "", colour=SOFT),
    ]
    wide = _LEFT + _WIDTH + _RIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {height}" width="{wide}" height="{height}" '
        f'font-family="{escape(FONT)}" role="img"><rect width="100%" height="100%" fill="white"/>'
        f"{''.join(heads + grid + body + legend)}</svg>\n"
    )


def percent(share: float) -> str:
    """A share in per cent: "5 %", "0.25 %"."""
    return f"{100.0 * share:.3g} %"


def price(row: LeftOut) -> str:
    """Cost of leaving one out, for a table or a picture."""
    if row.extra_musd is None or row.extra_frac is None:
        return "no plan"
    return f"{pretty(row.extra_musd * 1e6, 'USD')} ({row.extra_frac:.1%})" if row.extra_musd > 0.05 else "nothing"


def held(span: Span, spans: Sequence[Span]) -> str:
    """What the optimum holds of one name, with its share of what it holds of all names of the same kind."""
    whole = sum({row.name: row.optimum_gw for row in spans if row.by == span.by}.values())
    share = f" ({span.optimum_gw / whole:.0%})" if whole > 1e-6 and span.optimum_gw > 1e-6 else ""
    return watts(span.optimum_gw) + share


def watts(gw: float) -> str:
    """Facility power as people write it; nothing below a kilowatt."""
    return pretty(gw * 1e9, "W") if gw > 1e-6 else "0"


def ranges_table(spans: Sequence[Span], without: Sequence[LeftOut], *, title: str) -> Table:
    """A row a name in the terminal: what the optimum holds, least and most within each slack, cost without it."""
    slacks = sorted({span.slack_frac for span in spans})
    heads = [("Name", "left", 0), ("By", "left", 0), ("Optimum (share)", "right", 0)]
    heads += [*((f"within {percent(slack)}", "right", 0) for slack in slacks), ("Cost without it", "right", 0)]
    table = table_of(heads, title=title)
    found = {(span.by, span.name, span.slack_frac): span for span in spans}
    for row in without:
        mine = [found[row.by, row.name, slack] for slack in slacks]
        cells = [f"{watts(span.least_gw)} to {watts(span.most_gw)}" for span in mine]
        add_row(table, [row.name, row.by, held(mine[0], spans), *cells, price(row)])
    return table


def write_ranges(
    folder: Path, spans: Sequence[Span], without: Sequence[LeftOut], *, title: str, subtitle: str
) -> tuple[Path, Path]:
    """(picture, page) written as ``alternatives.svg`` and ``alternatives.html``, which need nothing else.

    Raises ScenarioError where a file cannot be written.
    """
    drawing = picture(spans, without, title=title, subtitle=subtitle)
    slacks = sorted({span.slack_frac for span in spans})
    heads = "".join(f"<th>Within {percent(slack)}</th>" for slack in slacks)
    found = {(span.by, span.name, span.slack_frac): span for span in spans}
    cost = {(row.by, row.name): row for row in without}
    rows, last = "", ""
    for by, name in dict.fromkeys((span.by, span.name) for span in spans):
        if by != last:
            rows += f'<tr><th colspan="{len(slacks) + 3}" class="by">{escape(by.capitalize())}</th></tr>'
        last, mine = by, [found[by, name, slack] for slack in slacks]
        ends = "".join(f"<td>{watts(span.least_gw)} to {watts(span.most_gw)}</td>" for span in mine)
        without_it = cost.get((by, name))
        paid = "" if without_it is None else escape(price(without_it))
        if without_it is not None and without_it.why:
            paid = escape(without_it.why).replace(chr(10), "<br>")
        rows += f"<tr><td>{escape(name)}</td><td>{held(mine[0], spans)}</td>{ends}<td>{paid}</td></tr>"
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>'
        f"body{{font-family:{FONT};color:{INK};margin:24px auto;max-width:1020px;padding:0 16px}}"
        f"svg{{max-width:100%;height:auto}}table{{border-collapse:collapse;font-size:14px;width:100%}}"
        f"td,th{{padding:4px 10px;border-bottom:1px solid {GRID};text-align:right;vertical-align:top;"
        f"white-space:nowrap}}td:first-child,th:first-child{{text-align:left}}"
        f"td:last-child,th:last-child{{white-space:normal}}th{{color:{SOFT};font-weight:500}}"
        f"th.by{{padding-top:16px;color:{INK};font-weight:650}}</style></head><body>{drawing}"
        "<h2>What it can hold, and what it costs to do without</h2><table><tr><th>Name</th><th>Optimum (share)</th>"
        f"{heads}<th>Cost without it</th></tr>{rows}</table></body></html>\n"
    )
    files = folder / "alternatives.svg", folder / "alternatives.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in zip(files, (drawing, page), strict=True):
            write_whole(path, content)
    except OSError as error:
        raise ScenarioError(f"cannot write into {folder}: {error.strerror}; choose another folder") from error
    return files


def _tick(most: float) -> float:
    """Distance of grid lines, so that there are four to eight."""
    size = 10.0 ** (len(str(int(most))) - 2)
    while True:
        for step in _NICE:
            if most / (step * size) <= 8:
                return step * size
        size *= 10


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", size: int = 13, weight: int = 400, colour: str = INK
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'fill="{colour}">{escape(words)}</text>'
    )
