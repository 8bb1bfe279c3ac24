"""A spec under construction: layers are appended, and the current signal's name, channels and size are followed."""

from __future__ import annotations

import math

from qif_deploy.errors import InputError
from qif_deploy.ir.nodes import ConvGeometry, Pair
from qif_deploy.training.spec import (
    ConvLayer,
    DenseLayer,
    DropoutLayer,
    FlattenLayer,
    InputSpec,
    Layer,
    NetworkSpec,
    NormLayer,
    PoolLayer,
    PopulationLayer,
    ReadoutLayer,
    ShortcutLayer,
)

BRANCH_SHARE = 1 / math.sqrt(2)
"""``alpha_share`` of the norms whose outputs join with one other branch. Source: Zheng et al., AAAI 2021."""


class LayerStack:
    """Appends layers behind the current signal. ``channels`` counts channels, or features after a flatten or linear layer.

    Args:
        input_spec: where the signal starts, ``(channel, height, width)``, or ``(feature,)``.
    """

    def __init__(self, input_spec: InputSpec) -> None:
        self.input = input_spec
        self.layers: list[Layer] = []
        self.name = input_spec.name
        self.channels = input_spec.shape[0]
        self.size: Pair | None = (input_spec.shape[1], input_spec.shape[2]) if len(input_spec.shape) == 3 else None

    def convolution(self, label: str, channels: int, *, kernel: int = 3, stride: int = 1) -> None:
        """Append convolution, norm and population ``conv..``, ``bn..``, ``qif..`` of ``label``; padding keeps the size at stride 1."""
        norm = self._normalised_convolution(label, self.name, self.channels, channels, kernel=kernel, stride=stride)
        self._population(label, (norm,), channels)
        self._resize(kernel=kernel, stride=stride)

    def residual_block(self, label: str, channels: int, *, stride: int) -> None:
        """Append two 3x3 convolutions and a shortcut; both branches meet in front of the second population.

        The shortcut is the identity, or a 1x1 convolution with norm where channels or size change. The norms that meet there
        have ``1/sqrt(2)`` of alpha.
        """
        entry, entry_channels, entry_size = self.name, self.channels, self.size
        self.convolution(f"{label}a", channels, stride=stride)
        main = self._normalised_convolution(f"{label}b", self.name, channels, channels, alpha_share=BRANCH_SHARE)
        if (entry_channels, entry_size) == (channels, self.size):
            shortcut = f"skip{label}"
            self.layers.append(ShortcutLayer(name=shortcut, source=entry, channels=channels))
        else:
            shortcut = self._normalised_convolution(
                f"{label}s", entry, entry_channels, channels, kernel=1, stride=stride, alpha_share=BRANCH_SHARE
            )
        self._population(f"{label}b", (main, shortcut), channels)

    def pool(self, label: str, kernel: Pair) -> None:
        """Append an average pool whose stride is its kernel.

        Raises:
            InputError: the image is smaller than the kernel.
        """
        height, width = self._size(f"pool{label}")
        if height < kernel[0] or width < kernel[1]:
            raise InputError(
                f"layer 'pool{label}': image {height}x{width} is smaller than the pool {kernel[0]}x{kernel[1]}; "
                f"input {self.input.shape} is too small for this model, give a larger one"
            )
        self.layers.append(PoolLayer(name=f"pool{label}", source=self.name, kernel=kernel))
        self.name, self.size = f"pool{label}", (height // kernel[0], width // kernel[1])

    def global_pool(self, label: str) -> None:
        """Average over the whole image that is left."""
        self.pool(label, self._size(f"pool{label}"))

    def flatten(self) -> None:
        """Append a flatten where there is an image."""
        if self.size is None:
            return
        self.layers.append(FlattenLayer(name="flatten", source=self.name))
        self.name, self.channels, self.size = "flatten", self.channels * self.size[0] * self.size[1], None

    def dropout(self, label: str, rate: float) -> None:
        """Append dropout, or nothing at rate 0."""
        if rate > 0:
            self.layers.append(DropoutLayer(name=f"drop{label}", source=self.name, rate=rate))
            self.name = f"drop{label}"

    def dense(self, label: str, features: int) -> None:
        """Append linear layer, norm and population."""
        self.layers += [
            DenseLayer(name=f"fc{label}", source=self.name, in_features=self.channels, out_features=features),
            NormLayer(name=f"bn_fc{label}", source=f"fc{label}", channels=features),
        ]
        self._population(f"_fc{label}", (f"bn_fc{label}",), features)

    def finished(self, label: str, steps: int) -> NetworkSpec:
        """Append the readout with its linear layer, and return the spec."""
        self.layers += [
            DenseLayer(name=f"fc{label}", source=self.name, in_features=self.channels, out_features=self.input.classes, bias=True),
            ReadoutLayer(name="readout", sources=(f"fc{label}",)),
        ]
        return NetworkSpec(input=self.input, layers=tuple(self.layers), steps=steps)

    def _normalised_convolution(
        self, label: str, source: str, in_channels: int, channels: int, *, kernel: int = 3, stride: int = 1, alpha_share: float = 1.0
    ) -> str:
        padding = kernel // 2
        self.layers += [
            ConvLayer(
                name=f"conv{label}",
                source=source,
                in_channels=in_channels,
                out_channels=channels,
                kernel=(kernel, kernel),
                stride=(stride, stride),
                padding=(padding, padding),
            ),
            NormLayer(name=f"bn{label}", source=f"conv{label}", channels=channels, alpha_share=alpha_share),
        ]
        return f"bn{label}"

    def _population(self, label: str, sources: tuple[str, ...], channels: int) -> None:
        self.layers.append(PopulationLayer(name=f"qif{label}", sources=sources))
        self.name, self.channels = f"qif{label}", channels

    def _resize(self, *, kernel: int, stride: int) -> None:
        geometry = ConvGeometry(stride=(stride, stride), padding=(kernel // 2, kernel // 2))
        self.size = geometry.output_size(self._size(self.name), (kernel, kernel))

    def _size(self, layer: str) -> Pair:
        if self.size is None:
            raise InputError(f"layer {layer!r}: input {self.input.shape} is no image; give (channel, height, width), or use model 'mlp'")
        return self.size
