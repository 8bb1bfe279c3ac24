"""Blocks for SLAYER networks of QIF neurons, on lava-dl's block base classes: train, then ``block.export_hdf5``.

What is not here: ``delay=True`` (axonal delays per neuron have no place in the integer network), ``norm`` (the bias is
the neuron's c0), ``mask`` and ``count_log`` (which fails in lava-dl 0.6.0, it averages booleans).
"""

from __future__ import annotations

from qif_deploy.ir.nodes import Pair
from qif_hardware.lava.slayer._slayer import block_base, synapse, torch
from qif_hardware.lava.slayer.neuron import Neuron
from qif_hardware.lava.slayer.neuron_params import NeuronParams


class Input(block_base.AbstractInput):  # type: ignore[misc]  # lava-dl ships no types
    """Passes spikes or integer codes ``(batch, channel, ..., time)`` on, one step late unless ``delay_shift`` is off."""

    def __init__(self, *, delay_shift: bool = True) -> None:
        super().__init__(delay_shift=delay_shift)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``x``, delayed if asked. lava-dl 0.6.0's own forward fails in a block that delays and has no neuron."""
        self.input_shape = x.shape[1:-1]
        if not self.delay_shift:
            return x
        delayed: torch.Tensor = block_base.delay(x, 1)
        return delayed


class Flatten(block_base.AbstractFlatten):  # type: ignore[misc]  # lava-dl ships no types
    """``(batch, channel, height, width, time)`` to ``(batch, feature, time)``, channel slowest; adds no delay."""

    def __init__(self) -> None:
        super().__init__()


class Dense(block_base.AbstractDense):  # type: ignore[misc]  # lava-dl ships no types
    """Fully connected synapses with quantised weights, then QIF neurons.

    Args:
        neuron_params: the neuron, for one channel or ``out_neurons``.
        in_neurons: features of the input ``(batch, feature, time)``.
        out_neurons: neurons.
        weight_scale: factor on torch's initial weights.
        weight_norm: torch's weight normalisation, as in SLAYER.
        delay_shift: whether spikes leave one step late, as over a connection on chip.
    """

    def __init__(
        self,
        neuron_params: NeuronParams,
        in_neurons: int,
        out_neurons: int,
        *,
        weight_scale: float = 1,
        weight_norm: bool = False,
        delay_shift: bool = True,
    ) -> None:
        super().__init__(
            neuron_params, in_neurons, out_neurons, weight_scale=weight_scale, weight_norm=weight_norm, delay_shift=delay_shift
        )
        self.neuron = Neuron(neuron_params)
        self.synapse = synapse.Dense(**self.synapse_params)
        self.synapse.pre_hook_fx = self.neuron.quantize_8bit
        del self.synapse_params, self.neuron_params


class Conv(block_base.AbstractConv):  # type: ignore[misc]  # lava-dl ships no types
    """Convolution ``(batch, channel, height, width, time)`` with quantised weights, then QIF neurons.

    Args:
        neuron_params: the neuron, for one channel or ``out_features``.
        in_features: channels of the input.
        out_features: channels.
        kernel_size: one size, or (height, width); so are stride, padding and dilation.
        stride: as in torch.
        padding: zeros on either side.
        dilation: as in torch.
        groups: as in torch.
        weight_scale: as for Dense.
        weight_norm: as for Dense.
        delay_shift: as for Dense.
    """

    def __init__(
        self,
        neuron_params: NeuronParams,
        in_features: int,
        out_features: int,
        kernel_size: int | Pair,
        *,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        weight_scale: float = 1,
        weight_norm: bool = False,
        delay_shift: bool = True,
    ) -> None:
        super().__init__(
            neuron_params,
            in_features,
            out_features,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            weight_scale=weight_scale,
            weight_norm=weight_norm,
            delay_shift=delay_shift,
        )
        self.neuron = Neuron(neuron_params)
        self.synapse = synapse.Conv(**self.synapse_params)
        self.synapse.pre_hook_fx = self.neuron.quantize_8bit
        del self.synapse_params, self.neuron_params


Block = Input | Flatten | Dense | Conv
