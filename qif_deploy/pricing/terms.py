"""What is counted and priced: one word per operation, the same in counts, price lists and results."""

from __future__ import annotations

import enum

LEVELS = ("low", "typical", "high")


class Term(enum.Enum):
    """An operation with a price. Counts are per inference; the value is the word in TOML and JSON."""

    SYNOP_DENSE = "synop_dense"
    SYNOP_CONV = "synop_conv"
    MAC = "mac"
    UPDATE_DRIVEN = "neuron_update_driven"
    UPDATE_IDLE = "neuron_update_idle"
    QUADRATIC = "quadratic_multiply"
    SPIKE = "spike"
    MESSAGE = "message"
    HOP_X = "hop_x"
    HOP_Y = "hop_y"
    WEIGHT_BITS = "weight_bits"
    SUM_BITS = "sum_bits"
    STATE_BITS = "state_bits"
    SPIKE_BITS = "spike_bits"
    VALUE_BITS = "value_bits"
    ACCUMULATE = "accumulate"
    MEMORY_ACCESS = "memory_access"
    MEMORY_SPAN = "memory_span"
    MULTIPLY_8X8 = "multiply_8x8"
    ADD = "add"
    MAC_FP32 = "mac_fp32"
    STATIC = "static_power"
    STATIC_CHIP = "static_chip_power"
    EMBEDDED_CPU = "embedded_cpus"
    INPUT_OUTPUT = "input_output"

    @property
    def power(self) -> bool:
        """Whether the price is a power and the count a number of seconds."""
        return self in (Term.STATIC, Term.STATIC_CHIP, Term.EMBEDDED_CPU)

    @property
    def meaning(self) -> str:
        """What one of it is."""
        return MEANINGS[self]


MEANINGS = {
    Term.SYNOP_DENSE: "one spike through one synapse of a dense layer (true fan-out)",
    Term.SYNOP_CONV: "one spike through one synapse of a convolution (true fan-out: padding, stride, dilation, groups)",
    Term.MAC: "one multiply-accumulate of a layer whose input is graded (direct coding), every step",
    Term.UPDATE_DRIVEN: "one step of a neuron that a synaptic current other than zero reaches; what a linear neuron does",
    Term.UPDATE_IDLE: "one step of a neuron without synaptic current; paid by every neuron in every step",
    Term.QUADRATIC: "the further multiplication and addition of a quadratic step over a linear one, paid in every step",
    Term.SPIKE: "one spike emitted",
    Term.MESSAGE: "one spike sent to one core that holds a target of it",
    Term.HOP_X: "one router passed along the x axis of the mesh",
    Term.HOP_Y: "one router passed along the y axis of the mesh",
    Term.WEIGHT_BITS: "one bit of a weight read, for every synaptic operation and MAC, without reuse",
    Term.SUM_BITS: "one bit of a synaptic sum read or written, both for every synaptic operation and MAC",
    Term.STATE_BITS: "one bit of a membrane state read or written, both for every neuron and step",
    Term.SPIKE_BITS: "one bit of a spike's address written by the sender or read by a receiving layer",
    Term.VALUE_BITS: "one bit of a graded value (input code or activation) read or written",
    Term.ACCUMULATE: "one addition as the analytical model counts them, addresses included",
    Term.MEMORY_ACCESS: "one element read from or written to a memory, as the analytical model counts them",
    Term.MEMORY_SPAN: "one access times one bit held by the memory accessed: how an access grows with the memory",
    Term.MULTIPLY_8X8: "one integer multiplication of 8 by 8 bits; other widths count by the product of their bits",
    Term.ADD: "one integer addition of 32 bits",
    Term.MAC_FP32: "one multiply-accumulate in float32",
    Term.STATIC: "one second of one powered core",
    Term.STATIC_CHIP: "one second of one powered chip, used or not",
    Term.EMBEDDED_CPU: "one second of the embedded processor in use of one chip",
    Term.INPUT_OUTPUT: "input and output of one inference",
}

MEMORY = (Term.WEIGHT_BITS, Term.SUM_BITS, Term.STATE_BITS, Term.SPIKE_BITS, Term.VALUE_BITS)
"""Traffic between arithmetic and memory; what "arithmetic alone" leaves out."""

ALWAYS_THERE = ((Term.STATIC, Term.STATIC_CHIP), (Term.EMBEDDED_CPU,), (Term.INPUT_OUTPUT,))
"""What every system pays, counted or not: a list that holds none of a group has no total. One of a group is enough."""
