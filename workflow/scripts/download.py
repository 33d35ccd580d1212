"""Fetch weights that are not there: the only script that touches a network."""

from maescope import downloads, logs

logs.to_file(snakemake.log[0])

downloads.fetch_all(snakemake.params.models)
