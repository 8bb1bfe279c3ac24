"""Range and exact value of the integer codes on a signal: what an edge declares."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from qif_deploy.errors import GraphError
from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.ir.nodes import QIF, AvgPool2d, CodeInput, Flatten, Input, Population, SumPool2d


class Signal(NamedTuple):
    """Codes ``low..high``; one code is worth ``code_value`` in the float network (a mean over 9 has 1/9)."""

    low: int
    high: int
    code_value: Fraction


def signal_of(graph: Graph | QuantizedGraph, name: str) -> Signal:
    """Return the signal that node ``name`` emits.

    Raises:
        GraphError: the node emits a current, not a signal.
    """
    node = graph.nodes[name]
    match node:
        case Input() | CodeInput():
            return Signal(node.low, node.high, Fraction(node.scale))
        case QIF() | Population():
            return Signal(0, 1, Fraction(1))
        case Flatten():
            return signal_of(graph, graph.sources(name)[0])
        case SumPool2d() | AvgPool2d():
            source = signal_of(graph, graph.sources(name)[0])
            window = node.kernel[0] * node.kernel[1]
            value = source.code_value / window if isinstance(node, AvgPool2d) else source.code_value
            return Signal(source.low * window, source.high * window, value)
        case _:
            raise GraphError(f"node {name!r} ({type(node).__name__}) emits a current, not codes")
