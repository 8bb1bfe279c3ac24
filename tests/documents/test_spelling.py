"""One spelling per word in the text of all pages; code, links and names of files are left alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.document_tables import DOCS

ROOT = DOCS.parent
PAGES = sorted([*DOCS.rglob("*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"))])
WRONG = {
    r"\b[Qq]uantiz(?!e\b)[a-z]+\b": "quantisation, quantised (the verb of the command line is quantize)",
    r"\b[A-Z]?[a-z]*(?:ormaliz|ptimiz|tilization|iscretiz|inimiz|aximiz|ummariz|ynchroniz|nitializ)[a-z]*\b": "-ise, -isation",
    r"\b[Cc]olor(?:s|ed|ful)?\b": "colour",
    r"[Bb]ehavior\w*": "behaviour",
    r"[Nn]eighbor\w*": "neighbour",
    r"\bPytorch\b|\bpyTorch\b": "PyTorch",
    r"\bNumpy\b": "NumPy",
    r"\bSnn[Tt]orch\b|\bSNNTorch\b|\bsnnTORCH\b": "snnTorch",
    r"\bSpikingjelly\b|\bSpiking Jelly\b": "SpikingJelly",
    r"\bRockPool\b": "Rockpool",
    r"\b[Ll]oihi-2\b|\bLoihi2\b": "Loihi 2",
    r"\bOnnx\b|\bONNX[Rr]untime\b": "ONNX, onnxruntime",
    r"\bMkdocs\b": "MkDocs",
    r"[Tt]hreshhold\w*|\b[Ss]eperat\w+|\b[Oo]ccured\b|\b[Rr]ecieve\w*|\b[Aa]ccomodat\w+": "a misspelling",
}


def prose(text: str) -> str:
    """The text without code, link targets and web addresses, line numbers kept."""

    def blank(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n")

    text = re.sub(r"^[ \t]*(```+).*?^[ \t]*\1[ \t]*$", blank, text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"``?[^`\n]+``?|\]\([^)\s]*\)|https?://\S+|<!--.*?-->", " ", text)


@pytest.mark.parametrize("wrong", WRONG)
def test_words_are_spelled_one_way(wrong: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in PAGES
        for number, line in enumerate(prose(path.read_text(encoding="utf-8")).splitlines(), 1)
        for match in re.finditer(wrong, line)
    ]
    assert found == [], f"write {WRONG[wrong]}"


def test_code_is_left_alone_and_prose_is_not() -> None:
    text = "quantized\n```text\nquantized\n```\n    quantized\n`quantized` [a](quantized.md)\n"
    assert re.findall("quantized", prose(text)) == ["quantized"]
    assert Path(DOCS / "index.md") in PAGES
