"""Running a script in a fresh interpreter: for what must not depend on the process, and for what must not be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_fresh(script: str, *arguments: str, hash_seed: str = "0") -> list[str]:
    """Return the lines that ``script`` prints; the interpreter sees the same packages as this one."""
    env = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(str(Path(p).resolve()) for p in sys.path)}
    done = subprocess.run([sys.executable, "-c", script, *arguments], env=env, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()
