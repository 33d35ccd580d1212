"""What a job asks a cluster for: portable numbers that grow with its work and with each attempt.

Partitions, account and GPU model are the profile's. Measured on the default study and on ViT-B/16; a profile may set
others. Memory is in MB, time in minutes.
"""

import math
from pathlib import Path

from maescope.base import grid
from maescope.study import recipes, sizes
from maescope.study.lookups import LookUps

VIT_B_MB = 350  # weights of a ViT-B in float32
CPU_RATE, GPU_RATE = 1.5e10, 1e13  # floating-point operations per second of a training, of one thread and of one GPU
DECODED = 150  # photographs per second that one thread reads, crops and resizes
DAY = 24 * 60  # minutes that a training asks for at most: what is left takes another attempt


class ClusterRequests:
    """Functions of a job's wildcards, of the attempt and, where it counts, of its input; of one configuration.

    Parameters
    ----------
    slurm : whether jobs are Slurm's, to which several GPUs are told otherwise
    """

    def __init__(self, look: LookUps, slurm: bool = False):
        self.look, self.slurm = look, slurm

    def gpus(self, wildcards) -> int:
        """GPUs of an extraction."""
        return int(self.look.device(wildcards) != "cpu")

    def pixels(self, wildcards) -> int:
        """Of a model's input."""
        return math.prod(grid.sides(self.look.crop(wildcards)))

    def weights_mb(self, wildcards) -> float:
        """Size of a model's weights where they lie on disk, that of a ViT-B's where they do not."""
        path = Path(self.look.models[wildcards.model]["weights"] or "")
        return path.stat().st_size / 1e6 if path.is_file() else VIT_B_MB

    def extraction_mb(self, wildcards, attempt) -> int:
        """torch and a ViT-B, thrice what weights are larger (twice while they are read), 20 MB per image of 224 px."""
        batch = self.look.batch_size(wildcards) * 20 * self.pixels(wildcards) / 224**2
        return attempt * round(4000 + 3 * max(0, self.weights_mb(wildcards) - VIT_B_MB) + batch)

    def extraction_minutes(self, wildcards, attempt) -> int:
        """At least 3000 images of 224 px per minute with a GPU and 300 without, fewer of a model larger than ViT-B."""
        size = self.pixels(wildcards) / 224**2 * max(1, self.weights_mb(wildcards) / VIT_B_MB)
        images = self.look.images_asked(wildcards.dataset) * self.look.levels_of(wildcards.perturbation) * size
        return attempt * round(20 + images / (3000 if self.gpus(wildcards) else 300))

    def training_gpus(self, wildcards) -> int:
        """GPUs of a training."""
        run = self.look.models[wildcards.model]["training_run"]
        return run["gpus"] if run["device"] != "cpu" else 0

    def training_gpu(self, wildcards) -> int:
        """The resource `gpu` of a training; several of Slurm are `training_gres`."""
        gpus = self.training_gpus(wildcards)
        return 0 if self.slurm and gpus > 1 else gpus

    def training_gres(self, wildcards) -> str:
        """Several GPUs for the one task of a training: the profile's ceiling on `gpu` is not theirs."""
        gpus = self.training_gpus(wildcards)
        return f"gpu:{gpus}" if self.slurm and gpus > 1 else ""

    def training_mb(self, wildcards, attempt) -> int:
        """torch in each process, batches that are read ahead, and on a CPU what layers keep for the backward pass."""
        model = self.look.models[wildcards.model]
        training, run = model["training"], model["training_run"]
        part = recipes.together(training, run)  # images
        ahead = 2 * max(model["threads"], run["gpus"]) + 2 * run["gpus"]  # batches
        each = 12e-6 if training["augmentation"]["kind"] == "randaugment" else 3e-6  # MB of a pixel: float32, or bytes
        held = ahead * part * each * self.pixels(wildcards)
        if run["device"] == "cpu":
            held += run["gpus"] * part * sizes.activations_of(model) * 4e-6
        return attempt * round(4000 * run["gpus"] + held)

    def training_minutes(self, wildcards) -> int:
        """Twice what the arithmetic or the reading takes, the slower of both, at most a day; alike at each attempt.

        An attempt goes on where the one before it was ended.
        """
        return min(DAY, self._minutes(wildcards.model))

    def retries(self, models: list[str]) -> int | None:
        """Of trainings on a cluster: as many more as the longest one takes days; Snakemake's elsewhere."""
        most = max(map(self._minutes, models), default=0)
        return 2 + math.ceil(most / DAY) if self.slurm else None

    def _minutes(self, name: str) -> int:
        model = self.look.models[name]
        training, run = model["training"], model["training_run"]
        dataset = self.look.datasets[training["dataset"]]
        each = dataset["count"] or (1300 if recipes.is_large(model) else 150)  # of a label, as in ImageNet
        images = len(dataset["labels"]) * each * training["epochs"]
        rate = CPU_RATE * model["threads"] if run["device"] == "cpu" else GPU_RATE * run["gpus"]
        reading = math.prod(grid.sides(model["preprocessing"]["crop"])) / 224**2 / DECODED / model["threads"]
        return round(20 + 2 * images * max(sizes.training_flops_of(model) / rate, reading) / 60)

    def sampling_minutes(self, wildcards, attempt) -> int:
        """Each picture is read: a thousand of them per minute."""
        return attempt * round(20 + self.look.images_asked(wildcards.dataset) / 1000)

    def quality_minutes(self, wildcards, attempt) -> int:
        """A hundred pictures per minute."""
        return attempt * round(20 + self.look.images_asked(wildcards.dataset) / 100)

    def measuring_mb(self, wildcards, input, attempt) -> int:
        """Python, and a quarter of the token files, of which these measures hold no more at a time."""
        return attempt * round(2000 + input.size_mb / 4)

    def measuring_minutes(self, wildcards, input, attempt) -> int:
        """A gigabyte of token files in ten minutes."""
        return attempt * round(20 + input.size_mb / 100)

    def angles_mb(self, k):
        """A resource: Python, the bases, and the angles of each two of a dataset's labels; `k` tells that of a job."""

        def mb(wildcards, input, attempt) -> int:
            model, labels = self.look.models[wildcards.model], len(self.look.labels(wildcards))
            angles = sizes.angles_of(model, labels, k(wildcards), self.look.every_angle(wildcards))
            return attempt * round(2000 + input.size_mb + 330e-6 * angles)  # 330 bytes each, while they are written

        return mb

    def comparing_mb(self, wildcards, attempt) -> int:
        """Python, a gigabyte of layers, and ten times one layer's tokens of all images in float32."""
        return attempt * round(3000 + self._ten_layers(wildcards))

    def separating_mb(self, wildcards, attempt) -> int:
        """Python, torch for a large probe, and ten times one layer's tokens of all images in float32."""
        return attempt * round(4000 + self._ten_layers(wildcards))

    def _ten_layers(self, wildcards) -> float:
        width = sizes.width_of(self.look.models[wildcards.model]) or 1024
        return 40e-6 * width * self.look.images_asked(wildcards.dataset)


def growing(size: int):
    """A resource that is so large at the first attempt, twice as large at the second, ..."""
    return lambda wildcards, attempt: size * attempt
