"""A torch module with QIF cells as a float network, by nirtorch's ``torch_to_nir``.

What is worked around (nirtorch 2.6): its own map for Linear takes precedence over the caller's, so it is left out; the order of edges
varies, so they are sorted; ``x + x`` comes out as one edge, which is refused here; a module without a mapping is a KeyError, here a list
of all of them; the shape of a convolution's input is unknown to the tracer and given by the caller.
"""

from __future__ import annotations

import operator
from typing import Any

import nir
import numpy as np

from qif_deploy.errors import UnsupportedError, raise_findings
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import Input, Reduce
from qif_export.nir.bridge._nirtorch import NIRTorchTracer, nirtorch, torch
from qif_export.nir.bridge.cells import QIFCell
from qif_export.nir.document import Document
from qif_export.nir.float_write import quadratic_node
from qif_export.nir.importing.importer import ImportOptions, import_document
from qif_export.nir.importing.walk import Ends
from qif_export.nir.nodes import QIFInput


def from_torch(module: Any, source: Input, *, reduce: Reduce = Reduce.SUM) -> Graph:
    """Return the float network that ``module`` runs in one step.

    Its ``forward(x, state=None)`` calls layers, QIF cells as ``z, v = self.q(x, state)``, and ``+``. It ends in currents, which the readout
    reduces, or in spikes, which it counts.

    Args:
        module: the torch module; Linear, Conv1d, Conv2d, AvgPool2d, Flatten and QIFCell are known.
        source: shape and codes of its input.
        reduce: of the currents at its end.

    Raises:
        UnsupportedError: modules or operations that have no node, all at once.
    """
    leaves = {name: leaf for name, leaf in module.named_modules() if not list(leaf.children())}
    unknown = [
        f"module {name!r} ({type(leaf).__name__}) has no node in NIR; replace it" for name, leaf in leaves.items() if type(leaf) not in MAP
    ]
    raise_findings(UnsupportedError, unknown)
    arguments = {"state": None} if "state" in module.forward.__code__.co_varnames else None
    _refuse_doubling(module, arguments)
    try:
        traced = nirtorch.torch_to_nir(
            module, MAP, default_dict=None, type_check=False, stateful_modules={QIFCell}, concrete_args=arguments
        )
    except (ValueError, TypeError, RuntimeError) as error:  # what its tracer raises for operations that it does not follow
        reason = " ".join(str(error).split())[:200]
        raise UnsupportedError(f"the module cannot be traced ({reason}); use layers, cells and + only") from None
    nodes = {name: node.to_dict() for name, node in traced.nodes.items()}
    edges = sorted(traced.edges)
    for name in [name for name, fields in nodes.items() if fields["type"] == "Input"]:
        nodes[name] = {"type": "Input", "shape": np.array(source.shape)}
        coded = f"{name}.codes"
        nodes[coded] = QIFInput(input_shape=np.array(source.shape), low=source.low, high=source.high, scale=float(source.scale)).to_dict()
        edges = [(name, coded), *((coded if a == name else a, b) for a, b in edges)]
    document = Document(nodes=nodes, edges=tuple(edges), metadata={})
    return import_document(document, ImportOptions(ends=Ends(reduce=reduce))).graph


def _refuse_doubling(module: Any, arguments: dict[str, None] | None) -> None:
    for node in NIRTorchTracer(MAP.keys()).trace(module, concrete_args=arguments).nodes:
        adds = node.target is operator.add or (node.op == "call_method" and node.target == "add")
        if adds and len(node.args) == 2 and node.args[0] is node.args[1]:
            raise UnsupportedError(
                f"{node.args[0]} is added to itself, which nirtorch writes as one edge; scale the weights behind it by 2"
            )


def _linear(module: Any) -> Any:
    weight = _array(module.weight)
    return nir.Linear(weight) if module.bias is None else nir.Affine(weight, _array(module.bias))


def _convolution(module: Any) -> Any:
    if module.padding_mode != "zeros":
        raise ValueError(f"padding_mode {module.padding_mode!r} of a convolution is not zeros")
    weight = _array(module.weight)
    bias = np.zeros(weight.shape[0]) if module.bias is None else _array(module.bias)
    numbers = {
        name: getattr(module, name) if isinstance(getattr(module, name), str) else np.array(getattr(module, name), np.int64)
        for name in ("stride", "padding", "dilation")
    }
    kind = nir.Conv2d if weight.ndim == 4 else nir.Conv1d
    return kind(input_shape=None, weight=weight, groups=module.groups, bias=bias, **numbers)


def _pool(module: Any) -> Any:
    if module.ceil_mode or module.divisor_override is not None:
        raise ValueError("ceil_mode or divisor_override of a pool has no field in NIR")
    pairs = (np.broadcast_to(np.array(value, np.int64), 2).copy() for value in (module.kernel_size, module.stride, module.padding))
    return nir.AvgPool2d(*pairs)


def _flatten(module: Any) -> Any:
    """Axes without the batch."""
    start, end = (n - 1 if n > 0 else n for n in (module.start_dim, module.end_dim))
    return nir.Flatten(input_type={"input": None}, start_dim=start, end_dim=end)


def _quadratic(module: QIFCell) -> Any:
    return quadratic_node(module.params, (module.params.channels,))


def _array(tensor: Any) -> Any:
    return tensor.detach().cpu().numpy()


MAP = {
    torch.nn.Linear: _linear,
    torch.nn.Conv1d: _convolution,
    torch.nn.Conv2d: _convolution,
    torch.nn.AvgPool2d: _pool,
    torch.nn.Flatten: _flatten,
    QIFCell: _quadratic,
}

__all__ = ["from_torch"]
