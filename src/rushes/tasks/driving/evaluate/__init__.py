"""The driving task on this floor."""
