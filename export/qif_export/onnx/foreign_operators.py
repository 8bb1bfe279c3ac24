"""The operators of a float model that foreign.py reads, one function each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.ir.nodes import QIF, AvgPool2d, BatchNorm, ConvGeometry, Flatten, FloatNode, SumPool2d
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_export.onnx._onnx import onnx
from qif_export.onnx.load import tensor_values
from qif_export.onnx.neuron_function import DOMAIN, FUNCTIONS, REAL_INPUTS, UNREACHABLE
from qif_export.onnx.options import Profile

NEURON = FUNCTIONS[Profile.QDQ]


@dataclass(frozen=True, slots=True)
class Constant:
    """A stored value."""

    values: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Signal:
    """What node ``name`` emits: codes, spikes or their means."""

    name: str


@dataclass(frozen=True, slots=True)
class Current:
    """A sum of synapses, each perhaps behind a BatchNorm: the names of the last node of each."""

    branches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class State:
    """A state input."""

    name: str


@dataclass(frozen=True, slots=True)
class NextState:
    """What neuron ``owner`` makes of ``state``."""

    state: str
    owner: str


@dataclass(frozen=True, slots=True)
class Total:
    """A current added to a state."""

    state: str
    current: Current


@dataclass(frozen=True, slots=True)
class Potential:
    """``u`` of a neuron: an output at most."""


Value = Constant | Signal | Current | State | NextState | Total | Potential


class _Unreadable(Exception):
    """Why an operator cannot be read; caught where it is listed."""


@dataclass(slots=True)
class Synapse:
    """Weights whose bias may still grow; dense without a geometry."""

    weight: NDArray[Any]
    bias: NDArray[np.float64] | None
    geometry: ConvGeometry | None


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator with what is known of its inputs."""

    node: Any  # onnx.NodeProto
    known: list[Any]  # Value; of which kind is checked where it matters
    attributes: Mapping[str, Any]


@dataclass(slots=True)
class Reading:
    """What has been read so far."""

    path: Path
    values: dict[str, Value] = field(default_factory=dict)
    nodes: dict[str, FloatNode | Synapse] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    starts: dict[str, NDArray[Any]] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def name(self, wanted: str) -> str:
        """Return a name of a node that is usable and free."""
        base = "".join(c if c.isascii() and (c.isalnum() or c in "_-.") else "_" for c in wanted).lstrip(".") or "node"
        name, number = base, 2
        while name in self.nodes:
            name, number = f"{base}.{number}", number + 1
        return name

    def add(self, wanted: str, node: FloatNode | Synapse, *sources: str) -> str:
        """Add a node that ``sources`` feed, and return its name."""
        name = self.name(wanted)
        self.nodes[name] = node
        self.edges += [(source, name) for source in sources]
        return name


def read_operator(work: Reading, node: Any, title: str) -> None:
    """Add what ``node`` stands for, or a finding under ``title``."""
    known = [work.values.get(name) for name in node.input if name]
    if any(value is None for value in known):
        return  # it follows one that is listed already
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    kind = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}::{node.op_type}"
    try:
        if kind not in _OPERATORS:
            raise _Unreadable("")
        with np.errstate(invalid="ignore"):  # a signalling NaN is as little a constant as another; the node refuses both
            found = _OPERATORS[kind](work, Operator(node, known, attributes))
    except _Unreadable as reason:
        work.findings.append(f"{title}{f': {reason}' if str(reason) else ''}")
        return
    work.values |= dict(zip(node.output, found, strict=False))


def _kind(value: Any, kind: type, what: str) -> Any:
    if not isinstance(value, kind):
        raise _Unreadable(f"{what} is no {kind.__name__.lower()}")
    return value


def _signal(work: Reading, value: Any) -> Signal:
    """Return the signal that an operator takes; a depthwise convolution with ones whose result is one is a sum pool."""
    if isinstance(value, Current) and len(value.branches) == 1:
        node = work.nodes[value.branches[0]]
        if isinstance(node, Synapse) and node.geometry is not None and node.bias is None and (node.weight == 1).all():
            g, (channels, per_group, *kernel) = node.geometry, node.weight.shape
            if g.groups == channels and per_group == 1 and g.padding == (0, 0) and g.dilation == (1, 1):
                work.nodes[value.branches[0]] = SumPool2d(kernel=(kernel[0], kernel[1]), stride=g.stride)
                return Signal(value.branches[0])
    found: Signal = _kind(value, Signal, "its input")
    return found


def _require(attributes: Mapping[str, Any], **wanted: Any) -> None:
    for name, value in wanted.items():
        if name in attributes and attributes[name] != value:
            raise _Unreadable(f"{name} {attributes[name]!r}")


