"""From a folder that nobody has described to a recipe: a look at it, who is in it, what a task proposes, the file."""
