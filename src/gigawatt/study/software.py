"""Dated software steps of a scenario: which systems and classes they help, and which are in the figures already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, model_validator

from gigawatt.catalog.load import Catalog
from gigawatt.catalog.schema import Precision, Software, System
from gigawatt.core.calendar import str_quarter
from gigawatt.core.errors import CatalogError
from gigawatt.perf.point import ServingPoint
from gigawatt.perf.precision import STORED_BITS, peak
from gigawatt.study.written import Block, Date, Name, Number

if TYPE_CHECKING:
    from gigawatt.study.resolve import Case, ClassCase, OfferCase

Floats = npt.NDArray[np.float64]

FORMAT_BITS: dict[str, float] = {"fp4": 4.5, "fp8": 8.002, "int8": 8.0}
"""Bits of a value, with its scales, that a quantisation to a number format leaves."""


def _or_name(schema: dict[str, Any]) -> None:
    """The schema of a block, or a bare name in its place."""
    block = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "string"}, block]


class SoftwareUse(Block):
    """A software step of the catalogue as this scenario uses it; its name alone takes it as it stands there.

    ``available`` and ``multiplier`` take the place of the catalogue's, and so do the filters: a step helps only the
    ``systems``, ``vendors`` and ``workloads`` (classes or their names) it names, and with a ``format`` only systems
    that compute in it.
    """

    model_config = ConfigDict(json_schema_extra=_or_name)

    step: Name
    available: Date | None = None
    multiplier: Number | None = None
    systems: tuple[str, ...] = ()
    vendors: tuple[Name, ...] = ()
    workloads: tuple[Name, ...] = ()
    format: Precision | None = None

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return {"step": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _slows(self) -> SoftwareUse:
        if self.multiplier and self.multiplier.range[0] <= 0.0:
            raise ValueError(f"'{self.step}' multiplies by {self.multiplier.text}; write more than 0")
        return self


def steps_of(
    uses: Sequence[SoftwareUse], catalog: Catalog, offers: Sequence[OfferCase], classes: Sequence[ClassCase]
) -> tuple[Software, ...]:
    """Steps with what the scenario says of them. Raises CatalogError with a sentence for a name that is not there."""
    steps = []
    offered = {offer.system.id for offer in offers}
    vendors = {offer.system.vendor for offer in offers}
    names = {name for row in classes for name in (row.id, row.workload.id)}
    for index, use in enumerate(uses):
        where = f"software[{index}]"
        changes: dict[str, Any] = {}
        for key in ("available", "multiplier", "format"):
            if (value := getattr(use, key)) is not None:
                changes[key] = value
        if use.systems:
            changes["systems"] = tuple(catalog.system(name, at=f"{where}.systems").id for name in use.systems)
            _offered(f"{where}.systems", changes["systems"], offered, "a system that this scenario offers")
        if use.vendors:
            changes["vendors"] = use.vendors
            _offered(f"{where}.vendors", use.vendors, vendors, "a vendor of this scenario's offers")
        if use.workloads:
            changes["workloads"] = use.workloads
            _offered(f"{where}.workloads", use.workloads, names, "a class of this scenario")
        step = catalog.software(use.step, at=f"{where}.step").model_copy(update=changes)
        known = {catalog.system(name).id for name in step.systems}
        if step.format and step.format not in FORMAT_BITS and step.kind == "quantisation":
            raise CatalogError(f"{where}.format: {step.format} saves no bits; quantise to {', '.join(FORMAT_BITS)}")
        steps.append(step.model_copy(update={"systems": tuple(sorted(known))}))
    return tuple(steps)


def _offered(where: str, names: Sequence[str], known: set[str], what: str) -> None:
    for name in names:
        if name not in known:
            raise CatalogError(f"{where}: '{name}' is not {what} ({', '.join(sorted(known)) or 'none'})")


def held_already(step: Software, point: ServingPoint) -> bool:
    """True where an operating point has what a step brings: drafting, prompts apart, weights in as few bits."""
    if step.kind == "speculation":
        return point.draft_tokens > 0
    if step.kind == "disaggregation":
        return bool(point.prefill_layout)
    if step.kind == "quantisation" and step.format:
        return STORED_BITS.get(point.weights, np.inf) <= FORMAT_BITS[step.format]
    return False


def helps(step: Software, system: System, row: ClassCase, point: ServingPoint) -> bool:
    """True where a step makes a system serve more of a class of inference than its operating point says."""
    if step.workloads and not {row.id, row.workload.id} & set(step.workloads):
        return False
    if (step.systems and system.id not in step.systems) or (step.vendors and system.vendor not in step.vendors):
        return False
    if step.format and not (system.package and peak(system.package, step.format)):
        return False
    return not held_already(step, point)


def software_gain(case: Case, system: System, row: ClassCase, point: ServingPoint) -> Floats:
    """Multiplier of dated software steps on what a system serves of a class at an operating point (quarter).

    A step counts from its quarter on, if that lies after the first: the figures of systems hold what ran before.
    """
    gain = np.ones(len(case.quarters))
    for step in case.software:
        if step.available.value > case.quarters[0] and helps(step, system, row, point):
            gain[np.asarray(case.quarters) >= step.available.value] *= step.multiplier.value
    return gain


def software_notes(case: Case) -> list[str]:
    """A sentence for each step that changes nothing: dated before the horizon or after it, or that helps no lane."""
    notes = []
    first, last = case.quarters[0], case.quarters[-1]
    for step in case.software:
        date = str_quarter(int(step.available.value))
        if step.available.value <= first:
            notes.append(
                f"Software step {step.id} of {date} changes nothing: what ran by {case.labels[0]}, the first quarter, "
                "is in the figures of systems already. Give it the date from which this fleet runs it (available), or "
                "drop it."
            )
        elif step.available.value > last:
            notes.append(f"Software step {step.id} of {date} comes after the horizon ends in {case.labels[-1]}.")
        elif not any(
            helps(step, offer.system, row, case.serving[offer.system.id, row.id])
            for offer in case.offers for row in case.classes
            if row.workload.kind == "inference" and case.serving[offer.system.id, row.id].is_served
        ):  # fmt: skip
            notes.append(
                f"Software step {step.id} of {date} helps nothing here: no system that serves a class of it fits its "
                "filters and lacks what it brings."
            )
    return notes
