"""Train a classifier: fine-tune a pretrained encoder or, without one, train the supervised baseline from scratch."""

from maescope.base import logs, tidy
from maescope.models import checkpoints, trainer

logs.begin(snakemake)

job = trainer.of_script(snakemake)
weights, history = trainer.run(job)
tidy.write(history, snakemake.output.loss)
checkpoints.save(weights, snakemake.output.weights, {"recipe": job.recipe["recipe"]})
job.states.forget()
