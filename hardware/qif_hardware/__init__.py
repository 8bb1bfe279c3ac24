"""Targets: their profiles, mapping onto their cores, and the Lava process models. This package reads the core, never the reverse.

For one layer without a network, from its shape, kernel, stride and bits alone (docs/mapping.md, "Memory model"):

    >>> from qif_hardware import ConvLayer, DenseLayer, RelayLayer, fit_layer
    >>> fit_layer(ConvLayer(width=28, height=28, channels=128, in_channels=64, kernel=(3, 3), stride=(2, 2), bits=5)).cores
    28

``fit_layer`` takes the layer, a target with cores, and a rule for the tile or a tile ``(w, h, c)``; it returns tile, cores, words per
resource, shares of the ceilings and the binding resource. A whole network: ``qif_deploy.map``.

A second distribution may add modules to ``qif_hardware.lava.qif``: see ``qif_hardware.lava.silicon``.
"""

from __future__ import annotations

import importlib
from pkgutil import extend_path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qif_hardware.mapping.layer_fit import ConvLayer, DenseLayer, LayerFit, Listener, RelayLayer, TileRule, fit_layer
    from qif_hardware.target import load_target

__path__ = extend_path(__path__, __name__)

_HOMES = dict.fromkeys(
    ("ConvLayer", "DenseLayer", "LayerFit", "Listener", "RelayLayer", "TileRule", "fit_layer"), "qif_hardware.mapping.layer_fit"
) | {"load_target": "qif_hardware.target"}

__all__ = ["ConvLayer", "DenseLayer", "LayerFit", "Listener", "RelayLayer", "TileRule", "fit_layer", "load_target"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'qif_hardware' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
