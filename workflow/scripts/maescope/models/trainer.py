"""One training from the entry of the configuration to weights and losses, in this process or in several.

Run as a module it is one of several processes, which `run` starts.
"""

import json
import logging
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from maescope.base import logs, provenance, tidy
from maescope.base.atomic import replacing
from maescope.base.errors import InputError
from maescope.images.reading import Preprocessing
from maescope.models import architectures, checkpoints, devices, feeding, linear_probe, mae, objectives, ranks, training
from maescope.models.ranks import World
from maescope.models.states import States

log = logging.getLogger(__name__)

HEAD = 2e-5  # standard deviation of a head's first weights in fine-tuning, as in the official main_finetune.py


@dataclass
class Job:
    """What is trained, and how.

    Parameters
    ----------
    name : of the model
    model : architecture, arguments, num_classes, pooling, preprocessing
    recipe : its `training` entry, completed
    run : its `training_run`: device, gpus, accumulation, state_minutes
    images, validation : sampled lists
    threads : of all processes together; as many again read images
    initial : file of the weights to begin with, its SHA-256 or "any", and which of the weights in it
    code : version of the code, which a state must be of
    """

    name: str
    model: dict
    recipe: dict
    run: dict
    images: str
    validation: str | None
    threads: int
    initial: tuple[str, str, str | None] | None = None
    code: str | None = None

    @property
    def states(self) -> States:
        files = {"images": self.images, "validation": self.validation, "initial": self.initial and self.initial[0]}
        identity = {key: path and provenance.digest(path) for key, path in files.items()}
        identity |= {"recipe": provenance.plain(self.recipe), "model": provenance.plain(self.model), "code": self.code}
        return States(self.name, identity, self.run["state_minutes"])


def of_script(snakemake) -> Job:
    """The job of a rule's script."""
    given, params = snakemake.input, snakemake.params
    initial = given.get("initial")
    return Job(
        name=snakemake.wildcards.model,
        model=params.model,
        recipe=params.training,
        run=json.loads(snakemake.resources.run),
        images=given.images,
        validation=given.get("validation") or None,
        threads=snakemake.threads,
        initial=(initial, snakemake.resources.initial_sha256, params.initial_key) if initial else None,
        code=params.code,
    )


def run(job: Job, words=None) -> tuple[dict[str, Tensor], pd.DataFrame]:
    """Train; weights under the names that are saved, and losses by epoch.

    Parameters
    ----------
    words : where those of further processes go; standard error if left out

    Raises
    ------
    InputError
        naming what cannot be used, or that the job was told to end
    """
    try:
        return _run(job, words)
    except InputError as error:
        if not str(error).startswith("training."):
            raise
        raise InputError(f"models.{job.name}.{error}") from error  # keys are those of an entry


def _run(job: Job, words) -> tuple[dict[str, Tensor], pd.DataFrame]:
    kind, gpus = ranks.device_of(job.run["device"], job.run["gpus"]), job.run["gpus"]
    if job.validation:
        _tell_of_shared(job)
    if gpus == 1:
        torch.set_num_threads(job.threads)
        return _train(job, World(device=torch.device(kind)))
    folder = job.states.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "error").unlink(missing_ok=True)
    with replacing(folder / "job.json") as temporary:
        temporary.write_text(json.dumps(asdict(job)))
    status = ranks.launch(__spec__.name, [str(folder), kind], gpus, job.threads, words or sys.stderr)
    if status and (folder / "error").is_file():
        raise InputError((folder / "error").read_text())
    if status:
        raise InputError(
            f"models.{job.name}: one of {gpus} processes that trained together was killed or failed, of which its log "
            "has more; the next attempt goes on from the last state"
        )
    result = torch.load(folder / "result", weights_only=True)
    return result["weights"], pd.DataFrame(result["history"])


def _tell_of_shared(job: Job) -> None:
    """Say that images are trained on and validated on, which are alike by where they lie."""
    own, judged = (
        set(zip(rows["path"], rows["image"], strict=True))
        for rows in (tidy.read([listed]) for listed in (job.images, job.validation))
    )
    if shared := len(own & judged):
        words = "models.%s.training.validation: %d of its %d images are trained on as well; take them out of one"
        log.critical(words, job.name, shared, len(judged))


