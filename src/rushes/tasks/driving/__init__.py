"""The driving task as a run."""
