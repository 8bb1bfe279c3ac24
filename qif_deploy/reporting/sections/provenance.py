"""What the report was made from, and with what: files with hashes, the network's own facts, versions, commands."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from qif_deploy.reporting.blocks import Block, Command, Facts, Paragraph, Section, Status, Table
from qif_deploy.reporting.run_files import METRICS, MODEL, NETWORK, RESULTS, VECTORS, RunFiles
from qif_deploy.version import __version__

KEY, TITLE = "provenance", "Provenance"

PACKAGES = ("numpy", "torch", "numba", "nir", "onnx", "onnxruntime", "lava-nc", "lava-dl", "plotly")
"""Distributions whose version may matter to a result."""

VERBS = {MODEL: "train", NETWORK: "quantize", VECTORS: "run"} | RESULTS


def provenance_section(run: RunFiles) -> Section:
    """Return hashes, versions, seeds and commands."""
    rows = tuple((file.name, f"{file.size:,}", file.sha256, _tie(run, file.name, file.network)) for file in run.read)
    columns = ("file", "bytes", "SHA-256", "network that it names")
    files = Table(caption=f"Files read from {run.folder}", columns=columns, rows=rows, numeric=frozenset({1}))
    blocks: list[Block] = [files]
    if run.network is not None:
        facts = [("content hash", run.network.content_hash), *sorted(run.network.provenance.items())]
        blocks.append(Facts(title="What the network says of itself", rows=tuple((name, str(value)) for name, value in facts)))
    blocks.append(Facts(title="Versions where this page was made", rows=_versions()))
    blocks.append(Paragraph(text="The page holds no date: the same files and versions give the same page. Commands that make such files:"))
    verbs = dict.fromkeys(VERBS[file.name] for file in run.read)
    blocks += [Command(text=f"{', '.join(n for n, v in VERBS.items() if v == verb)}:", line=run.command(verb)) for verb in verbs]
    named = sum(file.network is not None for file in run.read)
    verdict = f"{len(run.read)} files read; the {named} that name a network name the same" if named > 1 else f"{len(run.read)} files read"
    return Section(key=KEY, title=TITLE, status=Status.FACT, verdict=verdict, blocks=tuple(blocks))


def _tie(run: RunFiles, name: str, network: str | None) -> str:
    if network is not None:
        return f"{network[:12]}…"
    if name == VECTORS:
        return "none; its first sample was computed again and is equal" if run.network is not None else "none"
    if name == METRICS and run.checkpoint is not None:
        return f"none; the metrics are those stored in {MODEL}"
    return "none"


def _versions() -> tuple[tuple[str, str], ...]:
    found = [("qif-deploy", __version__), ("Python", platform.python_version()), ("machine", f"{platform.system()} {platform.machine()}")]
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            found.append((name, "not installed"))
    return tuple(found)
