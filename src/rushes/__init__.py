"""From raw recordings to a fine-tuned, honestly measured model."""
