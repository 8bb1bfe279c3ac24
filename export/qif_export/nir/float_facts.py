"""What a float network's file keeps beside its nodes, in one JSON text; none of it decides what the network computes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import Conv2d, FloatNode
from qif_deploy.neuron.params import QIFParams
from qif_export.nir.network_facts import SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatFacts:
    """Where a float network comes from and how it was trained; ``content_hash`` is that of the graph as written, None in foreign files."""

    steps: int | None = None
    dataset: str | None = None
    encoder: str | None = None
    provenance: dict[str, str] = field(default_factory=dict)
    content_hash: str | None = None

    def to_json(self, graph: Graph) -> str:
        """Return the metadata text of ``graph``."""
        facts = {
            "schema": SCHEMA,
            "stage": "float",
            "steps": self.steps,
            "dataset": self.dataset,
            "encoder": self.encoder,
            "provenance": self.provenance,
            "content_hash": float_sha256(graph),
        }
        return json.dumps(facts, sort_keys=True, separators=(",", ":"))

    @classmethod
    def of_metadata(cls, text: Any) -> FloatFacts:
        """Read the text, or return no facts where there is none: the graph is complete without it.

        Raises:
            InputError: a text that is not ours, or of a newer schema.
        """
        if text is None:
            return cls()
        found = _object(text)
        schema = found.get("schema")
        if type(schema) is not int or schema < 2 or schema > SCHEMA or found.get("stage") != "float":
            remedy = "upgrade qif-deploy" if type(schema) is int and schema > SCHEMA else "convert the model again"
            raise InputError(f"metadata 'qif' has schema {schema!r:.20} and stage {found.get('stage')!r:.20}; {remedy}")
        steps, provenance = found.get("steps"), found.get("provenance", {})
        words = {key: found.get(key) for key in ("dataset", "encoder", "content_hash")}
        whole = steps is None or (type(steps) is int and steps >= 1)
        texts = isinstance(provenance, dict) and all(isinstance(value, str) for value in provenance.values())
        if not whole or not texts or not all(value is None or isinstance(value, str) for value in words.values()):
            raise InputError("metadata 'qif' holds values of wrong types; convert the model again")
        return cls(steps=steps, provenance=dict(provenance), **words)

    def require_unchanged(self, graph: Graph) -> None:
        """Compare the graph with the recorded hash, where there is one.

        Raises:
            InputError: it is another.
        """
        if self.content_hash is not None and self.content_hash != float_sha256(graph):
            raise InputError("its content has another hash than the recorded one; it was changed, convert the model again")


def _object(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError("metadata 'qif' is not a JSON object; convert the model again")
    return found


def float_sha256(graph: Graph) -> str:
    """Return the SHA-256 over every value and edge of a float graph; a convolution's bias of zeros counts as none."""
    digest = hashlib.sha256(repr(sorted(graph.edges)).encode())
    for name in sorted(graph.nodes):
        node = graph.nodes[name]
        digest.update(repr((name, type(node).__name__)).encode())
        for label, value in _values(node):
            digest.update(label.encode() + b"=")
            digest.update(_bytes(value))
    return digest.hexdigest()


def _values(node: FloatNode) -> list[tuple[str, Any]]:
    found = [(f.name, getattr(node, f.name)) for f in fields(node)]
    if isinstance(node, Conv2d) and node.bias is not None and not node.bias.any():
        found = [(name, None if name == "bias" else value) for name, value in found]
    return [pair for name, value in found for pair in (_of_params(value) if isinstance(value, QIFParams) else [(name, value)])]


def _of_params(params: QIFParams) -> list[tuple[str, Any]]:
    return [(f.name, getattr(params, f.name)) for f in fields(params)]


def _bytes(value: Any) -> bytes:
    if isinstance(value, np.ndarray):
        return f"{value.shape}{value.dtype.str}".encode() + np.ascontiguousarray(value).tobytes()
    return repr(value).encode()


__all__ = ["FloatFacts", "float_sha256"]
