"""What the recorded trace does not show: what the models send before their first and after their last frame."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.hardware.lava_marks import NEEDS_LAVA

pytestmark = NEEDS_LAVA
ROOT = Path(__file__).resolve().parents[2]

# In an interpreter of its own: importing Lava forces a start method on whoever does it.
SCRIPT = """
import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, DenseCodes, ReadoutCodes
from qif_hardware.lava import in_process
from qif_hardware.lava.build import build_network
from qif_hardware.lava.job_files import JobFiles
from qif_hardware.lava.lowering import lower
from tests.networks import LOIHI2, population

rng = np.random.default_rng(0)
nodes = {"events": CodeInput(shape=(5,), low=0, high=1, scale=1.0)}
for n in (1, 2, 3):
    nodes |= {f"fc{n}": DenseCodes(weight=np.ones((5, 5), np.int32), shift=0), f"q{n}": population(rng, 5, theta=150)}
nodes |= {"last": DenseCodes(weight=np.ones((2, 5), np.int32), shift=0), "out": ReadoutCodes(bias=np.zeros(2, np.int64), delta=1.0)}
graph = QuantizedGraph(nodes=nodes, edges=tuple(pairwise(nodes)), number_format=LOIHI2, steps=None)
plan = lower(graph, steps=3)
files = JobFiles(directory=Path(sys.argv[1]))
files.write(plan, {"events": np.zeros((3, 2, 5), np.int64)}, samples=2)

sent = {}
send = in_process.QueuePort.send

def recorded(port, data):
    if port.name == "s_out":
        sent.setdefault(id(port.queue), []).append(int(np.abs(data).sum()))
    send(port, data)

in_process.QueuePort.send = recorded
in_process.run_in_process(build_network(plan, files, 2))
print(json.dumps(list(sent.values())))
"""


def test_populations_that_fire_on_their_bias_are_silent_outside_their_samples(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    source, *populations = json.loads(done.stdout)
    assert sum(source) == 0, "nothing comes in"
    assert len(populations) == 3
    for depth, spikes in enumerate(populations, start=1):
        assert len(spikes) == 2 * 3 + 4
        assert spikes[:depth] == [0] * depth
        assert spikes[depth] > 0, "the bias alone makes some neuron fire at its first arrival"
        assert spikes[depth + 6 :] == [0] * (4 - depth)
