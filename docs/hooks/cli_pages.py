"""One page per verb of the command line, walked from the application at build time so that it cannot drift.

What exit code 1 means for a verb has its home in the table of ``reference/exit-codes.md``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.main import get_command

from qif_deploy.cli.app import app

log = logging.getLogger("mkdocs.plugins.cli_pages")
PATTERN = "reference/cli/*"
EXIT_CODES = Path(__file__).resolve().parents[1] / "reference" / "exit-codes.md"
_FACTS = re.compile(r"\s*\[(?P<facts>[^\[\]]*(?:required|default:|[<>]=?)[^\[\]]*)\]\s*$")


@dataclass(frozen=True)
class Verb:
    """A verb as the application describes it."""

    name: str
    command: Any  # click's class is a private copy inside newer typer
    context: Any

    @property
    def summary(self) -> str:
        """The first paragraph of its help."""
        return str(self.command.help).strip().split("\n\n")[0].replace("\n", " ")

    @property
    def page(self) -> str:
        """Where its page stands in the site."""
        return f"reference/cli/{self.name}.md"


def verbs() -> list[Verb]:
    """Return all verbs in the order of the application."""
    group: Any = get_command(app)
    return [Verb(name, command, command.context_class(command, info_name=f"qif-deploy {name}")) for name, command in group.commands.items()]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages where the navigation says ``reference/cli/*``."""
    _expand(config.nav or [])
    return config


def _expand(nav: list[Any]) -> None:
    for entry in nav:
        if isinstance(entry, dict):
            for children in entry.values():
                if isinstance(children, list):
                    if PATTERN in children:
                        at = children.index(PATTERN)
                        children[at : at + 1] = ["reference/cli/index.md", *(verb.page for verb in verbs())]
                    _expand(children)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the list of verbs and one page for each."""
    found = verbs()
    meanings = exit_meanings()
    for verb in found:
        if verb.name not in meanings:
            log.warning("reference/exit-codes.md says nothing of the verb %r", verb.name)
        files.append(File.generated(config, verb.page, content="\n".join(page_of(verb, meanings.get(verb.name, "")))))
    files.append(File.generated(config, "reference/cli/index.md", content="\n".join(index_of(found))))
    return files


def exit_meanings() -> dict[str, str]:
    """Return verb -> what exit code 1 means, from the table of the page on exit codes."""
    rows = re.findall(r"^\| `([a-z]+)` \| (.*?) \|$", EXIT_CODES.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(rows)


def index_of(found: list[Verb]) -> Iterator[str]:
    """Yield the page that lists the verbs."""
    yield "# Command line\n"
    yield "Made from the application itself. `qif-deploy VERB --help` prints the same.\n"
    yield "| verb | does |"
    yield "| --- | --- |"
    for verb in found:
        yield f"| [`{verb.name}`]({verb.name}.md) | {_cell(verb.summary)} |"
    yield "\n## Options of the program\n"
    group: Any = get_command(app)
    yield from table(group.params, group.context_class(group, info_name="qif-deploy"), "option")
    yield "\nWhat the exit codes say: [exit codes](../exit-codes.md). What `--json` prints: [JSON](../json.md).\n"


def page_of(verb: Verb, one_means: str) -> Iterator[str]:
    """Yield the page of one verb."""
    yield f"# `qif-deploy {verb.name}`\n"
    yield f"{verb.command.help.strip()}\n"
    usage = " ".join(verb.command.collect_usage_pieces(verb.context))
    yield f"```text\nqif-deploy {verb.name} {usage}\n```\n"
    kinds = {kind: [p for p in verb.command.params if p.param_type_name == kind] for kind in ("argument", "option")}
    for kind, params in kinds.items():
        if params:
            yield f"## {kind.capitalize()}s\n"
            yield from table(params, verb.context, kind)
            yield ""
    if verb.command.epilog:
        yield "## Example\n"
        yield f"```text\n{examples(verb.command.epilog)}\n```\n"
    yield "## Exit codes\n"
    yield f"| code | means |\n| --- | --- |\n| 0 | done, and what was checked holds |\n| 1 | {one_means} |"
    yield "| 2 | bad input or usage; one line says what |\n| 130 | interrupted |\n"
    yield f"More on them: [exit codes](../exit-codes.md). In Python: [`qif_deploy.{verb.name}`](../python.md#qif_deploy.{verb.name}).\n"


def table(params: list[Any], context: Any, kind: str) -> Iterator[str]:
    """Yield a table of arguments or options; a column that would be empty is left out."""
    records = [record for param in params if (record := param.get_help_record(context)) is not None]
    head = (kind, "meaning", "default", "limits")
    rows = [(f"`{name}`", *described(text)) for name, text in records]
    kept = [column for column in range(len(head)) if any(row[column] for row in rows)]
    for row in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(_cell(row[column]) for column in kept)} |"


def described(text: str) -> tuple[str, str, str]:
    """Split a help text into meaning, default and limits, which click puts in brackets at its end."""
    found = _FACTS.search(text)
    if found is None:
        return text.strip(), "", ""
    facts = [fact.strip() for fact in found["facts"].split(";")]
    default = [f"`{fact.removeprefix('default:').strip()}`" for fact in facts if fact.startswith("default:")]
    required = ["required" for fact in facts if fact == "required"]
    limits = [f"`{fact}`" for fact in facts if not fact.startswith("default:") and fact != "required"]
    return text[: found.start()].strip(), ", ".join([*required, *default]), ", ".join(limits)


def examples(epilog: str) -> str:
    """Return the commands of an epilog, one a line, without its heading and marks."""
    lines = [line.strip() for line in epilog.partition("\nExit codes:")[0].splitlines()]
    return "\n".join(line for line in lines if line and not re.fullmatch(r"Examples?:", line))


def _cell(text: str) -> str:
    """Text for a cell of a table: a bar outside of code would end the cell, one inside of code does not."""
    parts = text.replace("\n", " ").split("`")
    return "`".join(part if number % 2 else part.replace("|", "\\|") for number, part in enumerate(parts))
