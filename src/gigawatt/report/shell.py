"""What every page shares: one file that needs no network, its looks and its plots."""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs


def whole_page(title: str, body: str) -> str:
    """A page with the report's looks and everything its plots need; ``title`` is text, ``body`` HTML."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)} · gigawatt</title><style>{_asset('report.css')}</style></head>\n<body>{body}\n"
        f"<script>{get_plotlyjs()}</script>\n<script>{_asset('report.js')}</script>\n</body></html>\n"
    )


def plot(figure: go.Figure, name: str, *, least_px: int, room_px: int) -> str:
    """The place of a figure in a page and its data; its own title goes, as the page says it.

    Args:
        figure: changed.
        name: unique in the page.
        least_px: width at which it is legible; narrower screens scroll it.
        room_px: kept free above the axes.
    """
    height = figure.layout.height - figure.layout.margin.t + room_px
    figure.update_layout(title=None, margin_t=room_px, height=height, width=None, autosize=True)
    text = json.dumps(json.loads(figure.to_json()), separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<div class="plotbox"><div class="plot" id="figure-{name}" style="--least:{least_px}px;height:{height}px">'
        f'</div></div><script type="application/json" data-figure="figure-{name}">{text}</script>'
    )


def _asset(name: str) -> str:
    return files("gigawatt.report").joinpath("assets", name).read_text(encoding="utf-8")
