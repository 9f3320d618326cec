"""Labelling the items of a run by a language model: what `rushes label` does with a recipe."""
