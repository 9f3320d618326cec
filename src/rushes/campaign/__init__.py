"""Campaigns: many runs of one recipe, with gates between them, and a leaderboard that cannot be fooled."""
