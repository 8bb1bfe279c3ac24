"""A look at a protobuf message before it is parsed: how many messages it holds, how deep, and whether its texts are texts.

A parser makes an object of some hundred bytes from a message of two, so a small hostile file could fill the memory; what a parser
answers to deep nesting differs by release; and it returns bytes for a text that is no UTF-8. The walk follows the message types of
ONNX, reads lengths, and skips over values.
"""

from __future__ import annotations

import functools
from typing import Any

from qif_deploy.errors import InputError
from qif_export.onnx._onnx import onnx

MOST_FIELDS = 500_000
"""Some ten times what a network of fifty layers has."""

DEEPEST_MESSAGE = 40
"""Model, graph, node, attribute, and again down to a shape in the body of a Scan, make some twelve."""


def require_bounded(data: bytes) -> None:
    """Refuse a model of too many or too deeply nested messages, or with texts that are none.

    Raises:
        InputError: that, or lengths that lead beyond the end.
    """
    waiting: list[tuple[Any, int, int, int]] = [(onnx.ModelProto.DESCRIPTOR, 0, len(data), 0)]
    count = 0
    while waiting:
        kind, at, end, depth = waiting.pop()
        if depth > DEEPEST_MESSAGE:
            raise InputError(f"its messages are nested more than {DEEPEST_MESSAGE} deep; give a flatter model")
        messages, texts = _messages(kind), _texts(kind)
        while at < end:
            key, at = _varint(data, at, end)
            count += 1
            if count > MOST_FIELDS:
                raise InputError(f"it holds more than {MOST_FIELDS} fields; give a smaller model")
            match key & 7:
                case 0:  # a varint
                    _, at = _varint(data, at, end)
                case 1:
                    at += 8
                case 5:
                    at += 4
                case 2:  # a length and as many bytes
                    length, at = _varint(data, at, end)
                    inner = messages.get(key >> 3)
                    if inner is not None and at + length <= end:
                        waiting.append((inner, at, at + length, depth + 1))
                    elif key >> 3 in texts:
                        _require_text(data[at : min(at + length, end)])
                    at += length
                case _:
                    raise _damaged()
        if at != end:
            raise _damaged()


@functools.cache
def _messages(kind: Any) -> dict[int, Any]:
    """Fields of a message type that hold messages: number -> type."""
    return {one.number: one.message_type for one in kind.fields if one.message_type is not None}


@functools.cache
def _texts(kind: Any) -> frozenset[int]:
    """Numbers of the fields of a message type that hold a text."""
    return frozenset(one.number for one in kind.fields if one.type == one.TYPE_STRING)


def _require_text(data: bytes) -> None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError("it is not ONNX, truncated or damaged (a name that is no UTF-8); copy or export it again") from None


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise _damaged()


def _damaged() -> InputError:
    return InputError("it is not ONNX, truncated or damaged (lengths that do not fit); copy or export it again")


__all__ = ["require_bounded"]
