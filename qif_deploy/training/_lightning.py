"""The one entry of lightning (>= 2.4): it runs the loop of epochs and updates, in one process or many."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qif_deploy._torch import INSTALL, torch
from qif_deploy.errors import BackendError, InputError, MissingDependencyError, QifError
from qif_deploy.training.batches import Batch, Share, TrainingBatches
from qif_deploy.training.history import History
from qif_deploy.training.recipe import Recipe
from qif_deploy.training.run_options import LOGS, Accelerator, RunOptions
from qif_deploy.training.synchronised import leave_group
from qif_deploy.training.training_state import damaged, read_state, write_state

Tensor = torch.Tensor
OWN = "qif_deploy"
"""Key of lightning's checkpoint below which our own part of the state is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What the loop needs.

    Args:
        network: is trained in place, in training mode afterwards.
        batches: iterated once per epoch.
        recipe: epochs, precision, clipping, patience.
        seed: of dropout, whose masks depend on (seed, epoch, process).
        options: where to run.
        loss: of one batch; it runs ``network``.
        optimiser: of the network's parameters.
        schedule: of the learning rate; steps after every update.
        history: is filled.
        validate: counts right answers and samples of a process's share of the validation part; None without one.
        progress: called with the share done, by the first process.
        after_epoch: called after an epoch's last update, before its validation; None for nothing.
    """

    network: torch.nn.Module
    batches: TrainingBatches
    recipe: Recipe
    seed: int
    options: RunOptions
    loss: Callable[[Batch], Tensor]
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    history: History
    validate: Callable[[Share], tuple[int, int]] | None
    progress: Callable[[float], None] | None
    after_epoch: Callable[[], None] | None = None


def run_epochs(job: Job) -> int:
    """Train; return the number of this process among all, 0 for the first.

    Raises:
        InputError: the state to resume from is damaged or of another recipe.
        MissingDependencyError: lightning is not installed.
        BackendError: another process of the group failed.
        KeyboardInterrupt: as it came.
    """
    lightning = _imported("lightning.pytorch")
    state_file = job.options.state_file
    with _silence(), _own_interrupt(), ends_while_waiting(job.options.nodes) as met:
        task = _task(lightning, job, met)
        trainer = lightning.Trainer(
            max_epochs=job.recipe.epochs,
            accelerator=job.options.accelerator.value,
            devices=job.options.devices,
            num_nodes=job.options.nodes,
            strategy=_strategy(job.options),
            precision="32-true" if job.recipe.precision.value == "32" else job.recipe.precision.value,
            gradient_clip_val=job.recipe.gradient_clip or None,
            use_distributed_sampler=False,  # the batches know the process's share
            plugins=[_checkpoint_io(job.recipe)],  # always: lightning's own would unpickle what it finds
            callbacks=_callbacks(lightning, job),
            logger=_loggers(job),
            log_every_n_steps=1,
            enable_checkpointing=state_file is not None,
            default_root_dir=None if job.options.folder is None else str(job.options.folder),
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        try:
            trainer.fit(task, train_dataloaders=job.batches, ckpt_path=str(state_file) if job.options.resume else None)
        except QifError:
            raise
        except Exception as error:
            if job.options.resume and not task.running:  # the checksum holds, yet lightning cannot use it: not of this version
                assert state_file is not None
                raise damaged(state_file, f"unusable, {type(error).__name__}") from error
            if job.options.world > 1 and isinstance(error, RuntimeError):
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise BackendError(f"training with {job.options.world} processes: one failed ({reason}); see its own error") from error
            raise
    leave_group()  # lightning would do it at exit, without the pause
    return int(trainer.global_rank)


def resolved(accelerator: Accelerator) -> Accelerator:
    """Return CPU or GPU.

    Raises:
        InputError: a GPU is asked for and there is none.
    """
    found = torch.cuda.is_available()
    if accelerator is Accelerator.GPU and not found:
        raise InputError("training run: accelerator = 'gpu', but torch finds no CUDA device; use 'cpu', or a torch build for this GPU")
    return Accelerator.GPU if found and accelerator is not Accelerator.CPU else Accelerator.CPU


def require_launcher(options: RunOptions) -> None:
    """Check that something says which of several nodes this is; else every process would wait for the others without end.

    Raises:
        InputError: several nodes, and no launcher that lightning knows has set its environment.
    """
    if options.nodes == 1:
        return
    environments = _imported("lightning.pytorch.plugins.environments")
    kinds = ("TorchElastic", "SLURM", "LSF", "MPI")
    by_hand = "MASTER_ADDR" in os.environ and not {"NODE_RANK", "GROUP_RANK"}.isdisjoint(os.environ)
    if not (by_hand or any(getattr(environments, f"{kind}Environment").detect() for kind in kinds)):
        raise InputError(
            f"training run: nodes = {options.nodes}, but no launcher has said which of them this is; start the command on every node by "
            f"`torchrun --nnodes {options.nodes} --nproc-per-node {options.devices}` or by SLURM's srun, or use 1 node"
        )


def _imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingDependencyError(f"training needs {module.split('.')[0]}; {INSTALL}") from None


def _task(lightning: Any, job: Job, met: Callable[[], None]) -> Any:
    class Task(lightning.LightningModule):  # type: ignore[misc]  # lightning is not seen by mypy
        def __init__(self) -> None:
            super().__init__()
            self.network = job.network
            self.running = False
            self.losses: list[Tensor] = []

        def setup(self, stage: str) -> None:  # noqa: ARG002  # lightning's signature
            met()
            job.batches.share = Share(rank=self.global_rank, world=self.trainer.world_size)

        def on_train_epoch_start(self) -> None:
            self.running = True
            self.losses = []
            share = job.batches.share
            torch.manual_seed((job.seed * 1_000_003 + self.current_epoch * share.world + share.rank) % 2**63)

        def training_step(self, batch: Batch) -> Tensor:
            value = job.loss(batch)
            self.losses.append(value.detach())
            if job.progress is not None and self.global_rank == 0:
                done = self.current_epoch * len(job.batches) + len(self.losses)
                job.progress(done / (job.recipe.epochs * len(job.batches)))
            return value

        def on_train_epoch_end(self) -> None:
            many = job.options.world > 1  # the values are of all processes already; lightning warns unless told to reduce
            mean = self.trainer.strategy.reduce(torch.stack(self.losses).double().mean(), reduce_op="mean")
            job.history.losses.append(float(mean))
            self.log("loss", job.history.losses[-1], sync_dist=many)
            self.log("learning_rate", float(job.optimiser.param_groups[0]["lr"]), sync_dist=many)
            if job.after_epoch is not None:
                job.after_epoch()
            if job.validate is not None:
                counts = torch.tensor(job.validate(job.batches.share), device=self.device)
                right, samples = self.trainer.strategy.reduce(counts, reduce_op="sum").tolist()
                job.history.add_validation(right / samples, job.network)
                self.log(VALIDATION, job.history.validation[-1], sync_dist=many)

        def configure_optimizers(self) -> Any:
            return {"optimizer": job.optimiser, "lr_scheduler": {"scheduler": job.schedule, "interval": "step"}}

        def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            # torch 2.3 lists the one-cycle schedule's function in its state; the schedule that is made anew has it.
            checkpoint["lr_schedulers"] = [{k: v for k, v in state.items() if not callable(v)} for state in checkpoint["lr_schedulers"]]
            batches = {"generator": job.batches.generator.get_state(), "passes": job.batches.passes}
            checkpoint[OWN] = {"seed": job.seed, "batches": batches, "history": job.history.state()}

        def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            own = checkpoint[OWN]
            if own["seed"] != job.seed:
                raise InputError(f"training state: written with seed {own['seed']}, asked for is {job.seed}; resume with the same seed")
            job.batches.generator.set_state(own["batches"]["generator"])
            job.batches.passes = int(own["batches"]["passes"])
            job.history.restore(own["history"])

    return Task()


VALIDATION = "accuracy_validation"


def _callbacks(lightning: Any, job: Job) -> list[Any]:
    found: list[Any] = []
    if job.recipe.patience:
        stop = lightning.callbacks.EarlyStopping
        found.append(stop(VALIDATION, mode="max", patience=job.recipe.patience, check_on_train_epoch_end=True))
    if job.options.state_file is not None:
        path = str(job.options.state_file)

        class StateKeeper(lightning.callbacks.Checkpoint):  # type: ignore[misc]  # lightning runs this kind after all other callbacks
            def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002  # lightning's signature
                if trainer.current_epoch + 1 < job.recipe.epochs and not trainer.should_stop:
                    trainer.save_checkpoint(path)

        found.append(StateKeeper())
    return found


def _checkpoint_io(recipe: Recipe) -> Any:
    io = _imported("lightning.fabric.plugins.io.checkpoint_io").CheckpointIO

    class StateIO(io):  # type: ignore[misc, valid-type]
        def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
            write_state(Path(path), checkpoint, recipe)

        def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:  # noqa: ARG002
            return read_state(Path(path), recipe)

        def remove_checkpoint(self, path: Any) -> None:
            Path(path).unlink(missing_ok=True)

    return StateIO()


def _loggers(job: Job) -> Any:
    folder = job.options.folder
    if folder is None or not job.options.logs:
        return False
    kinds = _imported("lightning.pytorch.loggers")
    start = f"from_epoch_{_next_epoch(job)}"  # lightning's CSV logger deletes what a folder of the same name holds
    return [kind(save_dir=str(folder), name=LOGS, version=start) for kind in (kinds.CSVLogger, kinds.TensorBoardLogger)]


def _next_epoch(job: Job) -> int:
    state_file = job.options.state_file
    if not job.options.resume or state_file is None:
        return 0
    own = read_state(state_file, job.recipe).get(OWN)
    if not isinstance(own, dict) or "history" not in own:
        raise damaged(state_file, "it lacks our own part")
    return len(own["history"]["losses"])


def _strategy(options: RunOptions) -> Any:
    if options.world == 1:
        return "auto"
    strategies = _imported("lightning.pytorch.strategies")
    backend = "nccl" if options.accelerator is Accelerator.GPU else "gloo"
    return strategies.DDPStrategy(process_group_backend=backend)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep lightning's notes on hardware, tips and the end of training off stderr; errors and our own warnings still pass."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # lightning 2.6 builds torch's pytree leaves in a way that newer torch deprecates; nothing a user can do.
            warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
            # A second run into the same folder replaces its model and metrics, so it replaces its log as well.
            warnings.filterwarnings("ignore", message="Experiment logs directory .* exists and is not empty")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _own_interrupt() -> Iterator[None]:
    """Hand Ctrl-C on to the caller: lightning ignores further ones and leaves by ``exit(1)``, which reads like a failed check."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    finally:
        if main and handler is not None:
            signal.signal(signal.SIGINT, handler)


@contextmanager
def ends_while_waiting(nodes: int) -> Iterator[Callable[[], None]]:
    """Let Ctrl-C and SIGTERM end a process at once while it waits for other nodes; yields what to call when they have met.

    torch waits for half an hour without returning to Python, whose own handlers would only run then. There is nothing to clean up yet.
    """
    main = threading.current_thread() is threading.main_thread()
    own = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)} if main and nodes > 1 else {}

    def met() -> None:
        for number, handler in own.items():
            if handler is not None:
                signal.signal(number, handler)

    for number in own:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield met
    finally:
        met()
