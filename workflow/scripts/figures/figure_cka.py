"""Linear CKA of layers, of models, and of clean and perturbed images."""

from maescope.base import logs, tidy
from maescope.figures import style
from maescope.figures.cka import figure_cka
from maescope.measures import cka

logs.begin(snakemake)

measured = tidy.read(snakemake.input.measures, "model", "perturbation", "other")
numbers = measured[measured["token"] == "mean"]
style.save(figure_cka(*cka.parts(numbers)), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
