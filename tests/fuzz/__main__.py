"""Fuzz the readers for as long as asked: ``python -m tests.fuzz --minutes 30 --reader all``.

Each reader runs in a process of its own, which is started again when it dies or hangs; the file that it died of is saved. The exit code
is 1 when any file was not answered as it has to be.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.fuzz.campaign import HAND, REPORT, save_crash
from tests.fuzz.readers import READERS

START_S = 180
"""Imports and seeds, on a machine that has other work."""

PACKAGES = ("numpy", "h5py", "onnx", "protobuf", "safetensors", "pillow", "tomli", "tonic", "torch")


def main() -> int:
    """Parse the options, run, print one line per reader and a JSON object with everything."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--reader", default="all", help=f"all, or one of {', '.join(READERS)}")
    parser.add_argument("--minutes", type=float, default=10.0, help="in all, shared out equally")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", action="store_true", help="coverage-guided, with atheris")
    parser.add_argument("--crashes", type=Path, default=Path("runs/fuzz"), help="folder for files that a reader failed on")
    options = parser.parse_args()
    if options.reader != "all" and options.reader not in READERS:
        parser.error(f"reader {options.reader!r} is unknown; use all, or one of {', '.join(READERS)}")
    names = list(READERS) if options.reader == "all" else [options.reader]
    options.crashes.mkdir(parents=True, exist_ok=True)
    engine, seconds = "tests.fuzz.guided" if options.guided else "tests.fuzz.campaign", options.minutes * 60 / len(names)
    found = {}
    for name in names:
        found[name] = fuzzed(name, engine, seed=options.seed, seconds=seconds, crashes=options.crashes)
        line = found[name]
        print(f"{name:<12} {line['inputs']:>9} files  {line['outcomes']:>5} outcomes  {len(line['violations']):>3} violations", flush=True)
    versions = {package: version(package) for package in (*PACKAGES, *(("atheris",) if options.guided else ()))}
    print(json.dumps({"engine": engine, "python": platform.python_version(), "versions": versions, "readers": found}, indent=1))
    return int(any(line["violations"] for line in found.values()))


def fuzzed(name: str, engine: str, *, seed: int, seconds: float, crashes: Path) -> dict[str, Any]:
    """Run one reader until its time is up, however often it has to be started again; add up what the runs report."""
    end, inputs, outcomes, violations, starts = time.monotonic() + seconds, 0, Counter[str](), dict[str, str](), 0
    while starts == 0 or end - time.monotonic() > 2:
        left = max(2.0, end - time.monotonic())
        with tempfile.TemporaryDirectory(prefix="qif_fuzz_") as place:
            folder, died = Path(place), None
            asked = ["1000000000", str(left)] if engine == "tests.fuzz.campaign" else [str(left)]
            command = [sys.executable, "-m", engine, name, place, str(seed + starts), *asked]
            try:
                done = subprocess.run(command, timeout=left + START_S, check=False, capture_output=True, text=True)
                if done.returncode:
                    died = f"the process ended with {done.returncode}: {(done.stderr.strip().splitlines() or ['no word'])[-1][:120]}"
            except subprocess.TimeoutExpired:
                died = "the process had to be killed: it hung outside Python"
            hand = folder / f"{HAND}{READERS[name].suffix}"
            if died is not None and died not in violations:
                violations[died] = str(save_crash(crashes, name, hand.read_bytes() if hand.exists() else b""))
            for report in json.loads((folder / REPORT).read_text(encoding="utf-8")) if (folder / REPORT).exists() else []:
                inputs += report["inputs"]
                outcomes.update(report["outcomes"])
                for kind, file in report["violations"].items():
                    violations.setdefault(kind, str(save_crash(crashes, name, Path(file).read_bytes())))
        starts += 1
    return {"inputs": inputs, "outcomes": len(outcomes), "read": outcomes["read"], "starts": starts, "violations": violations}


if __name__ == "__main__":
    sys.exit(main())
