"""What is asked before a training starts: a device, a launcher of several nodes; and that a process that waits for others can be ended."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch

import qif_deploy
from qif_deploy.errors import InputError
from qif_deploy.training._lightning import ends_while_waiting, require_launcher
from qif_deploy.training.run_options import Accelerator, RunOptions
from tests.core.cli_runner import assert_one_line, cli

KNOWN = ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS", "LSB_JOBID", "MASTER_ADDR", "NODE_RANK", "GROUP_RANK")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    pytest.importorskip("lightning")
    for name in KNOWN:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_several_nodes_need_a_launcher(alone: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert_one_line(cli("train", "--recipe", "digits", "--nodes", 2, "--out", out), "nodes = 2, but no launcher", "srun, or use 1 node")
    with pytest.raises(InputError, match="`torchrun --nnodes 3 --nproc-per-node 2`"):
        qif_deploy.train("digits", out=out, how=RunOptions(nodes=3, devices=2))
    assert not out.exists()


@pytest.mark.parametrize(
    "environment",
    [{"TORCHELASTIC_RUN_ID": "1"}, {"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "train"}, {"MASTER_ADDR": "node0", "NODE_RANK": "1"}],
)
def test_launchers_are_known_by_what_they_set(alone: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        alone.setenv(name, value)
    require_launcher(RunOptions(nodes=2))


def test_half_an_environment_is_none(alone: pytest.MonkeyPatch) -> None:
    alone.setenv("NODE_RANK", "0")
    with pytest.raises(InputError, match="no launcher"):
        require_launcher(RunOptions(nodes=2))
    require_launcher(RunOptions())


def test_signals_end_a_process_that_waits_for_other_nodes() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    with ends_while_waiting(2) as met:
        assert [signal.getsignal(number) for number in numbers] == [signal.SIG_DFL, signal.SIG_DFL]
        met()
        assert [signal.getsignal(number) for number in numbers] == before
    with ends_while_waiting(1):
        assert [signal.getsignal(number) for number in numbers] == before
    with pytest.raises(InputError), ends_while_waiting(2):
        raise InputError("no")
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_device_that_is_not_there_leaves_no_folder(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert_one_line(cli("train", "--recipe", "digits", "--accelerator", "gpu", "--out", out), "torch finds no CUDA device")
    with pytest.raises(InputError, match="torch finds no CUDA device"):
        qif_deploy.train("digits", out=out, how=RunOptions(accelerator=Accelerator.GPU))
    assert_one_line(cli("train", "--recipe", "digits", "--devices", 3, "--out", out), "no multiple of 3 processes")
    assert not out.exists()
