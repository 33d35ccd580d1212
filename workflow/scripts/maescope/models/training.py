"""Training by gradient steps: MAE's pretraining, fine-tuning, and from scratch, on one device or several.

The recipes follow He et al. (2022): AdamW, linear warm-up from 0, half a cosine. Every random draw is a function of
the seed and of what it is for: a run is repeated, and goes on from a state, exactly, at the same number of threads.
"""

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from maescope.base import grid, seeds
from maescope.base.errors import InputError
from maescope.base.progress import counting
from maescope.images.reading import Preprocessing
from maescope.models import augmentation, feeding, objectives
from maescope.models.ranks import World
from maescope.models.states import States
from maescope.study import recipes

Objective = objectives.Pretraining | objectives.Classification


@dataclass
class Training:
    """All that a training takes but its data.

    Parameters
    ----------
    objective : with the model that is trained, in place
    recipe : a `training` entry of the configuration, completed by `study.recipes`
    preprocessing : of the model's input
    accumulation : parts of a step that follow each other; None for as many as memory may ask for
    workers : processes that read images
    states : where the state is kept; None keeps none
    """

    objective: Objective
    recipe: dict
    preprocessing: Preprocessing
    accumulation: int | None = None
    workers: int = 0
    states: States | None = None
    world: World = field(default_factory=World)

    def batch_of(self, batch: feeding.Batch, training: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """Images, augmented, normalised and mixed, with targets and visible patches, on the device."""
        how, mean_and_std = self.recipe["augmentation"], (self.preprocessing.mean, self.preprocessing.std)
        on_device = [part.to(self.world.device, non_blocking=True) for part in batch[:4]]
        pixels, numbers, targets, visible = on_device
        images = augmentation.normalised(pixels, *mean_and_std)
        if training and how["kind"] == "affine":
            images = augmentation.affine(images, numbers, how)
        if training:
            images, targets = self.objective.mixed(images, targets, self.seed_of("mixing", batch.step))
        return images, targets, visible

    def seed_of(self, what: str, *which: int) -> int:
        """A seed for what is drawn once for a step, or for a part of it."""
        return seeds.number(self.recipe["seed"], what, *which) % 2**63


def rate(recipe: dict, epochs: float) -> float:
    """Learning rate after so many epochs, whole or not: linear from 0, then half a cosine to the smallest one."""
    peak, least, warm = recipe["learning_rate"], recipe["smallest_learning_rate"], recipe["warmup_epochs"]
    if epochs < warm:
        return peak * epochs / warm
    share = (epochs - warm) / max(recipe["epochs"] - warm, 1e-12)
    return least + (peak - least) * 0.5 * (1 + math.cos(math.pi * share))


def train(training: Training, images: feeding.Images, validation: feeding.Images | None = None) -> list[dict]:
    """Train the model of an objective in place, from its state where there is one.

    Returns
    -------
    one dict an epoch: epoch, loss, learning_rate, flops (of forward passes so far), and what the validation has

    Raises
    ------
    InputError
        naming a picture that cannot be read, a state of another training, or that the job was told to end
    FloatingPointError
        where loss or weights are no numbers; no state has such
    """
    recipe, world, states = training.recipe, training.world, training.states
    how = recipe["batch_size"], recipe["epochs"], recipe["seed"], world.size, training.accumulation
    mixed, most = training.objective.mix is not None, recipes.at_most(recipe)
    order = feeding.Order(len(images), *how, mixed=mixed, most=most, normed=recipe["recipe"] == "probe")
    if validation is not None and len(validation) < world.size:
        there = f"{len(validation)} image{'s' * (len(validation) != 1)}"
        raise InputError(f"training.validation: {there} for {world.size} gpus; give each one at least")
    run = _Run(training, order)
    start = run.take_over(states.take_over() if states else None)
    batches = feeding.stream(images, order.of(world.rank, start), training.workers, world.device.type == "cuda")
    with _told_to_end(world) as told, counting("training", "step", order.steps) as count, closing(batches):
        count(start)
        for step in range(start, order.steps):
            run.step(step, batches)
            ended = (step + 1) % order.per_epoch == 0
            if ended:
                run.end_epoch((step + 1) // order.per_epoch, validation)
            count(1)
            if told.is_set() and step + 1 < order.steps:
                run.stop(step + 1)
            if states and world.rank == 0 and states.due(ended):
                states.save(step + 1, run.state())
    run.finish()
    return run.history


class _Run:
    """What changes while a training runs: weights, optimiser, average, loss of the epoch, history."""

    def __init__(self, training: Training, order: feeding.Order):
        self.training, self.order, self.recipe = training, order, training.recipe
        self.objective, self.world = training.objective, training.world
        self.objective.to(self.world.device).train()
        self.flops = _flops_an_image(training)
        self.parallel = self.world.parallel(self.objective)
        groups = self.objective.groups(self.recipe["weight_decay"])
        self.optimizer = objectives.optimizer(groups, self.recipe)
        self.average = None
        if self.recipe["average"]:
            self.average = {name: value.clone() for name, value in self.objective.state_dict().items()}
        self.total = torch.zeros((), dtype=torch.float64, device=self.world.device)  # of the losses of an epoch's steps
        self.history: list[dict] = []

    def step(self, step: int, batches: Iterator[feeding.Batch]) -> None:
        """One step of AdamW, on the mean of the losses of its parts."""
        training, accumulation = self.training, self.order.parts // self.world.size
        for group in self.optimizer.param_groups:
            group["lr"] = rate(self.recipe, step / self.order.per_epoch) * group["lr_scale"]
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros_like(self.total)
        for number in range(accumulation):
            batch = next(batches)
            images, targets, visible = training.batch_of(batch)
            torch.manual_seed(training.seed_of("dropping", step, batch.part))  # what dropout and drop path draw from
            with self.parallel.no_sync() if self.world.size > 1 and number + 1 < accumulation else nullcontext():
                loss = self.parallel(images, targets, visible) / accumulation
                loss.backward()
            total += loss.detach().double()
        self.total += self.world.mean(total)
        if self.recipe["clip"]:
            nn.utils.clip_grad_norm_(self.objective.parameters(), self.recipe["clip"])
        self.optimizer.step()
        if self.average:
            decay = min(self.recipe["average"], (1 + step) / (10 + step))  # or first weights stay in it for long
            _move_average(self.average, self.objective.state_dict(), decay)

    def end_epoch(self, epoch: int, validation: feeding.Images | None) -> None:
        """A row of the history."""
        loss = self.total.item() / self.order.per_epoch
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} after epoch {epoch}")
        last = rate(self.recipe, epoch - 1 / self.order.per_epoch)
        flops = self.flops * self.order.batch * self.order.per_epoch * epoch
        row = {"epoch": epoch, "loss": loss, "learning_rate": last, "flops": flops}
        if validation is not None:
            with self._averaged():
                row |= _judged(self.training, validation)
        self.history.append(row)
        self.total.zero_()

    def state(self) -> dict:
        """All that another attempt needs beside the configuration."""
        total = self.total.item()
        if not math.isfinite(total):
            raise FloatingPointError(f"the sum of losses is {total}")
        self._require_finite()
        own = {"weights": self.objective.state_dict(), "optimizer": self.optimizer.state_dict()}
        return own | {"average": self.average, "total": total, "history": self.history}

    def take_over(self, state: dict | None) -> int:
        """Go on from a state; how many steps are done."""
        if state is None:
            return 0
        self.objective.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average:
            self.average = {name: value.to(self.world.device) for name, value in state["average"].items()}
        self.total.fill_(state["total"])
        self.history = state["history"]
        return state["step"]

    def stop(self, steps: int) -> None:
        """Save the state and end, as the job was told to."""
        saved = self.training.states.save(steps, self.state()) if self.training.states else False
        rest = "its state is saved, and the next attempt goes on from it" if saved else "no state was saved"
        raise InputError(f"the training was told to end after {steps} of {self.order.steps} steps; {rest}")

    def finish(self) -> None:
        """Leave the model as it is to be used: averaged where that is asked for, on the CPU, in evaluation mode."""
        self._require_finite()
        if self.average:
            self.objective.load_state_dict(self.average)
        self.objective.cpu().eval()

    def _require_finite(self) -> None:
        """The loss says of a step only what the weights were before it."""
        for name, value in self.objective.state_dict().items():
            if not value.isfinite().all():
                raise FloatingPointError(f"{name.removeprefix('model.')} has weights that are no numbers")

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """With the average of the weights in their place."""
        own = self.average and {name: value.clone() for name, value in self.objective.state_dict().items()}
        if self.average:
            self.objective.load_state_dict(self.average)
        yield
        if own:
            self.objective.load_state_dict(own)


def _move_average(average: dict[str, Tensor], weights: dict[str, Tensor], decay: float) -> None:
    """An exponential moving average, in place; what are no floating-point numbers is copied."""
    for name, value in weights.items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)


