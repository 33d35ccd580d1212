# What every stage needs: the checked configuration, the library as rule inputs, and a few look-ups in the configuration.

import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

LIBRARY = {
    name: workflow.source_path(f"../scripts/maescope/{name}.py")
    for name in (
        "__init__ accuracy alignment atomic attention beit beyondplots chance checks claims class_attention cluster "
        "comparison conventions corrupted corruptions downloads errors extraction features finalnorm folders forward "
        "geometry grid heads heap imagenet images information invariance layerplots layersettings layertables logs mae "
        "models names overview perturb plots points probes progress projection provenance quality rank "
        "reconstructions replicates seeds sensitivity sensitivityplots settings shifts similarity sources spectrum stats "
        "store subspaces sweep sweepclaims sweepplots sweepsettings sweeptables tables tidy training verify yamlkeys"
    ).split()
}
sys.path.insert(0, str(Path(LIBRARY["settings"]).parent.parent))

from maescope import layersettings, provenance, settings, sources, yamlkeys
from maescope.errors import InputError

for file in workflow.configfiles:
    for words in yamlkeys.repeated(Path(file).read_text()):
        raise WorkflowError(f"{file}: {words}")

try:
    CONFIG = settings.check(
        config, yaml.safe_load(Path(workflow.source_path("../schemas/config.schema.yaml")).read_text())
    )
except InputError as error:
    raise WorkflowError(str(error)) from None

SEED, STUDY = CONFIG["seed"], CONFIG["study"]
DATASETS, MODELS, PERTURBATIONS = CONFIG["datasets"], CONFIG["models"], CONFIG["perturbations"]
RESULTS = f"results/{STUDY['name']}"
INTERVALS = {"resamples": CONFIG["analysis"]["resamples"], "confidence": CONFIG["analysis"]["confidence"], "seed": SEED}


wildcard_constraints:
    model="|".join(MODELS),
    dataset="|".join(DATASETS),
    perturbation="|".join(PERTURBATIONS),


def library(script):
    """A script, the library modules that it imports, and those they import: its rule runs again if one is edited."""
    path = workflow.source_path(f"../scripts/{script}.py")
    return [path, *sources.closure(path, LIBRARY)]


def trained_as(recipe):
    """Names of the models that the workflow trains by a recipe, as a pattern for a wildcard."""
    names = [name for name, model in MODELS.items() if model["training"] and model["training"]["recipe"] == recipe]
    return "|".join(names) or "(?!)"


def with_head():
    """Names of the models that classify, as a pattern for a wildcard."""
    return "|".join(name for name, model in MODELS.items() if model["num_classes"])


def of_kind(kind):
    """Names of the perturbations of a kind, as a pattern for a wildcard."""
    return "|".join(name for name, entry in PERTURBATIONS.items() if entry["kind"] == kind) or "(?!)"


def images_of(dataset):
    """The sampled list of a dataset's images."""
    return f"results/images/{dataset}.csv"


def listed(dataset):
    """An input: the sampled list of images; the tree of a job's corruption must be there as well."""

    def there(wildcards):
        settings.corruptions_there([wildcards.perturbation], PERTURBATIONS)
        return images_of(dataset)

    return there


def weights_of(model):
    """The file that holds a model's weights; none for one from the hub's cache."""
    return settings.weights_file(model, MODELS[model]["weights"]) or []


def check_of(wildcards):
    """The check of a model whose weights come from elsewhere; one that was trained here is whole."""
    return [] if MODELS[wildcards.model]["training"] else f"results/check_model/{wildcards.model}.json"


def check_of_labels(dataset):
    """An input: the check of a head from elsewhere against the labels of a dataset, where both are of as many classes."""

    def check(wildcards):
        model, classes = MODELS[wildcards.model], DATASETS[dataset]["classes"] or []
        asked = not model["training"] and len(classes) == model["num_classes"] > 0
        return f"results/check_labels/{wildcards.model}/{dataset}.json" if asked else []

    return check


def tokens_of(dataset, labels=None):
    """Token files of a dataset, or of some of its labels, {model} and {perturbation} left open."""
    return expand(
        "results/tokens/{{model}}/{dataset}/{{perturbation}}/{label}.h5",
        dataset=dataset,
        label=labels or DATASETS[dataset]["labels"],
    )


def config_hash(model, dataset, perturbation):
    """Fingerprint of all settings that decide what is in a token file."""
    entries = content_of(model), stores_patches(model, perturbation), DATASETS[dataset], PERTURBATIONS[perturbation]
    return provenance.fingerprint(SEED, *entries, dataset, perturbation)


def crop_of(model):
    """How a model's input is cut out of a picture."""
    return {key: MODELS[model]["preprocessing"][key] for key in ("resize", "crop", "interpolation")}


def content_of(model):
    """A model's entry without what changes no token, as how fast it runs: editing that makes nothing again."""
    others = ("batch_size", "device", "threads", "patch_tokens", "url", "sha256")
    return {key: value for key, value in MODELS[model].items() if key not in others}


def stores_patches(model, perturbation):
    """Whether every patch token is stored."""
    return perturbation in MODELS[model]["patch_tokens"]


def needs_rollout(perturbation):
    """Whether a perturbation ranks patches by the rollout of the clean image."""
    entry = PERTURBATIONS[perturbation]
    return entry["kind"] == "occlusion" and entry["order"] != "random"


TRAINED = [name for name, model in MODELS.items() if model["training"]]
PRETRAINED_HERE = [name for name in TRAINED if MODELS[name]["training"]["recipe"] == "pretrain"]


def without_seed(model):
    """The name that a model has in the configuration; one that is not there is of an entry with several seeds."""
    return model if model in config["models"] else model.rpartition("-")[0]


