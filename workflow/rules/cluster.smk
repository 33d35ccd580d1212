# What a job asks a cluster for: portable numbers that grow with its work and with each attempt. Partitions, account
# and GPU model are the profile's. Measured on the default study and on ViT-B/16; a profile may set others.

from importlib.util import find_spec

from maescope import cluster

VIT_B_MB = 350  # weights of a ViT-B in float32
TOGETHER = ("tokens_{model}", "measures_{model}")  # groups of jobs
ASKED = workflow.resource_settings.overwrite_resources  # set-resources of the profile and of the command line
PROFILE = Path(str(workflow.current_basedir), "../../profiles/slurm/config.yaml")
if workflow.resource_settings.nodes and PROFILE.is_file() and find_spec("snakemake_executor_plugin_slurm"):
    # on a cluster, before the plugin trips over it; in a dry run nothing tells which profile is in use
    from snakemake_executor_plugin_slurm.partitions import PartitionLimits

    given = yaml.safe_load(PROFILE.read_text())
    for words in cluster.problems(given, TOGETHER):
        print(f"warning: {PROFILE.resolve()}: {words}", file=sys.stderr)
    if wrong := [f"{PROFILE.resolve()}: {words}" for words in cluster.mistakes(given, PartitionLimits)]:
        raise WorkflowError("\n".join(wrong))


def images_asked(dataset):
    """How many images a dataset has at most; a label without a count may have 150, as in ImageNet-R."""
    return len(DATASETS[dataset]["labels"]) * (DATASETS[dataset]["count"] or 150)


def levels_of(perturbation):
    """How many levels a perturbation has."""
    entry = PERTURBATIONS[perturbation]
    return entry.get("masks") or len(entry.get("levels") or ["clean"])


def gpus(wildcards):
    """GPUs of an extraction."""
    return int(MODELS[wildcards.model]["device"] != "cpu")


def weights_mb(wildcards):
    """Size of a model's weights where they lie on disk, that of a ViT-B's where they do not."""
    path = Path(MODELS[wildcards.model]["weights"] or "")
    return path.stat().st_size / 1e6 if path.is_file() else VIT_B_MB


def extraction_mb(wildcards, attempt):
    """torch and a ViT-B, three times what weights are larger (twice while they are read), 20 MB an image of 224 px."""
    model = MODELS[wildcards.model]
    batch = model["batch_size"] * 20 * (model["preprocessing"]["crop"] / 224) ** 2
    return attempt * round(4000 + 3 * max(0, weights_mb(wildcards) - VIT_B_MB) + batch)


def extraction_minutes(dataset):
    """A param: at least 3000 images of 224 px a minute with a GPU and 300 without, of a larger model than ViT-B fewer."""

    def minutes(wildcards, attempt):
        size = (MODELS[wildcards.model]["preprocessing"]["crop"] / 224) ** 2
        size *= max(1, weights_mb(wildcards) / VIT_B_MB)
        images = images_asked(dataset) * levels_of(wildcards.perturbation) * size
        return attempt * round(20 + images / (3000 if gpus(wildcards) else 300))

    return minutes


def training_mb(wildcards, attempt):
    """torch, and the images of the training set, which are held in memory."""
    model = MODELS[wildcards.model]
    numbers = images_asked(model["training"]["dataset"]) * 3 * model["preprocessing"]["crop"] ** 2
    return attempt * round(4000 + numbers * 8e-6)


def training_minutes(wildcards, attempt):
    """At least 6000 images of 32 px a minute."""
    model = MODELS[wildcards.model]
    images = images_asked(model["training"]["dataset"]) * model["training"]["epochs"]
    return attempt * round(20 + images * (model["preprocessing"]["crop"] / 32) ** 2 / 6000)


def measuring_mb(wildcards, input, attempt):
    """Python, and a quarter of the token files, of which these measures hold no more at a time."""
    return attempt * round(2000 + input.size_mb / 4)


def angles_mb(dataset, k):
    """A param: Python, the bases, and the angles of each two of the dataset's labels; `k` tells that of a job."""

    def mb(wildcards, input, attempt):
        angles = layersettings.angles_of(MODELS[wildcards.model], len(DATASETS[dataset]["labels"]), k(wildcards))
        return attempt * round(2000 + input.size_mb + 330e-6 * angles)  # 330 bytes each, while they are written

    return mb


def comparing_mb(wildcards, input, attempt):
    """Python, and the clean token files of one side in float64."""
    return attempt * round(2000 + 1.5 * input.size_mb / (1 + levels_of(wildcards.perturbation)))


def distances_mb(dataset):
    """A param: three matrices of the distances between all images."""
    return lambda wildcards, attempt: attempt * round(4000 + 24e-6 * images_asked(dataset) ** 2)


def measuring_minutes(wildcards, input, attempt):
    """A gigabyte of token files in ten minutes."""
    return attempt * round(20 + input.size_mb / 100)


def partition_file():
    """The profile in use, where it states partitions; none without Slurm."""
    profile = getattr(workflow.executor_settings, "partition_config", None)
    return profile and Path(profile).resolve()


def refusals():
    """What Slurm has against the jobs of this run, with a GPU and without, in the partitions meant for them."""
    given = yaml.safe_load(partition_file().read_text())["partitions"] if partition_file() else {}
    jobs = [job for job in workflow.dag.needrun_jobs() if not job.is_local] if given else []
    asking = {job.rule.name.startswith("extract_") and bool(gpus(job.wildcards)) for job in jobs}
    if True in asking and not any(limits.get("max_gpu") for limits in given.values()):
        yield "none has max_gpu, but there are jobs with a GPU; state it for one, or set device: cpu for the models"
    for name, limits in given.items():
        if bool(limits.get("max_gpu")) in asking:
            account = workflow.resource_settings.default_resources.get("slurm_account").raw
            gpu = "--gpus=1" if limits.get("max_gpu") else ""
            yield cluster.refusal(name, gpu, f"--account={account}" if account else "")


onstart:
    for words in cluster.unknown("set-resources: ", ASKED, [one.name for one in workflow.rules]):
        print(f"warning: {words}", file=sys.stderr)
    for words in filter(None, refusals()):
        if cluster.hopeless(words):
            raise WorkflowError(f"{partition_file()}: partitions: {words}")
        print(f"warning: {partition_file()}: partitions: {words}", file=sys.stderr)


onerror:
    if partition_file():
        for words in cluster.explanations(Path(log[0]).read_text()):
            print(f"What to change in the Slurm profile ({partition_file()}): {words}", file=sys.stderr)
