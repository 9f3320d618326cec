"""Trained models in forms that devices run, and whether they fit there."""
