"""Labels from a language model that sees: rows in, attributes out, in batches that are paid for once."""
