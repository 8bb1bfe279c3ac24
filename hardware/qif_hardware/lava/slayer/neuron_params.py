"""Parameters of a SLAYER QIF neuron, its integer codes, and the form in which they travel in lava-dl's HDF5 files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from qif_deploy.errors import InputError, raise_findings
from qif_deploy.fixedpoint import FORMAT_WIDTHS, MAX_SHIFT, NumberFormat, RoundingMode
from qif_deploy.neuron.constants import CODE_FIELDS, FixedConstants
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.passes.population_codes import population_constants
from qif_deploy.shapes import ChannelFloats

WEIGHT_SCALE = 64
"""SLAYER's ``w_scale``: the weight 1.0 is the exported integer 64."""

CODES_PER_ONE = WEIGHT_SCALE // 2
"""SLAYER's quantised weights are even integers / 64, so the weight code is half the exported integer."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NeuronParams:
    """What a block's neuron is made of; takes the place of SLAYER's dictionary ``neuron_params``.

    ``params`` are in SLAYER's units (a weight of 1.0 moves the membrane by 1.0), one channel or as many as the block.
    ``half_width`` is the surrogate window in the same units, ``(channel,)`` or ``(1,)``; see
    ``qif_deploy.neuron.moments.surrogate_window``. One membrane code is ``1 / state_scale``, a power of two from 64 on;
    a coefficient ``c1`` is the code ``c1 2^s1``. A large ``state_scale`` is fine-grained but fills the product
    ``h r`` sooner, unless the membrane is bounded by ``u_min``: the range proof at the exit tells.
    ``learnable`` makes c2, c1, c0 trainable, rounded to codes in every forward pass. ``detach_reset`` cuts the gradient
    through the reset.

    Raises:
        InputError: a scale that is no power of two from 64 on, a shift out of range, a window that is not positive.
    """

    params: QIFParams
    number_format: NumberFormat
    half_width: ChannelFloats
    state_scale: int = 256
    s1: int = 12
    learnable: bool = False
    detach_reset: bool = True

    def __post_init__(self) -> None:
        findings = []
        scale = self.state_scale
        if not isinstance(scale, int) or scale < WEIGHT_SCALE or scale & (scale - 1) or scale // CODES_PER_ONE > 1 << MAX_SHIFT:
            findings.append(f"SLAYER neuron: state_scale {scale!r} is not a power of two from {WEIGHT_SCALE} on; use 256")
        if not isinstance(self.s1, int) or not 0 <= self.s1 <= MAX_SHIFT:
            findings.append(f"SLAYER neuron: s1 {self.s1!r} is outside 0..{MAX_SHIFT}; use 12")
        width = np.asarray(self.half_width)
        if width.ndim != 1 or not (np.isfinite(width).all() and (width > 0).all()):
            findings.append(f"SLAYER neuron: half_width {width} is not positive of shape (channel,) or (1,); see surrogate_window")
        elif width.size not in (1, self.params.channels) and self.params.channels != 1:
            findings.append(f"SLAYER neuron: half_width has {width.size} values, the parameters {self.params.channels} channels")
        raise_findings(InputError, findings)

    @property
    def branch_shift(self) -> int:
        """``k_b`` of every synapse: a weight code is worth ``2 / 64``, a membrane code ``1 / state_scale``."""
        return (self.state_scale // CODES_PER_ONE).bit_length() - 1


def neuron_codes(neuron: NeuronParams) -> FixedConstants:
    """Return the codes of ``neuron.params``, exact from the floats; ``Delta = 1 / state_scale``. docs/numerics.md, section 3.

    Raises:
        FormatError: a code that does not fit the number format.
    """
    params = neuron.params
    delta = np.full(params.channels, 1.0 / neuron.state_scale)
    bias = [Fraction(float(c0)) for c0 in params.c0]
    constants, _ = population_constants(params, bias, delta, neuron.s1, neuron.number_format)
    return constants


def widen(constants: FixedConstants, channels: int) -> FixedConstants:
    """Return ``constants`` with one code per channel; codes for one channel serve all.

    Raises:
        InputError: neither 1 nor ``channels`` channels.
    """
    if constants.channels not in (1, channels):
        raise InputError(
            f"SLAYER neuron: codes of {constants.channels} channels for a population of {channels}; give parameters for 1 or {channels}"
        )
    codes = {name: getattr(constants, name) for name in CODE_FIELDS}
    # Any, here and below: mypy cannot see which fields these keys are.
    wide: dict[str, Any] = {name: None if c is None else np.broadcast_to(c, (channels,)) for name, c in codes.items()}
    return replace(constants, **wide)


def device_params_of(constants: FixedConstants, branch_shift: int) -> dict[str, Any]:
    """Return what ``export_hdf5`` writes under ``neuron/``: our codes under our names, and ``type = 'QIF'``.

    With ``a`` the sum of exported (even) weights, the input of the step is ``i = ((a / 2) << branch_shift) + bias``.
    """
    codes = {name: getattr(constants, name) for name in CODE_FIELDS}
    f = constants.number_format
    return {
        "type": "QIF",
        **{name: np.array(value) for name, value in codes.items() if value is not None},
        "s1": constants.s1,
        "branch_shift": branch_shift,
        "reset_mode": constants.reset_mode.value,
        "format": f.name,
        "rounding": f.rounding.value,
        **{width: getattr(f, width) for width in FORMAT_WIDTHS},
    }


def constants_from_device_params(device_params: Mapping[str, Any]) -> tuple[FixedConstants, int]:
    """Return the codes and the branch shift that ``device_params_of`` wrote; values as h5py reads them are fine.

    Raises:
        InputError: another neuron type, or a key that is missing.
        FormatError: codes that do not fit their number format.
    """
    values: dict[str, Any] = {key: value.decode() if isinstance(value, bytes) else value for key, value in device_params.items()}
    optional = {"theta", "u_min"}
    needed = {"type", "s1", "branch_shift", "reset_mode", "format", "rounding", *FORMAT_WIDTHS, *CODE_FIELDS} - optional
    missing = sorted(needed - set(values))
    if values.get("type") != "QIF" or missing:
        raise InputError(f"SLAYER neuron of type {values.get('type')!r} lacks {missing}; only QIF blocks of this project are read")
    number_format = NumberFormat(
        name=values["format"], rounding=RoundingMode(values["rounding"]), **{width: int(values[width]) for width in FORMAT_WIDTHS}
    )
    codes: dict[str, Any] = {name: values.get(name) for name in CODE_FIELDS}
    constants = FixedConstants(
        **codes,
        s1=int(values["s1"]),
        reset_mode=ResetMode(values["reset_mode"]),
        number_format=number_format,
    )
    return constants, int(values["branch_shift"])
