"""The layers of a sequential integer network as lava-dl's exchange format lists them; plain arrays, no file yet.

``/layer/N`` holds ``type``, ``shape`` (channel, height, width) and, as in lava-dl's own exports, weights in torch's layout. What netx has
no name for is added: neurons of type ``QIF`` with their codes, the readout as ``QIF_READOUT``, the branch's ``shift``, and ``name``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from qif_deploy.errors import UnsupportedError, raise_findings
from qif_deploy.fixedpoint import FORMAT_WIDTHS
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, DenseCodes, Flatten, Population, ReadoutCodes, SumPool2d
from qif_deploy.neuron.constants import CODE_FIELDS

Layer = dict[str, Any]
"""Field -> text, array, or the fields of a group."""

NEURON, READOUT = "QIF", "QIF_READOUT"


def sequence_findings(graph: QuantizedGraph) -> list[str]:
    """Return why ``graph`` is no chain; empty when it is one."""
    found = []
    if len(graph.inputs) > 1:
        found.append(f"inputs {list(graph.inputs)}: netx has one; join them in one input")
    for name in graph.nodes:
        feeding, read = graph.sources(name), graph.targets(name)
        if len(feeding) > 1:
            found.append(f"node {name!r}: branches {list(feeding)} join here, netx has no residual connections; use NIR or ONNX")
        if len(read) > 1:
            found.append(f"node {name!r}: it feeds {list(read)}, netx has no residual connections; use NIR or ONNX")
    return found


def to_layers(graph: QuantizedGraph) -> list[Layer]:
    """Return the layers of ``graph`` in order.

    Raises:
        UnsupportedError: it is no chain; all findings at once.
    """
    raise_findings(UnsupportedError, sequence_findings(graph))
    layers: list[Layer] = []
    for name in graph.order:
        node = graph.nodes[name]
        common = {"name": name, "shape": np.array(graph.shapes[name], np.int64)}
        match node:
            case CodeInput():
                layers.append({"type": "input", **common, "low": np.int64(node.low), "high": np.int64(node.high)})
            case SumPool2d():
                layers.append({"type": "pool", **common, "kernel": np.array(node.kernel), "stride": np.array(node.stride)})
            case Flatten():
                layers.append({"type": "flatten", **common})
            case DenseCodes():
                layers.append({"type": "dense", **common, "weight": node.weight, "shift": np.int64(node.shift)})
            case Conv2dCodes():
                g = node.geometry
                geometry = {"stride": np.array(g.stride), "padding": np.array(g.padding), "dilation": np.array(g.dilation)}
                geometry["groups"] = np.array(g.groups)
                layers.append({"type": "conv", **common, "weight": node.weight, "shift": np.int64(node.shift), **geometry})
            case Population():
                layers[-1]["neuron"] = _neuron(name, node, graph)
            case ReadoutCodes():
                bias = {"bias": node.bias, "reduce": node.reduce.value}
                layers[-1]["neuron"] = {"type": READOUT, "name": name, **bias}
    return layers


def _neuron(name: str, node: Population, graph: QuantizedGraph) -> Mapping[str, Any]:
    k, f = node.constants, graph.number_format
    widths = {key: np.int64(getattr(f, key)) for key in FORMAT_WIDTHS}
    codes = {key: getattr(k, key) for key in CODE_FIELDS if getattr(k, key) is not None}
    words = {"reset_mode": k.reset_mode.value, "rounding": f.rounding.value}
    return {"type": NEURON, "name": name, **codes, "s1": np.int64(k.s1), **words, **widths}


__all__ = ["NEURON", "READOUT", "Layer", "to_layers"]
