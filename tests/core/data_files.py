"""Writers of small files in the formats of the original data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_cifar(root: Path, name: str, *, samples: int = 20, seed: int = 0) -> tuple[Path, dict[str, np.ndarray]]:
    """Write ``name`` ("cifar10" or "cifar100") in its binary version; return its folder and the records by file."""
    rng = np.random.default_rng(seed)
    if name == "cifar10":
        folder, files = root / "cifar-10-batches-bin", [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]
    else:
        folder, files = root / "cifar-100-binary", ["train.bin", "test.bin"]
    folder.mkdir(parents=True)
    written = {}
    for file in files:
        pixels = rng.integers(0, 256, (samples, 3072), np.uint8)
        fine = (np.arange(samples) % (10 if name == "cifar10" else 100)).astype(np.uint8)[:, np.newaxis]
        parts = [fine, pixels] if name == "cifar10" else [fine // 5, fine, pixels]
        written[file] = np.concatenate(parts, axis=1)
        (folder / file).write_bytes(written[file].tobytes())
    return folder, written


def random_events(rng: np.random.Generator, n: int, *, side: int, last_us: int) -> dict[str, np.ndarray]:
    t_us = np.sort(rng.integers(0, last_us, n))
    return {"x": rng.integers(0, side, n), "y": rng.integers(0, side, n), "t_us": t_us, "p": rng.integers(0, 2, n)}


def write_nmnist(file: Path, events: dict[str, np.ndarray], *, overflow_at: int | None = None) -> None:
    """Write 40-bit events; at ``overflow_at`` the event that says that the clock lost 2**13 us."""
    t = events["t_us"].copy()
    rows = list(zip(events["x"], events["y"], events["p"], t, strict=True))
    if overflow_at is not None:
        rows = [*rows[:overflow_at], (0, 240, 0, 0), *((x, y, p, t - 2**13) for x, y, p, t in rows[overflow_at:])]
    content = bytearray()
    for x, y, p, time in rows:
        word = (int(x) << 32) | (int(y) << 24) | (int(p) << 23) | int(time)
        content += word.to_bytes(5, "big")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(content))


def write_aedat2(file: Path, events: dict[str, np.ndarray]) -> None:
    """Write upright events as the DVS128 turns them: pairs of big-endian address and time behind a text header."""
    address = ((127 - events["x"]) << 8) | ((127 - events["y"]) << 1) | (1 - events["p"])
    header = b"#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n# Creation time: System.currentTimeMillis() 1470000000000\r\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(header + np.stack([address, events["t_us"]], axis=1).astype(">u4").tobytes())


def write_picture(file: Path, *, size: tuple[int, int] = (40, 30), mode: str = "RGB", seed: int = 0) -> None:
    """Write a smooth picture of (width, height) pixels, PNG or JPEG by the name's ending."""
    width, height = size
    ramp = np.add.outer(np.arange(height) * 3, np.arange(width) * 2) + seed
    colours = np.stack([ramp, ramp // 2, 255 - ramp], axis=-1).clip(0, 255).astype(np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(colours).convert(mode).save(file)
