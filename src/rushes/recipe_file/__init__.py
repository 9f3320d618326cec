"""From a YAML file to a recipe; a wrong one is refused with all its faults at once, each with its line."""

from rushes.recipe_file.document import document_of
from rushes.recipe_file.load import (
    Override,
    Schema,
    Schemas,
    load_recipe,
    near,
    put,
    recipe_of,
    resolve,
    validate,
)

__all__ = [
    "Override",
    "Schema",
    "Schemas",
    "document_of",
    "load_recipe",
    "near",
    "put",
    "recipe_of",
    "resolve",
    "validate",
]
