"""What an entry of the catalogue may say: frozen pydantic types, one per folder of ``data/``.

No number is bare: every figure is ``{value, source, kind, as_of, low, high, note}``, or a list of conflicting
figures of which one is ``chosen: true``. What the public record does not say stands in ``unknown`` with a reason.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gigawatt.core.names import named
from gigawatt.core.quantity import (
    Bytes,
    BytesPerS,
    Date,
    FlopPerS,
    Money,
    MoneyPerJoule,
    MoneyPerToken,
    MoneyPerWatt,
    Number,
    RatePerS,
    Seconds,
    Tokens,
    TokensPerS,
    Watts,
)

Slug = Annotated[str, AfterValidator(named)]
Count = Annotated[int, Field(ge=0, le=10**9)]
Width = Annotated[int, Field(ge=1, le=10**9)]
Precision = Literal["fp16", "bf16", "int8", "fp8", "fp4"]
Storage = Literal["fp16", "bf16", "int8", "fp8", "fp8_block", "nvfp4", "mxfp4", "int4"]


class Frozen(BaseModel):
    """Read once, never changed; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)


class Entry(Frozen):
    """What all entries have: a stable id, a name, other names people use, and what is not publicly known."""

    id: Slug
    name: str
    aliases: tuple[str, ...] = ()
    note: str = ""
    unknown: dict[str, str] = {}


class Peaks(Frozen):
    """Peak compute of one package by precision [FLOP/s]; INT8 in operations a second.

    ``dense`` is the default everywhere. ``inference`` and ``training`` hold vendor figures that are neither dense
    nor sparse. ``sparse_doubles`` only where the vendor states 2:4 sparsity as twice the dense rate.
    """

    dense: dict[Precision, FlopPerS] = {}
    sparse: dict[Precision, FlopPerS] = {}
    inference: dict[Precision, FlopPerS] = {}
    training: dict[Precision, FlopPerS] = {}
    sparse_doubles: bool = False


class Package(Frozen):
    """One package: what a socket, an OAM module, a wafer or a chip on its board holds."""

    n_dies: Number
    peak: Peaks
    memory: Bytes | None = None
    memory_bandwidth: BytesPerS | None = None
    sram: Bytes | None = None
    sram_bandwidth: BytesPerS | None = None
    fabric_bandwidth: BytesPerS | None = None  # one lane of the network on the package
    link_latency: Seconds | None = None  # a hop out of the scale-up domain
    scale_up_bandwidth: BytesPerS | None = None
    scale_out_bandwidth: BytesPerS | None = None
    power: Watts | None = None


class System(Entry):
    """The unit one orders: a rack, a server or a machine. Power is IT power of the whole unit at full load."""

    vendor: Slug
    generation: str
    kind: Literal["gpu", "asic", "sram"]
    unit: Literal["rack", "server", "machine"]
    status: Literal["shipping", "announced", "withdrawn", "undisclosed"]
    n_packages: Number | None = None
    scale_up_packages: Number | None = None
    package: Package | None = None
    it_power: Watts | None = None
    price: Money | None = None
    first_available: Date | None = None
    refusal: str = ""

    @model_validator(mode="after")
    def _complete(self) -> System:
        if self.status == "undisclosed" and not self.refusal:
            raise ValueError("a system whose performance is undisclosed needs a 'refusal' sentence")
        if self.status != "undisclosed" and not (self.package and self.it_power and self.n_packages):
            raise ValueError("a system needs n_packages, package and it_power, or status: undisclosed")
        return self


