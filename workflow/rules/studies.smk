# What the sweep and the conventions look up in the configuration.

from maescope import conventions

# ---- The sweep: study.sweep


def setting_of(entry):
    """Mask, ratio and patch size of an entry of study.sweep."""
    sizes = [layersettings.patch_size_of(MODELS[model]) for model in entry["pretrained"]]
    return {"mask": entry["mask"], "ratio": PERTURBATIONS[entry["mask"]]["ratio"], "patch": sizes[0]}


SWEPT, TUNED = (
    [{"model": model} | setting_of(entry) for entry in STUDY["sweep"] for model in entry[key]]
    for key in ("pretrained", "finetuned")
)
DECODED = [one for one in SWEPT if one["model"] in PRETRAINED_HERE]  # of weights from elsewhere there is no decoder


def judged_in_sweep():
    """The fine-tuned models with what each is measured under and which family it belongs to; asked by a job."""
    families = {"clean": "clean", STUDY["blur"]: "blur", STUDY["occlusion"][0]: "occlusion"}
    families |= dict.fromkeys(settings.corruptions_there(STUDY["corruptions"], PERTURBATIONS), "corruption")
    return [one | {"perturbation": name, "family": family} for one in TUNED for name, family in families.items()]


def of_sweep(measure, models=None, perturbation=None):
    """An input: a measure of the sweep's models on the study's images, each under its own mask or all under one."""
    return lambda wildcards: [
        f"results/measures/{measure}/{one['model']}/{STUDY['dataset']}/{perturbation or one['mask']}.csv"
        for one in (named("sweep") and (SWEPT if models is None else models))
    ]


# ---- The conventions

CONVENTIONS = CONFIG["conventions"]
OWN = "results/conventions/{convention}"
OWN_TOKENS = [path.replace("results", OWN, 1) for path in tokens_of(STUDY["dataset"])]
MEASURED = {"clean": "clean", "blur": STUDY["blur"], "mask": STUDY["mask"], "occlusion": STUDY["occlusion"][0]}


def changing(*keys):
    """Names of the conventions that change any of these, as a pattern for a wildcard."""
    return "|".join(name for name, entry in CONVENTIONS.items() if set(keys) & set(entry)) or "(?!)"


def kind_of(wildcards):
    """What a convention changes."""
    return next(iter(CONVENTIONS[wildcards.convention]))


def setting(key):
    """A param: a setting of the analysis as a convention has it."""
    return lambda wildcards: CONFIG["analysis"][key] | CONVENTIONS[wildcards.convention].get(key, {})


def taken(wildcards, role):
    """The perturbation that a convention takes for the study's mask or occlusion, else the study's own."""
    return CONVENTIONS[wildcards.convention].get(role, MEASURED[role])


def under(measure, model, role):
    """An input: a measure of the study's images as a convention has it; none where the study has no such model."""

    def path(wildcards):
        anew = conventions.MADE_ANEW.get(kind_of(wildcards)) == measure
        folder = f"results/conventions/{wildcards.convention}" if anew else "results"
        own = f"{folder}/measures/{measure}/{model}/{STUDY['dataset']}/{taken(wildcards, role)}.csv"
        return own if model else []

    return path


def convention_hash(perturbation=None):
    """A param: the fingerprint of the token files that a convention's measure reads, its own or the study's."""

    def fingerprint(wildcards):
        own = config_hash(wildcards.model, STUDY["dataset"], perturbation or wildcards.perturbation)
        options = conventions.OPTIONS.get(kind_of(wildcards))
        return provenance.fingerprint(own, options) if options else own

    return fingerprint


def convention_tokens(perturbation=None):
    """An input: the token files that a convention's measure reads, its own or the study's."""

    def paths(wildcards):
        given = {"convention": wildcards.convention, "model": wildcards.model}
        own = OWN_TOKENS if kind_of(wildcards) in conventions.OPTIONS else tokens_of(STUDY["dataset"])
        return expand(own, **given, perturbation=perturbation or wildcards.perturbation)

    return paths


def compared_conventions(wildcards):
    """An input: the conclusions under each convention."""
    if not CONVENTIONS:
        raise WorkflowError("conventions: none given, but this target needs some; config/README.md explains them")
    return expand(f"{RESULTS}/conventions/{{convention}}/claims.csv", convention=CONVENTIONS)
