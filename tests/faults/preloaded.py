"""Imported by the process that forks the jobs of `tiny`: all that they need."""

import frozen
from warm_jobs import IMPORTED

frozen.compiled()
frozen.imported(IMPORTED)
