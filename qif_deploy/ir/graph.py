"""The two graphs: same wiring, different node types. Frozen, checked at construction, compared by value."""

from __future__ import annotations

import graphlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Generic, TypeVar

import numpy as np

from qif_deploy.errors import GraphError, raise_findings
from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir import rules
from qif_deploy.ir.nodes import (
    QIF,
    CodeInput,
    CodeNode,
    Conv2dCodes,
    DenseCodes,
    FloatNode,
    Input,
    Node,
    Population,
    Readout,
    ReadoutCodes,
)
from qif_deploy.ir.shape_inference import infer_shapes
from qif_deploy.rebuilding import Rebuilt
from qif_deploy.shapes import Shape

N = TypeVar("N", bound=Node)
Edge = tuple[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Wiring(Rebuilt, Generic[N]):
    """Named nodes and edges. ``order`` is topological and follows the order of ``nodes`` where edges leave a choice."""

    nodes: Mapping[str, N]
    edges: tuple[Edge, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", MappingProxyType(dict(self.nodes)))
        object.__setattr__(self, "edges", tuple((str(a), str(b)) for a, b in self.edges))
        raise_findings(GraphError, rules.wiring_findings(self.nodes, self.edges))
        raise_findings(GraphError, rules.arity_findings(self.nodes, self.edges))
        self.shapes  # noqa: B018  # infers and checks every shape now, not at first use

    @cached_property
    def order(self) -> tuple[str, ...]:
        """All names, sources first."""
        sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter(dict.fromkeys(self.nodes, ()))
        for source, target in self.edges:
            sorter.add(target, source)
        return tuple(sorter.static_order())

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """Output shape per node, without time and batch."""
        return MappingProxyType(infer_shapes(self.nodes, self.edges, self.order))

    def sources(self, name: str) -> tuple[str, ...]:
        """Names of the nodes that feed ``name``, in edge order."""
        return tuple(a for a, b in self.edges if b == name)

    def targets(self, name: str) -> tuple[str, ...]:
        """Names of the nodes that ``name`` feeds, in edge order."""
        return tuple(b for a, b in self.edges if a == name)

    def _named(self, *kinds: type) -> tuple[str, ...]:
        return tuple(name for name in self.order if isinstance(self.nodes[name], kinds))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        assert isinstance(other, _Wiring)
        return dict(self.nodes) == dict(other.nodes) and sorted(self.edges) == sorted(other.edges)

    __hash__ = None  # type: ignore[assignment]  # holds arrays


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph(_Wiring[FloatNode]):
    """A float network.

    Raises:
        GraphError: a node, edge or shape breaks a rule; all findings of one kind at once.
    """

    def __post_init__(self) -> None:
        raise_findings(GraphError, rules.stage_findings(self.nodes, FloatNode, "Graph"))
        super().__post_init__()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return self._named(Input)

    @property
    def populations(self) -> tuple[str, ...]:
        """Names of the populations in topological order."""
        return self._named(QIF)

    @property
    def readout(self) -> str:
        """Name of the readout."""
        return self._named(Readout)[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantizedGraph(_Wiring[CodeNode]):
    """An integer network: the artefact that every backend executes.

    ``steps`` is the number of time steps that the range proof covers, None when it covers any number.

    Raises:
        GraphError: a node, edge, shape or width breaks a rule.
    """

    number_format: NumberFormat
    steps: int | None
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        raise_findings(GraphError, rules.stage_findings(self.nodes, CodeNode, "QuantizedGraph"))
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))
        if self.steps is not None and self.steps < 1:
            raise GraphError(f"steps {self.steps} is below 1; give the number of time steps that the proof covers, or None for any")
        super().__post_init__()
        raise_findings(GraphError, rules.code_findings(self.nodes, self.number_format))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return self._named(CodeInput)

    @property
    def populations(self) -> tuple[str, ...]:
        """Names of the populations in topological order."""
        return self._named(Population)

    @property
    def readout(self) -> str:
        """Name of the readout."""
        return self._named(ReadoutCodes)[0]

    def population(self, name: str) -> Population:
        """Return the population ``name``."""
        node = self.nodes[name]
        assert isinstance(node, Population)
        return node

    def code_input(self, name: str) -> CodeInput:
        """Return the input ``name``."""
        node = self.nodes[name]
        assert isinstance(node, CodeInput)
        return node

    def readout_node(self) -> ReadoutCodes:
        """Return the readout."""
        node = self.nodes[self.readout]
        assert isinstance(node, ReadoutCodes)
        return node

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over everything that decides a result: codes, wiring, format, steps. Floats for reporting are left out."""
        digest = hashlib.sha256()

        def put(*values: object) -> None:
            for value in values:
                data = value.astype("<i8").tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
                digest.update(len(data).to_bytes(8, "little") + data)

        f = self.number_format
        put(f.weight_bits, f.coef_bits, f.state_bits, f.product_bits, f.rounding.value, self.steps, sorted(self.edges))
        for name in sorted(self.nodes):
            put(name, type(self.nodes[name]).__name__, *_decisive(self.nodes[name]))
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QuantizedGraph):
            return NotImplemented
        return super().__eq__(other) and (self.number_format, self.steps, dict(self.provenance)) == (
            other.number_format,
            other.steps,
            dict(other.provenance),
        )

    __hash__ = None


def _decisive(node: CodeNode) -> list[object]:
    match node:
        case CodeInput():
            return [node.shape, node.low, node.high]
        case DenseCodes():
            return [node.weight.shape, node.weight, node.shift]
        case Conv2dCodes():
            g = node.geometry
            return [node.weight.shape, node.weight, node.shift, g.stride, g.padding, g.dilation, g.groups]
        case Population():
            c = node.constants
            return [c.c2m, c.c1m, c.s2, c.s1, c.bias, c.theta, c.reset, c.r0, c.reset_by, c.u_min, c.reset_mode.value]
        case ReadoutCodes():
            return [node.bias, node.reduce.value]
        case _:
            return [getattr(node, "kernel", ()), getattr(node, "stride", ())]
