"""The fused kernel in Triton's interpreter, its choice, and what it compiles to; no GPU is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from qif_deploy.errors import InputError
from qif_deploy.neuron.params import QIFParams
from qif_deploy.training.kernels.choice import NeuronKernel, takes_fused
from qif_deploy.training.neuron import QIFNeuron
from qif_deploy.training.spike import RectangularSpike

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    "spikes_are_bit_equal_and_gradients_within_the_bound",
    "learned_constants_get_the_gradient_of_autograd",
    "bytes_and_half_precision_input_give_the_same_spikes",
    "channels_last_and_held_input_are_read_in_place",
    "recomputed_states_do_not_depend_on_the_chunk",
)


@pytest.fixture(scope="module")
def findings() -> dict[str, str | None]:
    pytest.importorskip("triton", reason="triton is not installed; torch's wheels bring it on Linux")
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.core.fused_equality"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
    assert set(found) == set(NAMES)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_interpreted_kernel(name: str, findings: dict[str, str | None]) -> None:
    assert findings[name] is None, findings[name]


def test_auto_takes_the_eager_step_on_a_cpu() -> None:
    spike = RectangularSpike(np.array([0.5]))
    assert not takes_fused(NeuronKernel.AUTO, torch.zeros(2, 1, 3), spike)
    assert not takes_fused(NeuronKernel.EAGER, torch.zeros(2, 1, 3), spike)


@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="the interpreter is on for the whole run")
def test_fused_is_refused_where_it_cannot_run() -> None:
    pytest.importorskip("triton", reason="triton is not installed; torch's wheels bring it on Linux")
    neuron = QIFNeuron(QIFParams.lif(decay=0.5), spike=RectangularSpike(np.array([0.5])), kernel=NeuronKernel.FUSED)
    with pytest.raises(InputError, match=r"'fused': the input is on 'cpu'.*use 'auto' or 'eager'"):
        neuron(torch.zeros(2, 1, 3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is at hand")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_compiled_kernel_equals_the_eager_step_on_the_device(dtype: torch.dtype) -> None:
    params = QIFParams.of(c2=np.full(3, 0.25), c1=0.875, theta=0.8)
    x = torch.randn(12, 64, 3, 9, generator=torch.Generator().manual_seed(0)).to("cuda", dtype)
    out = torch.randn(x.shape, generator=torch.Generator().manual_seed(1)).to("cuda", dtype)
    spikes, gradients = [], []
    for kernel in (NeuronKernel.EAGER, NeuronKernel.FUSED):
        neuron = QIFNeuron(params, spike=RectangularSpike(np.array([0.5])), kernel=kernel).cuda()
        leaf = x.detach().requires_grad_()
        spikes.append(neuron(leaf))
        gradients.append(torch.autograd.grad(spikes[-1], leaf, out)[0])
    assert 0 < spikes[0].float().mean() < 1
    assert torch.equal(*spikes)
    # Gradients are rounded to the dtype once; before that they differ by a few float32 roundings per step.
    assert torch.allclose(gradients[0].float(), gradients[1].float(), rtol=4 * torch.finfo(dtype).eps, atol=1e-5)