class Architecture(Frozen):
    """Shape of a transformer as its configuration file states it; one source for the block.

    Widths are counted in values, layers in whole layers. Every layer attends: ``window_layers`` of them to the last
    ``window`` tokens only, ``linear_layers`` of them with a state of fixed size instead of a cache (gated delta rule,
    ``linear_*``), the rest to everything, or to ``sparse_top_k`` tokens that an indexer with ``index_heads`` heads of
    ``index_dim`` chooses. ``intermediate`` is the width of a dense feed-forward layer, ``moe_intermediate`` that of
    one expert; ``n_dense_layers`` layers have no experts. ``ffn_matrices`` is 3 for gated, 2 for plain networks.
    """

    source: str
    kind: Literal["datasheet", "judgement", "derived"]
    as_of: str
    n_layers: Width
    hidden: Width
    n_heads: Width
    n_kv_heads: Width
    head_dim: Width
    attention: Literal["mha", "gqa", "mla"]
    v_head_dim: Count = 0  # 0: as head_dim
    q_lora_rank: Count = 0
    kv_lora_rank: Count = 0
    rope_dim: Count = 0
    gated_attention: bool = False
    window: Count = 0
    window_layers: Count = 0
    linear_layers: Count = 0
    linear_key_heads: Count = 0
    linear_value_heads: Count = 0
    linear_key_dim: Count = 0
    linear_value_dim: Count = 0
    sparse_top_k: Count = 0
    index_heads: Count = 0
    index_dim: Count = 0
    intermediate: Count
    ffn_matrices: Literal[2, 3] = 3
    n_dense_layers: Count = 0
    n_experts: Count = 0
    experts_per_token: Count = 0
    n_shared_experts: Count = 0
    moe_intermediate: Count = 0
    shared_intermediate: Count = 0  # 0: n_shared_experts x moe_intermediate
    tied_embeddings: bool = False
    n_mtp_layers: Count = 0
    vocabulary: Count = 0
    max_context: Count = 0


class Model(Entry):
    """A language model. Hypothetical classes are marked and carry ranges.

    ``weights_precision`` is how the released weights are stored; ``quantised`` says which of them are: all matrices
    of the layers, or those of the experts only (the rest is bf16).
    """

    family: str
    hypothetical: bool = False
    params_total: Number
    params_active: Number
    weights_precision: Storage
    kv_precision: Precision
    quantised: Literal["linear", "experts"] = "linear"
    architecture: Architecture


class Slo(Frozen):
    """What a user must get: time to first token, tokens a second each, at a percentile of requests."""

    ttft: Seconds | None = None
    speed: TokensPerS | None = None
    percentile: Number


class Workload(Entry):
    """A class of demand: its model, lengths, prefix hits, SLO, value and daily shape.

    ``value`` is what a served token is worth to the buyer of compute [USD per output token]; it prices what stays
    unserved. ``peak_to_mean`` is the busiest block over the daily mean; ``patience`` how long a request may wait.
    """

    kind: Literal["inference", "training"]
    model: Slug | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    prefix_hit: Number | None = None
    slo: Slo | None = None
    value: MoneyPerToken | None = None
    value_per_flop: Annotated[float, Field(gt=0)] | None = None
    peak_to_mean: Number
    patience: Literal["none", "day", "quarter"] = "none"
    utilisation: Number | None = None

    @model_validator(mode="after")
    def _whole(self) -> Workload:
        needed = ("model", "input_tokens", "output_tokens", "prefix_hit", "slo", "value")
        missing = [key for key in needed if getattr(self, key) is None]
        if self.kind == "inference" and missing:
            raise ValueError(f"an inference workload needs {', '.join(missing)}")
        if self.kind == "training" and self.utilisation is None:
            raise ValueError("a training workload needs its utilisation (MFU)")
        return self


class Provider(Entry):
    """Who sells, builds, hosts, lends or buys."""

    role: Literal["lab", "vendor", "cloud", "developer", "investor", "lender", "utility"]


class Energisation(Frozen):
    """Cumulative power of a site from a quarter on, and how sure that is."""

    power: Watts
    quarter: Date
    status: Literal["announced", "contracted", "energised"]


class Site(Entry):
    """A place with a connection. ``basis`` says whether its GW are IT or facility; they are never mixed."""

    country: str
    state: str = ""
    region: Slug
    developer: Slug | None = None
    tenant: Slug | None = None
    basis: Literal["it", "facility"] = "facility"
    capacity: Watts | None = None
    hall: Watts | None = None
    energised: tuple[Energisation, ...] = ()
    facility_over_it: Number | None = None
    annual_pue: Number | None = None
    power_price: MoneyPerJoule | None = None
    status: Literal["operating", "construction", "announced", "paused", "withdrawn", "talks"]


class Equity(Frozen):
    """Milestone equity: money for shares as capacity is accepted."""

    per_gw: MoneyPerWatt
    cap: Money
    valuation: Money
    first_on_signing: Money | None = None
    release: Literal["whole-gigawatt", "linear"]
    counts_vendor: Slug
    counts_basis: Literal["facility", "it"]
    lag: Seconds


