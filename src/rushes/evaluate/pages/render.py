"""Templates: HTML whose text cannot become markup.

A template is named by its package and its file: ``rushes.evaluate.pages/blocks.html.j2`` lies in the folder
``templates`` of that package. So a template of a task may import the blocks of all pages::

    {% from "rushes.evaluate.pages/blocks.html.j2" import note, framed %}

Every value is escaped unless it is `Markup`, and a name that a template asks for and nobody gave is an error.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

BLOCKS = "rushes.evaluate.pages/blocks.html.j2"


def render(template: str, **values: Any) -> Markup:
    """A template with its values filled in.

    Args:
        template: ``package/file``, as in the head of this module.
        values: by the names that it asks for.

    Raises:
        jinja2.TemplateNotFound: no such template.
        jinja2.UndefinedError: a value that it asks for is missing.
    """
    return Markup(_environment().get_template(template).render(**values))


def block(name: str, *values: Any, **named: Any) -> Markup:
    """A macro of ``blocks.html.j2``, called with values.

    >>> block("note", "Tape < Pack")
    Markup('<p class="note">Tape &lt; Pack</p>')
    """
    made: Markup = getattr(_environment().get_template(BLOCKS).module, name)(*values, **named)
    return made


def text_of(file: str) -> str:
    """A file of this package's templates as it is."""
    return resources.files(__package__).joinpath("templates", file).read_text("utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def _source(template: str) -> str | None:
    package, _, file = template.partition("/")
    try:
        return resources.files(package).joinpath("templates", file).read_text("utf-8")
    except (ModuleNotFoundError, FileNotFoundError):
        return None
