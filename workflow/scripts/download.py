"""Fetch weights that are not there: the only script that touches a network."""

from maescope import downloads, logs

logs.begin(snakemake)

downloads.fetch_all(snakemake.params.models)
