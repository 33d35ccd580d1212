"""What the paper says against what was measured."""
