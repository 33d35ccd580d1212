"""Vision transformers, their weights and their training."""
