"""Which lamp blinks faster: a task for rushes in one small package."""
