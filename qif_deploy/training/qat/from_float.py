"""From a trained float network to the one that is trained through its codes."""

from __future__ import annotations

from qif_deploy.errors import InputError
from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.passes.fold_batchnorm import fold_batchnorm
from qif_deploy.training.network import SpikingNetwork
from qif_deploy.training.neuron import QIFNeuron
from qif_deploy.training.qat.clipped_weights import clip_weights
from qif_deploy.training.qat.codes import TrainedCodes
from qif_deploy.training.qat.network import QatNetwork
from qif_deploy.training.qat.options import ScaleChoice
from qif_deploy.training.qat.population import BackwardRule
from qif_deploy.training.spec import ShortcutLayer
from qif_deploy.training.spike import SurrogateSpike
from qif_deploy.training.to_graph import to_graph


def qat_network(network: SpikingNetwork, number_format: NumberFormat, *, scales: ScaleChoice, steps: int | None = None) -> QatNetwork:
    """Return ``network`` in the integers of ``number_format``, ready to be trained; the float network is not touched.

    BatchNorm is folded with its running statistics. Surrogate, its width and the gradient through the reset are those that the float
    network was trained with. Dropout is left out; neurons and identity shortcuts stay as they are.

    Args:
        network: a trained float network.
        number_format: the target's integers.
        scales: with ``MAX`` the first codes are those of ``quantize_graph`` on the float network.
        steps: T, None for the network's own.

    Raises:
        FormatError: the network cannot be quantised.
        InputError: a spike function without a width.
    """
    graph, _ = fold_batchnorm(to_graph(network))
    if scales is ScaleChoice.SQUARED_ERROR:
        graph = clip_weights(graph, number_format)
    rules = {}
    for name in network.populations():
        neuron = network.by_name[name]
        assert isinstance(neuron, QIFNeuron)
        if not isinstance(neuron.spike, SurrogateSpike):
            raise InputError(f"population {name!r}: a spike of type {type(neuron.spike).__name__} has no width; use SurrogateSpike")
        width = neuron.spike.half_width.detach().double().cpu()
        rules[name] = BackwardRule(half_width=width, shape=neuron.spike.shape, detach_reset=neuron.detach_reset)
    fixed = {layer.name for layer in network.spec.layers if isinstance(layer, ShortcutLayer)}
    codes = TrainedCodes(graph, number_format, steps=network.spec.steps if steps is None else steps, rules=rules, fixed=fixed)
    return QatNetwork(codes)
