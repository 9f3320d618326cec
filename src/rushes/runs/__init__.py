"""Runs: the chain of stages of a recipe."""
