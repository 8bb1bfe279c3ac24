"""The one entry of Jinja (>= 3.1): templates with every value escaped."""

from __future__ import annotations

from qif_deploy.errors import MissingDependencyError

try:
    from jinja2 import Environment, PackageLoader, StrictUndefined, Template
    from markupsafe import Markup
except ImportError:
    raise MissingDependencyError("the report needs jinja2; install it with: pip install 'qif-deploy[report]'") from None


def page_template(name: str) -> Template:
    """Return a template of this package; what is missing in it is an error, never an empty text."""
    loader = PackageLoader("qif_deploy.reporting", "page")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).get_template(name)


__all__ = ["Markup", "page_template"]