def _conv(work: Reading, op: Operator) -> list[Value]:
    signal, weight = _signal(work, op.known[0]), _kind(op.known[1], Constant, "its weight").values
    _require(op.attributes, auto_pad=b"NOTSET")
    if weight.ndim != 4:
        raise _Unreadable(f"weight of {weight.ndim} axes")
    pads = list(op.attributes.get("pads", [0, 0, 0, 0]))
    if pads[:2] != pads[2:]:
        raise _Unreadable(f"unequal pads {pads}")
    geometry = ConvGeometry(
        stride=tuple(op.attributes.get("strides", (1, 1))),
        padding=(pads[0], pads[1]),
        dilation=tuple(op.attributes.get("dilations", (1, 1))),
        groups=op.attributes.get("group", 1),
    )
    bias = _kind(op.known[2], Constant, "its bias").values.astype(np.float64) if len(op.known) > 2 else None
    return [Current((work.add(op.node.name or "conv", Synapse(weight, bias, geometry), signal.name),))]


def _matmul(work: Reading, op: Operator) -> list[Value]:
    signal, weight = _signal(work, op.known[0]), _kind(op.known[1], Constant, "its weight").values
    _require(op.attributes, alpha=1.0, beta=1.0, transA=0)
    if weight.ndim != 2:
        raise _Unreadable(f"weight of {weight.ndim} axes")
    weight = weight if op.attributes.get("transB") else weight.T
    current = Current((work.add(op.node.name or "dense", Synapse(weight, None, None), signal.name),))
    return [_biased(work, current, _kind(op.known[2], Constant, "its bias").values)] if len(op.known) > 2 else [current]


def _add(work: Reading, op: Operator) -> list[Value]:
    first, second = op.known
    if isinstance(first, Constant | Signal | State) and isinstance(second, Current):
        first, second = second, first
    current = _kind(first, Current, "one summand")
    match second:
        case Constant():
            return [_biased(work, current, second.values)]
        case Current():
            return [Current(current.branches + second.branches)]
        case Signal():
            return [Current((*current.branches, work.add(f"{second.name}.identity", _identity(work, current), second.name)))]
        case State():
            return [Total(second.name, current)]
    raise _Unreadable("")


def _biased(work: Reading, current: Current, values: NDArray[Any]) -> Current:
    """Add a constant per channel to one of the synapses."""
    synapse = work.nodes[current.branches[-1]]
    if not isinstance(synapse, Synapse):
        raise _Unreadable("a constant after BatchNormalization")
    channels = synapse.weight.shape[0]
    flat = np.squeeze(values)
    if flat.ndim > 1 or flat.size not in (1, channels):
        raise _Unreadable(f"a constant of shape {values.shape} where {channels} channels are")
    bias = np.broadcast_to(flat.astype(np.float64), (channels,))
    synapse.bias = bias if synapse.bias is None else synapse.bias + bias
    return current


def _identity(work: Reading, current: Current) -> Synapse:
    """A spike train that is added as it is: weights of one."""
    name = current.branches[0]
    node = work.nodes[name]
    while not isinstance(node, Synapse):  # a BatchNorm, whose one source is its synapse
        name = next(a for a, b in work.edges if b == name)
        node = work.nodes[name]
    channels = node.weight.shape[0]
    if node.geometry is None:
        return Synapse(np.eye(channels, dtype=np.float32), None, None)
    return Synapse(np.ones((channels, 1, 1, 1), np.float32), None, ConvGeometry(groups=channels))


def _batch_norm(work: Reading, op: Operator) -> list[Value]:
    current = _kind(op.known[0], Current, "its input")
    _require(op.attributes, training_mode=0)
    if len(current.branches) > 1:
        raise _Unreadable("it normalises a sum of branches")
    gain, shift, mean, var = (_kind(one, Constant, "a parameter").values.astype(np.float64) for one in op.known[1:5])
    norm = BatchNorm(gain=gain, shift=shift, mean=mean, var=var, eps=float(op.attributes.get("epsilon", 1e-5)))
    return [Current((work.add(op.node.name or "norm", norm, *current.branches),))]


def _pool(work: Reading, op: Operator) -> list[Value]:
    signal = _signal(work, op.known[0])
    _require(op.attributes, auto_pad=b"NOTSET", ceil_mode=0)
    if any(op.attributes.get("pads", ())) or any(one != 1 for one in op.attributes.get("dilations", ())):
        raise _Unreadable("pads or dilations")
    kernel = tuple(op.attributes["kernel_shape"])
    pool = AvgPool2d(kernel=kernel, stride=tuple(op.attributes.get("strides", (1, 1))))
    return [Signal(work.add(op.node.name or "pool", pool, signal.name))]


