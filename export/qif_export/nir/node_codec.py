"""From the fields of one NIR node back to a node of the integer network, every redundancy checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError
from qif_deploy.fixedpoint import FORMAT_WIDTHS, MAX_SHIFT, NumberFormat
from qif_deploy.ir.nodes import (
    CodeInput,
    CodeNode,
    Conv2dCodes,
    ConvGeometry,
    DenseCodes,
    Flatten,
    Population,
    ReadoutCodes,
    Reduce,
    SumPool2d,
)
from qif_deploy.neuron.constants import CODE_FIELDS, FixedConstants
from qif_deploy.neuron.params import ResetMode
from qif_deploy.shapes import Shape
from qif_export.nir import nodes as own
from qif_export.nir.network_facts import KEY, SynapseFacts, codes_sha256
from qif_export.nir.node_fields import NodeFields


def decode_node(fields: NodeFields, number_format: NumberFormat) -> tuple[CodeNode, Shape]:
    """Return the node and the input shape that the file declares for it, () where it declares none.

    Raises:
        InputError: a field is missing, unknown, of the wrong type or shape, or contradicts another.
    """
    match fields.text("type"):
        case "QIFInput":
            return _input(fields)
        case "Linear":
            fields.expect(["weight", "metadata"])
            weight, facts = _codes(fields, number_format, 2)
            return DenseCodes(weight=weight, shift=facts.weight_exponent), ()
        case "Conv2d":
            return _conv(fields, number_format)
        case "SumPool2d":
            fields.expect(["kernel_size", "stride", "padding"])
            fields.fixed("padding", [0, 0])
            return SumPool2d(kernel=fields.pair("kernel_size"), stride=fields.pair("stride")), ()
        case "Flatten":
            fields.expect(["input_type", "start_dim", "end_dim"])
            fields.fixed("start_dim", 0)
            fields.fixed("end_dim", -1)
            return Flatten(), fields.extents("input_type")
        case "QIF":
            return _population(fields, number_format)
        case "QIFReadout":
            fields.expect(["input_shape", "bias", "reduce", "delta"])
            shape = fields.extents("input_shape")
            reduce = Reduce(fields.text("reduce", [mode.value for mode in Reduce]))
            return ReadoutCodes(bias=fields.array("bias", np.int64, shape), delta=fields.number("delta"), reduce=reduce), shape
        case kind:
            raise InputError(f"node {fields.name!r}: {kind} has no place in an integer network; export the network again")


def _input(fields: NodeFields) -> tuple[CodeNode, Shape]:
    fields.expect(["input_shape", "low", "high", "scale"])
    shape = fields.extents("input_shape")
    return CodeInput(shape=shape, low=fields.integer("low"), high=fields.integer("high"), scale=fields.number("scale")), shape


def _conv(fields: NodeFields, number_format: NumberFormat) -> tuple[CodeNode, Shape]:
    fields.expect(["input_shape", "weight", "stride", "padding", "dilation", "groups", "bias", "metadata"])
    weight, facts = _codes(fields, number_format, 4)
    if fields.array("bias", np.float32, weight.shape[:1]).any():
        raise InputError(f"node {fields.name!r}: its bias is not zero, the bias of a population is in its codes; export the network again")
    geometry = ConvGeometry(
        stride=fields.pair("stride"), padding=fields.pair("padding"), dilation=fields.pair("dilation"), groups=fields.integer("groups")
    )
    declared = (weight.shape[1] * geometry.groups, *fields.pair("input_shape"))
    return Conv2dCodes(weight=weight, shift=facts.weight_exponent, geometry=geometry), declared


def _codes(fields: NodeFields, number_format: NumberFormat, ndim: int) -> tuple[NDArray[np.int32], SynapseFacts]:
    """Recover the weight codes, verified: whole numbers, within the format, and of the recorded hash."""
    where = f"node {fields.name!r}"
    metadata = fields.values["metadata"]
    text = metadata.get(KEY) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise InputError(f"{where}: metadata {KEY!r} is missing, so its weights have no integer codes; export the network again")
    facts = SynapseFacts.from_json(fields.name, text)
    if not 0 <= facts.weight_exponent <= MAX_SHIFT or facts.weight_bits != number_format.weight_bits:
        raise InputError(
            f"{where}: exponent {facts.weight_exponent} or weight_bits {facts.weight_bits} does not fit "
            f"(0..{MAX_SHIFT}, {number_format.weight_bits}); export the network again"
        )
    weight = fields.finite("weight", np.float32)
    if weight.ndim != ndim or weight.size == 0:
        raise InputError(f"{where}: its weight has shape {weight.shape}, not {ndim} non-empty axes; export the network again")
    codes = np.ldexp(weight.astype(np.float64), -facts.weight_exponent)
    wrong = codes[(codes != np.rint(codes)) | (np.abs(codes) > number_format.weight_limit)]
    if wrong.size:
        raise InputError(
            f"{where}: weight code {wrong[0]} is not a whole number within {number_format.weight_limit} "
            f"(exponent {facts.weight_exponent}); it was changed, export the network again"
        )
    whole = codes.astype(np.int32)
    if codes_sha256(whole) != facts.weight_sha256:
        raise InputError(f"{where}: its weight codes have another hash than the recorded one; it was changed, export the network again")
    return whole, facts


def _population(fields: NodeFields, number_format: NumberFormat) -> tuple[CodeNode, Shape]:
    view = ("a2", "a1", "a0", "r", "v_reset")
    codes = [name for name in CODE_FIELDS if name not in ("theta", "u_min")]
    texts = ("rounding", "overflow", "spike", "reset_mode")
    fields.expect(["input_shape", "dt", "s1", "delta", *view, *codes, *FORMAT_WIDTHS, *texts], ["theta", "u_min", "v_threshold"])
    shape = fields.extents("input_shape")
    if not shape:
        raise InputError(f"node {fields.name!r}: field 'input_shape' is empty; export the network again")
    laid_out = (shape[0], *([1] * (len(shape) - 1)))
    for name in FORMAT_WIDTHS:
        fields.fixed(name, getattr(number_format, name))
    fields.fixed("rounding", number_format.rounding.value)
    fields.fixed("overflow", own.OVERFLOW)
    fields.fixed("spike", own.SPIKE if "theta" in fields.values else own.NO_SPIKE)
    fields.fixed("dt", own.DT)
    present: dict[str, Any] = {  # Any: an array per channel, or None where the field is absent
        name: fields.array(name, np.int64, laid_out).reshape(-1) if name in fields.values else None for name in CODE_FIELDS
    }
    constants = FixedConstants(
        s1=fields.integer("s1"),
        reset_mode=ResetMode(fields.text("reset_mode", [mode.value for mode in ResetMode])),
        number_format=number_format,
        **present,
    )
    equation = own.quadratic_view(constants)
    if "v_threshold" in fields.values and "v_threshold" not in equation:
        raise InputError(f"node {fields.name!r}: field 'v_threshold' is given, 'theta' is not; it was changed, export the network again")
    for name, expected in equation.items():
        if name not in fields.values:
            raise InputError(f"node {fields.name!r}: field {name!r} is missing; export the network again")
        if not np.array_equal(fields.array(name, np.float64, laid_out).reshape(-1), expected):
            raise InputError(
                f"node {fields.name!r}: field {name!r} contradicts the integer codes; it was changed, export the network again"
            )
    return Population(constants=constants, delta=fields.finite("delta", np.float64, laid_out).reshape(-1)), shape


__all__ = ["decode_node"]
