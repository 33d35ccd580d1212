"""Fetch weights that are not there: the only script that touches a network."""

from maescope.base import logs
from maescope.models import downloads

logs.begin(snakemake)

downloads.fetch_all(snakemake.params.models)
