"""Chip: what a target's cores hold, how long their operations take and what they cost standing still, read from TOML.

The compiler of Loihi 2 is not public; its memory model is recovered from tables that it printed (docs/mapping.md). So every number here
is a parameter of a profile, with its source and grade, and none stands in code.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from qif_deploy.errors import InputError
from qif_deploy.sourced import SourcedNumber, sourced_number

RESOURCES = ("synmem", "axon_in", "axon_map", "axon_mem", "neurons", "groups")
"""What a core has a limited number of words of, in the order of the JSON keys."""

LEVELS = ("low", "typical", "high")
TIMES = ("synop", "neuron_update", "message_in", "spike_out", "link_message", "chip_link_message", "barrier", "barrier_many_chips")
"""Operations that the time model knows; ``barrier`` is what a step takes at least."""

SYSTEMS = ("chips_single", "chips_board", "chips_large")
LIMITS = ("synmem_words", "axon_in_words", "axon_map_words", "axon_mem_words", "neuron_words", "groups", "total_words")
MEMORY = (
    "word_bits", "conv_header_bits", "conv_index_bits", "conv_missing_bits", "dense_header_bits", "dense_index_bits", "dense_missing_bits",
    "row_block", "delay_bits", "state_words", "channels_per_axon",
)  # fmt: skip
REACH = ("delay_steps", "conv_size", "weight_bits", "fan_in", "fan_out", "threshold_bits", "bias_bits", "bias_mantissa_bits")
OPERATIONS = ("quadratic", "graded_spikes", "lower_clamp", "subtract_reset", "nonzero_reset")
MESH = ("columns", "rows", "cores_per_router", "cores_per_chip")
OPTIONAL = frozenset(
    {
        "axon_in_words",
        "axon_map_words",
        "axon_mem_words",
        "total_words",
        "fan_in",
        "fan_out",
        "threshold_bits",
        "bias_bits",
        "bias_mantissa_bits",
    }
)


class Combine(enum.Enum):
    """How the terms of a step time meet: the slowest hides the others, or they add up."""

    MAX = "max"
    SUM = "sum"


class AxonRule(enum.Enum):
    """What an axon entry stands for.

    EDGE: a convolution takes one input entry per incoming edge, its source lists positions in AxonMap and destinations in AxonMem.
    POSITION: one input entry per source position and block of channels, and one output entry per position and destination core.
    """

    EDGE = "edge"
    POSITION = "position"


class StaticPer(enum.Enum):
    """What the static power is given for."""

    CORE = "core"
    CHIP = "chip"


@dataclass(frozen=True, slots=True, kw_only=True)
class SynapseRow:
    """How the synapses that one input reaches are stored: one row, rounded up to whole words.

    ``words = ceil((header * blocks + n * (bits + index)) / word)``; ``blocks`` is 1, or ``ceil(n / block)`` where rows come in blocks.
    """

    header_bits: int
    index_bits: int
    missing_bits: int
    block: int
    word_bits: int

    def stored_bits(self, weight_bits: int) -> int:
        """Width at which a weight is stored; one width may have no encoding and takes the next."""
        return weight_bits + 1 if weight_bits == self.missing_bits else weight_bits

    def words(self, synapses: Any, weight_bits: int) -> Any:
        """Words of a row of ``synapses`` (an int or an int array)."""
        blocks = 1 if self.block == 0 else -(-synapses // self.block)
        bits = self.header_bits * blocks + synapses * (self.stored_bits(weight_bits) + self.index_bits)
        return -(-bits // self.word_bits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranged:
    """A number at three levels, each with its own source."""

    low: SourcedNumber
    typical: SourcedNumber
    high: SourcedNumber

    def at(self, level: str) -> float:
        """Value at ``low``, ``typical`` or ``high``."""
        number: SourcedNumber = getattr(self, level)
        return number.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Whether the cores can do something, and why that is believed."""

    allowed: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """Cores, mesh, memory model, time and power of one chip, and how many chips there are.

    ``limits`` holds a ceiling per resource of RESOURCES, and ``total`` for their sum; what is not in it has no ceiling of its own.
    Times are in nanoseconds, powers in watts.
    """

    name: str
    chips: int
    systems: tuple[int, ...]
    cores_per_chip: int
    columns: int
    rows: int
    cores_per_router: int
    limits: Mapping[str, int]
    conv_row: SynapseRow
    dense_row: SynapseRow
    delay_bits: int
    state_words: int
    channels_per_axon: int
    axon_rule: AxonRule
    reach: Mapping[str, int]
    operations: Mapping[str, Operation]
    combine: Combine
    times_ns: Mapping[str, Ranged]
    quadratic_factor: Ranged
    static_w: Ranged
    static_per: StaticPer
    numbers: tuple[SourcedNumber, ...]

    @property
    def cores(self) -> int:
        """Cores of all chips together."""
        return self.chips * self.cores_per_chip

    def sized(self, *, chips: int | None = None, cores_per_chip: int | None = None) -> Chip:
        """Return the same chip in another number, or with fewer or more cores.

        Raises:
            InputError: less than one chip or core, or more cores than the mesh has places.
        """
        chips = self.chips if chips is None else chips
        cores = self.cores_per_chip if cores_per_chip is None else cores_per_chip
        places = self.columns * self.rows * self.cores_per_router
        if chips < 1:
            raise InputError(f"chips {chips} is below 1; give the number of chips")
        if not 1 <= cores <= places:
            raise InputError(f"cores_per_chip {cores} is outside 1..{places}, the places of the mesh of {self.name!r}")
        return replace(self, chips=chips, cores_per_chip=cores)

    def limited(self, **limits: int) -> Chip:
        """Return the same chip with other ceilings, by resource name or ``total``.

        Raises:
            InputError: no such resource, or a ceiling below 1.
        """
        unknown = sorted(set(limits) - {*RESOURCES, "total"})
        if unknown:
            raise InputError(f"limit {unknown[0]!r} is unknown; use one of {', '.join((*RESOURCES, 'total'))}")
        low = [name for name, value in limits.items() if value < 1]
        if low:
            raise InputError(f"limit {low[0]!r} = {limits[low[0]]} is below 1")
        return replace(self, limits=MappingProxyType({**self.limits, **limits}))


