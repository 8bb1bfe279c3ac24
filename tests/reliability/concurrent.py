"""Ten commands at once on one run folder, some of them writing the same file: ``python -m tests.reliability.concurrent --rounds 20``.

Each command first runs alone; a file is right afterwards when it is what one of the commands that write it leaves when it is alone. The
commands are forked from one process that has everything imported, so that they truly meet, and so that a round takes seconds.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import multiprocessing
import os
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import numpy as np

from qif_deploy.cli.entry import guarded
from tests.networks import chain, random_inputs

COMMANDS = (
    "quantize model.safetensors --out q.nir",
    "run net.nir --backend batched --input codes.npy --out vectors.npz",
    "run net.nir --backend reference --input more.npy --out vectors.npz",
    "export net.nir --to onnx --out net.onnx",
    "export net.nir --to onnx --profile qdq --out net.onnx",
    "check net.nir --out result.json",
    "energy net.nir --input codes.npy --out result.json",
    "verify net.nir --backend batched --input codes.npy --out verify.json",
    "map net.nir --target loihi2-lava --out placement.json",
    "diff model.safetensors first.nir --samples 8 --out diff.json",
)
CHEAP = (
    "run net.nir --backend reference --input codes.npy --out vectors.npz",
    "run net.nir --backend reference --input more.npy --out vectors.npz",
    "export net.nir --to netx --out net.net",
    "check net.nir --out result.json",
    "map net.nir --target loihi2-lava --out result.json",
) * 2
"""Ten that take a second together; what CI runs."""

SECONDS = 600


def prepare(folder: Path) -> None:
    """Write what the commands read, by the same writers."""
    from qif_deploy.training.spec import InputSpec
    from qif_deploy.training.trainer import build_network
    from qif_export.nir.write import write_nir
    from tests.fuzz.network_readers import save_tiny

    spec = InputSpec(shape=(1, 8, 8), low=0, high=16, scale=1 / 16, classes=10)
    save_tiny(folder / "model.safetensors", lambda recipe: build_network(recipe, spec, seed=0))
    graph = chain()
    write_nir(graph, folder / "net.nir")
    for name, seed in (("codes", 1), ("more", 2)):
        np.save(folder / f"{name}.npy", random_inputs(graph, samples=6, seed=seed)["image"])


def ran(commands: tuple[str, ...], folder: Path) -> list[tuple[int, str]]:
    """Run commands at once in ``folder``; return exit code and stderr of each.

    Raises:
        TimeoutError: one does not end.
    """
    fork = multiprocessing.get_context("fork")
    answers: SimpleQueue[tuple[int, int, str]] = fork.SimpleQueue()
    running = [fork.Process(target=_child, args=(number, line, folder, answers)) for number, line in enumerate(commands)]
    for process in running:
        process.start()
    for process in running:
        process.join(SECONDS)
        if process.is_alive():
            process.kill()
            raise TimeoutError(f"no end after {SECONDS} s: {commands[running.index(process)]}")
    found = {}
    while not answers.empty():
        number, code, said = answers.get()
        found[number] = (code, said)
    return [found.get(number, (-1, f"ended by {running[number].exitcode}")) for number in range(len(commands))]


def _child(number: int, line: str, folder: Path, answers: SimpleQueue[tuple[int, int, str]]) -> None:
    os.chdir(folder)
    said = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(said):
        code = guarded([*line.split(), "-q"])
    answers.put((number, code, said.getvalue()[-2000:]))


def state(path: Path) -> str:
    """What is in a file, without the time that it took and the time of day; a file that is cut cannot be read."""
    match path.suffix:
        case ".json":
            content = json.dumps(_timeless(json.loads(path.read_text(encoding="utf-8"))), sort_keys=True).encode()
        case ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                content = b"".join(name.encode() + arrays[name].tobytes() for name in arrays.files)
        case _:
            content = path.read_bytes()
    return hashlib.sha256(content).hexdigest()


def _timeless(value: Any) -> Any:
    match value:
        case dict():
            return {key: _timeless(item) for key, item in value.items() if "second" not in key}
        case list():
            return [_timeless(item) for item in value]
        case _:
            return value


def output(line: str) -> str:
    """The file that a command writes."""
    return line.rpartition(" ")[2]


def alone(folder: Path, commands: tuple[str, ...]) -> dict[str, set[str]]:
    """Run every command by itself; return what each file may be."""
    found: dict[str, set[str]] = {}
    if any("first.nir" in line for line in commands):
        assert ran(("quantize model.safetensors --out first.nir",), folder) == [(0, "")]
    for line in dict.fromkeys(commands):
        ((code, said),) = ran((line,), folder)
        assert code in (0, 1), (line, code, said)
        assert "Traceback" not in said, (line, said)
        found.setdefault(output(line), set()).add(state(folder / output(line)))
    return found


def rounds(count: int, commands: tuple[str, ...] = COMMANDS) -> dict[str, Any]:
    """Run ``commands`` at once, ``count`` times.

    Raises:
        AssertionError: a command that crashed, a file that is none of what it may be, or one too many in the folder.
    """
    won: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory(prefix="qif_concurrent_") as place:
        folder = Path(place)
        prepare(folder)
        allowed = alone(folder, commands)
        names = {entry.name for entry in folder.iterdir()}
        for _ in range(count):
            for line, (code, said) in zip(commands, ran(commands, folder), strict=True):
                assert code in (0, 1), (line, code, said)
                assert "Traceback" not in said, (line, said)
            for name, states in allowed.items():
                found = state(folder / name)
                assert found in states, f"{name}: none of what its commands write alone"
                won.setdefault(name, [0] * len(states))[sorted(states).index(found)] += 1
            assert {entry.name for entry in folder.iterdir()} == names
    return {"rounds": count, "commands": len(commands), "files": won}


def main() -> None:
    """Print how often each version of each file was there at the end."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.concurrent", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    print(json.dumps(rounds(parser.parse_args().rounds), indent=1))


if __name__ == "__main__":
    sys.exit(main())
