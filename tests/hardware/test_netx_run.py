"""A netx file in lava-dl's Network with QIF neurons: every state of every population equal to the reference, on Lava's own models."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, ConvGeometry, DenseCodes, Flatten, ReadoutCodes, SumPool2d
from qif_deploy.neuron.params import ResetMode
from qif_deploy.simulate.reference import run_reference
from qif_hardware.lava.layout import frames_from_lava, frames_to_lava
from tests.hardware.lava_marks import NEEDS_LAVA
from tests.hardware.slayer_marks import NEEDS_SLAYER
from tests.networks import LOIHI2, chain, population, proven, random_inputs, weights

pytestmark = [*NEEDS_LAVA, *NEEDS_SLAYER]
SAMPLES, STEPS = 3, 4

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from qif_deploy.ir.nodes import Reduce
from qif_hardware.lava.build import Network
from qif_hardware.lava.guarded_run import run_guarded
from qif_hardware.lava.in_process import run_in_process
from qif_hardware.lava.netx.network import QIFNetwork
from qif_hardware.lava.qif.process import BranchScale, CodeSource, Readout, TraceFiles
from qif_hardware.lava.sample_window import SampleWindow

if __name__ == "__main__":
    folder, steps, samples = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    traces = {n: TraceFiles(*(str(folder / f"{n}.{q}.npy") for q in "ius")) for n in sys.argv[5:]}
    network = QIFNetwork(net_config=str(folder / "net.net"), reset_interval=steps, samples=samples, traces=traces)
    source = CodeSource(name="source", shape=network.inp.shape, codes_file=str(folder / "codes.npy"))
    source.s_out.connect(network.inp)
    readout = Readout(
        name="readout", bias=np.zeros(network.out.shape, np.int64), reduce=Reduce.SUM, branches=[BranchScale(halvings=0, shift=0)],
        window=SampleWindow(depth=len(network), steps=steps, samples=samples),
        readout_file=str(folder / "readout.npy"), progress_file=str(folder / "progress.npy"),
    )
    network.out.connect(readout.a_in)
    run = {"in_process": run_in_process, "process": run_guarded}[sys.argv[4]]
    run(Network(root=readout, steps=steps * samples + len(network)))
    print(network)
"""


def assert_exact(graph: QuantizedGraph, folder: Path, executor: str = "in_process") -> None:
    from qif_export.netx.write import write_netx

    inputs = random_inputs(graph, samples=SAMPLES, steps=STEPS)
    write_netx(graph, folder / "net.net")
    np.save(folder / "codes.npy", frames_to_lava(inputs[graph.inputs[0]]).astype(np.int32))
    np.save(folder / "readout.npy", np.zeros((SAMPLES, graph.readout_node().bias.size), np.int64))
    np.save(folder / "progress.npy", np.zeros(1, np.int64))
    for name in graph.populations:
        for quantity, dtype in (("i", np.int32), ("u", np.int32), ("s", np.uint8)):
            np.save(folder / f"{name}.{quantity}.npy", np.zeros((SAMPLES * STEPS, *graph.shapes[name][::-1]), dtype))
    (folder / "main.py").write_text(SCRIPT)
    root = Path(__file__).parents[2]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(str(root / part) for part in ("", "hardware", "export"))}
    arguments = [sys.executable, "-W", "default", "main.py", str(folder), str(STEPS), str(SAMPLES), executor, *graph.populations]
    done = subprocess.run(arguments, env=env, cwd=folder, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    reference = run_reference(graph, inputs)
    for name, trace in reference.populations.items():
        assert trace.s.any(), name
        for what in "ius":
            found = frames_from_lava(np.load(folder / f"{name}.{what}.npy"), STEPS)
            assert np.array_equal(getattr(trace, what), found), f"{name}/{what}"
    assert np.array_equal(np.load(folder / "readout.npy"), reference.readout)
    assert "Conv" in done.stdout


def test_chain_with_graded_input_and_pools(tmp_path):
    assert_exact(chain(signed_input=True, reset_mode=ResetMode.SUBTRACT, rounding=RoundingMode.NEAREST), tmp_path, "process")


def test_geometry_and_pools_that_leave_rows_over(tmp_path):
    rng = np.random.default_rng(11)
    strided = ConvGeometry(stride=(1, 2), padding=(1, 2), dilation=(2, 1))
    nodes = {
        "image": CodeInput(shape=(2, 9, 11), low=0, high=1, scale=1.0),
        "conv1": Conv2dCodes(weight=weights(rng, 4, 2, 3, 4), shift=1, geometry=strided),
        "q1": population(rng, 4, theta=200),
        "pool": SumPool2d(kernel=(2, 2), stride=(2, 2)),  # of 7 rows and 6 columns: a row is left over
        "conv2": Conv2dCodes(weight=weights(rng, 6, 2, 3, 3), shift=1, geometry=ConvGeometry(padding=(1, 1), groups=2)),
        "q2": population(rng, 6, theta=300),
        "pool2": SumPool2d(kernel=(1, 2), stride=(1, 2)),
        "flat": Flatten(),
        "fc": DenseCodes(weight=weights(rng, 3, 6 * 3 * 1), shift=2),
        "out": ReadoutCodes(bias=rng.integers(-9, 9, 3), delta=1.0),
    }
    assert_exact(proven(nodes, tuple(itertools.pairwise(nodes)), LOIHI2, STEPS), tmp_path)
