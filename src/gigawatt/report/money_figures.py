"""Figures of money: cash and funding by quarter, sources and uses, capex of a gigawatt, cost of a token."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gigawatt.core.units import pretty
from gigawatt.finance.ledger import CAPEX_KINDS
from gigawatt.report.style import (
    BLUE,
    INK,
    LINE,
    ORANGE,
    ROSE,
    SAND,
    SOFT,
    TEAL,
    WINE,
    Floats,
    bars,
    class_label,
    layout,
    money_scale,
    name_axis,
    party_label,
    quarter_axis,
    value_axis,
)
from gigawatt.study.results import Results
from gigawatt.study.scenario import Demanded

_FUNDS = {
    "milestone-equity": ("Milestone equity", TEAL),
    "equity": ("Equity rounds", BLUE),
    "debt-draw": ("Debt drawn", SAND),
    "gap-financing": ("Still to be found", ROSE),
    "debt-repayment": ("Debt repaid", "#8d97a1"),
    "gap-repayment": ("Found money repaid", "#c9a3b4"),
}
SOURCES = {"sales": ("Revenue that pays for compute", "#7b8794")} | _FUNDS
USES = {
    "systems": ("Systems", "#16683a"),
    "network": ("Network", "#5fa777"),
    "buildings": ("Buildings", ORANGE),
    "rented": ("Rented compute", "#2459a6"),
    "site-rent": ("Rent of sites", SAND),
    "energy": ("Energy", "#b4431f"),
    "upkeep": ("Upkeep", "#93922f"),
    "interest": ("Interest", WINE),
    "debt-repayment": ("Debt repaid", "#8d97a1"),
    "gap-repayment": ("Found money repaid", "#c9a3b4"),
    "penalty": ("Penalties", "#7a5195"),
}
_PURPOSE = {
    "shell": "buildings",
    "power": "buildings",
    "cooling": "buildings",
    "site-opening": "buildings",
    "fit-out": "buildings",
    "cloud-rent": "rented",
    "chip-rent": "rented",
    "maintenance": "upkeep",
    "facility-upkeep": "upkeep",
}
_PARTS = {
    "systems": "Systems",
    "network": "Network",
    "power": "Power plant",
    "shell": "Shell",
    "cooling": "Cooling",
    "site-opening": "Opening of sites",
    "fit-out": "Fit-out of halls",
}


def cash(results: Results) -> go.Figure:
    """Funding by quarter above, balance and debt at the end of each quarter below."""
    labels, plan = list(results.case.labels), results.plan
    funds = {kind: _by_quarter(results, kind) for kind in _FUNDS}
    funds = {kind: row for kind, row in funds.items() if row.max() > 1.0}
    balance, debt = plan["cash_usd"].values, plan["debt_usd"].values
    scale = money_scale(max(balance.max(), debt.max(), *(row.max() for row in funds.values())))
    n_rows = 2 if funds else 1
    figure = make_subplots(rows=n_rows, cols=1, shared_xaxes=True, vertical_spacing=0.07)
    subtitle = "Cash balance and debt at the end of each quarter."
    if funds:
        subtitle = "Above: money from investors and lenders, and what is still to be found. Below: cash and debt."
    figure.update_layout(layout(_cash_title(results), subtitle, height=330 + 150 * n_rows))
    hover = f"%{{fullData.name}}<br>%{{x}}: %{{y:.4~g}} {scale.unit}"
    for kind, row in funds.items():
        name, colour = _FUNDS[kind]
        sign = -1.0 if kind.endswith("-repayment") else 1.0
        figure.add_trace(bars(labels, sign * scale.of(row), name, colour, hover), row=1, col=1)
    lines = [("Cash balance", balance, INK, "solid")]
    if debt.max() > 1.0:
        lines.append(("Debt", debt, WINE, "5px,3px"))
    for name, values, colour, dash in lines:
        figure.add_trace(
            go.Scatter(
                x=labels,
                y=scale.of(values).tolist(),
                name=name,
                mode="lines+markers",
                marker={"size": 5},
                line={"color": colour, "width": 2.2, "dash": dash},
                hovertemplate=hover + "<extra></extra>",
                fill="tozeroy" if name == "Cash balance" else None,
                fillcolor="rgba(28,39,51,0.06)",
            ),
            row=n_rows,
            col=1,
        )
    figure.update_xaxes(quarter_axis(labels))
    if funds:
        figure.update_yaxes(value_axis(f"in the quarter [{scale.unit}]", rangemode="normal"), row=1, col=1)
    figure.update_yaxes(value_axis(f"at its end [{scale.unit}]"), row=n_rows, col=1)
    figure.update_layout(legend_y=-0.16 if n_rows == 1 else -0.115, barmode="relative")
    return figure


def _by_quarter(results: Results, kind: str) -> Floats:
    book = results.book
    sums = book.loc[book["kind"] == kind].groupby("quarter")["usd"].sum()
    return np.asarray(sums.reindex(list(results.case.labels), fill_value=0.0).to_numpy(), dtype=np.float64)


def _cash_title(results: Results) -> str:
    labels, owed = results.case.labels, results.plan["gap_owed_usd"].values
    if owed.max() > 1.0:
        when = labels[int(owed.argmax())]
        return f"{pretty(float(owed.max()), 'USD')} are still to be found, the most at once in {when}"
    least = int(np.argmin(results.plan["cash_usd"].values))
    low = pretty(float(results.plan["cash_usd"].values[least]), "USD")
    return f"All money is found; the balance is never below {low} ({labels[least]})"


def flows_in_usd(results: Results) -> dict[str, float]:
    """Money the buyer receives over the horizon by kind, with what it had at the start [USD]."""
    opening = results.case.scenario.funding.opening_cash.value
    book = results.book[results.book["payee"] == results.case.scenario.buyer]
    return {"opening": opening} | {str(k): float(v) for k, v in book.groupby("kind")["usd"].sum().items()}


def flows_out_usd(results: Results) -> dict[str, float]:
    """Money the buyer pays over the horizon by purpose, with what is left at the end [USD]."""
    book = results.book[results.book["payer"] == results.case.scenario.buyer]
    paid = book.groupby(book["kind"].map(purpose))["usd"].sum()
    left = sum(flows_in_usd(results).values()) - float(book["usd"].sum())
    return {str(k): float(v) for k, v in paid.items()} | {"closing": left}


def purpose(kind: str) -> str:
    """What a kind of flow pays for, as reports group it."""
    return _PURPOSE.get(kind, kind)


def sources_and_uses(results: Results) -> go.Figure:
    """Where the buyer's money comes from and what it goes to over the horizon; the two sides are equal."""
    names_in = {key: name for key, (name, _) in SOURCES.items()} | {"opening": "Cash at the start"}
    names_out = {key: name for key, (name, _) in USES.items()} | {"closing": "Cash at the end"}
    into, out = flows_in_usd(results), flows_out_usd(results)
    total = sum(into.values())
    scale = money_scale(total)
    sides = [("Sources", into, names_in, BLUE), ("Uses", out, names_out, ORANGE)]
    figure = make_subplots(rows=1, cols=2, subplot_titles=["<b>Sources</b>", "<b>Uses</b>"], horizontal_spacing=0.25)
    most = max(max(into.values()), max(out.values()))
    places: list[list[str]] = []
    for column, (side, flows, names, colour) in enumerate(sides, start=1):
        shown = [(names.get(key, key), usd) for key, usd in flows.items() if abs(usd) > 1e-4 * total]
        rows = sorted(shown, key=lambda row: -row[1])
        figure.add_trace(
            go.Bar(
                y=[name for name, _ in rows],
                x=scale.of([usd for _, usd in rows]).tolist(),
                orientation="h",
                name=side,
                marker={"color": colour},
                text=[pretty(usd, "USD") for _, usd in rows],
                textposition="outside",
                textfont={"color": SOFT, "size": 12},
                cliponaxis=False,
                showlegend=False,
                hovertemplate=f"%{{y}}: %{{x:.4~g}} {scale.unit}<extra></extra>",
            ),
            row=1,
            col=column,
        )
        places.append([name for name, _ in rows])
    length = max(len(rows) for rows in places)
    for column, shown_names in enumerate(places, start=1):
        span = [len(shown_names) - length - 0.5, len(shown_names) - 0.5]
        figure.update_yaxes(name_axis(shown_names, range=span), row=1, col=column)
    main = max(out.items(), key=lambda item: item[1] if item[0] != "closing" else -1.0)
    largest = names_out.get(main[0], main[0]).lower()
    title = f"{pretty(total, 'USD')} come in; the largest use is {largest}, {100 * main[1] / total:.0f} % of it"
    labels, buyer = results.case.labels, party_label(results.case, results.case.scenario.buyer)
    figure.update_layout(
        layout(
            title,
            f"Sources and uses of {buyer}'s money for compute, "
            f"{labels[0]} to {labels[-1]}, in money of the quarter. The two sides are equal.",
            height=70 + 38 * length,
            headroom=24,
        )
    )
    figure.update_xaxes(value_axis(f"[{scale.unit}]", range=[0, 1.2 * float(scale.of(most))]))
    figure.update_layout(bargap=0.35)
    return figure


