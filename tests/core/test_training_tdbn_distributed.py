"""tdBN over two gloo processes against one process with the joined batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from qif_deploy.errors import InputError
from qif_deploy.training.synchronised import leave_group, processes, synchronised_batch_norm
from qif_deploy.training.tdbn import ThresholdDependentBatchNorm

THETA = np.array([1.0, 0.5, 2.0])
PARTS = (slice(0, 3), slice(3, 8))  # unequal: 3 and 5 samples


def currents() -> torch.Tensor:
    """Two batches; the channels' means are far from 0, where sums of squares would cancel."""
    x = torch.randn(2, 4, 8, 3, 5, 6, generator=torch.Generator().manual_seed(0)) * 3
    return x + torch.tensor([300.0, -20.0, 2.0]).reshape(3, 1, 1)


def trained(x: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
    """Run both batches through one norm; the loss is a sum, so the parts' losses add up to the whole's."""
    norm = ThresholdDependentBatchNorm(THETA, alpha=0.7)
    with torch.no_grad():
        norm.gain.copy_(torch.tensor([1.5, 0.5, 1.0]))
    x = x.clone().requires_grad_()
    y = torch.stack([norm(batch) for batch in x])
    (y * target).sum().backward()
    parts = {"y": y, "dx": x.grad, "dgain": norm.gain.grad, "dshift": norm.shift.grad, "mean": norm.running_mean, "var": norm.running_var}
    return {name: part.detach() for name, part in parts.items()}


def worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    x, target = torch.load(f"{folder}/batch.pt", weights_only=True)
    torch.save(trained(x[:, :, PARTS[rank]], target[:, :, PARTS[rank]]), f"{folder}/{rank}.pt")
    lone = ThresholdDependentBatchNorm(THETA, alpha=1.0).eval()
    assert torch.equal(lone(x[0]), torch.nn.functional.batch_norm(
        x[0].flatten(0, 1), lone.running_mean, lone.running_var, lone.folded_gain(), lone.shift, eps=lone.eps
    ).reshape(x[0].shape))  # evaluation talks to nobody  # fmt: skip
    half = x[0, :, PARTS[rank]].bfloat16().flatten(0, 1).requires_grad_()
    normalised = synchronised_batch_norm(half, torch.zeros(3), torch.ones(3), torch.ones(3), torch.zeros(3), momentum=0.1, eps=1e-5)
    normalised.sum().backward()
    assert normalised.dtype == half.grad.dtype == torch.bfloat16
    if rank == 0:  # an empty part takes part with weight 0
        alone = synchronised_batch_norm(x[0, :, :2].flatten(0, 1), *statistics(), momentum=0.1, eps=1e-5)
        whole = torch.nn.functional.batch_norm(x[0, :, :2].flatten(0, 1), *statistics(), training=True)
        assert torch.allclose(alone, whole, atol=1e-4)
    else:
        synchronised_batch_norm(x[0, :, :0].flatten(0, 1), *statistics(), momentum=0.1, eps=1e-5)
    with pytest.raises(InputError, match="1 value per channel over all processes"):
        synchronised_batch_norm(torch.zeros(1 - rank, 3), *statistics(), momentum=0.1, eps=1e-5)
    leave_group()


def statistics() -> tuple[torch.Tensor, ...]:  # fresh ones, since they are moved in place
    return torch.zeros(3), torch.ones(3), torch.ones(3), torch.zeros(3)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, torch.Tensor], list[dict[str, torch.Tensor]]]:
    folder: Path = tmp_path_factory.mktemp("gloo")
    x = currents()
    target = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    torch.save((x, target), folder / "batch.pt")
    torch.multiprocessing.spawn(worker, (str(folder),), nprocs=2)
    whole = {name: part.float() for name, part in trained_in_float64(x, target).items()}
    return whole, [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def trained_in_float64(x: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return trained(x.double(), target.double())
    finally:
        torch.set_default_dtype(previous)


# Against float64. A value x = 300 with deviation 3 is rounded to float32 exactly as in the whole batch; what differs is the mean,
# off by some roundings of 300 (eps 6e-8 * 300 * 4 = 7e-5), hence z = (x - mean) / 3 by 2.4e-5, and y by alpha theta gain (1.05) as much.
Z_ERROR = 4 * 6e-8 * 300 / 3
SUM_OF = 4 * 8 * 30  # terms per channel and batch; target values reach 4.5


def test_outputs_are_those_of_the_joined_batch(results) -> None:
    whole, parts = results
    for part, samples in zip(parts, PARTS, strict=True):
        assert (part["y"] - whole["y"][:, :, samples]).abs().max() <= 2 * Z_ERROR


def test_running_statistics_are_those_of_the_joined_batch_in_every_process(results) -> None:
    whole, parts = results
    for part in parts:
        assert torch.allclose(part["mean"], whole["mean"], rtol=4 * 6e-8 * 2, atol=1e-6)
        assert torch.allclose(part["var"], whole["var"], rtol=4 * Z_ERROR)  # a shifted mean moves the variance by twice that share
    for name in ("mean", "var"):
        assert torch.equal(parts[0][name], parts[1][name])


def test_gradients_add_up_to_those_of_the_joined_batch(results) -> None:
    whole, parts = results
    # dx = gain alpha theta / deviation (0.35 here) * (g - mean(g) - z mean(g z)); z up to 4.5 errs by Z_ERROR, g by nothing.
    for part, samples in zip(parts, PARTS, strict=True):
        assert (part["dx"] - whole["dx"][:, :, samples]).abs().max() <= 4 * Z_ERROR
    assert whole["dx"].abs().max() > 0.5
    for name in ("dgain", "dshift"):
        found = parts[0][name] + parts[1][name]
        # A sum over both batches of g z, each term off by |g| Z_ERROR, |g| below 1 in the mean; twice alpha theta at most.
        assert (found - whole[name]).abs().max() <= 2 * 2 * SUM_OF * Z_ERROR, name
        assert not torch.allclose(parts[0][name], whole[name], rtol=1e-2)


def test_without_a_group_there_is_one_process() -> None:
    assert processes() == 1
