"""What figures, tables and claims look up in a checked configuration: the measures that they gather."""

import json
from collections.abc import Iterable
from itertools import product

from maescope.base.errors import InputError
from maescope.study import sizes
from maescope.study.class_lists import known_list
from maescope.study.lookups import LookUps, listed

# of what a study shows; they lie under it
OWN = ("tsne", "separation", "knn", "out_of_distribution", "patch_components")
LONG = ("accuracy", "alignment", "attention", "features", "shift")  # a row per image or head and level: Parquet
FOLLOWED = 24  # labels at most


class TargetLookUps(LookUps):
    """All that rules ask of a configuration: what `LookUps` says of single jobs, and what is gathered from them."""

    # ---- Trainings

    def training_run(self, wildcards) -> str:
        """How a model is trained, as one line of JSON: device, gpus, accumulation, state_minutes; no weight follows."""
        return json.dumps(self.models[wildcards.model]["training_run"], sort_keys=True)

    def validation_images(self, wildcards) -> str | list:
        """The sampled list of the images that a training is validated on, if there are any."""
        validation = self.training(wildcards)["validation"]
        return self.images_of(validation) if validation else []

    # ---- Measures

    def measured(self, measure: str, models: str | Iterable[str], perturbations: str | Iterable[str]) -> list[str]:
        """Files of a measure of the study's images, each of the models under each of the perturbations that it has."""
        models, perturbations = ([own] if isinstance(own, str) else own for own in (models, perturbations))
        return [self.measure(measure, *pair) for pair in product(models, filter(None, perturbations))]

    def measure(self, measure: str, model: str, perturbation: str, dataset: str | None = None) -> str:
        """The file of one measure, of the study's images if no dataset is named."""
        folder, kind = self.results if measure in OWN else "results", "parquet" if measure in LONG else "csv"
        return f"{folder}/measures/{measure}/{model}/{dataset or self.study['dataset']}/{perturbation}.{kind}"

    def of_layers(self, measure: str, key: str, perturbation: str) -> list[str]:
        """A measure of the model that the study looks at layer by layer, or of the supervised one; none without it."""
        model = self.study["pretrained"] and self.study[key]
        return [self.measure(measure, model, perturbation)] if model else []

    # ---- Words of figures

    @property
    def names(self) -> dict[str, str]:
        """What figures call the labels of the study's dataset, where these are codes."""
        return self.config["names"][self.study["dataset"]]

    def panels(self, perturbation: str | None) -> dict[str, str]:
        """Levels of a perturbation and the titles of their heat maps, the clean images first."""
        entry, titles = self.perturbations.get(perturbation, {"levels": ()}), {"clean": "clean"}
        for level in entry["levels"]:
            if entry["kind"] == "blur":
                titles[level] = (
                    f"{level}: {entry['levels'][level]['kernel']} px, σ {entry['levels'][level]['sigma']:g} px"
                )
            elif level != 0:
                titles[str(level)] = f"{level} % occluded" if entry["kind"] == "occlusion" else str(level)
        return titles

    def seen_as(self, model: str | None, perturbation: str | None) -> str:
        """Which model a figure is of, and how much of the images that model sees."""
        entry = self.perturbations.get(perturbation, {"kind": "clean"})
        masked = f"{100 * entry['ratio']:g} % of patches masked" if entry["kind"] == "mask" else "no patches masked"
        return f"{model}, {masked}"

    # ---- What a study has of what not every study has

    @property
    def told_apart(self) -> bool:
        """Whether models are compared by how well they tell strange images from clean ones."""
        strange = self.degradations or any(self.study[key] for key in ("corruptions", "shifts", "scenes"))
        return bool(self.study["compared"] and strange)

    @property
    def ranked_by_cls(self) -> bool:
        """Whether the study's occlusion ranks patches by what feeds CLS."""
        return self.perturbations.get(self.occlusion, {}).get("rollout") == "cls"

    # ---- What a target cannot do without

    def named(self, key: str):
        """What study.<key> names.

        Raises
        ------
        InputError
            where it names nothing
        """
        if not self.study[key]:
            raise InputError(f"study.{key} is not set, but this target needs it; config/README.md explains it")
        return self.study[key]

    def at_least(self, number: int, key: str) -> list[str]:
        """What study.<key> names, which must be so many."""
        if len(self.study[key]) < number:
            raise InputError(f"study.{key}: this target needs {number} or more; config/README.md explains it")
        return self.study[key]

    def several_labels(self, wildcards) -> list[str]:
        """The labels of a measure that sets classes against each other.

        Raises
        ------
        InputError
            where there is one only
        """
        labels = self.labels(wildcards)
        if len(labels) < 2:
            raise InputError(
                f"datasets.{wildcards.dataset}.labels: 1 label, but this target compares classes: 2 or more"
            )
        return labels

    def masked(self, measure: str):
        """An input: a measure of the pretrained model under the study's mask."""
        return lambda wildcards: self.measure(measure, self.named("pretrained"), self.study["mask"])

    def under(self, key: str, measure: str, model: str):
        """An input: a measure of a model under what study.<key>, blur or occlusion, names; of occlusions the first."""
        return lambda wildcards: self.measure(measure, model, listed(self.named(key))[0])

    def degraded(self, measure: str, models: str | Iterable[str]):
        """An input: a measure under the study's blur and occlusion, of which it needs one."""

        def files(wildcards) -> list[str]:
            if not self.degradations:
                neither = "study.blur, study.occlusion: neither is set, but this target needs one"
                raise InputError(f"{neither}; config/README.md explains them")
            return self.measured(measure, models, self.degradations)

        return files

    def mask_variants(self, wildcards) -> list[str]:
        """The measure of the pretrained model's embeddings under many masks."""
        variants, model = self.named("mask_variants"), self.named("pretrained")
        return [self.measure("mask_invariance", model, variants["perturbation"], variants["dataset"])]

    def compared(self, measure: str, models: list[str]):
        """An input: a measure of the study's clean images, of each of the models compared that has it."""

        def files(wildcards) -> list[str]:
            if not models and self.seen_whole:
                without = ", ".join(self.seen_whole)
                raise InputError(
                    f"study.compared: no CLS token in {without}, which this target is of; add a model with"
                )
            if not models and self.study["compared"]:
                key = f"models.{self.study['compared'][0]}.patch_tokens"
                raise InputError(f"{key}: add clean, or there is nothing to show of {measure}")
            return self.measured(measure, models or self.at_least(1, "compared"), "clean")

        return files

    def alike(self, wildcards) -> list[str]:
        """What CKA compares: clean images of two models, or of one with itself; perturbed ones with clean ones."""
        compared, dataset = self.at_least(1, "compared"), self.study["dataset"]
        pairs = [(a, "clean", b) for number, a in enumerate(compared) for b in compared[: number + 1]]
        pairs += [(model, name, model) for model in self.study["finetuned"] for name in self.degradations]
        return [f"results/measures/cka/{model}/{dataset}/{name}/{other}.csv" for model, name, other in pairs]

    def shuffled(self, measure: str):
        """An input: a measure of each fine-tuned model under all perturbations of kind shuffle."""

        def files(wildcards) -> list[str]:
            names = [name for name, entry in self.perturbations.items() if entry["kind"] == "shuffle"]
            if not names:
                raise InputError(
                    "perturbations: none is of kind shuffle, but this target is of one; add {kind: shuffle}"
                )
            return self.measured(measure, self.study["finetuned"], names)

        return files

    def rankings(self, wildcards) -> list[str]:
        """Accuracies of the first fine-tuned model under every occlusion that it can be shown."""
        cannot = [name for name, entry in self.perturbations.items() if self._beyond(entry, self.models[self.first])]
        names = [
            name for name, entry in self.perturbations.items() if entry["kind"] == "occlusion" and name not in cannot
        ]
        return self.measured("accuracy", self.first, names)

    def _beyond(self, entry: dict, model: dict) -> bool:
        """Whether an occlusion is of CLS, which a model lacks, or takes patches from one that needs all."""
        of_cls = entry.get("rollout") == "cls" and not sizes.has_cls(model)
        return of_cls or (entry.get("fill") == "drop" and sizes.needs_all_patches(model))

    def similar(self) -> list[tuple[tuple[str, str], tuple[str, str]]]:
        """What is compared by several measures, as pairs of model and perturbation: models, and models perturbed."""
        compared = self.study["compared"]
        pairs = [((a, "clean"), (b, "clean")) for number, a in enumerate(compared) for b in compared[:number]]
        finetuned = self.study["finetuned"]
        return pairs + [((model, name), (model, "clean")) for model in finetuned for name in self.degradations]

    def similar_tokens(self, wildcards) -> list[str]:
        """Their tokens."""
        self.at_least(1, "compared")
        return [of["tokens"] for of in self.similar_of(wildcards).values()]

    def similar_of(self, wildcards) -> dict[str, dict]:
        """Of each side of a comparison its model, perturbation, tokens and fingerprint."""
        dataset = self.study["dataset"]
        return {
            f"{model}/{name}": {
                "model": model,
                "perturbation": name,
                "tokens": self.tokens_of(model, dataset, name),
                "config_hash": self.config_hash_of(model, dataset, name),
            }
            for pair in self.similar()
            for model, name in pair
        }

    def figure_3(self, wildcards) -> list[str]:
        """Attention of the models of Figure 3's panels, on the study's images and its scenes, where it names them."""
        models = [self.named("pretrained"), self.study["supervised"], *self.study["finetuned"]]
        datasets = [self.study["dataset"], self.study["scenes"]]
        models, datasets = (dict.fromkeys(filter(None, names)) for names in (models, datasets))
        return [self.measure("attention", model, "clean", dataset) for model, dataset in product(models, datasets)]

    def occlusions(self, wildcards) -> list[str]:
        """Accuracies that Figure 5 draws."""
        self.named("occlusion")
        pairs = [(model, name) for model in self.study["finetuned"] for name in self.occlusions_of(model)]
        return [self.measure("accuracy", *pair) for pair in pairs]

    def corrupted(self, wildcards) -> list[str]:
        """Accuracies of Table II."""
        self.at_least(1, "corruptions")
        models = self.study["corrupted"]
        return self.measured("accuracy", models, ["clean", *self.corruptions_of(models[0])])

    def claimed(self, wildcards) -> list[str]:
        """Accuracies that the paper's claims are held against."""
        return self.measured("accuracy", self.first, ["clean", self.occlusion, *self.corruptions_of(self.first)])

    def judged(self, wildcards) -> list[str]:
        """Accuracies of each fine-tuned model under each condition that it is measured under in other tables."""
        return self.conditions(wildcards, self.at_least(2, "finetuned"), self.study["occlusion"][:1])

    def conditions(self, wildcards, models: list[str] | None = None, occlusions: list[str] | None = None) -> list[str]:
        """Accuracies of each fine-tuned model under each condition that it is measured under."""
        found = []
        for model in models or self.study["finetuned"]:
            names = ["clean", self.blur, *(self.occlusions_of(model) if occlusions is None else occlusions)]
            found += self.measured("accuracy", model, names + self.corruptions_of(model))
        return found

    @property
    def followed(self) -> list[str]:
        """The labels that have images on the study page whose path is followed: a few, from all over the list."""
        labels = self.datasets[self.study["dataset"]]["labels"] if self.degradations else []
        return labels[:: max(1, -(-len(labels) // FOLLOWED))]

    def followed_tokens(self, wildcards) -> list[str]:
        """The tokens that tell of it: of the first fine-tuned model, clean, blurred and occluded."""
        return [self.tokens_of(self.first, self.study["dataset"], name) for name in self.followed_hashes(wildcards)]

    def followed_hashes(self, wildcards) -> dict[str, str]:
        """Of each of these perturbations the fingerprint of its token files."""
        names = ("clean", *self.degradations) if self.degradations else ()
        return {name: self.config_hash_of(self.first, self.study["dataset"], name) for name in names}

    def shifted_lists(self) -> dict[str, str]:
        """imagenet-r, imagenet-a -> the study's shifted dataset that has all of its classes."""
        lists = {known_list(self.datasets[name]["labels"]): name for name in self.study["shifts"]}
        return {name: dataset for name, dataset in lists.items() if name}

    def shifted(self, models: Iterable[str], datasets: Iterable[str]) -> list[str]:
        """Accuracies under distribution shift."""
        return [self.measure("shift", model, "clean", dataset) for model, dataset in product(models, datasets)]

    def shift_datasets(self) -> list[str]:
        """Shifted datasets and those of clean images beside them."""
        return list(dict.fromkeys(name for pair in self.study["shifts"].items() for name in pair))

    def images_known(self) -> str | None:
        """imagenet-1k, where the study's dataset has all of its classes."""
        return known_list(self.datasets[self.study["dataset"]]["labels"])

    @property
    def sees_strange(self) -> list[str]:
        """The models that are shown other images than the study's clean ones anyway: others than tuned ones, scenes."""
        study = self.study
        scenes = study["pretrained"] and study["scenes"] and study["scenes"] != study["dataset"]
        others = [study["pretrained"], study["supervised"]] if scenes else []
        return list(dict.fromkeys([*study["finetuned"], *filter(None, others)]))

    def has_head(self, wildcards) -> bool:
        return bool(self.models[wildcards.model]["num_classes"])

    def strange(self, wildcards) -> dict[str, dict]:
        """The study's clean images, and what is told from them: conditions and other datasets that a model sees anyway.

        Returns
        -------
        name -> tokens, labels and config_hash, and whether they are the study's images, perturbed
        """
        model, study = wildcards.model, self.study
        perturbed = *self.degradations, *self.corruptions_of(model)
        pairs = [(study["dataset"], name) for name in ("clean", *(perturbed if model in study["finetuned"] else ()))]
        others = [*study["shifts"]] if model in study["corrupted"] else []
        others += [study["scenes"]] if study["pretrained"] and study["scenes"] else []
        pairs += [(name, "clean") for name in others if name != study["dataset"]]
        return {
            name if (paired := dataset == study["dataset"]) else f"images of {dataset}": {
                "tokens": self.tokens_of(model, dataset, name),
                "labels": self.datasets[dataset]["labels"],
                "config_hash": self.config_hash_of(model, dataset, name),
                "paired": paired,
            }
            for dataset, name in pairs
        }

    def strange_tokens(self, wildcards) -> list[str]:
        """The tokens of `strange`."""
        return [of["tokens"] for of in self.strange(wildcards).values()]

    def every_angle(self, wildcards) -> bool:
        """Whether all angles between each two of a dataset's labels are kept, or of all but the smallest quantiles."""
        asked = self.analysis["subspace"]["every_angle"]
        return len(self.labels(wildcards)) <= sizes.EVERY_ANGLE if asked is None else asked

    def judged_by(self, wildcards) -> str | list:
        """The sampled list of the study's images, where those of this dataset vote for their classes."""
        return self.images_of(self.study["dataset"]) if wildcards.dataset == self.study["reference"] else []

    def reference_tokens(self, wildcards) -> str | list:
        """The tokens of the images that vote for the classes of the study's; none where there are none."""
        name = self.study["reference"]
        asked = name is not None and wildcards.dataset == self.study["dataset"]
        return self.tokens_of(wildcards.model, name, wildcards.perturbation) if asked else []

    def voting_tokens(self, wildcards) -> str | list:
        """The same, of a measure that is of nothing else."""
        self.named("reference")
        return self.reference_tokens(wildcards)

    def reference_hash(self, wildcards) -> str | None:
        name = self.study["reference"]
        return name and self.config_hash_of(wildcards.model, name, wildcards.perturbation)

    def published(self, table: str) -> list[str]:
        """The paper's own table, where the study is to be set beside it."""
        return [f"{self.study['paper']}/{table}.csv"] if self.study["paper"] else []

    def used(self) -> list[str]:
        """The models that the study names, in the order of the configuration."""
        study = self.study
        names = {study["pretrained"], study["supervised"], study["heads"], *self.trained}
        names |= {*study["finetuned"], *study["corrupted"], *study["compared"]}
        names |= {model for entry in study["sweep"] for model in (*entry["pretrained"], *entry["finetuned"])}
        return [model for model in self.models if model in names]

    def weights_used(self, wildcards) -> list[str]:
        """The files of weights of the models that the study names."""
        return [path for model in self.used() if (path := self.weights_of(model))]
