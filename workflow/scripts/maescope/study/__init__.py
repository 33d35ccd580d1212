"""The configuration: checked, completed, and looked up. Imports no torch."""
