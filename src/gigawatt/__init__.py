"""The open planning tool for AI compute at gigawatt scale.

>>> import gigawatt
>>> results = gigawatt.run("neocloud")            # doctest: +SKIP
>>> results.summary["cost_per_mtok_usd"]          # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gigawatt.__about__ import __version__

if TYPE_CHECKING:
    from gigawatt.catalog.load import Catalog, load_catalog
    from gigawatt.study.results import Results
    from gigawatt.study.run import run
    from gigawatt.study.scenario import Scenario, load_scenario

__all__ = ["Catalog", "Results", "Scenario", "__version__", "load_catalog", "load_scenario", "run"]

_HOMES = {
    "Catalog": "gigawatt.catalog.load",
    "load_catalog": "gigawatt.catalog.load",
    "Results": "gigawatt.study.results",
    "run": "gigawatt.study.run",
    "Scenario": "gigawatt.study.scenario",
    "load_scenario": "gigawatt.study.scenario",
}


def __getattr__(name: str) -> Any:
    """Public names are imported when asked for, so that ``import gigawatt`` stays light."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'gigawatt' has no attribute {name!r}")
