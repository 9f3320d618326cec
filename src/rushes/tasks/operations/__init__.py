"""The operations task as a run."""
