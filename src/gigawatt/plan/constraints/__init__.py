"""One family a file; a new one is a new file and one more entry here."""

from __future__ import annotations

from collections.abc import Callable

from gigawatt.plan.algebra import Model
from gigawatt.plan.constraints.ageing import ageing
from gigawatt.plan.constraints.capacity import capacity
from gigawatt.plan.constraints.cash import cash
from gigawatt.plan.constraints.commitment import commitment
from gigawatt.plan.constraints.connection import connection
from gigawatt.plan.constraints.counted import counted
from gigawatt.plan.constraints.delivery import delivery
from gigawatt.plan.constraints.demand import demand
from gigawatt.plan.constraints.early_exit import early_exit
from gigawatt.plan.constraints.gang import gang
from gigawatt.plan.constraints.gating import gating
from gigawatt.plan.constraints.halls import halls
from gigawatt.plan.constraints.hosting import hosting
from gigawatt.plan.constraints.lease import lease
from gigawatt.plan.constraints.milestone import milestone
from gigawatt.plan.constraints.minimum_take import minimum_take
from gigawatt.plan.constraints.opening import opening
from gigawatt.plan.constraints.option import option
from gigawatt.plan.constraints.pace import pace
from gigawatt.plan.constraints.resale import resale
from gigawatt.plan.constraints.right import right
from gigawatt.plan.constraints.salvage import salvage
from gigawatt.plan.constraints.share import share
from gigawatt.plan.constraints.site_power import site_power
from gigawatt.plan.constraints.stock import stock
from gigawatt.plan.constraints.supply import supply
from gigawatt.plan.constraints.survival import survival
from gigawatt.plan.constraints.take_after import take_after
from gigawatt.plan.constraints.term import term
from gigawatt.plan.constraints.vacate import vacate
from gigawatt.plan.constraints.volume import volume
from gigawatt.plan.constraints.warrant import warrant
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs

Family = Callable[[Model, PlanInputs, Decisions], None]

CONSTRAINTS: tuple[tuple[str, Family], ...] = (
    ("stock", stock),
    ("salvage", salvage),
    ("term", term),
    ("minimum_take", minimum_take),
    ("take_after", take_after),
    ("early_exit", early_exit),
    ("option", option),
    ("lease", lease),
    ("vacate", vacate),
    ("connection", connection),
    ("site_power", site_power),
    ("supply", supply),
    ("ageing", ageing),
    ("capacity", capacity),
    ("demand", demand),
    ("gating", gating),
    ("share", share),
    ("volume", volume),
    ("survival", survival),
    ("gang", gang),
    ("pace", pace),
    ("counted", counted),
    ("commitment", commitment),
    ("delivery", delivery),
    ("right", right),
    ("warrant", warrant),
    ("milestone", milestone),
    ("cash", cash),
    ("halls", halls),
    ("opening", opening),
    ("hosting", hosting),
    ("resale", resale),
)