def made_by_workflow(dataset):
    """The folder of pictures that the workflow itself makes for a dataset, if it does."""
    folders = [f"results/data/{part}" for part in ("digits/train", "digits/test", "scenes")]
    return [folder for folder in folders if DATASETS[dataset]["pattern"].startswith(f"{folder}/")]


def architecture_of(model):
    """What it takes to build a model and prepare its input."""
    keys = ("architecture", "arguments", "num_classes", "pooling", "preprocessing")
    return {key: MODELS[model][key] for key in keys}


def hash_of(dataset, perturbation=None):
    """A param: the fingerprint that token files of a dataset must carry, of the job's perturbation or a given one."""
    return lambda wildcards: config_hash(wildcards.model, dataset, perturbation or wildcards.perturbation)


def clean_tokens_of(dataset):
    """Token files of the clean images of the job's model."""
    return [path.replace("{perturbation}", "clean") for path in tokens_of(dataset)]


def rollout_of(dataset):
    """An input: the clean token files, for perturbations that rank patches by them."""
    return lambda wildcards: (
        expand(clean_tokens_of(dataset), model=wildcards.model) if needs_rollout(wildcards.perturbation) else []
    )


def tables(name):
    """The formats of a table."""
    return {suffix: f"{RESULTS}/tables/{name}.{suffix}" for suffix in ("csv", "tex", "md")}


def published(table):
    """The paper's own table, where the study is to be set beside it."""
    return [f"{STUDY['paper']}/{table}.csv"] if STUDY["paper"] else []


def panels(perturbation):
    """Levels of a perturbation and the titles of their heat maps, the clean images first."""
    entry = PERTURBATIONS[perturbation]
    unit = " %" if entry["kind"] == "occlusion" else ""
    return {"clean": "clean"} | {str(level): f"{level}{unit}" for level in entry["levels"] if level != 0}


def source_of(perturbation):
    """Of a perturbation of kind corruption: which of the fifteen, and where its images come from."""
    entry = PERTURBATIONS[perturbation]
    overlay = {"frost": ", photographs" if entry["frost"] else ", synthetic"}.get(entry["name"], "")
    return {"corruption": entry["name"], "source": "files" if entry["folder"] else f"generated{overlay}"}


def occlusions_of(model):
    """The perturbations that Figure 5 measures of a model: occlusion and, of some models, its controls."""
    return STUDY["occlusion"] if model in STUDY["controlled"] else STUDY["occlusion"][:1]


def corruptions_of(model):
    """The corruptions that Table II measures of a model, those of which any severity is there; asked by a job."""
    return settings.corruptions_there(STUDY["corruptions"] if model in STUDY["corrupted"] else [], PERTURBATIONS)


def of_layers(measure, key, perturbation):
    """A measure of the model that the study looks at layer by layer, or of the supervised one; none if it has none."""
    model = STUDY["pretrained"] and STUDY[key]
    return f"results/measures/{measure}/{model}/{STUDY['dataset']}/{perturbation}.csv" if model else []


def claims_file():
    """The paper's claims: those of the study's folder, else the project's own."""
    return f"{STUDY['paper']}/claims.csv" if STUDY["paper"] else workflow.source_path("../../config/paper/claims.csv")


SHIFT_DATASETS = list(dict.fromkeys(name for pair in STUDY["shifts"].items() for name in pair))
SHIFTED_LISTS = {settings.known_list(DATASETS[name]["labels"]): name for name in STUDY["shifts"]}
SHIFTED_LISTS.pop(None, None)


def named(key):
    """What study.<key> names, which the rule that asks cannot do without."""
    if not STUDY[key]:
        raise WorkflowError(f"study.{key} is not set, but this target needs it; config/README.md explains it")
    return STUDY[key]


def masked(measure):
    """An input: a measure of the pretrained model under the study's mask."""
    return lambda wildcards: f"results/{measure}/{named('pretrained')}/{STUDY['dataset']}/{STUDY['mask']}.csv"


def shown(dataset):
    """The labels of a dataset that t-SNE shows: the study's, or the first three."""
    labels = DATASETS[dataset]["labels"]
    return [label for label in STUDY["tsne"]["labels"] or [] if label in labels] or labels[:3]


def attention_of(key):
    """Models or datasets of Figure 3's panels, those that the study names."""
    names = {"models": [STUDY["pretrained"], STUDY["supervised"], *STUDY["finetuned"]]}
    names["datasets"] = [STUDY["dataset"], STUDY["scenes"]]
    return list(dict.fromkeys(filter(None, names[key])))


def mask_variants(wildcards):
    """An input: the measure of the pretrained model's embeddings under many masks."""
    variants = named("mask_variants")
    return (
        f"results/measures/mask_invariance/{named('pretrained')}/{variants['dataset']}/{variants['perturbation']}.csv"
    )


COMPARED = STUDY["compared"]


def beyond(measure, models):
    """An input: measures of the study's clean images, one a model."""

    def measures(wildcards):
        if not models and COMPARED:
            raise WorkflowError(
                f"models.{COMPARED[0]}.patch_tokens: add clean, or there is nothing to show of {measure}"
            )
        return expand(
            f"results/measures/{measure}/{{model}}/{STUDY['dataset']}/clean.csv",
            model=models or at_least(1, "compared"),
        )

    return measures


def at_least(number, key):
    """What study.<key> names, which must be so many."""
    if len(STUDY[key]) < number:
        raise WorkflowError(f"study.{key}: this target needs {number} or more; config/README.md explains it")
    return STUDY[key]


def judged():
    """Each fine-tuned model with each condition that its accuracy is measured under in other tables."""
    always = ["clean", STUDY["blur"], STUDY["occlusion"][0]]
    return [(model, name) for model in at_least(2, "finetuned") for name in [*always, *corruptions_of(model)]]
