"""The one entry of lightning (>= 2.4): it runs the loop of epochs and updates, silently and without writing files."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from qif_deploy.errors import MissingDependencyError
from qif_deploy.training._torch import INSTALL, torch

Tensor = torch.Tensor
Batch = tuple[Tensor, Tensor]


def run_epochs(
    network: torch.nn.Module,
    batches: Iterable[Batch],
    *,
    epochs: int,
    loss: Callable[[Batch], Tensor],
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> None:
    """Train ``network`` in place on the CPU; ``schedule`` steps after every update.

    Args:
        network: in training mode afterwards.
        batches: iterated once per epoch.
        epochs: number of passes.
        loss: of one batch; it runs ``network``.
        optimiser: of the network's parameters.
        schedule: of the optimiser's learning rate.

    Raises:
        MissingDependencyError: lightning is not installed.
        KeyboardInterrupt: as it came.
    """
    try:
        import lightning.pytorch as lightning
    except ImportError:
        raise MissingDependencyError(f"training needs lightning; {INSTALL}") from None

    class Task(lightning.LightningModule):  # type: ignore[misc]  # lightning is not seen by mypy
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def training_step(self, batch: Batch) -> Tensor:
            return loss(batch)

        def configure_optimizers(self) -> Any:
            return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    with _silence(), _own_interrupt():
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(Task(), train_dataloaders=batches)


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
