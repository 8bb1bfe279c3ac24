"""Losses of readout currents."""

from __future__ import annotations

from typing_extensions import assert_never

from qif_deploy._torch import torch
from qif_deploy.training.recipe import Recipe
from qif_deploy.training.recipe_options import Loss

Tensor = torch.Tensor


def loss_of(currents: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Return the loss of readout currents ``(time, batch, class)``, in float32 at least.

    MEAN is the cross-entropy CE of the mean current. EACH_STEP is, with ``lambda`` and ``phi`` of the recipe (``tet_lambda``,
    ``tet_target``) and squared error averaged over classes,

        (1 - lambda) mean_t CE(o[t]) + lambda mean_t |o[t] - phi|^2

    Source: S. Deng et al., ICLR 2022, equations 8 to 11.
    """
    currents = currents.to(torch.promote_types(currents.dtype, torch.float32))
    match recipe.loss:
        case Loss.MEAN:
            return torch.nn.functional.cross_entropy(currents.mean(0), labels, label_smoothing=recipe.label_smoothing)
        case Loss.EACH_STEP:
            repeated = labels.repeat(currents.shape[0])
            found = torch.nn.functional.cross_entropy(currents.flatten(0, 1), repeated, label_smoothing=recipe.label_smoothing)
            if recipe.tet_lambda == 0:
                return found
            distance = (currents - recipe.tet_target).square().mean()
            return (1 - recipe.tet_lambda) * found + recipe.tet_lambda * distance
        case _:
            assert_never(recipe.loss)
