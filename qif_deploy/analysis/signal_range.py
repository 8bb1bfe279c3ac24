"""Range and exact value of the integer codes on a signal: what an edge declares."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from qif_deploy.errors import GraphError
from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.ir.nodes import QIF, AvgPool2d, CodeInput, Flatten, Input, Pair, Population, SumPool2d


class Signal(NamedTuple):
    """Codes ``low..high``; one code is worth ``code_value`` in the float network (a mean over 9 has 1/9).

    ``size`` is the height and width of the map where it is one and known; ``node`` names what emits it.
    """

    low: int
    high: int
    code_value: Fraction
    size: Pair | None = None
    node: str | None = None


def signal_of(graph: Graph | QuantizedGraph, name: str) -> Signal:
    """Return the signal that node ``name`` emits.

    Raises:
        GraphError: the node emits a current, not a signal.
    """
    shape = graph.shapes[name]
    size = (shape[1], shape[2]) if len(shape) == 3 else None
    return Signal(*_codes_of(graph, name), size, name)


def _codes_of(graph: Graph | QuantizedGraph, name: str) -> tuple[int, int, Fraction]:
    node = graph.nodes[name]
    match node:
        case Input() | CodeInput():
            return node.low, node.high, Fraction(node.scale)
        case QIF() | Population():
            return 0, 1, Fraction(1)
        case Flatten():
            return _codes_of(graph, graph.sources(name)[0])
        case SumPool2d() | AvgPool2d():
            low, high, value = _codes_of(graph, graph.sources(name)[0])
            window = node.kernel[0] * node.kernel[1]
            return low * window, high * window, value / window if isinstance(node, AvgPool2d) else value
        case _:
            raise GraphError(f"node {name!r} ({type(node).__name__}) emits a current, not codes")
