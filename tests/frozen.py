"""Imported last by a process that forks: what it has is no garbage, so its forks do not copy it to look for some."""

import gc

gc.freeze()
