"""``QIFNetwork``: lava-dl's netx Network for files with QIF neurons, as ``qif-deploy export --to netx`` writes them.

What netx lacks is added: the neuron, its integers, and sum pools, which are folded into the weights behind them. Every dense or
convolutional layer is a block of netx, its synapse Lava's own, and costs one step as usual. In front goes a source that sends the frames
of all samples back to back; behind comes, one step per layer later, the current of the readout, to be summed over the steps of a sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from qif_deploy.errors import UnsupportedError
from qif_deploy.fixedpoint import FORMAT_WIDTHS, NumberFormat, RoundingMode
from qif_deploy.ir.nodes import ConvGeometry, SumPool2d
from qif_deploy.neuron.constants import CODE_FIELDS, FixedConstants
from qif_deploy.neuron.params import ResetMode
from qif_hardware.lava._netx import blocks, hdf5
from qif_hardware.lava.layout import conv_weight_to_lava, dense_weight_to_lava, lava_shape, reversed_pair
from qif_hardware.lava.plan import CONV_HALVINGS, DENSE_HALVINGS
from qif_hardware.lava.pool_folding import FoldedConv, fold_into_conv, fold_into_dense
from qif_hardware.lava.qif.process import QIF, BranchScale, CurrentOut, Relay, TraceFiles
from qif_hardware.lava.sample_window import SampleWindow
from qif_hardware.lava.synapse_limits import require_conv, require_dense
from qif_hardware.lava.synapse_lowering import MESSAGE_BITS

UNBOUNDED = 2**40
"""Samples, or steps of one sample, where nothing says how many there are."""

Layer = Any  # a group of h5py, which ships no types


class QIFNetwork(hdf5.Network):  # type: ignore[misc]  # lava-dl ships no types
    """A sequential network from a netx file.

    Args:
        net_config: path of the file.
        reset_interval: steps per sample; None for one sample that never ends.
        samples: number of samples, after which the neurons are held; None for no end.
        traces: population -> files that it records into, see ``TraceFiles``.
    """

    def __init__(
        self,
        *,
        net_config: str,
        reset_interval: int | None = None,
        samples: int | None = None,
        traces: Mapping[str, TraceFiles] | None = None,
    ) -> None:
        self.samples = UNBOUNDED if samples is None else samples
        self.traces = {} if traces is None else dict(traces)
        self.signal_shape: tuple[int, ...] = ()
        super().__init__(net_config=net_config, reset_interval=reset_interval)

    def _create(self) -> list[Any]:
        """Build one block per synapse; netx calls this when it is constructed."""
        file = self.net_config.f
        self.net_str += self._table_str(header=True) + "\n"
        built: list[Any] = []
        pools: list[SumPool2d] = []
        for number in range(len(file["layer"])):
            layer = file[f"layer/{number}"]
            match _text(layer["type"]):
                case "input":
                    self.signal_shape = _shape(layer)
                    self.low, self.high = int(layer["low"][()]), int(layer["high"][()])
                    self.input_message_bits = MESSAGE_BITS if self.low < 0 or self.high > 1 else 0
                case "flatten":
                    continue
                case "pool":
                    pools.append(SumPool2d(kernel=_pair(layer["kernel"]), stride=_pair(layer["stride"])))
                case "dense" | "conv" as kind:
                    self._connect(built, layer, self._block(kind, layer, pools, len(built) + 1))
                    self.signal_shape, pools = _shape(layer), []
                    self.low, self.high = 0, 1  # spikes, whatever the input is
                case kind:
                    raise UnsupportedError(f"layer {number}: type {kind!r} is not built here; use input, pool, flatten, conv and dense")
        return built

    def _block(self, kind: str, layer: Layer, pools: list[SumPool2d], depth: int) -> Any:
        """Return the block of a layer at ``depth`` synapses from the input, and remember what its source must be blanked to."""
        self.keep = None
        message_bits = self.input_message_bits if depth == 1 else 0
        common = {"shape": lava_shape(_shape(layer)), "input_message_bits": message_bits}
        if kind == "conv":
            folded = self._folded_conv(layer, pools)
            self.keep = None if folded.keep is None else reversed_pair(folded.keep)
            g = folded.geometry
            require_conv(_text(layer["name"]), folded.weight, self.low, self.high)
            return blocks.Conv(
                neuron_params=self._neuron(layer, depth, CONV_HALVINGS),
                input_shape=lava_shape(self.signal_shape),
                weight=conv_weight_to_lava(folded.weight).astype(np.int32),
                stride=reversed_pair(g.stride),
                padding=reversed_pair(g.padding),
                dilation=reversed_pair(g.dilation),
                groups=g.groups,
                **common,
            )
        weight = self._folded_dense(layer, pools)
        require_dense(_text(layer["name"]), weight, self.low, self.high)
        weight = dense_weight_to_lava(weight << DENSE_HALVINGS, self.signal_shape).astype(np.int32)
        return blocks.Dense(neuron_params=self._neuron(layer, depth, DENSE_HALVINGS), weight=weight, **common)

    def _connect(self, built: list[Any], layer: Layer, block: Any) -> None:
        """Join a block to the one before it; what pools left over must not reach a padded convolution."""
        if built:
            signal = built[-1].out
            if self.keep is not None:
                relay = Relay(name=f"{_text(layer['name'])}.relay", shape=signal.shape, delay=0, keep=self.keep)
                signal.connect(relay.s_in)
                signal = relay.s_out
            (signal.flatten() if len(block.inp.shape) < len(signal.shape) else signal).connect(block.inp)
        elif self.keep is not None:
            raise UnsupportedError(
                f"layer {_text(layer['name'])!r}: its pool leaves rows of the input over, which its padding would meet; crop the input"
            )
        built.append(block)
        self.net_str += f"|{type(block).__name__:10s}| {lava_shape(_shape(layer))} {_text(layer['name'])}\n"

    def _neuron(self, layer: Layer, depth: int, halvings: int) -> dict[str, Any]:
        """Return what a block of netx makes its neuron from."""
        group = layer["neuron"]
        name = _text(group["name"])
        steps = UNBOUNDED if self.reset_interval is None else self.reset_interval
        given = {
            "name": name,
            "branch": BranchScale(halvings=halvings, shift=int(layer["shift"][()])),
            "window": SampleWindow(depth=depth, steps=steps, samples=self.samples),
        }
        if _text(group["type"]) == "QIF_READOUT":
            return {"neuron_proc": CurrentOut, "num_message_bits": MESSAGE_BITS, "bias": group["bias"][()], **given}
        given |= {"branches": [given.pop("branch")], "constants": _constants(group), "trace": self.traces.get(name)}
        return {"neuron_proc": QIF, "num_message_bits": 0, **given}

    def _sizes(self, pools: list[SumPool2d]) -> list[tuple[int, ...]]:
        """Return the shape before each pool."""
        shapes = [self.signal_shape]
        for pool in pools:
            channels, *size = shapes[-1]
            out = [(n - k) // s + 1 for n, k, s in zip(size, pool.kernel, pool.stride, strict=True)]
            shapes.append((channels, *out))
        return shapes

    def _folded_conv(self, layer: Layer, pools: list[SumPool2d]) -> FoldedConv:
        geometry = ConvGeometry(
            stride=_pair(layer["stride"]),
            padding=_pair(layer["padding"]),
            dilation=_pair(layer["dilation"]),
            groups=int(layer["groups"][()]),
        )
        folded = FoldedConv(layer["weight"][()].astype(np.int64), geometry, None)
        for pool, shape in reversed(list(zip(pools, self._sizes(pools), strict=False))):
            folded = fold_into_conv(_text(layer["name"]), folded, pool, (shape[1], shape[2]))
        return folded

    def _folded_dense(self, layer: Layer, pools: list[SumPool2d]) -> Any:
        weight = layer["weight"][()].astype(np.int64)
        shapes = self._sizes(pools)
        if not pools:
            return weight
        weight = weight.reshape(weight.shape[0], *shapes[-1])
        for pool, shape in reversed(list(zip(pools, shapes, strict=False))):
            weight = fold_into_dense(weight, pool, (shape[1], shape[2]))
        return weight.reshape(weight.shape[0], -1)


def _constants(group: Layer) -> FixedConstants:
    number_format = NumberFormat(
        name="netx",
        rounding=RoundingMode(_text(group["rounding"])),
        **{key: int(group[key][()]) for key in FORMAT_WIDTHS},
    )
    codes: dict[str, Any] = {key: group[key][()] if key in group else None for key in CODE_FIELDS}
    return FixedConstants(s1=int(group["s1"][()]), reset_mode=ResetMode(_text(group["reset_mode"])), number_format=number_format, **codes)


def _shape(layer: Layer) -> tuple[int, ...]:
    return tuple(int(n) for n in layer["shape"][()])


def _pair(dataset: Any) -> tuple[int, int]:
    height, width = dataset[()]
    return int(height), int(width)


def _text(dataset: Any) -> str:
    return str(dataset[()][0], "ascii")
