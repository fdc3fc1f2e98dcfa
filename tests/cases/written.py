"""Scenarios with every kind of contract, as a user writes them."""

from __future__ import annotations

from typing import Any

import yaml

from gigawatt.catalog.load import load_catalog
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.scenario import BUNDLED, Scenario

STARTER = (BUNDLED / "starter.yaml").read_text(encoding="utf-8")


def raw_starter() -> dict[str, Any]:
    raw = yaml.safe_load(STARTER)
    raw["offers"] += [
        {
            "id": "cloud", "provider": "coreweave", "system": "gb200-nvl72", "sites": ["east", "west"],
            "contract": "cloud", "rent": "12 USD/W/yr", "term": "1 yr",
        }
    ]  # fmt: skip
    raw["sites"] += [{"site": name, "region": "us-south", "tenure": "provider"} for name in ("east", "west")]
    return raw


def changed(offer: str = "", terms: dict[str, Any] | None = None, site: dict[str, Any] | None = None,
            top: dict[str, Any] | None = None, **keys: Any) -> Scenario:  # fmt: skip
    """The starter with a cloud at two sites, one offer's keys and terms, the hall's keys and top keys replaced."""
    raw = raw_starter()
    for row in raw["offers"]:
        if row["id"] == offer:
            row.update(keys | ({"terms": terms} if terms else {}))
    for row in raw["sites"]:
        if row["site"] == "hall":
            row.update(site or {})
    return Scenario.model_validate(raw | (top or {}))


def case_of(chosen: Scenario, *events: str) -> Case:
    return resolve(chosen, load_catalog(), events)


def everything(**top: Any) -> Scenario:
    """Every kind of contract at once, with top keys added."""
    raw = raw_starter()
    rent, cloud = (next(row for row in raw["offers"] if row["id"] == name) for name in ("rent-h200", "cloud"))
    rent["terms"] = {"rent_falls": "20 %/yr", "exit": {"fee": "10 %", "after": "3 months"}, "ageing": "4 %/yr"}
    cloud["minimum_take"] = [
        {"start": "2027Q2", "end": "2028Q2", "power": "2 MW", "ramp": "6 months", "take_or_pay": True},
        {"start": "2028Q4", "end": "2029Q4", "power": "1 MW", "take_or_pay": True},
    ]
    cloud["terms"] = {
        "option": {"firm": "1 MW", "power": "2 MW", "premium": "0.1 USD/W", "until": "2028Q1", "notice": "3 months"},
        "rent_falls": "10 %/yr",
    }
    raw["offers"][0]["terms"] = {"acceptance_lag": "3 months", "resale_falls": "30 %/yr", "ageing": "3 %/yr"}
    raw["sites"][0]["lease"] = {
        "term": "10 yr", "escalator": "3 %/yr", "take_or_pay": "80 %", "deposit": "6 months",
        "guarantee": {"by": "nvidia", "fee": "2 %"},
    }  # fmt: skip
    raw["initial"][0]["held_until"] = "2027Q3"
    raw["commitments"] = [
        {"id": "rented", "providers": ["coreweave"], "basis": "it", "damages": "5 USD/W/yr",
         "cancel": {"fee": "0.5 USD/W", "until": "2028Q1"},
         "by": [{"quarter": "2027Q3", "value": "1.5 MW"}, {"quarter": "2028Q2", "value": "4 MW"}]},
    ]  # fmt: skip
    raw["warrants"] = [
        {"id": "shares", "vendor": "nvidia", "shares": 1000, "price": "$100", "strike": "$1", "over": "4 MW",
         "vests": "50 %"},
    ]  # fmt: skip
    raw["events"] = [{"id": "late", "title": "late", "delay_commitments": ["rented"], "delay": "6 months"}]
    raw["funding"] |= {
        "revenue": [{"quarter": "2027Q1", "value": "$40M"}], "compute_share": "60 %",
        "revenue_share": {"to": "microsoft", "share": "20 %", "until": "2027Q4", "cap": "$5M"},
    }  # fmt: skip
    raw["policy"]["rest_worth"] = "60 %"
    return Scenario.model_validate(raw | top)