def _judged(training: Training, images: feeding.Images) -> dict[str, float]:
    """What the objective has of the images that are not trained on: means over all of them."""
    world, size = training.world, 64
    own = range(len(images))[world.rank :: world.size]
    asked = [(0, 0, 0, _indices(own[start : start + size])) for start in range(0, len(own), size)]
    sums: dict[str, Tensor] = {}
    training.objective.eval()
    with closing(feeding.stream(images, asked, 0 if images.kept is not None else training.workers)) as batches:
        for batch in batches:
            for name, value in training.objective.judged(*training.batch_of(batch, training=False)).items():
                sums[name] = sums.get(name, 0) + value
    training.objective.train()
    return {name: (world.sum(value) / len(images)).item() for name, value in sums.items()}


def _indices(numbers: range):
    return torch.tensor(numbers).numpy()


@contextmanager
def _told_to_end(world: World) -> Iterator[threading.Event]:
    """Set once SIGTERM comes, by which Slurm and Snakemake end a job, or Ctrl-C: a step is finished first.

    A second Ctrl-C waits for nothing. Of several processes the first alone stops by itself, so that all others are at
    the same step; these end with it.
    """
    told = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield told
        return

    def hear(number: int, frame: object) -> None:
        if number == signal.SIGINT and told.is_set():
            raise KeyboardInterrupt
        if world.rank == 0:
            told.set()

    before = {word: signal.signal(word, hear) for word in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield told
    finally:
        for word, handler in before.items():
            signal.signal(word, handler)


def _flops_an_image(training: Training) -> float:
    """Floating-point operations of one image's forward pass, to compare what trainings cost."""
    own = next(training.objective.parameters())
    images = torch.zeros(1, 3, *grid.sides(training.preprocessing.crop), device=own.device, dtype=own.dtype)
    _, shown = training.objective.hidden or (0, 0)
    training.objective.eval()  # a batch norm is no wiser for it
    visible = torch.arange(shown, device=training.world.device)[None]
    with FlopCounterMode(display=False) as counter:  # without gradients it fails where a head pools by attention
        training.objective(images, torch.zeros(1, dtype=torch.int64, device=images.device), visible)
    training.objective.train()
    return float(counter.get_total_flops())
