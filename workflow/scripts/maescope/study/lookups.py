"""What the jobs of a model, a dataset and a perturbation look up in a checked configuration; nothing here runs.

A method whose only argument is `wildcards` is an input or a param of a rule as it is; the others take names.
"""

import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path, PurePath
from types import SimpleNamespace

from maescope.base import provenance
from maescope.base.errors import InputError
from maescope.study import crops, image_sources, sample_sizes, sizes
from maescope.study.class_lists import in_list
from maescope.study.completion import corruptions_there
from maescope.study.weight_files import weights_file

# of a model: they change no token
HOW = ("batch_size", "device", "threads", "patch_tokens", "url", "sha256", "training_run")
NOTHING = "(?!)"  # a pattern that nothing matches


def pattern(names: Iterable[str]) -> str:
    """Names as a pattern for a wildcard."""
    return "|".join(names) or NOTHING


def in_order(value):
    """Settings with keys in an order of their own: to write them in another one makes nothing again."""
    if isinstance(value, dict):
        return {key: in_order(value[key]) for key in sorted(value)}
    return value


def listed(files: str | list[str]) -> list[str]:
    """What an input has: one file, several or none."""
    return [files] if isinstance(files, str) else files


@cache
def written_with(path: str) -> str | None:
    """The small file that the workflow writes together with a large one; None for what it does not make."""
    place = PurePath(path)
    if place.suffix == ".h5":
        return f"{place.parent}.csv"
    beside = {"results/models": ".loss.csv", "results/images": ".skipped.csv"}.get(str(place.parent))
    return beside and str(place.with_suffix(beside))


