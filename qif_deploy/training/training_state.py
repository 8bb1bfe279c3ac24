"""The state of an unfinished training: tensors in safetensors, all else as JSON in its metadata. Nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qif_deploy._torch import INSTALL, torch
from qif_deploy.atomic import atomic_path
from qif_deploy.errors import BackendError, InputError, MissingDependencyError
from qif_deploy.training.recipe import Recipe

FORMAT = "qif_deploy.training_state.1"
KEY = "qif_deploy"
"""Key of the file's metadata that holds the description as JSON: ``format``, ``sha256`` of the tensors, ``recipe``, ``tree``."""

FREE_KEYS = ("data_root",)
"""Keys of a recipe that decide no weight: a run may be resumed on another machine."""


def write_state(path: Path, state: Mapping[str, Any], recipe: Recipe) -> None:
    """Write nested dicts, lists and tuples of plain values and tensors; the file appears whole or not at all.

    Raises:
        InputError: the path cannot be written.
        BackendError: a value of a type that the file cannot carry.
    """
    save = _safetensors().save
    tensors: dict[str, torch.Tensor] = {}
    tree = _encoded(state, tensors)
    payload = _payload(save(tensors))
    parts = {"format": FORMAT, "sha256": hashlib.sha256(payload).hexdigest(), "recipe": recipe.as_json(), "tree": tree}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, {KEY: json.dumps(parts)}))


def read_state(path: Path, recipe: Recipe) -> dict[str, Any]:
    """Read what ``write_state`` wrote for the same recipe.

    Raises:
        InputError: missing, damaged, no such file, or written for another recipe.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"training state {str(path)!r} cannot be read: {error.strerror}; train without --resume") from None
    try:
        length = int.from_bytes(data[:8], "little")
        parts = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][KEY])
        if parts["format"] != FORMAT:
            raise damaged(path, f"format {str(parts['format'])[:40]!r} instead of {FORMAT!r}")
        if hashlib.sha256(_payload(data)).hexdigest() != parts["sha256"]:
            raise damaged(path, "its checksum does not match")
        _check_recipe(path, dict(parts["recipe"]), recipe)
        state = _decoded(parts["tree"], _safetensors().load(data))
    except (InputError, MissingDependencyError):
        raise
    except Exception as error:  # JSON, safetensors and the tree each have their own; all mean the same
        raise damaged(path, f"unreadable, {type(error).__name__}") from None
    if not isinstance(state, dict):
        raise damaged(path, "it holds no table")
    return state


def damaged(path: Path, reason: str) -> InputError:
    """Return the error for a file that is no training state."""
    return InputError(f"training state {str(path)!r} is damaged or no state of qif-deploy ({reason}); train without --resume")


def _safetensors() -> Any:
    """Return the module; untyped, as its functions are."""
    try:
        import safetensors.torch
    except ImportError:
        raise MissingDependencyError(f"training states need safetensors; {INSTALL}") from None
    return safetensors.torch


def _payload(data: bytes) -> bytes:
    """Return what follows the header: 8 bytes of length, little endian, then the header."""
    return data[8 + int.from_bytes(data[:8], "little") :]


def _check_recipe(path: Path, found: dict[str, Any], recipe: Recipe) -> None:
    wanted = recipe.as_json()
    for key in sorted({*found, *wanted} - set(FREE_KEYS)):
        if found.get(key) != wanted.get(key):
            raise InputError(
                f"training state {str(path)!r}: written with {str(key)[:80]} = {found.get(key)!r:.80}, "
                f"the recipe now has {wanted.get(key)!r:.80}; resume with the same recipe, or train without --resume"
            )


def _encoded(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Return JSON that says which container each value is in; tensors leave by number."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().clone().contiguous()  # cloned, since safetensors refuses tensors that share memory
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": [[_encoded(key, tensors), _encoded(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list" if isinstance(value, list) else "tuple": [_encoded(item, tensors) for item in value]}
    raise BackendError(f"training state: a value of type {type(value).__name__} cannot be stored; report this as a bug")


def _decoded(tree: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    match kind:
        case "tensor":
            return tensors[content]
        case "dict":
            return {_decoded(key, tensors): _decoded(item, tensors) for key, item in content}
        case "list":
            return [_decoded(item, tensors) for item in content]
        case "tuple":
            return tuple(_decoded(item, tensors) for item in content)
        case _:
            raise ValueError(kind)