def cost_per_mtok(results: Results) -> go.Figure:
    """Level cost of a million output tokens by class (log scale), with the price it is sold at."""
    case, costs = results.case, results.summary["cost_per_mtok_usd"]
    shown = sorted((name for name, usd in costs.items() if usd > 0), key=lambda name: -costs[name])
    if not shown:
        return go.Figure(layout=layout("No tokens are served", ""))
    names = {name: class_label(case, name) for name in shown}
    prices = {
        item.id: item.row.price.value * 1e6
        for item in case.classes
        if isinstance(item.row, Demanded) and item.row.price and item.id in costs
    }
    ratio = costs[shown[0]] / costs[shown[-1]]
    title = f"A million tokens cost {_dollars(costs[shown[-1]])} to {_dollars(costs[shown[0]])}"
    title += f", {ratio:,.0f} times as much for {names[shown[0]]} as for {names[shown[-1]]}" if ratio >= 2 else ""
    figure = go.Figure(
        layout=layout(
            title,
            "Level cost of a million output tokens over the horizon: systems, buildings and energy that the "
            "class makes necessary, without idle commitments. Log scale.",
            height=120 + 34 * len(shown),
        )
    )
    figure.add_trace(
        go.Bar(
            y=[names[name] for name in shown],
            x=[costs[name] for name in shown],
            orientation="h",
            name="Level cost",
            marker={"color": BLUE},
            text=[f" {_dollars(costs[name])}" for name in shown],
            textposition="inside" if prices else "outside",
            insidetextanchor="start",
            insidetextfont={"color": "white", "size": 12.5},
            outsidetextfont={"color": INK, "size": 12.5},
            cliponaxis=False,
            showlegend=bool(prices),
            hovertemplate="%{y}: $%{x:.3~g} per million output tokens<extra></extra>",
        )
    )
    if prices:
        figure.add_trace(
            go.Scatter(
                y=[names[name] for name in prices],
                x=list(prices.values()),
                mode="markers",
                name="Price in the scenario",
                marker={
                    "symbol": "diamond",
                    "size": 12,
                    "color": "white",
                    "line": {"color": "#b3261e", "width": 2.2},
                },
                hovertemplate="%{y}: sold at $%{x:.3~g} per million output tokens<extra></extra>",
            )
        )
    ends = [*(costs[name] for name in shown), *prices.values()]
    low, high = np.floor(np.log10(min(ends)) * 2 - 0.4) / 2, np.log10(max(ends)) + 0.35
    ticks = [
        m * 10.0**e
        for e in range(int(low) - 1, int(high) + 2)
        for m in (1, 2, 5)
        if low <= np.log10(m * 10.0**e) <= high
    ]
    figure.update_xaxes(
        value_axis(
            "$ per million output tokens (log)",
            type="log",
            range=[low, high],
            tickvals=ticks,
            ticktext=[_dollars(tick) for tick in ticks],
            linecolor=LINE,
            rangemode="normal",
        )
    )
    figure.update_yaxes(name_axis([names[name] for name in shown]))
    figure.update_layout(bargap=0.35, legend_y=-70 / (34 * len(shown) + 60))
    return figure


