"""A float NIR file of any tool into a float graph: the one entry of this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qif_deploy.errors import InputError, QifError, UnsupportedError, raise_findings
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import Input, Readout
from qif_deploy.neuron.params import ResetMode
from qif_export.nir.document import Document, FileKind, load_document
from qif_export.nir.float_facts import FloatFacts
from qif_export.nir.importing.conventions import Convention, Reading
from qif_export.nir.importing.lower import lower
from qif_export.nir.importing.parse import parse_node
from qif_export.nir.importing.parts import InputPort, Integrator, Neuron, NeuronKind, Part, Quadratic
from qif_export.nir.importing.recognise import recognise
from qif_export.nir.importing.subgraphs import dissolve
from qif_export.nir.importing.walk import Ends, InputCoding
from qif_export.nir.importing.wiring import wiring_findings
from qif_export.nir.network_facts import KEY
from qif_export.nir.node_fields import NodeFields

LISTED = 20
"""Findings that one line holds; the error's ``findings`` has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What the caller says of a file that the file does not say itself; None for what the convention or the file has.

    Args:
        convention: whose discrete time; None recognises it.
        dt: time step, in the unit of the file's time constants.
        reset: what a spike does.
        spike_on_equal: whether reaching the threshold is enough.
        unit_gain: whether the input current is taken as it is, not scaled by the neuron.
        coding: of the inputs; None for spikes.
        ends: of the outputs; None for the sum of their currents.
    """

    convention: Convention | None = None
    dt: float | None = None
    reset: ResetMode | None = None
    spike_on_equal: bool | None = None
    unit_gain: bool = False
    coding: InputCoding | None = None
    ends: Ends | None = None

    def require_use(self, parts: Mapping[str, Part]) -> None:
        """Check that the file leaves open what is said here.

        Raises:
            InputError: it has nothing that a choice describes.
        """
        timed = {
            "convention": self.convention is not None,
            "dt": self.dt is not None,
            "reset": self.reset is not None,
            "spike_at": self.spike_on_equal is not None,
            "unit_gain": self.unit_gain,
        }
        kinds = {type(part) for part in parts.values()}
        choices = (
            ([name for name, given in timed.items() if given], "neuron whose discrete time", bool(kinds & {Neuron, Integrator})),
            (["input_range and input_scale"] if self.coding is not None else [], "input whose codes", Input not in kinds),
            (["readout and drop_leak"] if self.ends is not None else [], "output whose reading", Readout not in kinds),
        )
        unused = [
            f"{', '.join(names)}: the file has no {what} it leaves open; leave the choices for foreign files out"
            for names, what, is_open in choices
            if names and not is_open
        ]
        raise_findings(InputError, unused)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFloat:
    """A float graph and how its file was read; ``convention`` says what was applied, None where no neuron asked for it."""

    graph: Graph
    facts: FloatFacts
    kind: FileKind
    convention: str | None
    notes: tuple[str, ...]


def read_float_nir(path: Path, options: ImportOptions | None = None) -> ImportedFloat:
    """Return the float network in ``path``, ours or of another tool.

    Raises:
        UnsupportedError: what cannot be represented, all of it at once, each with what to do.
        InputError: missing, unreadable, no float network, or a convention that has to be chosen.
    """
    path = Path(path)
    try:
        return import_document(load_document(path), ImportOptions() if options is None else options)
    except InputError as error:
        told = (
            str(error)
            if len(error.findings) <= LISTED
            else "; ".join([*error.findings[:LISTED], f"and {len(error.findings) - LISTED} more"])
        )
        named = type(error)(f"NIR file {str(path)!r}: {told}")
        named.findings = error.findings
        raise named from None


def import_document(document: Document, options: ImportOptions) -> ImportedFloat:
    """Return the float network of a document."""
    if document.kind is FileKind.INTEGER:
        raise InputError("it is an integer network already; give the float network that it came from")
    facts = FloatFacts.of_metadata(document.metadata.get(KEY))
    nodes, edges = dissolve(document)
    parts = _parts(nodes, wiring_findings(nodes, edges))
    neurons = {name: part for name, part in parts.items() if isinstance(part, Neuron)}
    reading, told = _reading(parts, neurons, options)
    coding = InputCoding() if options.coding is None else options.coding
    ends = Ends() if options.ends is None else options.ends
    lowered = lower(parts, edges, reading=reading, coding=coding, ends=ends, names=_usable_names(parts))
    options.require_use(parts)  # last, since a file that cannot be carried has a better reason to be refused
    facts.require_unchanged(lowered.graph)
    notes = lowered.notes
    if any(isinstance(part, InputPort) for part in parts.values()) and document.kind is FileKind.FOREIGN:
        notes = (f"inputs: integer codes {coding.low}..{coding.high} worth {coding.scale:g} each", *notes)
    return ImportedFloat(graph=lowered.graph, facts=facts, kind=document.kind, convention=told, notes=notes)


def _parts(nodes: Mapping[str, dict[str, Any]], findings: list[str]) -> dict[str, Part]:
    parts: dict[str, Part] = {}
    for name, values in nodes.items():
        try:
            parts[name] = parse_node(NodeFields(name=name, values=values))
        except QifError as error:
            line = str(error)
            findings.append(line if line.startswith("node ") else f"node {name!r}: {line}")
    raise_findings(UnsupportedError, findings)
    return parts


def _reading(parts: Mapping[str, Part], neurons: Mapping[str, Neuron], options: ImportOptions) -> tuple[Reading | None, str | None]:
    """Return the discrete time to read LIF, IF and LI in, and a line that says so."""
    timed = {name: part for name, part in neurons.items() if part.kind is not NeuronKind.THRESHOLD}
    integrators = {name: part for name, part in parts.items() if isinstance(part, Integrator)}
    if not neurons and not integrators:
        return None, None
    convention, how = options.convention, "chosen"
    if convention is None and timed:
        shapes = [part.shape for part in parts.values() if isinstance(part, InputPort)]
        convention, how = recognise(timed, batch_in_shapes=any(len(shape) in (2, 4) for shape in shapes)), "recognised by its parameters"
    if convention is None and integrators:
        raise InputError(
            f"what its integrators {sorted(integrators)[:6]} mean in discrete time differs by tool; "
            f"say which by `qif-deploy convert --convention` ({', '.join(kind.value for kind in Convention)})"
        )
    convention = Convention.NIR if convention is None else convention
    reading = Reading(
        convention=convention, dt=options.dt, reset=options.reset, spike_on_equal=options.spike_on_equal, unit_gain=options.unit_gain
    )
    return reading, f"{reading.describe()} ({how})" if timed or integrators else None


def _usable_names(parts: Mapping[str, Part]) -> dict[str, str]:
    """Return names of letters, digits, '_', '-' and '.' for all nodes, different where the nodes are."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(parts):
        usable = "".join(c if (c.isalnum() and c.isascii()) or c in "_-." else "_" for c in name).lstrip(".") or "node"
        if usable == "input" and isinstance(parts[name], Neuron | Quadratic):
            usable = "input_"  # the vectors file keeps that name
        base, n = usable, 2
        while usable in taken:
            usable, n = f"{base}_{n}", n + 1
        taken.add(usable)
        names[name] = usable
    return names


__all__ = ["ImportOptions", "ImportedFloat", "import_document", "read_float_nir"]
