"""A training run as a program of its own, so that a test can kill it, or lightning start it twice.

python -m tests.core.training_script FOLDER RECIPE DEVICES RESUME SLOW
"""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path

from safetensors.torch import save_file

from qif_deploy.datasets.catalogue import load_dataset
from qif_deploy.datasets.dataset import Dataset
from qif_deploy.training.recipe import Recipe
from qif_deploy.training.recipe_options import Optimiser, Schedule
from qif_deploy.training.run_options import RunOptions
from qif_deploy.training.trainer import fit
from tests.core.trained import small_recipe

SAMPLES = 256
UPDATES = 4


def some_digits() -> Dataset:
    full = load_dataset("digits")
    return dataclasses.replace(full, x_train=full.x_train[:SAMPLES], y_train=full.y_train[:SAMPLES])


def resumable_recipe() -> Recipe:
    """Everything that has a state: shifts, AdamW, schedule, early stop, dropout."""
    recipe = dataclasses.replace(small_recipe(), model="mlp", channels=(12, 8), hidden=0, dropout=0.2, shift_pixels=1, batch_size=32)
    return dataclasses.replace(recipe, epochs=4, validation_fraction=0.25, patience=3, schedule=Schedule.COSINE, warmup_epochs=1)


def parallel_recipe() -> Recipe:
    """SGD: AdamW would turn the rounding of a gradient near 0 into a whole step."""
    recipe = dataclasses.replace(small_recipe(), shift_pixels=1, optimiser=Optimiser.SGD, weight_decay=0.0)
    return dataclasses.replace(recipe, learning_rate=0.05)


def recipe_called(word: str) -> Recipe:
    return resumable_recipe() if word == "resumable" else parallel_recipe()


def main(folder: str, recipe: Recipe, devices: int, resume: bool, slow: bool) -> None:
    options = RunOptions(folder=Path(folder), devices=devices, resume=resume)
    network, _ = fit(recipe, some_digits(), options=options, progress=lambda _share: time.sleep(0.3 if slow else 0.0))
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, f"{folder}/weights.safetensors")


if __name__ == "__main__":
    main(sys.argv[1], recipe_called(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "resume", sys.argv[5] == "slow")