def _dollars(value: float) -> str:
    if value >= 1:
        return f"${value:,.2f}".removesuffix(".00")
    return f"${value:.2g}" if value < 0.1 else f"${value:.2f}"


def capex_by_part_usd_per_w(results: Results) -> dict[str, float]:
    """Capex of each part over the facility watts it was bought for [USD/W].

    Systems and network over what was accepted under own contracts, buildings over what own sites use.
    """
    case, plan = results.case, results.plan
    capex = results.summary["capex_by_part_usd"]
    accepted = plan["accepted_facility_w"].values[:, -1]
    owned_w = float(accepted[plan["contract"].values == "own"].sum())
    built = np.array([site.use.tenure == "own" for site in case.sites])
    built_w = float(plan["energise_w"].transpose("site", "quarter").values[built].sum())
    over = {kind: owned_w if kind in ("systems", "network") else built_w for kind in CAPEX_KINDS}
    return {kind: capex[kind] / over[kind] for kind in CAPEX_KINDS if over[kind] > 1.0 and capex[kind] > 1.0}


def capex_per_gw(results: Results) -> go.Figure:
    """Capex of a facility gigawatt by part, each over the power it was bought for."""
    parts = capex_by_part_usd_per_w(results)
    if not parts:
        return go.Figure(layout=layout("Nothing is bought: all capacity is rented", ""))
    whole = sum(parts.values())
    total = results.summary["capex_by_part_usd"]
    names = [_PARTS[kind] for kind in parts]
    colours = [USES[purpose(kind)][1] for kind in parts]
    accepted_w = float(results.plan["accepted_facility_w"].values[:, -1].sum())
    unit, word, per = ("GW", "gigawatt", 1e9) if accepted_w >= 1e8 else ("MW", "megawatt", 1e6)
    share = parts.get("systems", 0.0) / whole
    title = f"A {word} that is bought costs {pretty(whole * per, 'USD')}; systems are {100 * share:.0f} % of it"
    leased = [site.id for site in results.case.sites if site.use.tenure != "own"]
    subtitle = f"Capex per facility {word}: systems and network over what was bought, buildings over what was built."
    if leased and set(parts) <= {"systems", "network"}:
        subtitle = f"Capex per facility {word} of what was bought. All buildings are leased and paid for by rent."
    elif leased:
        subtitle += " Leased sites pay rent instead."
    figure = go.Figure(layout=layout(title, subtitle, height=100 + 44 * (len(parts) + 1)))
    start = 0.0
    for name, kind, colour in zip(names, parts, colours, strict=True):
        each = pretty(parts[kind] * per, "USD")
        figure.add_trace(
            go.Bar(
                y=[name],
                x=[parts[kind]],
                base=[start],
                orientation="h",
                name=name,
                marker={"color": colour},
                showlegend=False,
                hovertemplate=f"{name}: {each}/{unit}, {pretty(total[kind], 'USD')} in all<extra></extra>",
            )
        )
        figure.add_annotation(
            x=start + parts[kind],
            y=name,
            xanchor="left",
            xshift=6,
            showarrow=False,
            font={"size": 12.5, "color": INK},
            text=f"{each}/{unit} · {pretty(total[kind], 'USD')} in all",
        )
        start += parts[kind]
    figure.update_xaxes(
        value_axis(
            f"${' billion' if unit == 'GW' else ' million'} per facility {unit}",
            range=[0, whole * 1.3],
            linecolor=LINE,
        )
    )
    figure.update_yaxes(name_axis(names))
    figure.update_layout(bargap=0.35, barmode="overlay", height=figure.layout.height - 30)
    return figure
