"""The sounds task on this floor."""
