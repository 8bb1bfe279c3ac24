"""Inputs of a foreign graph: the shape that counts, and the codes that the file does not describe."""

from __future__ import annotations

from qif_deploy.errors import InputError
from qif_deploy.ir.nodes import AvgPool2d, Conv2d, Dense, Input, SumPool2d
from qif_deploy.shapes import Shape
from qif_export.nir.importing.parts import InputPort, Part
from qif_export.nir.importing.signals import Signal, Term
from qif_export.nir.importing.walk import Walk


def add_input_port(walk: Walk, name: str, part: InputPort) -> None:
    """A boundary node before our own input is a wire; before anything else it is the input."""
    fed = [walk.parts[target] for target in walk.targets[name]]
    if any(isinstance(target, Input) for target in fed):
        walk.signals[name] = Signal(terms=(), shape=())
        return
    shape = _input_shape(name, part.shape, fed)
    coding = walk.coding
    add_input(walk, name, Input(shape=shape, low=coding.low, high=coding.high, scale=coding.scale))


def add_input(walk: Walk, name: str, node: Input) -> None:
    """Add an input that says everything of itself."""
    used = walk.unused(walk.names[name])
    walk.nodes[used] = node
    walk.signals[name] = Signal(terms=(Term(source=used, name=used),), shape=node.shape)


def _input_shape(name: str, declared: Shape, fed: list[Part]) -> Shape:
    """Return the shape without batch and time, which some writers leave in; what the input feeds tells how many axes count."""
    axes = {1 if isinstance(part, Dense) else 3 if isinstance(part, Conv2d | SumPool2d | AvgPool2d) else 0 for part in fed} - {0}
    if len(axes) == 1:
        (wanted,) = axes
        one_dimensional = all(part.weight.shape[2] == 1 for part in fed if isinstance(part, Conv2d)) and any(
            isinstance(p, Conv2d) for p in fed
        )
        channels = next((part.weight.shape[1] * part.geometry.groups for part in fed if isinstance(part, Conv2d)), None)
        if wanted == 1 and declared:
            return declared[-1:]
        if wanted == 1:
            return tuple(part.weight.shape[1] for part in fed if isinstance(part, Dense))[:1]
        if one_dimensional and len(declared) >= 2 and declared[-2] == channels and (len(declared) < 3 or declared[-3] != channels):
            return declared[-2], 1, declared[-1]
        if len(declared) >= 3:
            return declared[-3:]
    if len(declared) in (1, 3):
        return declared
    if len(declared) == 2:
        return declared[0], 1, declared[1]
    raise InputError(
        f"input {name!r}: its shape {declared} is neither (feature,), (channel, length) nor (channel, height, width); give it so"
    )


__all__ = ["add_input", "add_input_port"]
