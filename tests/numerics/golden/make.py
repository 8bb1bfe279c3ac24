"""Write the golden files: ``python -m tests.numerics.golden.make``. Changing one is a reviewed decision, see docs/numerics.md.

Each case has its vectors in ``NAME.npz``; ``SHA256SUMS`` lists the hash of every file, and the content hash of its network.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.neuron.params import ResetMode
from qif_deploy.simulate.reference import run_reference
from tests.networks import chain, random_inputs, residual

FOLDER = Path(__file__).parent
SUMS = FOLDER / "SHA256SUMS"


def cases() -> dict[str, QuantizedGraph]:
    """The networks: every rounding mode, both resets, signed codes, a lower clamp, a residual join."""
    return {
        "toward_zero_hard": chain(11),
        "floor_subtract": chain(12, rounding=RoundingMode.FLOOR, reset_mode=ResetMode.SUBTRACT),
        "nearest_signed_clamped": chain(13, rounding=RoundingMode.NEAREST, signed_input=True, u_min=-900),
        "residual": residual(14),
    }


def main() -> None:
    """Write all files and their hashes."""
    lines = []
    for name, graph in sorted(cases().items()):
        path = FOLDER / f"{name}.npz"
        run_reference(graph, random_inputs(graph, samples=4, seed=21)).save(path)
        lines += [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}", f"{graph.content_hash}  {name}"]
    SUMS.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
