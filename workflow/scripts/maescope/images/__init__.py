"""Pictures on disk, sampled and read, and what is done to them."""
