"""The recipe: one YAML file that says everything about one job.

Every section has a default for every field, so a recipe names only what differs. `rushes.recipe_file` reads
one and refuses a wrong one as a whole.
"""

from rushes.recipe.sections import Recipe, VlmRecipe

__all__ = ["Recipe", "VlmRecipe"]
