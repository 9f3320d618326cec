"""Figures of a search, beside their baselines."""
