"""Two systems, one question at a time, and a person who does not know which is which."""