def read_chip(name: str, table: object, *, where: str) -> Chip:
    """Read the ``[chip]`` table of a profile.

    Raises:
        InputError: a key is missing, unknown or of the wrong kind.
    """
    sections = {"systems", "mesh", "limits", "memory", "axons", "reach", "operations", "time", "power"}
    if not isinstance(table, Mapping) or set(table) != sections:
        found = sorted(table) if isinstance(table, Mapping) else table
        raise InputError(f"{where}: [chip] needs exactly the tables {', '.join(sorted(sections))}; got {found!r:.200}")
    reader = _Reader(where=where, numbers=[])
    systems = reader.whole(table, "systems", (*SYSTEMS, "chips"), at_least=1)
    mesh = reader.whole(table, "mesh", MESH, at_least=1)
    limits = reader.whole(table, "limits", LIMITS, at_least=1)
    memory = reader.whole(table, "memory", MEMORY, at_least=0)
    if memory["word_bits"] < 1 or memory["state_words"] < 1 or memory["channels_per_axon"] < 1:
        raise InputError(f"{where}: word_bits, state_words and channels_per_axon are at least 1")
    reach = reader.whole(table, "reach", REACH, at_least=0)
    rule = reader.choice(table, "axons", "rule", AxonRule)
    times = dict(table["time"]) if isinstance(table["time"], Mapping) else {}
    combine = reader.choice(
        {"time": {"combine": times.pop("combine", None), "source": times.pop("source", "")}}, "time", "combine", Combine
    )
    ranged = reader.ranged(times, "time", (*TIMES, "quadratic_factor"))
    power = dict(table["power"]) if isinstance(table["power"], Mapping) else {}
    per = reader.choice({"power": {"per": power.pop("per", None), "source": power.pop("source", "")}}, "power", "per", StaticPer)
    static = reader.ranged(power, "power", ("static",))["static"]
    names = dict(zip(LIMITS, ("synmem", "axon_in", "axon_map", "axon_mem", "neurons", "groups", "total"), strict=True))

    def row(kind: str) -> SynapseRow:
        return SynapseRow(
            header_bits=memory[f"{kind}_header_bits"], index_bits=memory[f"{kind}_index_bits"], missing_bits=memory[f"{kind}_missing_bits"],
            block=memory["row_block"], word_bits=memory["word_bits"],
        )  # fmt: skip

    chip = Chip(
        name=name,
        chips=systems["chips"],
        systems=tuple(systems[key] for key in SYSTEMS),
        cores_per_chip=mesh["cores_per_chip"],
        columns=mesh["columns"],
        rows=mesh["rows"],
        cores_per_router=mesh["cores_per_router"],
        limits=MappingProxyType({names[key]: value for key, value in limits.items()}),
        conv_row=row("conv"),
        dense_row=row("dense"),
        delay_bits=memory["delay_bits"],
        state_words=memory["state_words"],
        channels_per_axon=memory["channels_per_axon"],
        axon_rule=rule,
        reach=MappingProxyType(reach),
        operations=reader.operations(table["operations"]),
        combine=combine,
        times_ns=MappingProxyType({key: ranged[key] for key in TIMES}),
        quadratic_factor=ranged["quadratic_factor"],
        static_w=static,
        static_per=per,
        numbers=tuple(reader.numbers),
    )
    return chip.sized()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads the tables of one profile and keeps every number with its source."""

    where: str
    numbers: list[SourcedNumber]

    def whole(self, table: Mapping[str, Any], section: str, names: tuple[str, ...], *, at_least: int) -> dict[str, int]:
        """Whole numbers; those of OPTIONAL may be left out."""
        entries = table[section]
        known, needed = set(names), set(names) - OPTIONAL
        if not isinstance(entries, Mapping) or not needed <= set(entries) <= known:
            got = sorted(entries) if isinstance(entries, Mapping) else entries
            raise InputError(
                f"{self.where}: [chip.{section}] needs {', '.join(sorted(needed))} (and knows {', '.join(names)}); got {got!r:.200}"
            )
        found = {}
        for name in names:
            if name not in entries:
                continue
            number = sourced_number(f"{section}.{name}", entries[name], where=self.where)
            if number.value != int(number.value) or number.value < at_least:
                raise InputError(f"{self.where}: {number.name} {number.value} is not a whole number of at least {at_least}")
            self.numbers.append(number)
            found[name] = int(number.value)
        return found

    def ranged(self, entries: Mapping[str, Any], section: str, names: tuple[str, ...]) -> dict[str, Ranged]:
        """Numbers at three ordered levels; times in ns, powers in W, factors without unit."""
        if set(entries) != set(names):
            raise InputError(f"{self.where}: [chip.{section}] needs exactly {', '.join(names)}; got {sorted(entries)!r:.200}")
        found = {}
        for name in names:
            entry = entries[name]
            if not isinstance(entry, Mapping) or set(entry) != set(LEVELS):
                raise InputError(f"{self.where}: {section}.{name} needs exactly {', '.join(LEVELS)}")
            levels = {level: sourced_number(f"{section}.{name}.{level}", entry[level], where=self.where) for level in LEVELS}
            unit = "1" if name == "quadratic_factor" else {"time": "ns", "power": "W"}[section]
            odd = [number.unit for number in levels.values() if number.unit != unit]
            if odd:
                raise InputError(f"{self.where}: unit {odd[0]!r:.80} of {section}.{name} is not {unit!r}")
            value = Ranged(**levels)
            if not 0 <= value.low.value <= value.typical.value <= value.high.value:
                raise InputError(f"{self.where}: {section}.{name} is not ordered 0 <= low <= typical <= high")
            self.numbers.extend(levels.values())
            found[name] = value
        return found

    def choice(self, table: Mapping[str, Any], section: str, key: str, kind: type[enum.Enum]) -> Any:
        """A word of an enumeration, with a source."""
        entry = table[section]
        words = [member.value for member in kind]
        if not isinstance(entry, Mapping) or set(entry) != {key, "source"} or entry[key] not in words or not str(entry["source"]).strip():
            raise InputError(f"{self.where}: [chip.{section}] needs a source and {key} out of {', '.join(words)}")
        return kind(entry[key])

    def operations(self, entries: object) -> Mapping[str, Operation]:
        """Abilities with their reasons."""
        if not isinstance(entries, Mapping) or set(entries) != set(OPERATIONS):
            got = sorted(entries) if isinstance(entries, Mapping) else entries
            raise InputError(f"{self.where}: [chip.operations] needs exactly {', '.join(OPERATIONS)}; got {got!r:.200}")
        found = {}
        for name in OPERATIONS:
            entry = entries[name]
            if (
                not isinstance(entry, Mapping)
                or set(entry) != {"allowed", "source"}
                or not isinstance(entry["allowed"], bool)
                or not str(entry["source"]).strip()
            ):
                raise InputError(f"{self.where}: operation {name!r} needs allowed (true or false) and a source")
            found[name] = Operation(allowed=entry["allowed"], source=str(entry["source"]))
        return MappingProxyType(found)
