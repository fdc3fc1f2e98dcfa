"""A figure of the report as SVG, drawn without a browser: stacked bars by quarter, a line of steps, marks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from gigawatt.report.style import FONT, GRID, INK, LINE, SOFT

WIDTH, LEFT, RIGHT, HEIGHT = 1000, 46, 982, 330
"""Of the picture and of its bars [px]."""
COLUMNS, ROW = 5, 20
"""Of the legend: columns, and height of a row [px]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Where values lie: categories from left to right, 0 at ``bottom`` and ``top`` units ``HEIGHT`` above it."""

    labels: Sequence[str]
    bottom: float
    top: float

    def x(self, label: str) -> float:
        """Middle of a category [px]."""
        return LEFT + (self.labels.index(label) + 0.5) * self.step

    def y(self, value: float) -> float:
        """Height of a value [px from the top of the picture]."""
        return self.bottom - HEIGHT * value / self.top

    @property
    def step(self) -> float:
        """From one category to the next [px]."""
        return (RIGHT - LEFT) / len(self.labels)


def stacked_svg(figure: go.Figure) -> str:
    """The figure's title, bars, line, marks and legend as an SVG document.

    Takes bars (stacked in their order), scatters of lines that step half-way between categories, and of marks; colours,
    names, ticks and texts are the figure's. Coordinates are rounded to a tenth of a pixel.
    """
    heads = figure.layout.title.text.split("<br>")
    subs = figure.layout.title.subtitle.text.split("<br>")
    begin = 24 + 25 * len(heads) + 18 * len(subs)
    labels = list(figure.layout.xaxis.categoryarray)
    stacks = [sum(float(bar.y[i] or 0.0) for bar in figure.data if bar.type == "bar") for i in range(len(labels))]
    lines = [float(v) for trace in figure.data if trace.type == "scatter" for v in trace.y if v is not None]
    frame = Frame(labels=labels, bottom=begin + HEIGHT, top=1.04 * max([*stacks, *lines, 1e-9]))
    legend = frame.bottom + 62
    height = legend + ROW * math.ceil(len(figure.data) / COLUMNS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
        f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="{FONT}" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="white"/>',
        *(_text(12, 28 + 25 * i, text, size=19, weight=650) for i, text in enumerate(heads)),
        *(_text(12, 26 + 25 * len(heads) + 18 * i, text, size=13, fill=SOFT) for i, text in enumerate(subs)),
        *_axes(figure, frame),
        *_bars(figure, frame),
        *(part for trace in figure.data if trace.type == "scatter" for part in _scatter(trace, frame)),
        *_legend(figure, legend),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def ticks(top: float) -> list[float]:
    """Round values from 0 to ``top``, four to eight of them.

    >>> ticks(11.4), ticks(0.9)
    ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0], [0.0, 0.2, 0.4, 0.6, 0.8])
    """
    power = 10 ** math.floor(math.log10(top))
    step = next(power * part for part in (0.1, 0.2, 0.5, 1, 2) if top / (power * part) < 8)
    return [round(i * step, 12) for i in range(int(top / step) + 1)]


def _axes(figure: go.Figure, frame: Frame) -> Iterator[str]:
    for value in ticks(frame.top):
        y, colour = frame.y(value), GRID if value else LINE
        yield f'<path d="M{LEFT},{y:.1f}H{RIGHT}" stroke="{colour}"/>'
        yield _text(LEFT - 6, y + 4, f"{value:g}", size=12, fill=SOFT, anchor="end")
    title, middle = figure.layout.yaxis.title.text, frame.bottom - HEIGHT / 2
    turn = f' transform="rotate(-90 14 {middle:.1f})"'
    yield _text(14, middle, title, size=12.5, fill=SOFT, anchor="middle", more=turn)
    for label, text in zip(figure.layout.xaxis.tickvals, figure.layout.xaxis.ticktext, strict=True):
        yield f'<path d="M{frame.x(label):.1f},{frame.bottom:.1f}v4" stroke="{LINE}"/>'
        for row, word in enumerate(text.split("<br>")):
            yield _text(frame.x(label), frame.bottom + 18 + 15 * row, word, size=12, fill=SOFT, anchor="middle")


def _bars(figure: go.Figure, frame: Frame) -> Iterator[str]:
    width = frame.step * (1 - float(figure.layout.bargap))
    below = dict.fromkeys(frame.labels, 0.0)
    for bar in (trace for trace in figure.data if trace.type == "bar"):
        yield f'<g fill="{bar.marker.color}" stroke="white" stroke-width="0.6"{_hatched(bar)}>'
        for label, value in zip(bar.x, bar.y, strict=True):
            if value:
                x, y = frame.x(label) - width / 2, frame.y(below[label] + float(value))
                yield f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{frame.y(below[label]) - y:.1f}"/>'
                below[label] += float(value)
        yield "</g>"


def _hatched(bar: go.Bar) -> str:
    """Half as strong where the figure hatches."""
    return ' fill-opacity="0.5"' if bar.marker.pattern.shape else ""


def _scatter(trace: go.Scatter, frame: Frame) -> Iterator[str]:
    points = [(frame.x(x), frame.y(float(y))) for x, y in zip(trace.x, trace.y, strict=True) if y is not None]
    if trace.mode == "markers":
        yield from (_diamond(x, y, trace) for x, y in points)
        return
    path = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
    path += "".join(f"H{x - frame.step / 2:.1f}V{y:.1f}" for x, y in points[1:])
    yield f'<path d="{path}H{points[-1][0]:.1f}" {_stroke(trace)}/>'


def _stroke(trace: go.Scatter) -> str:
    dash = trace.line.dash.replace("px", "") if trace.line.dash else "none"
    return f'fill="none" stroke="{trace.line.color}" stroke-width="2" stroke-dasharray="{dash}"'


def _diamond(x: float, y: float, trace: go.Scatter) -> str:
    edge = trace.marker.line
    path = f"M{x:.1f},{y - 6:.1f}l6,6l-6,6l-6,-6z"
    return f'<path d="{path}" fill="{trace.marker.color}" stroke="{edge.color}" stroke-width="{edge.width}"/>'


def _legend(figure: go.Figure, top: float) -> Iterator[str]:
    for index, trace in enumerate(figure.data):
        x, y = LEFT + 14 + (index % COLUMNS) * 184, top + ROW * (index // COLUMNS)
        if trace.type == "bar":
            box, look = (
                f'x="{x:.0f}" y="{y - 11:.0f}" width="12" height="12"',
                f'fill="{trace.marker.color}"{_hatched(trace)}',
            )
            yield f"<rect {box} {look}/>"
        elif trace.mode == "markers":
            yield _diamond(x + 6, y - 5, trace)
        else:
            yield f'<path d="M{x - 8:.0f},{y - 5:.0f}h26" {_stroke(trace)}/>'
        yield _text(x + 26, y, trace.name, size=12.5)


def _text(
    x: float, y: float, text: str, *, size: float, fill: str = INK, anchor: str = "start", weight: int = 400,
    more: str = "",
) -> str:  # fmt: skip
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" text-anchor="{anchor}" '
        f'font-weight="{weight}"{more}>{text}</text>'
    )
