"""Vision transformers, their weights and their training."""

from maescope.images.late_compiler import late_compiler

with late_compiler():
    import timm  # noqa: F401
