"""Double entry over several parties: every flow has a payer and a payee, and all books sum to zero."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import pandas as pd

ACCOUNTS: dict[str, tuple[str, str]] = {
    "systems": ("assets", "revenue"),
    "network": ("assets", "revenue"),
    "shell": ("assets", "revenue"),
    "power": ("assets", "revenue"),
    "cooling": ("assets", "revenue"),
    "site-opening": ("assets", "revenue"),
    "fit-out": ("assets", "revenue"),
    "resale": ("assets", "revenue"),
    "maintenance": ("expense", "revenue"),
    "facility-upkeep": ("expense", "revenue"),
    "energy": ("expense", "revenue"),
    "site-rent": ("expense", "revenue"),
    "chip-rent": ("expense", "revenue"),
    "cloud-rent": ("expense", "revenue"),
    "take-or-pay": ("expense", "revenue"),
    "exit-fee": ("expense", "revenue"),
    "option-premium": ("expense", "revenue"),
    "cancellation": ("expense", "revenue"),
    "guarantee-fee": ("expense", "revenue"),
    "revenue-share": ("expense", "revenue"),
    "delay-damages": ("expense", "revenue"),
    "penalty": ("expense", "revenue"),
    "deposit": ("loans", "debt"),
    "deposit-return": ("debt", "loans"),
    "interest": ("expense", "revenue"),
    "sales": ("expense", "revenue"),
    "milestone-equity": ("investments", "equity"),
    "equity": ("investments", "equity"),
    "gap-financing": ("loans", "debt"),
    "gap-repayment": ("debt", "loans"),
    "debt-draw": ("loans", "debt"),
    "debt-repayment": ("debt", "loans"),
}
"""Kind of flow to (account of the payer, account of the payee) that stands against cash."""

CAPEX_KINDS = ("systems", "network", "shell", "power", "cooling", "site-opening", "fit-out")
FUNDING_KINDS = (
    "milestone-equity", "equity", "gap-financing", "gap-repayment", "debt-draw", "debt-repayment", "interest",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Money that changes hands in a quarter [USD, >= 0]."""

    quarter: str
    payer: str
    payee: str
    kind: str
    usd: float
    memo: str = ""


def ledger(flows: Iterable[Flow]) -> pd.DataFrame:
    """Flows as rows: quarter, payer, payee, kind, usd, memo; flows under one cent are dropped.

    Raises ValueError on an unknown kind, a negative amount, or a party that pays itself.
    """
    rows = []
    for flow in flows:
        if flow.kind not in ACCOUNTS:
            raise ValueError(f"'{flow.kind}' is not a kind of flow; kinds are {', '.join(ACCOUNTS)}")
        if flow.usd < -1e-2:
            raise ValueError(f"{flow.payer} -> {flow.payee}: {flow.usd:,.2f} USD is negative; swap payer and payee")
        if flow.payer == flow.payee:
            raise ValueError(f"{flow.payer} cannot pay itself ({flow.kind}, {flow.quarter})")
        if flow.usd >= 1e-2:
            rows.append(asdict(flow))
    columns = ["quarter", "payer", "payee", "kind", "usd", "memo"]
    return pd.DataFrame(rows, columns=columns).astype({"usd": float})


def postings(book: pd.DataFrame) -> pd.DataFrame:
    """Four postings a flow: cash and its counter account, at the payer and at the payee [USD].

    Columns: quarter, party, account, usd. Each party's postings of a flow sum to zero, and so does all cash.
    """
    against = book["kind"].map(ACCOUNTS)
    parts = [
        (book["payer"], pd.Series("cash", index=book.index), -book["usd"]),
        (book["payer"], against.map(lambda pair: pair[0]), book["usd"]),
        (book["payee"], pd.Series("cash", index=book.index), book["usd"]),
        (book["payee"], against.map(lambda pair: pair[1]), -book["usd"]),
    ]
    frames = [
        pd.DataFrame({"quarter": book["quarter"], "party": party, "account": account, "usd": usd})
        for party, account, usd in parts
    ]
    return pd.concat(frames, ignore_index=True)


def imbalance_usd(book: pd.DataFrame) -> float:
    """Largest sum over any party's books, or over everybody's cash, in any quarter [USD]; 0 for sound books."""
    if book.empty:
        return 0.0
    rows = postings(book)
    by_party = rows.groupby(["quarter", "party"])["usd"].sum().abs().max()
    cash = rows[rows["account"] == "cash"].groupby("quarter")["usd"].sum().abs().max()
    return float(max(by_party, cash))


def balance_usd(book: pd.DataFrame, party: str, quarters: Iterable[str], opening_usd: float = 0.0) -> pd.Series:
    """Cash of a party at the end of each quarter [USD]."""
    received = book[book["payee"] == party].groupby("quarter")["usd"].sum()
    paid = book[book["payer"] == party].groupby("quarter")["usd"].sum()
    change = received.sub(paid, fill_value=0.0).reindex(list(quarters), fill_value=0.0)
    return opening_usd + change.cumsum()
