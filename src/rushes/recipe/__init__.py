"""The recipe: one YAML file that says everything about one job.

Every section has a default for every field, so a recipe names only what differs. `recipe_file` reads one and
refuses a wrong one as a whole.
"""

from typing import Literal

from rushes.recipe.driving import DrivingRecipe
from rushes.recipe.operations import OperationsRecipe
from rushes.recipe.sections import Recipe, VlmRecipe
from rushes.recipe.sounds import SoundsRecipe

TaskName = Literal["operations", "driving", "sounds"]

RECIPES: dict[TaskName, type[Recipe]] = {
    "operations": OperationsRecipe,
    "driving": DrivingRecipe,
    "sounds": SoundsRecipe,
}

__all__ = ["RECIPES", "DrivingRecipe", "OperationsRecipe", "Recipe", "SoundsRecipe", "TaskName", "VlmRecipe"]
