"""Files that are not what their name says, made from good ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

KINDS = ("nir", "safetensors", "onnx", "npy", "toml")


def write_wrong_files(folder: Path, good: dict[str, Path]) -> None:
    """Per suffix a text, an empty file, a folder, and the first half of the good file of that suffix."""
    for suffix in KINDS:
        (folder / f"text.{suffix}").write_text("hello, this is a letter\n" * 20)
        (folder / f"empty.{suffix}").write_bytes(b"")
        (folder / f"folder.{suffix}").mkdir()
    for suffix, path in good.items():
        data = path.read_bytes()
        (folder / f"half.{suffix}").write_bytes(data[: len(data) // 2])
        (folder / f"cut.{suffix}").write_bytes(data[:-5])
    write_wrong_codes(folder, np.load(good["npy"]))


def write_wrong_codes(folder: Path, codes: np.ndarray) -> None:
    """Arrays that load, or would by unpickling, and are no input of the network; the good ``codes`` are ``(3, B, 1, 8, 8)``."""
    np.save(folder / "pickle.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    arrays = {
        "floats": codes / 16, "complex": codes + 1j, "text_array": np.array(["a", "b"]), "scalar": codes[0, 0, 0, 0, 0],
        "record": np.zeros(3, dtype=[("a", "i4")]), "nan": np.full(codes.shape, np.nan), "inf": np.full(codes.shape, -np.inf),
        "wide": np.zeros((3, 2, 1, 8, 9), int), "transposed": codes.swapaxes(2, 4), "negative": codes - 1, "large": codes + 1,
        "unsigned": np.full(codes.shape, 2**64 - 1, np.uint64), "long": np.repeat(codes, 2, axis=0), "no_sample": codes[:, :0],
        "no_step": codes[:0], "codes": codes, "beyond": codes / 8 + 3.0,
    }  # fmt: skip
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    np.savez(folder / "misnamed.npz", picture=codes)
    np.savez(folder / "extra.npz", image=codes, other=codes)
    np.savez(folder / "nothing.npz")
    np.savez(folder / "pickle.npz", image=np.array([{"a": 1}], dtype=object))
