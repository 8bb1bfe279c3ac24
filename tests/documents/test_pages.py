"""Every page with code runs as a reader would run it: block after block, in a fresh folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents import blocks, pages

PAGE = """# A page

```python
print("one", 1 + 1)
```

<!-- compared -->
```text
one ...
```

```console
$ echo a > file.txt; false  # exit 1
$ echo one \\
    two
not compared
```

<!-- compared -->
```console
$ cat file.txt
a
```
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", pages.executed_pages())
def test_the_code_of_a_page_runs(name: str, shared_folder: Path) -> None:
    pages.folder_after(name, shared_folder)


def _failure(tmp_path: Path, text: str) -> str | None:
    path = tmp_path / "page.md"
    path.write_text(text)
    try:
        for example in blocks.parse(path).examples():
            example.evaluate()
    except Exception as error:  # whatever a page raises
        return str(error)
    return None


def test_a_page_that_holds_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert _failure(tmp_path, PAGE) is None


@pytest.mark.parametrize(
    ("part", "broken", "said"),
    [
        ("1 + 1", "1 / 0", "division"),
        ("one ...", "two ...", "prints"),
        ("  # exit 1", "", "exit code 1"),
        ("file.txt; false", "file.txt; true", "exit code 0"),
        ("\na\n```", "\nb\n```", "prints"),
    ],
)
def test_a_page_that_does_not_hold_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, broken: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert part in PAGE
    assert said in str(_failure(tmp_path, PAGE.replace(part, broken)))


def test_the_page_that_another_starts_from_exists() -> None:
    named = {page.starts_in for page in map(pages.page, pages.executed_pages()) if page.starts_in is not None}
    assert [name for name in named if not (pages.DOCS / name).is_file()] == []
