"""What the rules look up of a sweep over mask ratios and patch sizes: study.sweep."""

from maescope.study import sizes
from maescope.study.completion import corruptions_there
from maescope.study.target_lookups import TargetLookUps


class Sweep:
    """The models of study.sweep, each with its setting: `swept` are pretrained, `tuned` have a head."""

    def __init__(self, look: TargetLookUps):
        self.look = look
        self.swept, self.tuned = (
            [{"model": model} | self._setting(entry) for entry in look.study["sweep"] for model in entry[key]]
            for key in ("pretrained", "finetuned")
        )
        self.decoded = [  # of weights from elsewhere there is no decoder
            one for one in self.swept if one["model"] in look.pretrained_here
        ]

    def _setting(self, entry: dict) -> dict:
        """Mask, ratio and patch size of an entry."""
        patch = [sizes.patch_size_of(self.look.models[model]) for model in entry["pretrained"]]
        return {
            "mask": entry["mask"],
            "ratio": self.look.perturbations[entry["mask"]]["ratio"],
            "patch": patch[0],
        }

    def settings(self) -> list[dict]:
        """Model, ratio and patch size of each."""
        return [{key: one[key] for key in ("model", "ratio", "patch")} for one in self.swept + self.tuned]

    def families(self) -> dict[str, str]:
        """What fine-tuned models are measured under -> the family that it belongs to; asked by a job."""
        families = {"clean": "clean", self.look.blur: "blur", self.look.occlusion: "occlusion"}
        families.pop(None, None)
        there = corruptions_there(self.look.study["corruptions"], self.look.perturbations)
        return families | dict.fromkeys(there, "corruption")

    def accuracies(self, wildcards) -> list[str]:
        return self.look.measured("accuracy", [one["model"] for one in self.tuned], self.families())

    def measured(self, measure: str, models: list[dict] | None = None, perturbation: str | None = None):
        """An input: a measure of the sweep's models on the study's images, each under its own mask or all under one."""
        own = self.swept if models is None else models
        return lambda wildcards: (
            self.look.named("sweep")
            and [self.look.measure(measure, one["model"], perturbation or one["mask"]) for one in own]
        )