def _flatten(work: Reading, op: Operator) -> list[Value]:
    signal = _signal(work, op.known[0])
    if op.node.op_type == "Flatten":
        _require(op.attributes, axis=1)
    else:
        sizes = _kind(op.known[1], Constant, "its shape").values.tolist()
        if len(sizes) != 2 or (sizes[0] != 0 and sizes[1] < 1) or (sizes[0] == 0 and sizes[1] != -1) or sizes[0] not in (0, -1):
            raise _Unreadable(f"shape {sizes}, not (batch, all the rest)")
    return [Signal(work.add(op.node.name or "flat", Flatten(), signal.name))]


def _same(work: Reading, op: Operator) -> list[Value]:  # noqa: ARG001  # all have one signature
    return [op.known[0]]


def _constant(work: Reading, op: Operator) -> list[Value]:
    if "value" not in op.attributes:
        raise _Unreadable("a constant that is no tensor")
    return [Constant(tensor_values(op.attributes["value"], work.path))]


def _linear(work: Reading, op: Operator) -> list[Value]:
    """QuantizeLinear and DequantizeLinear: of stored weights, or of a signal whose codes stay what they are."""
    scale = _kind(op.known[1], Constant, "its scale").values
    if isinstance(op.known[0], Signal | Current):
        if np.any(scale != 1):
            raise _Unreadable(f"scale {scale} of a signal")
        return [_signal(work, op.known[0])]
    codes = _kind(op.known[0], Constant, "its input").values.astype(np.float64)
    if op.node.op_type == "QuantizeLinear":
        raise _Unreadable("of a constant")
    zero = op.known[2].values.astype(np.float64) if len(op.known) > 2 else np.zeros(())
    axis = op.attributes.get("axis", 1)
    aligned = [
        one.reshape([-1 if n == axis % max(1, codes.ndim) else 1 for n in range(codes.ndim)]) if one.size > 1 else one
        for one in (zero, scale)
    ]
    return [Constant((codes - aligned[0]) * aligned[1].astype(np.float64))]


def _per_channel(values: NDArray[Any]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.atleast_1d(np.squeeze(values)).astype(np.float64)
    return found


def _neuron(work: Reading, op: Operator) -> list[Value]:
    state, current = _kind(op.known[0], State, "r"), _kind(op.known[1], Current, "x")
    if len(op.known) != len(REAL_INPUTS):
        raise _Unreadable(f"{len(op.known)} inputs, not {len(REAL_INPUTS)}")
    given = {
        name: np.atleast_1d(np.squeeze(_kind(value, Constant, name).values)).astype(np.float64)
        for name, value in zip(REAL_INPUTS[2:], op.known[2:], strict=True)
    }
    keep = set(given["keep"].tolist())
    if keep not in ({0.0}, {1.0}):
        raise _Unreadable(f"keep {sorted(keep)[:4]}, neither 0 nor 1 throughout")
    if (given["theta"] >= UNREACHABLE).any():
        raise _Unreadable("it does not spike, which a float network does not have")
    hard = keep == {0.0}
    choices: dict[str, Any] = {"u_reset": given["offset"]} if hard else {"reset_by": -given["offset"], "reset": ResetMode.SUBTRACT}
    if (given["u_min"] > -UNREACHABLE).any():
        choices["u_min"] = given["u_min"]
    if state.name in work.starts:
        choices["r0"] = _per_channel(work.starts[state.name])
    params = QIFParams.of(c2=given["c2"], c1=given["c1"], c0=given["c0"], theta=given["theta"], **choices)
    name = work.add(op.node.name or "qif", QIF(params=params), *current.branches)
    return [Potential(), Signal(name), NextState(state.name, name)]


_OPERATORS: Mapping[str, Callable[[Reading, Operator], list[Value]]] = {
    "Conv": _conv,
    "Gemm": _matmul,
    "MatMul": _matmul,
    "Add": _add,
    "BatchNormalization": _batch_norm,
    "AveragePool": _pool,
    "Flatten": _flatten,
    "Reshape": _flatten,
    "Identity": _same,
    "Cast": _same,
    "Constant": _constant,
    "QuantizeLinear": _linear,
    "DequantizeLinear": _linear,
    f"{DOMAIN}::{NEURON}": _neuron,
}

__all__ = ["NEURON", "Constant", "Current", "NextState", "Reading", "Signal", "State", "Synapse", "Total", "read_operator"]
