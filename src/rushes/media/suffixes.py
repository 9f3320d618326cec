"""What names of recordings end with, by themselves: who asks for them need not load what decodes."""

VIDEOS = (".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts")
"""In small letters, of the containers that are read."""
