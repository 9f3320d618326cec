"""Pictures with words, as tables, tars and folders have them: rows that a task makes its items of."""
