"""The task `catalog`: products as pictures with words, found by either."""
