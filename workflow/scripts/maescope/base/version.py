"""The version, in a file of its own: what every script imports is part of every rule's code."""

__version__ = "0.1.0"
