"""The operations task on this floor."""
