"""What a search of configurations found: a table for the terminal, rows for ``--json``, and one page with a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from gigawatt.core.calendar import HOUR_S
from gigawatt.core.errors import TableError
from gigawatt.core.units import pretty
from gigawatt.core.writing import write_whole
from gigawatt.perf.inference import Speculation
from gigawatt.perf.measured import Choice, choose_maker
from gigawatt.perf.operators import Floats
from gigawatt.perf.search import Answer, Candidates, Objective, Options, Tail, Task
from gigawatt.perf.table import MAKERS
from gigawatt.report.shell import plot, whole_page
from gigawatt.report.style import GRID, INK, LINE, heading, layout, plain, series_colours, value_axis
from gigawatt.report.terminal import add_row, table_of

if TYPE_CHECKING:
    from rich.console import RenderableType

Row = dict[str, Any]

_AXIS: dict[Objective, tuple[str, str, float]] = {
    "package": ("output tokens a second a package [tok/s]", "tok/s a package", 1.0),
    "mw": ("output tokens a second a MW of IT power [tok/s/MW]", "tok/s/MW", 1e6),
    "dollar": ("output tokens a dollar of price and energy [tok/$]", "tok/$", 1.0),
}
_PER: dict[Objective, str] = {"package": "a package", "mw": "a MW", "dollar": "a dollar"}


def answer_rows(answers: Sequence[Answer], options: Options) -> list[Row]:
    """Systems as plain data in base units: the operating point, its band, and the frontier. Blanks are None."""
    return [_row(one, options) for one in answers]


def _row(one: Answer, options: Options) -> Row:
    found, chosen, system = one.found, one.chosen, one.found.system
    row: Row = {
        "id": system.id,
        "name": system.name,
        "vendor": system.vendor,
        "status": system.status,
        "reason": chosen.reason,
        "speculation": _speculation(found.speculation),
        "maker": found.maker,
        "precision": found.precision,
        "n_legal": len(found),
        "n_evaluated": found.n_evaluated,
        "headroom_frac": list(chosen.headroom),
        "frontier": [_point(found, int(at)) for at in one.frontier],
    }
    if not chosen.is_served:
        return row
    units = system.n_packages.value if system.n_packages else 1.0
    ends = {
        "": chosen.tokens_per_s_package,
        "_low": chosen.tokens_per_s_package_low,
        "_high": chosen.tokens_per_s_package_high,
    }
    watts = chosen.it_power_unit_w / units
    return row | {
        **_point(found, chosen.at),
        **{f"tokens_per_s_package{end}": rate for end, rate in ends.items()},
        **{f"tokens_per_s_per_w{end}": rate / watts for end, rate in ends.items()},
        "tokens_per_s_unit": chosen.tokens_per_s_unit,
        "unit": system.unit,
        "n_packages_unit": units,
        "it_power_unit_w": chosen.it_power_unit_w,
        "rated_it_power_unit_w": system.it_power.value if system.it_power else None,
        "joules_per_token": chosen.joules_per_token,
        "percentile": chosen.percentile,
        "band": chosen.band,
        "planned": _planned(one),
        "note": _note(one, options),
    }


def _speculation(guess: Speculation) -> Row:
    return {"tokens": guess.tokens, "accepted": guess.accepted}


def _planned(one: Answer) -> Row:
    """The same as plans and ``gigawatt compare`` count it: most tokens a package, less headroom, at rated power."""
    point = one.planned
    watts = one.found.system.it_power.value if one.found.system.it_power else math.nan
    kept = point.tokens_per_s_unit * (1.0 - point.headroom[1])
    return {
        "tokens_per_s": kept, "tokens_per_s_per_w": None if math.isnan(watts) else kept / watts,
        "speed_tokens_per_s_user": 1.0 / point.tpot_s, "batch_size": point.batch, "layout": point.layout,
        "speculation": _speculation(point.speculation),
    }  # fmt: skip


def _point(found: Candidates, at: int) -> Row:
    before = int(found.prefill_layout[at])
    usd = float(found.usd_per_h_package[at])
    rate = float(found.tokens_per_s_package[1, at])
    return {
        "layout": found.names[found.layout[at]],
        "prefill_layout": found.names[before] if before >= 0 else None,
        "prefill_packages_per_decode_package": float(found.prefill_per_decode[at]),
        "batch_size": float(found.batch[at]),
        "n_packages_per_replica": float(found.n_packages[at]),
        "speed_tokens_per_s_user": 1.0 / float(found.tpot_s[1, at]),
        "tpot_s": [float(value) for value in found.tpot_s[:, at]],
        "ttft_s": [float(value) for value in found.ttft_s[:, at]],
        "tokens_per_s_package": rate,
        "tokens_per_s_per_w": rate / float(found.watts_package[at]),
        "it_power_package_w": float(found.watts_package[at]),
        "usd_per_token": None if math.isnan(usd) else usd / HOUR_S / rate,
    }


def _note(one: Answer, options: Options) -> str:
    """What the figures rest on, and who else could have made them."""
    found = one.found
    words = [found.speculation.said, found.precision, found.band]
    could = choose_maker(found.system, found.task.model, options.weights or found.task.model.weights_precision)
    if isinstance(could, Choice) and could.maker == "measured":
        words.append("measured kernels cover it")
    if found.maker == "dataflow" and (options.backend or options.cache):
        words.append("its own software and cache")
    return "; ".join(word for word in words if word)


def page_data(
    rows: Sequence[Row], task: Task, objective: Objective, options: Options, tail: Tail
) -> Row:  # fmt: skip
    """Everything a search was asked and found, for ``--json``."""
    slow, late = tail.at(task.percentile)
    return {
        "model": task.model.id,
        "model_note": task.model.note,
        "objective": objective,
        "prompt_tokens": task.prompt,
        "cached_tokens": task.cached,
        "output_tokens": task.output,
        "ttft_limit_s": task.ttft_s,
        "speed_limit_tokens_per_s_user": task.tokens_per_s_user,
        "percentile": task.percentile,
        "tpot_over_median": slow,
        "ttft_over_median": late,
        "backend": options.backend or "mean",
        "speculation": _speculation(options.speculation),
        "systems": list(rows),
    }


# ---------------------------------------------------------------- terminal


def answer_table(rows: Sequence[Row], task: Task, objective: Objective, tail: Tail) -> RenderableType:
    """A line a system, best first; below, a sentence for each that cannot."""
    from rich.console import Group
    from rich.text import Text

    columns = [("system", "left"), ("layout", "left"), ("batch", "right"), ("tok/s\nuser", "right"), ("TTFT", "right")]
    columns += [("tok/s\npackage", "right"), ("tok/s\nMW", "right"), ("range", "right"), ("kW a\nunit", "right")]
    columns += [("J/tok", "right"), ("$/Mtok", "right"), ("maker", "left")]
    table = table_of([(name, justify, 0) for name, justify in columns], title=task_sentence(task, tail))
    served = _best_first(rows, objective)
    for row in served:
        add_row(table, [row["id"], *_cells(row)[1:-1]])
    parts: list[RenderableType] = [table, Text("")] if served else [Text(task_sentence(task, tail), style="bold")]
    parts += [Text(_refusal(row), style="yellow") for row in rows if row["reason"]]
    for note in dict.fromkeys(row["note"] for row in served):
        names = ", ".join(row["id"] for row in served if row["note"] == note)
        parts.append(Text(f"{note}: {names}" if len(served) > 1 else str(note)))
    if served:
        counted = (f"{row['id']} {row['planned']['tokens_per_s']:,.0f} tok/s a unit" for row in served)
        parts.append(Text(f"{COUNTED}: {', '.join(counted)}", style="dim"))
        parts.append(Text(FOOT, style="dim"))
    return Group(*parts)


COUNTED = "As plans and gigawatt compare count (the most a package, less what is kept free, over rated power)"


def _refusal(row: Row) -> str:
    said = str(row["reason"] if row["name"] in row["reason"] else f"{row['name']}: {row['reason']}")
    return f"{said} ({Speculation(**row['speculation']).said})" if row["n_legal"] else said


def _best_first(rows: Sequence[Row], objective: Objective) -> list[Row]:
    """Systems that hold the limits, by the objective; those without a price last where it is money."""
    served = [row for row in rows if not row["reason"]]
    if objective == "dollar":
        return sorted(served, key=lambda row: row["usd_per_token"] or math.inf)
    key = "tokens_per_s_package" if objective == "package" else "tokens_per_s_per_w"
    return sorted(served, key=lambda row: -float(row[key]))


FOOT = (
    "Layout: '+ r x' are packages that prefill for each that decodes. Batch: requests in flight of a replica. Speed "
    "and TTFT are medians. MW is predicted IT power, kW that of a whole unit at work. Range: tok/s MW that still hold "
    "the limits at the ends of the band. $: price with network over its life, and energy. No headroom is deducted."
)


def task_sentence(task: Task, tail: Tail) -> str:
    """What is asked, in a sentence."""
    slow, late = tail.at(task.percentile)
    at = "median" if task.percentile == 0.5 else f"p{100 * task.percentile:g}"
    limits = []
    if task.tokens_per_s_user is not None:
        times = f" ({slow:.2f} x median time)" if slow > 1.0 else ""
        limits.append(f"{task.tokens_per_s_user:,g} tok/s per user{times}")
    if task.ttft_s is not None:
        limits.append(
            f"{pretty(task.ttft_s, 's')} to the first token" + (f" ({late:.2f} x median)" if late > 1 else "")
        )
    held = f"; {' and '.join(limits)} at {at}" if limits else "; no limits (--slo sets them)"
    cached = f", {task.cached:,.0f} of them in cache" if task.cached else ""
    return f"{task.model.name}: {task.prompt:,.0f} tokens in{cached}, {task.output:,.0f} out{held}"


def _cells(row: Row) -> list[str]:
    low, high = (_short(1e6 * row[f"tokens_per_s_per_w{end}"]) for end in ("_low", "_high"))
    usd = row["usd_per_token"]
    return [
        row["name"],
        _layout_text(row),
        f"{row['batch_size']:,.0f}",
        f"{row['speed_tokens_per_s_user']:,.0f}",
        pretty(row["ttft_s"][1], "s", 2),
        f"{row['tokens_per_s_package']:,.0f}",
        _short(1e6 * row["tokens_per_s_per_w"]),
        f"{low} to {high}",
        f"{row['it_power_unit_w'] / 1e3:,.1f}",
        f"{row['joules_per_token']:.3g}",
        "-" if usd is None else f"{1e6 * usd:.2f}",
        row["maker"],
        row["note"],
    ]


def _short(value: float) -> str:
    if value >= 999_500:
        return f"{value / 1e6:.2f}M"
    return f"{value / 1e3:.3g}k" if value >= 1e3 else f"{value:.3g}"


def _layout_text(row: Mapping[str, Any]) -> str:
    if row["prefill_layout"] is None:
        return str(row["layout"])
    ratio = row["prefill_packages_per_decode_package"]
    return f"{row['layout']}\n+ {ratio:.2g} x {row['prefill_layout']}"


# ---------------------------------------------------------------- page


def frontier_figure(answers: Sequence[Answer], task: Task, objective: Objective, tail: Tail) -> go.Figure:
    """Rate over speed of one user, a line a system; the band of the best is shaded, the SLO a line."""
    drawn = [one for one in answers if len(one.frontier)]
    title, subtitle = _titles(drawn, task, objective)
    figure = go.Figure(layout=layout(title, subtitle, height=560))
    if not drawn:
        return figure
    colours = series_colours([one.found.system.id for one in drawn])
    axis, unit, factor = _AXIS[objective]
    lead = _lead(drawn, objective)
    if lead is not None:
        figure.add_trace(_band(lead, objective, factor, colours[lead.found.system.id]))
    for one in drawn:
        found, some = one.found, one.frontier
        colour = colours[found.system.id]
        rate = factor * found.rate(objective)
        label = plain(found.system.name)
        figure.add_trace(
            go.Scatter(
                x=_plain_list(1.0 / found.tpot_s[1, some]),
                y=_plain_list(rate[some]),
                name=label,
                legendgroup=found.system.id,
                mode="lines",
                line={"color": colour, "width": 2.4, "dash": "solid" if found.maker != "dataflow" else "5px,3px"},
                text=[_hover(one, int(at)) for at in some],
                hovertemplate=f"<b>{label}</b><br>%{{x:.4~g}} tok/s a user, %{{y:.4~s}} {unit}<br>"
                "%{text}<extra></extra>",
            )
        )
        if one.chosen.is_served:
            figure.add_trace(_mark(one, rate, colour, unit))
    needed = _needed(task, tail)
    if needed:
        figure.add_vline(x=needed, line={"color": INK, "width": 1.3, "dash": "4px,3px"})
        at = "" if task.percentile == 0.5 else f" at p{100 * task.percentile:g}"
        figure.add_annotation(
            x=math.log10(needed), y=1.0, yref="paper", text=f" SLO: {task.tokens_per_s_user:g} tok/s{at}",
            showarrow=False, xanchor="left", yanchor="bottom", font={"size": 12, "color": INK},
        )  # fmt: skip
    figure.update_xaxes(_log_axis("speed of one user, median [tok/s]", _span(drawn, 0, objective)))
    figure.update_yaxes(_log_axis(axis, _span(drawn, 1, objective)))
    figure.update_layout(hovermode="closest", legend_y=-0.13)
    return figure


def _plain_list(values: Floats) -> list[float]:
    return [float(value) for value in values]


def _needed(task: Task, tail: Tail) -> float:
    """Median speed that holds the limit at its percentile [token/s]; 0 without a limit."""
    return (task.tokens_per_s_user or 0.0) * tail.at(task.percentile)[0]


def _lead(drawn: Sequence[Answer], objective: Objective) -> Answer | None:
    """The system with the highest rate at the SLO."""
    served = [one for one in drawn if one.chosen.is_served]
    return max(served, key=lambda one: float(one.found.rate(objective)[one.chosen.at])) if served else None


def _titles(drawn: Sequence[Answer], task: Task, objective: Objective) -> tuple[str, str]:
    lead = _lead(drawn, objective)
    if lead is None:
        title = f"No system serves {task.model.name} within these limits"
    else:
        _, unit, factor = _AXIS[objective]
        rate = factor * float(lead.found.rate(objective)[lead.chosen.at])
        title = f"{lead.found.system.name} serves the most {_PER[objective]}: {_short(rate)} {unit}"
        if len(drawn) == 1:
            title = f"{lead.found.system.name} serves {_short(rate)} {unit}"
    subtitle = "A line: the best of all layouts and batches, aggregated or disaggregated."
    if lead is not None:
        subtitle += f" Dots: chosen at the SLO. Shaded: what {lead.found.system.name} may turn out to do, 80 % band."
    return title, subtitle


def _band(one: Answer, objective: Objective, factor: float, colour: str) -> go.Scatter:
    """The frontier between the ends of its band: both speed and rate move, as times do."""
    found, some = one.found, one.frontier
    ends = [(1.0 / found.tpot_s[end, some], factor * found.rate(objective, end)[some]) for end in (0, 2)]
    x, y = (np.concatenate([ends[0][k], ends[1][k][::-1]]) for k in (0, 1))
    return go.Scatter(
        x=_plain_list(x), y=_plain_list(y), mode="lines", fill="toself", line={"width": 0, "color": colour},
        fillcolor=_pale(colour), hoverinfo="skip", showlegend=False, legendgroup=found.system.id,
    )  # fmt: skip


def _pale(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.13)"


def _mark(one: Answer, rate: Floats, colour: str, unit: str) -> go.Scatter:
    found, at = one.found, one.chosen.at
    label = plain(found.system.name)
    return go.Scatter(
        x=[1.0 / float(found.tpot_s[1, at])], y=[float(rate[at])], mode="markers", showlegend=False,
        legendgroup=found.system.id,
        marker={"color": colour, "size": 10, "line": {"color": "white", "width": 1.6}},
        text=[_hover(one, at)],
        hovertemplate=f"<b>{label}</b>, at the SLO<br>%{{x:.4~g}} tok/s a user, %{{y:.4~s}} {unit}<br>"
        "%{text}<extra></extra>",
    )  # fmt: skip


def _hover(one: Answer, at: int) -> str:
    point = _point(one.found, at)
    return (
        f"{_layout_text(point).replace(chr(10), ' ')}<br>{point['batch_size']:,.0f} requests a replica of "
        f"{point['n_packages_per_replica']:,.0f} packages<br>{pretty(point['ttft_s'][1], 's')} to the first token<br>"
        f"{point['it_power_package_w']:,.0f} W a package<br>{one.found.precision}"
    )


def _span(drawn: Sequence[Answer], k: int, objective: Objective) -> tuple[float, float]:
    """What the lines reach, on one axis."""
    factor = _AXIS[objective][2]
    values = np.concatenate(
        [(1.0 / a.found.tpot_s[1] if k == 0 else factor * a.found.rate(objective))[a.frontier] for a in drawn]
    )
    top, lead = float(values.max()), _lead(drawn, objective)
    if k == 1 and lead is not None:
        top = max(top, factor * float(lead.found.rate(objective, 0)[lead.frontier].max()))
    low = max(float(values.min()), top / (3e3 if k == 0 else 1e3))
    return low, top


def _log_axis(title: str, span: tuple[float, float]) -> dict[str, Any]:
    low, high = math.log10(span[0] / 1.15), math.log10(span[1] * 1.25)
    steps = (1, 2, 5) if high - low < 3.2 else (1, 3)
    marks = [m * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1) for m in steps]
    shown = [mark for mark in marks if 10**low <= mark <= 10**high]
    return value_axis(
        title, type="log", range=[low, high], tickvals=shown, ticktext=[_tick(mark) for mark in shown],
        gridcolor=GRID, linecolor=LINE, zeroline=False,
    ) | {"rangemode": "normal"}  # fmt: skip


def _tick(value: float) -> str:
    for divisor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= divisor * 0.999:
            return f"{value / divisor:g}{letter}"
    return f"{value:g}"


def write_page(
    answers: Sequence[Answer], rows: Sequence[Row], task: Task, objective: Objective, tail: Tail, path: Path
) -> Path:
    """Path of one page that needs nothing else. Raises TableError where it cannot be written."""
    figure = frontier_figure(answers, task, objective, tail)
    try:
        write_whole(path, _page(figure, rows, task, objective, tail))
    except OSError as error:
        raise TableError(f"cannot write the page to {path}: {error.strerror}; choose another file") from error
    return path


def _page(figure: go.Figure, rows: Sequence[Row], task: Task, objective: Objective, tail: Tail) -> str:
    title, subtitle = heading(figure)
    drawn = plot(figure, "frontier", least_px=640, room_px=34)
    table = _html_table(_best_first(rows, objective))
    return whole_page(
        f"{task.model.name}: tokens a second",
        f'<header class="top"><div><p class="eyebrow">gigawatt perf</p><h1>{escape(task.model.name)}</h1>'
        f'<p class="about">{escape(task_sentence(task, tail))}</p></div></header><main>'
        f"<section><h2>{title}</h2><figure><figcaption><p class=sub>{subtitle}</p></figcaption>{drawn}</figure>"
        f"</section><section><h2>Chosen points</h2>{table}<p class=sub>{escape(FOOT)}</p>{_refused(rows)}"
        "</section></main>",
    )


_HEADS = (
    ("System", False), ("Layout", False), ("Batch", True), ("tok/s user", True), ("TTFT", True),
    ("tok/s package", True), ("tok/s MW", True), ("Range", True), ("kW a unit", True), ("J/tok", True),
    ("$/Mtok", True), ("Maker", False), ("Rests on", False),
)  # fmt: skip


def _html_table(rows: Sequence[Row]) -> str:
    heads = "".join(
        f'<th class="{"num" if number else ""}"><button type="button">{escape(name)}</button></th>'
        for name, number in _HEADS
    )
    lines = "".join(f"<tr>{_html_cells(row)}</tr>" for row in rows)
    if not rows:
        return ""
    table = f'<table class="wide sortable"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def _html_cells(row: Row) -> str:
    keys = ["batch_size", "speed_tokens_per_s_user", "ttft", "tokens_per_s_package", "tokens_per_s_per_w"]
    keys += ["tokens_per_s_per_w_low", "it_power_unit_w", "joules_per_token", "usd_per_token"]
    known = row | {"ttft": row["ttft_s"][1]}
    sort: list[Any] = [None, None, *(known[key] for key in keys), None, None]
    cells = []
    for text, key, (_, number) in zip(_cells(row), sort, _HEADS, strict=True):
        mark = f' class="num" data-sort="{"" if key is None else float(key)!r}"' if number else ""
        mark = mark or (' style="white-space:nowrap"' if text in MAKERS else "")
        cells.append(f"<td{mark}>{escape(text).replace(chr(10), '<br>')}</td>")
    return "".join(cells)


def _refused(rows: Sequence[Row]) -> str:
    lines = [f"<li>{escape(_refusal(row))}</li>" for row in rows if row["reason"]]
    return f"<h3>Not at the SLO</h3><ul>{''.join(lines)}</ul>" if lines else ""


__all__ = ["answer_rows", "answer_table", "frontier_figure", "page_data", "task_sentence", "write_page"]
