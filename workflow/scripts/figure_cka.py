"""Linear CKA of layers, of models, and of clean and perturbed images."""

from maescope import beyondplots, logs, plots, similarity, tidy

logs.begin(snakemake)

models, perturbations, others = zip(*snakemake.params.compared, strict=True)
measured = tidy.read(snakemake.input.measures, model=models, perturbation=perturbations, other=others)
numbers = measured[measured["token"] == "mean"]
plots.save(beyondplots.figure_cka(*similarity.parts(numbers)), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
