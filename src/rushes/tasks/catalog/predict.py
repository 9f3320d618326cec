"""Vectors of all products, before and after training."""