class LookUps:
    """A configuration, as `settings.check` has it, and what is asked of it."""

    def __init__(self, config: dict):
        self.config, self.seed = config, config["seed"]
        self.study, self.analysis = config["study"], config["analysis"]
        self.datasets, self.models = config["datasets"], config["models"]
        self.perturbations = config["perturbations"]
        self.results = f"results/{self.study['name']}"
        self.intervals = {key: self.analysis[key] for key in ("resamples", "confidence")} | {"seed": self.seed}
        self.asked: dict[str, list[dict]] = {}  # what the measures of this run ask of the sample of each dataset
        self.trained = [name for name, model in self.models.items() if model["training"]]
        self.pretrained_here = self.trained_by("pretrain")
        self.first = self.study["finetuned"][0]
        self.blur, self.occlusion = self.study["blur"], next(iter(self.study["occlusion"]), None)
        self.degradations = [name for name in (self.blur, self.occlusion) if name]
        on_all_patches = [model for model in self.models if "clean" in self.models[model]["patch_tokens"]]
        self.on_all_patches = pattern(on_all_patches)  # models whose clean images' patches are all kept
        self.seen_whole = [model for model in self.study["compared"] if model in on_all_patches]
        self.without_cls = [model for model in self.models if not sizes.has_cls(self.models[model])]
        self.seen_by_cls = [model for model in self.seen_whole if model not in self.without_cls]
        chosen_from = "labels" if self.analysis["among"] == "labels" else "classes"
        self.outputs = self.datasets[self.study["dataset"]]["classes"] or []
        self.choices = len(self.datasets[self.study["dataset"]][chosen_from] or [])

    # ---- Names for wildcards

    def trained_by(self, recipe: str) -> list[str]:
        """The models that the workflow trains by a recipe."""
        return [name for name in self.trained if self.models[name]["training"]["recipe"] == recipe]

    def with_head(self) -> str:
        """The models that classify, as a pattern."""
        return pattern(name for name, model in self.models.items() if model["num_classes"])

    def of_kind(self, kind: str) -> str:
        """The perturbations of a kind, as a pattern."""
        return pattern(name for name, entry in self.perturbations.items() if entry["kind"] == kind)

    # ---- Datasets

    def made(self, wildcards) -> list[str]:
        """The folder of pictures that the workflow itself makes for a dataset, if it does."""
        folders = [f"results/data/{part}" for part in ("digits/train", "digits/test", "scenes")]
        own = self.datasets[wildcards.dataset]
        places = [f"{place}/" for place in (image_sources.place(own), own.get("root", ""))]
        return [path for path in folders if any(place.startswith(f"{path}/") for place in places)]

    def listing(self, wildcards) -> str | list:
        """The list that names a dataset's images, where it has one.

        Raises
        ------
        InputError
            where it is not there, and the workflow does not make it
        """
        file = self.datasets[wildcards.dataset].get("list", [])
        if file and not Path(file).is_file() and not file.startswith("results/"):
            raise InputError(f"datasets.{wildcards.dataset}.list: there is no file {file}; correct the path")
        return file

    def dataset(self, wildcards) -> dict:
        return self.datasets[wildcards.dataset]

    def listed(self, wildcards) -> str | None:
        """Where the first label stands in the file that a dataset's labels are read from; None where not all are."""
        own, file = self.datasets[wildcards.dataset], self.config["lists"].get(wildcards.dataset)
        return in_list(file, own["labels"][0]).removeprefix(": ") if file and own["labels"] == own["classes"] else None

    def labels(self, wildcards) -> list[str]:
        return self.datasets[wildcards.dataset]["labels"]

    def classes(self, wildcards) -> list[str] | None:
        return self.datasets[wildcards.dataset]["classes"]

    def shown(self, wildcards) -> list[str]:
        """The labels that t-SNE shows: the study's, or the first three."""
        labels = self.labels(wildcards)
        return [label for label in self.study["tsne"]["labels"] or [] if label in labels] or labels[:3]

    def images_of(self, dataset: str) -> str:
        """The sampled list of a dataset's images."""
        return f"results/images/{dataset}.csv"

    def sampled(self, wildcards) -> str:
        return self.images_of(wildcards.dataset)

    def open_ended(self, dataset: str) -> bool:
        """Whether only sampling tells how many images each label has."""
        return self.datasets[dataset]["count"] is None or self.datasets[dataset]["allow_fewer"]

    def asked_of_sample(self, wildcards) -> str | None:
        """What this run asks of the numbers of images that sampling found, as one line of JSON; None for nothing."""
        asked = self.asked.get(wildcards.dataset)
        return json.dumps(asked, ensure_ascii=False) if asked else None

    def check_sample(self, wildcards) -> str | list:
        """The check of a sample against the study, where only sampling tells how large it is, or whose images vote."""
        asked = self.open_ended(wildcards.dataset) or wildcards.dataset == self.study["reference"]
        return f"results/check_sample/{wildcards.dataset}.json" if asked else []

    def asking(self, measure: str, files: Callable) -> Callable:
        """The input of a measure that needs so many images: held against those of a sample, now or by its check."""

        def own(wildcards):
            self.require_enough(measure, wildcards)
            return files(wildcards)

        return own

    def require_enough(self, measure: str, wildcards) -> None:
        """A sample that is there already, and would be drawn again as it is, must be enough for a measure.

        Raises
        ------
        InputError
            naming the keys and the numbers
        """
        dataset = wildcards.dataset
        if not self.open_ended(dataset):
            return
        asked = self.asked.setdefault(dataset, [])
        demands = sample_sizes.asked(measure, wildcards.model, dataset, wildcards.perturbation, self.config)
        new = [demand for demand in demands if demand not in asked]
        path = self.images_of(dataset)
        if new and self._stays(dataset, path):
            sample_sizes.require(sample_sizes.counted(path), new, path)
        asked += new

    def _stays(self, dataset: str, path: str) -> bool:
        """Whether a sample is there and would be drawn again as it is."""
        record = provenance.recorded(path) if Path(path).is_file() else None
        now, listed = {"dataset": self.datasets[dataset], "seed": self.seed}, self.datasets[dataset].get("list")
        same = record is not None and all(record["settings"].get(key) == value for key, value in now.items())
        return same and (listed is None or provenance.made_from(listed, path))

    def images_asked(self, dataset: str) -> int:
        """How many images a dataset has at most; a label without a count may have 150, as in ImageNet-R."""
        return len(self.datasets[dataset]["labels"]) * (self.datasets[dataset]["count"] or 150)

    def largest_resize(self, wildcards) -> int:
        """The largest shorter side in pixels that models which see a dataset have its pictures brought to."""
        variants = self.study["mask_variants"] or {}
        shown = [self.study["dataset"], self.study["scenes"], variants.get("dataset"), *self.shift_datasets()]
        seeing = self.used() if wildcards.dataset in shown else []
        training = {model: self.models[model]["training"] for model in self.trained}
        seeing += [name for name, how in training.items() if wildcards.dataset in (how["dataset"], how["validation"])]
        return max(self.resize(seeing or self.models).values())

    # ---- Models

    def content(self, wildcards) -> dict:
        """A model's entry without what changes no token, as how fast it runs: editing that makes nothing again."""
        return {key: value for key, value in self.models[wildcards.model].items() if key not in HOW}

    def architecture_of(self, model: str) -> dict:
        """What it takes to build a model and prepare its input."""
        keys = ("architecture", "arguments", "num_classes", "pooling", "preprocessing")
        return in_order({key: self.models[model][key] for key in keys})

    def architecture(self, wildcards) -> dict:
        return self.architecture_of(wildcards.model)

    def training(self, wildcards) -> dict:
        return in_order(self.models[wildcards.model]["training"])

    def preprocessing(self, wildcards) -> dict:
        return self.models[wildcards.model]["preprocessing"]

    def crop(self, wildcards) -> int | list[int]:
        """A model's input in pixels: its side, or height and width."""
        return self.models[wildcards.model]["preprocessing"]["crop"]

    def is_small(self, model: str) -> bool:
        """Whether corruptions are generated with the parameters of small pictures."""
        return crops.is_small(self.models[model]["preprocessing"]["crop"])

    def resize(self, models: Iterable[str]) -> dict[str, int]:
        """Shorter side in pixels that each of some models has pictures brought to."""
        return {model: self.models[model]["preprocessing"]["resize"] for model in models}

    def same_crop(self) -> list[str]:
        """The fine-tuned models whose input is cut out of a picture as that of the first is."""
        cuts = {
            model: [
                self.models[model]["preprocessing"].get(key) for key in ("resize", "crop", "interpolation", "squash")
            ]
            for model in self.study["finetuned"]
        }
        return [model for model in cuts if cuts[model] == cuts[self.first]]

    def without_seed(self, model: str, written: dict) -> str:
        """The name that a model has in the configuration as written; of an entry with several seeds, the entry's."""
        return model if model in written else model.rpartition("-")[0]

    def weights_of(self, model: str) -> str | list:
        """The file that holds a model's weights; none for one from the hub's cache."""
        return weights_file(model, self.models[model]["weights"]) or []

    def weights(self, wildcards) -> str | list:
        return self.weights_of(wildcards.model)

    def initial(self, wildcards) -> str | list:
        """The weights that a fine-tuning starts from."""
        return self.weights_of(self.training(wildcards)["initial"])

    def initial_sha256(self, wildcards) -> str:
        """What the digest of those weights must be."""
        initial = self.training(wildcards)["initial"]
        return (initial and self.models[initial]["sha256"]) or "any"

    def initial_key(self, wildcards) -> str | None:
        """Which of the weights in that file are meant, where it has several."""
        initial = self.training(wildcards)["initial"]
        return initial and self.models[initial].get("weights_key")

    def training_images(self, wildcards) -> str:
        return self.images_of(self.training(wildcards)["dataset"])

    def threads(self, wildcards) -> int:
        return self.models[wildcards.model]["threads"]

    def device(self, wildcards) -> str:
        return self.models[wildcards.model]["device"]

    def batch_size(self, wildcards) -> int:
        return self.models[wildcards.model]["batch_size"]

    def sha256(self, wildcards) -> str:
        """What a weights file's digest must be."""
        return self.models[wildcards.model]["sha256"] or "any"

    def downloads(self) -> dict:
        """Where each model that is not trained here comes from."""
        keys = ("weights", "url", "sha256", "weights_key")
        from_elsewhere = {name: model for name, model in self.models.items() if name not in self.trained}
        return {name: {key: model[key] for key in keys if key in model} for name, model in from_elsewhere.items()}

    def check(self, wildcards) -> str | list:
        """The check of a model whose weights come from elsewhere; one that was trained here is whole."""
        return [] if self.training(wildcards) else f"results/check_model/{wildcards.model}.json"

    def check_labels(self, wildcards) -> str | list:
        """The check of a head from elsewhere against the labels of a dataset, where both are of as many classes."""
        model, classes = self.models[wildcards.model], self.classes(wildcards) or []
        asked = not model["training"] and len(classes) == model["num_classes"] > 0
        return f"results/check_labels/{wildcards.model}/{wildcards.dataset}.json" if asked else []

    # ---- Perturbations

    def perturbation(self, wildcards) -> dict:
        return self.perturbations[wildcards.perturbation]

    def levels_of(self, perturbation: str) -> int:
        """How many levels a perturbation has."""
        entry = self.perturbations[perturbation]
        return entry.get("masks") or len(entry.get("levels") or ["clean"])

    def stores_patches(self, wildcards) -> bool:
        """Whether every patch token is stored; of images that vote none is."""
        asked = wildcards.perturbation in self.models[wildcards.model]["patch_tokens"]
        return asked and wildcards.dataset != self.study["reference"]

    def sources(self) -> dict[str, dict[str, str]]:
        """Of the study's corruptions: which of the fifteen, and where its images come from."""
        found = {}
        for name in self.study["corruptions"]:
            entry = self.perturbations[name]
            overlay = {"frost": ", photographs" if entry["frost"] else ", synthetic"}.get(entry["name"], "")
            found[name] = {
                "corruption": entry["name"],
                "source": "files" if entry["folder"] else f"generated{overlay}",
            }
        return found

    def occlusions_of(self, model: str) -> list[str]:
        """The perturbations that Figure 5 measures of a model: occlusion and, of some models, its controls."""
        return self.study["occlusion"] if model in self.study["controlled"] else self.study["occlusion"][:1]

    def corruptions_of(self, model: str) -> list[str]:
        """The corruptions that Table II measures of a model, those of which any severity is there; asked by a job."""
        asked = self.study["corruptions"] if model in self.study["corrupted"] else []
        return corruptions_there(asked, self.perturbations)

    # ---- Tokens

    def tokens(self, wildcards) -> str:
        """The list of a job's token files, which lie in the folder of its name; it is there once all of them are."""
        return self.tokens_of(wildcards.model, wildcards.dataset, wildcards.perturbation)

    def tokens_with_cls(self, wildcards) -> str:
        """Those of a model that has a CLS token.

        Raises
        ------
        InputError
            naming one that has none
        """
        if wildcards.model in self.without_cls:
            name = self.models[wildcards.model]["architecture"]
            raise InputError(f"models.{wildcards.model}: {name} has no CLS token, whose attention this target is of")
        return self.tokens(wildcards)

    def tokens_of(self, model: str, dataset: str, perturbation: str) -> str:
        return f"results/tokens/{model}/{dataset}/{perturbation}.csv"

    def clean_tokens(self, wildcards) -> str:
        return self.tokens_of(wildcards.model, wildcards.dataset, "clean")

    def other_tokens(self, wildcards) -> str:
        """The clean tokens of the other model of CKA."""
        return self.tokens_of(wildcards.other, wildcards.dataset, "clean")

    def images(self, wildcards) -> str:
        """The sampled list of images; a job's corruption must be there or possible."""
        corruptions_there([wildcards.perturbation], self.perturbations)
        crops.require_corrupted(
            wildcards.perturbation, self.perturbation(wildcards), wildcards.model, self.crop(wildcards)
        )
        return self.images_of(wildcards.dataset)

    def images_compared(self, wildcards) -> str:
        """The sampled list of images whose crops are compared by SSIM."""
        crops.require_ssim(wildcards.model, self.crop(wildcards))
        return self.images_of(wildcards.dataset)

    def rollout(self, wildcards) -> str | list:
        """The clean tokens, for perturbations that rank patches by them."""
        entry = self.perturbation(wildcards)
        ranked = entry["kind"] == "occlusion" and entry["order"] in ("most", "least") and entry["rollout"] != "gradient"
        return self.clean_tokens(wildcards) if ranked else []

    def config_hash_of(self, model: str, dataset: str, perturbation: str) -> str:
        """Fingerprint of all settings that decide what is in a token file."""
        of = SimpleNamespace(model=model, dataset=dataset, perturbation=perturbation)
        settings = self.content(of), self.stores_patches(of), self.dataset(of), self.perturbation(of)
        return provenance.fingerprint(self.seed, *settings, dataset, perturbation)

    def config_hash(self, wildcards) -> str:
        return self.config_hash_of(wildcards.model, wildcards.dataset, wildcards.perturbation)

    def clean_hash(self, wildcards) -> str:
        return self.config_hash_of(wildcards.model, wildcards.dataset, "clean")

    def other_hash(self, wildcards) -> str:
        return self.config_hash_of(wildcards.other, wildcards.dataset, "clean")
