"""The sounds task as a run."""
