"""Kill a writer at random moments and look at what it left: ``python -m tests.reliability.kills --kills 200``."""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.reliability.writers import ARTEFACTS, ROOT, Artefact


def killed(artefact: Artefact, *, kills: int, seed: int) -> dict[str, int]:
    """Kill ``kills`` writers of one artefact by SIGKILL, each after a random time of writing.

    Returns:
        How often the file was the first version, the second, and how many hidden files were left.

    Raises:
        AssertionError: a file that is neither version, or the next write does not succeed.
    """
    rng = random.Random(f"{seed} {artefact.name}")
    with tempfile.TemporaryDirectory(prefix="qif_kills_") as place:
        folder = Path(place)
        path = folder / artefact.name
        start = time.monotonic()
        artefact.write(path, 1)
        second = artefact.state(path)
        took = (time.monotonic() - start) / 2
        artefact.write(path, 0)
        first = artefact.state(path)
        assert first != second
        found = {"first": 0, "second": 0, "hidden files": 0}
        for _ in range(kills):
            command = [sys.executable, "-m", "tests.reliability.writers", artefact.name, place, "1000000"]
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as writer:
                assert writer.stdout is not None
                assert writer.stdout.readline() == b"begin\n"
                time.sleep(rng.uniform(0, 4 * took))
                writer.kill()
                writer.wait()
            state = artefact.state(path)
            assert state in (first, second), f"{artefact.name}: neither the old file nor the new one"
            found["first" if state == first else "second"] += 1
        found["hidden files"] = sum(1 for entry in folder.iterdir() if entry.name.startswith("."))
        artefact.write(path, 1)
        assert artefact.state(path) == second, f"{artefact.name}: what was left broke the next write"
    return found


def main() -> None:
    """Print what came of every artefact."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="of each artefact")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(json.dumps({name: killed(artefact, kills=options.kills, seed=options.seed) for name, artefact in ARTEFACTS.items()}, indent=1))


if __name__ == "__main__":
    main()
