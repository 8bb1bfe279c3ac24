"""One reader under atheris: changes that reach new lines of our code, or of the parsers written in Python, are kept and changed further.

Run by ``python -m tests.fuzz --guided`` as ``python -m tests.fuzz.guided READER FOLDER SEED SECONDS``; needs Linux, Python 3.11 or older.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["qif_deploy", "qif_export", "qif_hardware", "tomli", "zipfile"], enable_loader_override=False):
    import qif_hardware.target  # noqa: F401

from tests.fuzz.campaign import MEMORY, REPORT, Campaign, limit_memory, prepared
from tests.fuzz.mutate import MOST_BYTES, mutated
from tests.fuzz.readers import READERS


def main(arguments: list[str]) -> None:
    """Run until the time is up; the report is written now and then, since libFuzzer ends the process by itself."""
    name, place, seed, seconds = arguments
    reader, folder = READERS[name], Path(place)
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, data in enumerate(prepared(reader, folder)):
        (corpus / f"seed{number}").write_bytes(data)
    limit_memory(MEMORY)
    campaign, end = Campaign(reader=reader, folder=folder), time.monotonic() + float(seconds)

    def report() -> None:
        (folder / REPORT).write_text(json.dumps([campaign.as_json()]), encoding="utf-8")

    def one(data: bytes) -> None:
        campaign.one(data)
        if campaign.inputs % 50 == 0:
            report()
        if time.monotonic() > end:
            report()
            os._exit(0)  # libFuzzer has no way to be asked to stop

    def change(data: bytes, most: int, number: int) -> bytes:
        rng = Random(number)
        return atheris.Mutate(data, most) if rng.randrange(4) == 0 else mutated(data, reader.structure, rng)[:most]

    options = [f"-seed={seed}", f"-max_len={MOST_BYTES}", "-rss_limit_mb=0", "-print_final_stats=0", "-verbosity=0", str(corpus)]
    atheris.Setup([sys.argv[0], *options], one, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