class Deal(Entry):
    """An agreement as the public record has it. ``side`` keeps chips, buildings and money apart."""

    buyer: Slug
    seller: Slug
    side: Literal["chips", "buildings", "money"]
    bond: Literal["binding", "letter-of-intent", "announced", "reported", "talks", "ended"]
    signed: Date
    power: Watts | None = None
    basis: Literal["it", "facility", "unstated"] = "unstated"
    amount: Money | None = None
    term: Seconds | None = None
    equity: Equity | None = None


class Software(Entry):
    """A dated step in software efficiency: tokens a second at the same SLO are multiplied from then on.

    ``kind`` says what it changes: an operating point that has it already (weights in as few bits, drafting, prompts on
    packages of their own) gains nothing. Blank filters let it help every class, system and vendor; with a ``format``
    it helps only systems that compute in it.
    """

    available: Date
    multiplier: Number
    kind: Literal["kernels", "quantisation", "speculation", "disaggregation"] = "kernels"
    workloads: tuple[Slug, ...] = ()
    systems: tuple[str, ...] = ()
    vendors: tuple[Slug, ...] = ()
    format: Precision | None = None


class Costs(Entry):
    """Assumptions of cost and efficiency that hold unless a scenario says otherwise.

    ``lead_times``: from order to energised, by item that a site waits for. ``system_lead_time``: from order to delivery
    of systems whose offer says nothing.
    """

    network_over_system: Number
    shell: MoneyPerWatt
    power_plant: MoneyPerWatt
    cooling: MoneyPerWatt
    maintenance: RatePerS
    facility_opex: RatePerS
    facility_over_it: Number
    annual_pue: Number
    load_factor: Number
    idle_load: Number
    power_price: MoneyPerJoule
    system_life: Seconds
    facility_life: Seconds
    discount: RatePerS
    lead_times: dict[Slug, Seconds] = {}
    system_lead_time: Seconds


class Efficiency(Entry):
    """What the calibrated model does not know of serving software.

    ``software_by_vendor`` multiplies achieved bandwidth, compute and speed of launches where a vendor's serving
    software is behind the one that was measured; a vendor that is not named counts as 1. ``headroom`` is the share of
    a fleet kept free. Of ``draft_tokens`` drafted a pass each is kept with probability ``draft_accepted``.
    """

    draft_tokens: Number
    draft_accepted: Number
    headroom: Number
    software_by_vendor: dict[Slug, Number] = {}


class Coefficient(Frozen):
    """A fitted number: its unit, the range that resampling the rows gives it, and what it stands for."""

    value: float
    low: float
    high: float
    unit: str
    meaning: str


class Calibration(Entry):
    """Coefficients fitted to measurements: when, on how many rows of what, and how far off the fit stays.

    ``residuals`` are relative errors by name ("in sample, median |error|" and so on), as measured on the day.
    ``offsets`` are factors that a backend, or a backend with a family or precision, puts on some of the times.
    """

    purpose: Literal["inference", "power", "dataflow", "measured"]
    source: str | tuple[str, ...]
    fitted: str
    rows: Count
    coefficients: dict[str, Coefficient]
    offsets: dict[str, dict[str, float]] = {}
    residuals: dict[str, float]


class Shipments(Entry):
    """What a vendor shipped in a year."""

    vendor: Slug
    year: int
    units: Number
    h100_equivalents: Number
    power: Watts


class Reference(Entry):
    """A single cited figure that claims are compared with (homes per kW, revenue, users at a date ...)."""

    number: Number | None = None
    power: Watts | None = None
    money: Money | None = None
    money_per_watt: MoneyPerWatt | None = None
    quarter: Date | None = None


class Statement(Entry):
    """One statement of the source articles, and what the tool does with it."""

    treatment: Literal["computed", "input", "outside"]
    announced: str = ""
    why: str = ""
    source: str


class Source(Frozen):
    """Where a figure was read."""

    key: str
    title: str
    site: str
    date: str
    url: str = ""


KINDS_OF_ENTRY: dict[str, type[Entry]] = {
    "systems": System,
    "models": Model,
    "workloads": Workload,
    "providers": Provider,
    "sites": Site,
    "deals": Deal,
    "software": Software,
    "costs": Costs,
    "efficiency": Efficiency,
    "calibration": Calibration,
    "shipments": Shipments,
    "references": Reference,
    "statements": Statement,
}
