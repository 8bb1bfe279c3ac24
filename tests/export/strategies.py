"""Random integer networks for the exporters: every kind of node and option, constants up to their limits."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from qif_deploy.fixedpoint import NumberFormat, RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, ConvGeometry, DenseCodes, Flatten, Population, ReadoutCodes, Reduce, SumPool2d
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode

RANGES = ((0, 1), (0, 255), (0, 16), (-128, 127), (-5, 3))


@st.composite
def formats(draw, *, weight_bits: st.SearchStrategy[int]) -> NumberFormat:
    state_bits = draw(st.integers(6, 24))
    return NumberFormat(
        name=draw(st.sampled_from(["loihi2", "my format"])),
        weight_bits=draw(weight_bits),
        coef_bits=draw(st.integers(4, 16)),
        state_bits=state_bits,
        product_bits=draw(st.integers(max(state_bits, 24), 62)),
        rounding=draw(st.sampled_from(RoundingMode)),
    )


@st.composite
def populations(draw, channels: int, fmt: NumberFormat, rng: np.random.Generator) -> Population:
    """Codes of any size that the format allows; a third of the populations does not spike or has a lower clamp."""
    limit = fmt.state_limit
    reset_mode = draw(st.sampled_from(ResetMode))

    def codes(bound: int, low: int | None = None) -> np.ndarray:
        bound = min(bound, int(2.0 ** rng.uniform(1, np.log2(bound))))
        return rng.integers(-bound if low is None else low, bound + 1, channels)

    theta = np.maximum(codes(limit), 1 if reset_mode is ResetMode.SUBTRACT else 1 - limit)
    spiking = draw(st.integers(0, 2)) > 0
    quadratic = draw(st.booleans())
    return Population(
        constants=FixedConstants(
            c2m=codes(fmt.coef_limit) if quadratic else np.zeros(channels, np.int64),
            c1m=codes(fmt.coef_limit),
            s2=rng.integers(0, 31, channels) if quadratic else np.zeros(channels, np.int64),
            s1=int(rng.integers(0, 31)) if draw(st.booleans()) else int(rng.integers(0, 9)),
            bias=codes(limit),
            theta=theta if spiking else None,
            reset=np.minimum(codes(limit), theta - 1),
            r0=np.minimum(codes(limit), theta - 1),
            reset_by=codes(limit, low=1),
            u_min=np.minimum(codes(limit), theta - 1) if draw(st.integers(0, 2)) == 0 else None,
            reset_mode=reset_mode,
            number_format=fmt,
        ),
        delta=rng.uniform(1e-9, 1e3, channels),
    )


@st.composite
def networks(draw, *, weight_bits: st.SearchStrategy[int] | None = None, steps: st.SearchStrategy[int | None] | None = None):
    """image - conv [- pool] - two residual branches - dense [+ dense of a second input] - population - readout."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    fmt = draw(formats(weight_bits=st.integers(3, 8) if weight_bits is None else weight_bits))

    def weight(*shape: int) -> np.ndarray:
        return rng.integers(-fmt.weight_limit, fmt.weight_limit + 1, shape).astype(np.int32)

    def shift() -> int:
        return int(rng.integers(0, 5))

    low, high = draw(st.sampled_from(RANGES))
    groups = draw(st.sampled_from([1, 2]))
    channels = 2 * groups
    geometry = ConvGeometry(
        stride=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        padding=(draw(st.integers(0, 2)), draw(st.integers(0, 2))),
        dilation=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        groups=groups,
    )
    kernel = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    size = draw(st.integers(5, 7)), draw(st.integers(5, 7))
    nodes = {
        "image-1": CodeInput(shape=(groups, *size), low=low, high=high, scale=float(rng.uniform(1e-6, 10))),
        "block.1.conv": Conv2dCodes(weight=weight(channels, 1, *kernel), shift=shift(), geometry=geometry),
        "block.1": draw(populations(channels, fmt, rng)),
    }
    edges = [("image-1", "block.1.conv"), ("block.1.conv", "block.1")]
    last, size = "block.1", geometry.output_size(size, kernel)
    if draw(st.booleans()) and min(size) >= 2:
        nodes["pool"] = SumPool2d(kernel=(2, draw(st.integers(1, 2))), stride=(draw(st.integers(1, 2)), draw(st.integers(1, 2))))
        edges.append((last, "pool"))
        size = tuple((n - k) // s + 1 for n, k, s in zip(size, nodes["pool"].kernel, nodes["pool"].stride, strict=True))
        last = "pool"
    nodes["main"] = Conv2dCodes(weight=weight(channels, channels, 3, 1), shift=shift(), geometry=ConvGeometry(padding=(1, 0)))
    nodes["skip"] = Conv2dCodes(weight=weight(channels, 1, 1, 1), shift=shift(), geometry=ConvGeometry(groups=channels))
    nodes["join_2"] = draw(populations(channels, fmt, rng))
    nodes["flat"] = Flatten()
    nodes["fc"] = DenseCodes(weight=weight(3, channels * size[0] * size[1]), shift=shift())
    edges += [(last, "main"), (last, "skip"), ("main", "join_2"), ("skip", "join_2"), ("join_2", "flat"), ("flat", "fc")]
    nodes["A"] = draw(populations(3, fmt, rng))
    edges.append(("fc", "A"))
    if draw(st.booleans()):
        low, high = draw(st.sampled_from(RANGES))
        nodes["extra"] = CodeInput(shape=(4,), low=low, high=high, scale=0.1)
        nodes["fc.extra"] = DenseCodes(weight=weight(3, 4), shift=shift())
        edges += [("extra", "fc.extra"), ("fc.extra", "A")]
    nodes["fc_out"] = DenseCodes(weight=weight(2, 3), shift=shift())
    reduce = draw(st.sampled_from(Reduce))
    nodes["out"] = ReadoutCodes(bias=rng.integers(-fmt.state_limit, fmt.state_limit, 2), delta=float(rng.uniform(1e-9, 1)), reduce=reduce)
    edges += [("A", "fc_out"), ("fc_out", "out")]
    return QuantizedGraph(
        nodes=nodes,
        edges=tuple(edges),
        number_format=fmt,
        steps=draw(st.integers(1, 6) if steps is None else steps),
        provenance=draw(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2)),
    )
