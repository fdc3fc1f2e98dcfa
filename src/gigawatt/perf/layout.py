"""How one replica of a model is laid over packages, and which layouts are legal.

``tp`` splits every matrix, ``pp`` the layers, ``dp`` the sequences over attention ranks that share their experts;
experts are split by ``moe_tp`` (each over several packages) and ``moe_ep`` (each on one). tp dp = moe_tp moe_ep.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gigawatt.catalog.schema import Model, System
from gigawatt.core.errors import CatalogError
from gigawatt.perf.shape import n_moe_layers


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Ranks of one replica."""

    tp: int = 1
    pp: int = 1
    dp: int = 1
    moe_tp: int = 1
    moe_ep: int = 1

    @property
    def n_packages(self) -> int:
        """Packages of the replica."""
        return self.tp * self.pp * self.dp

    @property
    def name(self) -> str:
        """As people write it: ``tp8``, ``tp1 dp8 ep8``, ``tp4 pp2``; what is 1 is left out, except tp."""
        parts = (("pp", self.pp), ("dp", self.dp), ("ep", self.moe_ep))
        return " ".join([f"tp{self.tp}", *(f"{name}{count}" for name, count in parts if count > 1)])


def why_illegal(layout: Layout, system: System, model: Model) -> str:
    """One sentence on what forbids the layout; empty where it is legal. Memory is judged elsewhere."""
    return why_impossible(layout, model) or why_beyond(layout, system)


def why_beyond(layout: Layout, system: System) -> str:
    """One sentence where a stage does not fit one scale-up domain, else empty."""
    if system.scale_up_packages is None:
        return f"{system.name} has no scale-up figures in the catalogue; add scale_up_packages to its entry"
    domain = int(system.scale_up_packages.value)
    if layout.tp * layout.dp > domain:
        return (
            f"{layout.name} needs {layout.tp * layout.dp} packages in one scale-up domain; {system.name} has {domain}"
        )
    return ""


def why_impossible(layout: Layout, model: Model) -> str:
    """One sentence on what in the model forbids the layout on any system, else empty."""
    shape = model.architecture
    heads = shape.n_heads
    if heads % layout.tp:
        return f"{model.name} has {heads} heads, which {layout.tp} tensor ranks cannot share evenly"
    if layout.pp > shape.n_layers:
        return f"{model.name} has {shape.n_layers} layers, fewer than {layout.pp} pipeline stages"
    if not n_moe_layers(shape):
        if layout.dp > 1 or layout.moe_tp > 1 or layout.moe_ep > 1:
            return f"{model.name} has no experts to share; attention ranks would be replicas of their own"
        return ""
    if layout.moe_tp * layout.moe_ep != layout.tp * layout.dp:
        return (
            f"experts over {layout.moe_tp * layout.moe_ep} packages do not match {layout.tp * layout.dp} of attention"
        )
    if shape.n_experts % layout.moe_ep:
        return f"{model.name} has {shape.n_experts} experts, which {layout.moe_ep} packages cannot share evenly"
    if shape.moe_intermediate % layout.moe_tp:
        return f"experts {shape.moe_intermediate} wide cannot be split over {layout.moe_tp} packages"
    return ""


def legal_layouts(system: System, model: Model) -> tuple[Layout, ...]:
    """Every legal layout within one scale-up domain, pipeline stages only where a whole unit is needed."""
    assert system.scale_up_packages and system.n_packages
    domain, unit = int(system.scale_up_packages.value), int(system.n_packages.value)
    widths = [n for n in (1, 2, 4, 8, 16, 32, 64, 72, 128, 256) if n <= min(domain, 256)]
    moe = n_moe_layers(model.architecture) > 0
    found: list[Layout] = []
    for width in widths:
        for tp in (n for n in widths if width % n == 0 and (moe or n == width)):
            splits = [(width, 1), (1, width), (width // 2, 2)] if moe and width > 1 else [(1, 1)]
            for moe_tp, moe_ep in dict.fromkeys(splits):
                found.append(Layout(tp=tp, dp=width // tp, moe_tp=moe_tp if moe else 1, moe_ep=moe_ep))
    staged = [
        Layout(tp=one.tp, pp=pp, dp=one.dp, moe_tp=one.moe_tp, moe_ep=one.moe_ep)
        for one in found
        for pp in (2, 4)
        if one.dp == 1 and one.tp == min(domain, unit) and domain <= unit
    ]
    return tuple(one for one in (*found, *staged) if not why_illegal(one, system, model))


def parse_layout(text: str, model: Model) -> Layout:
    """Layout as people write it: ``tp8``, ``tp1 dp8 ep8``, ``tp4,pp2``; experts that ep does not split, tp splits.

    Raises CatalogError with a sentence where it cannot be read.
    """
    given: dict[str, int] = {}
    for word in text.replace(",", " ").split():
        found = re.fullmatch(r"(tp|pp|dp|ep)([0-9]{1,6})", word.lower())
        if found is None or not int(found[2]) or found[1] in given:
            raise CatalogError(f"'{text}' is no layout; write for example tp8, 'tp1 dp8 ep8' or 'tp4 pp2'")
        given[found[1]] = int(found[2])
    if not given:
        raise CatalogError("a layout is missing; write for example tp8 or 'tp1 dp8 ep8'")
    tp, dp, ep = given.get("tp", 1), given.get("dp", 1), given.get("ep", 1)
    if not n_moe_layers(model.architecture):
        return Layout(tp=tp, pp=given.get("pp", 1), dp=dp, moe_ep=ep)
    if tp * dp % ep:
        raise CatalogError(f"'{text}': {ep} expert ranks do not divide the {tp * dp} packages of a stage")
    return Layout(tp=tp, pp=given.get("pp", 1), dp=dp, moe_tp=tp * dp // ep, moe_ep=ep)