def _train(job: Job, world: World) -> tuple[dict[str, Tensor], pd.DataFrame]:
    """Train in this process, alone or as one of several."""
    preprocessing = Preprocessing(**job.model["preprocessing"])
    objective = build(job)
    workers = max(1, job.threads // world.size)
    images = _images(job, job.images, objective, job.recipe["augmentation"], workers)
    still = {"kind": "none"}
    validation = job.validation and _images(job, job.validation, objective, still, workers)
    cached = images.kept is not None and not images.whole
    if job.recipe["precision"] == "float32":
        torch.backends.cudnn.allow_tf32 = False  # it would round the patch embedding to 10 bits, as in extraction
    how = training.Training(
        objective, job.recipe, preprocessing, job.run["accumulation"], 0 if cached else workers, job.states, world
    )
    try:
        history = training.train(how, images, validation)
    except FloatingPointError as error:
        remedy = f"lower models.{job.name}.training.learning_rate and delete {job.states.folder}"
        raise InputError(f"models.{job.name}: {error}; {remedy}") from error
    except RuntimeError as error:
        if str(error).startswith("DataLoader worker"):
            remedy = f"give the job more memory and room in /dev/shm, or lower models.{job.name}.threads"
            raise InputError(f"models.{job.name}: a process that reads its images was killed; {remedy}") from error
        if not devices.is_memory(error):
            raise
        remedy = "raise training.accumulation, or set training.precision: bfloat16"
        raise InputError(f"models.{job.name}: its training does not fit the GPU's memory; {remedy}") from error
    return weights_of(objective), pd.DataFrame(history)


def build(job: Job) -> training.Objective:
    """The model of a job with its first weights, and what its training makes small."""
    model, recipe = job.model, job.recipe
    torch.manual_seed(recipe["seed"])
    if recipe["recipe"] == "pretrain":
        encoder = architectures.build(model["architecture"], model["arguments"])
        architectures.require_input(encoder, model["preprocessing"]["crop"], exact=True)
        autoencoder = mae.MaskedAutoencoder(encoder, *(recipe["decoder"][key] for key in ("width", "depth", "heads")))
        half = recipe["precision"] == "bfloat16"
        return objectives.Pretraining(autoencoder, recipe["mask_ratio"], recipe["norm_pix_loss"], half)
    dropping = {"drop_path_rate": recipe["drop_path"]} if recipe["drop_path"] else {}
    arguments = dropping | model["arguments"]
    classifier = architectures.build(model["architecture"], arguments, model["num_classes"], model["pooling"])
    architectures.require_input(classifier, model["preprocessing"]["crop"], exact=True)
    if job.initial:
        checkpoints.load_encoder(classifier, *job.initial)
    if recipe["recipe"] == "probe":
        linear_probe.attach(classifier)
        return objectives.Probing(classifier, recipe)
    if job.initial:
        torch.nn.init.trunc_normal_(classifier.head.weight, std=HEAD)
    return objectives.Classification(classifier, recipe, tuned=bool(job.initial))


def weights_of(objective: training.Objective) -> dict[str, Tensor]:
    """What is saved of a trained model."""
    if isinstance(objective, objectives.Pretraining):
        return objective.model.official_state_dict()
    if isinstance(objective, objectives.Probing):
        return linear_probe.classifier(objective.model.state_dict())
    return objective.model.state_dict()


def _images(job: Job, listed: str, objective: training.Objective, how: dict, workers: int) -> feeding.Images:
    """The images of a list, kept in memory where they are few and small."""
    rows, preprocessing = tidy.read([listed]), Preprocessing(**job.model["preprocessing"])
    targets = rows["target"].to_numpy("int64")
    classes = job.model["num_classes"]
    if classes and (wrong := (targets < 0) | (targets >= classes)).any():
        label = rows["label"][wrong.argmax()]
        raise InputError(
            f"{listed}: {label} is none of the {classes} classes of models.{job.name}; train on these alone"
        )
    images = feeding.Images(feeding.Listed(rows), targets, preprocessing, how, job.recipe["seed"], objective.hidden)
    images.keep(feeding.decoded_bytes(rows, how, preprocessing), workers)
    return images


def main(folder: Path, kind: str) -> None:
    """Be one of several processes, of which the first tells how far they are."""
    logs.to_stderr(logging.ERROR if int(os.environ["RANK"]) else logging.INFO)
    ranks.end_with_parent()
    job = Job(**json.loads((folder / "job.json").read_text()))
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    world = ranks.begin(kind, job.run["gpus"])
    try:
        weights, history = _train(job, world)
        if world.rank == 0:
            with replacing(folder / "result") as temporary, open(temporary, "wb") as file:
                torch.save({"weights": weights, "history": history.to_dict("list")}, file)
    except InputError as error:
        with replacing(folder / "error") as temporary:
            temporary.write_text(str(error))
        raise SystemExit(1) from error  # one line says it, that of `run`
    ranks.end()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
