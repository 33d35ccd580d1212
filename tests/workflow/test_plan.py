"""What Snakemake plans, without running it."""

import itertools
import os
import re
import shutil
from collections import Counter

import pytest
import yaml
from conftest import REPOSITORY

from maescope.images.corruptions import CORRUPTIONS

MODELS = ("mae_finetuned", "supervised")
OCCLUSIONS = dict.fromkeys(MODELS, ("occlusion", "occlusion_random", "occlusion_least"))
TRAINING = Counter(digits=1, sample=2, pretrain=1, finetune=1, train_scratch=1)


def pairs(jobs, rule, dataset="digits"):
    """Model and perturbation of each job of a rule of one dataset."""
    return [(job[1], *job[3:]) for job in jobs if job[0] == rule and job[2] == dataset]


def test_the_full_default_plan_has_each_extraction_once(workflow):
    jobs = workflow.plan()
    rules = Counter(job[0] for job in jobs)
    assert rules >= TRAINING + Counter(["quality", "figure_5", "training_curves", "reconstruction"])
    assert rules >= Counter(["table_1", "table_3", "all"])
    assert len(set(jobs)) == len(jobs)
    assert rules >= Counter(["figure_6", "figure_7", "figure_8", "table_2", "claims", "shifts"])
    study = {(model, name) for model in OCCLUSIONS for name in ("clean", "blur", *OCCLUSIONS[model])}
    assert set(pairs(jobs, "extract_digits")) >= study
    assert set(pairs(jobs, "accuracy")) >= study
    assert set(pairs(jobs, "alignment")) >= {(m, name) for m in MODELS for name in ("blur", "occlusion")}


@pytest.mark.parametrize("target", ["figure_5", "results/digits/figures/figure_5.pdf"])
def test_figure_5_needs_only_its_own_jobs(workflow, target):
    jobs = workflow.plan(target)
    wanted = [(model, name) for model in OCCLUSIONS for name in OCCLUSIONS[model]]
    clean = [(model, "clean") for model in MODELS]  # whose rollout ranks the patches
    assert Counter(job[0] for job in jobs) == TRAINING + Counter(figure_5=1, extract_digits=8, accuracy=6)
    assert pairs(jobs, "extract_digits") == sorted(wanted + clean)
    assert pairs(jobs, "accuracy") == sorted(wanted)


@pytest.mark.parametrize("target", ["table_1", "results/digits/tables/table_1.tex"])
def test_table_1_needs_only_its_own_jobs(workflow, target):
    jobs = workflow.plan(target)
    wanted = sorted((model, name) for model in MODELS for name in ("clean", "blur"))
    rules = Counter(job[0] for job in jobs)
    assert rules == TRAINING + Counter(quality=1, table_1=1, extract_digits=4, accuracy=4)
    assert pairs(jobs, "extract_digits") == pairs(jobs, "accuracy") == wanted


def test_a_config_file_stands_alone(workflow):
    """Nothing of the default leaks in: neither its models and datasets, nor a key that the file lacks."""
    config = {
        "study": {"name": "own", "finetuned": ["mine"], "dataset": "numbers"},
        "datasets": {"numbers": {"pattern": "results/data/digits/test/{label}/*.png", "classes": ["3", "7"]}},
        "models": {
            "mine": {
                "architecture": "vit_tiny_patch16_224",
                "weights": "results/models/mine.safetensors",
                "num_classes": 2,
                "training": {"recipe": "scratch", "dataset": "numbers", "epochs": 1},
            }
        },
        "perturbations": {
            "clean": {"kind": "clean"},
            "blur": {"kind": "blur", "levels": {"a": {"kernel": 3, "sigma": 1}}},
            "occlusion": {"kind": "occlusion"},
        },
    }
    (workflow / "own.yaml").write_text(yaml.safe_dump(config))
    jobs = workflow.plan("--configfile", "own.yaml")
    assert {job[1] for job in jobs if job[0] == "sample"} == {"numbers"}
    assert {job[1] for job in jobs if job[0] == "train_scratch"} == {"mine"}
    assert set(pairs(jobs, "extract_numbers", "numbers")) == {("mine", name) for name in ("clean", "blur", "occlusion")}
    assert not {"extract_digits", "pretrain", "finetune"} & {job[0] for job in jobs}

    del config["study"]
    (workflow / "own.yaml").write_text(yaml.safe_dump(config))
    refused = workflow.run("--dry-run", "--configfile", "own.yaml")
    assert refused.returncode == 1
    assert "'study' is a required property" in refused.stdout


def local_rules() -> set[str]:
    """Rules that run where Snakemake runs; a dry run does not tell."""
    found = set()
    for path in (REPOSITORY / "workflow/rules").glob("*.smk"):
        text = path.read_text()
        for names in re.findall(r"^localrules:\n((?:    \w+,\n)+)", text, re.MULTILINE):
            found |= set(re.findall(r"\w+", names))
        found |= {part.split(":")[0] for part in re.split(r"\brule ", text) if "localrule: True" in part}
    return found | {"all"}


def test_the_cluster_command_works_in_a_fresh_clone(workflow):
    """The embedded study is tens of Slurm jobs, and only extractions ask for a GPU."""
    said = workflow.must_run("--cores", "8", "--profile", "slurm", "--dry-run")
    assert "profile slurm" in said
    plan = said[: said.rindex("Job stats")]
    groups = re.findall(r"Group job (tokens|measures)_\w+ \(", plan)
    assert groups.count("tokens") >= 3 and groups.count("measures") >= 3  # one each for a model
    alone = [rule for rule in re.findall(r"^rule (\w+):", plan, re.MULTILINE) if rule not in local_rules()]
    assert 20 <= len(groups) + len(alone) <= 40, (groups, alone)
    assert set(alone) >= {"sample", "pretrain", "quality"} and "overview" not in alone
    assert not [rule for rule in alone if rule.startswith(("figure_", "table_"))]
    asked = re.findall(r"^ *(?:rule (\w+?)_?|resources: (.*))(?:_\w+)?:?$", plan, re.MULTILINE)
    with_gpu = {rule for (rule, _), (_, resources) in zip(asked[::2], asked[1::2], strict=True) if "gpu=1" in resources}
    assert with_gpu == {"extract"} and {rule for rule, _ in asked} > {"sample", "pretrain", "quality", "accuracy"}


def resources_of(workflow, *arguments, of="digits/clean") -> dict[str, str]:
    """What the extraction asks for in a dry run of the cluster command."""
    target = f"results/tokens/mae_finetuned/{of}.csv"
    said = workflow.must_run("--profile", "slurm", "--dry-run", *arguments, "--", target)
    line = re.search(rf"rule extract_{of.split('/')[0]}:.*?resources: (.*)", said, re.DOTALL)[1]
    return dict(pair.split("=") for pair in line.splitlines()[0].split(", "))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\nset-resource-scopes:", "\nset-resource-scope: {gpu: local}\n#", "unknown key 'set-resource-scope' (did"),
        ("tokens_{model}=4", "tokens=4", "unknown key 'tokens' (did you mean 'tokens_{model}'?)"),
    ],
)
def test_a_mistake_in_the_slurm_profile_is_warned_of_there_only(workflow, old, new, said):
    profile = workflow / "profiles/slurm/config.yaml"
    assert old in profile.read_text()
    profile.write_text(profile.read_text().replace(old, new))
    assert said in workflow.must_run("--profile", "slurm", "--dry-run", "--", "figure_5")
    assert "warning" not in workflow.must_run("--dry-run", "--", "figure_5")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  cpu: {}", "  cpu:", "partitions.cpu: has no value; write `cpu: {}`"),
        ("max_gpu: 8", "max_gpus: 8", "partitions.gpu: unknown key 'max_gpus' (did you mean 'max_gpu'?)"),
        ("max_gpu: 8", "max_runtime: 2x", "partitions.gpu: Invalid time format: '2x'"),
        ("\npartitions:", "\npartitoins:", "unknown key 'partitoins' (did you mean 'partitions'?)"),
        ("\npartitions:", "\npartitoins:", "partitions: is missing or empty; name this cluster's under it"),
    ],
)
def test_what_the_slurm_plugin_would_fail_on_ends_the_run_by_name(workflow, old, new, said):
    profile = workflow / "profiles/slurm/config.yaml"
    profile.write_text(profile.read_text().replace(old, new))
    refused = workflow.run("--profile", "slurm", "--dry-run", "--", "figure_5")
    assert refused.returncode == 1
    assert f"profiles/slurm/config.yaml: {said}" in refused.stdout and "Traceback" not in refused.stdout
    workflow.must_run("--dry-run", "--", "figure_5")  # without a cluster nothing of it matters


def test_memory_and_time_grow_with_the_work(workflow):
    asked = resources_of(workflow)
    config = workflow.config()
    config["models"]["mae_finetuned"]["batch_size"] *= 100
    config["datasets"]["digits"]["count"] = 50_000
    workflow.configure(config)
    more = resources_of(workflow)
    assert int(more["mem_mb"]) > int(asked["mem_mb"]) and int(more["runtime"]) > int(asked["runtime"])


def test_the_default_profile_overrides_nothing_of_slurm(workflow):
    default, slurm = (
        yaml.safe_load((workflow / f"profiles/{name}/config.yaml").read_text()) for name in ("default", "slurm")
    )
    assert (workflow / "slurm").is_symlink()
    assert not set(default) & set(slurm)


def test_lint_is_clean(workflow):
    assert "Congratulations" in workflow.must_run("--lint")


@pytest.mark.parametrize("target", ["table_2", "results/digits/tables/table_2.csv"])
def test_table_2_is_fifteen_corruptions_of_the_first_model(workflow, target):
    jobs = workflow.plan(target)
    names = sorted(("mae_finetuned", name) for name in (*CORRUPTIONS, "clean"))
    assert pairs(jobs, "extract_digits") == pairs(jobs, "accuracy") == names


@pytest.mark.parametrize(
    ("target", "models", "names"),
    [("figure_6", ["mae_finetuned"], ["blur"]), ("figure_8", MODELS, ["blur", "occlusion"])],
)
def test_figures_of_heads_need_only_their_features(workflow, target, models, names):
    jobs = workflow.plan(target)
    assert pairs(jobs, "features") == [(model, name) for model in models for name in names]
    assert not {"accuracy", "alignment"} & {job[0] for job in jobs}


def test_figure_3_has_the_pretrained_the_supervised_and_the_finetuned_models(workflow):
    jobs = workflow.plan("figure_3")
    models = sorted(("mae_pretrained", *MODELS))
    assert [model for model, _ in pairs(jobs, "attention")] == models
    assert [model for model, _ in pairs(jobs, "attention", "scenes")] == models


@pytest.fixture
def paper(workflow, tmp_path):
    """config/imagenet.yaml with its three folders edited; the weights are there by name only, for planning."""
    config = yaml.safe_load((workflow / "config/imagenet.yaml").read_text())
    assert list(config["folders"]) == ["imagenet", "variants", "checkpoints"]
    config["folders"] = {name: str(tmp_path / name) for name in config["folders"]}
    for corruption in CORRUPTIONS:
        for severity in range(1, 6):
            (tmp_path / f"variants/imagenet-c/{corruption}/{severity}").mkdir(parents=True)
    (tmp_path / "checkpoints").mkdir()
    for model in config["models"].values():
        path = model["weights"].replace("{checkpoints}", str(tmp_path / "checkpoints"))
        open(path, "w").close()
    (workflow / "paper.yaml").write_text(yaml.safe_dump(config))
    return workflow


def test_the_papers_study_is_planned_without_a_network(paper):
    jobs = paper.plan("--configfile", "paper.yaml")
    rules = {job[0] for job in jobs}
    assert rules >= {*(f"figure_{number}" for number in range(1, 9)), "figure_masks"}
    assert rules >= {"table_1", "table_2", "table_3", "shifts", "claims"} and "download" not in rules
    assert {job[1] for job in jobs if job[0] == "check_model"} == {"mae_pretrained", "mae_finetuned", "supervised"}
    shifted = ("imagenet_r", "imagenet_r_clean", "imagenet_a", "imagenet_a_clean")
    checked = itertools.product(("mae_finetuned", "supervised"), ("imagenet", *shifted))
    assert sorted(job[1:] for job in jobs if job[0] == "check_labels") == sorted(checked)
    occlusions = ("occlusion", "occlusion_random", "occlusion_least")
    both = itertools.product(("mae_finetuned", "supervised"), ("clean", "blur", *occlusions, *CORRUPTIONS))
    assert set(pairs(jobs, "extract_imagenet", "imagenet")) == set(both) | {
        ("mae_pretrained", "clean"),
        ("mae_pretrained", "mask"),
    }
    for name in shifted:
        assert pairs(jobs, f"extract_{name}", name) == [("mae_finetuned", "clean"), ("supervised", "clean")]


def test_memory_and_time_grow_with_the_weights(paper):
    """By three times what they are larger than a ViT-B's, and as many times as they are: here those of a ViT-H."""
    weights = next((paper.folder.parent / "checkpoints").glob("mae_finetuned*"))
    asked = []
    for size in (0, 350_000_000, 2_530_000_000):
        os.truncate(weights, size)
        found = resources_of(paper, "--configfile", "paper.yaml", of="imagenet/blur")
        asked.append((int(found["mem_mb"]), int(found["runtime"])))
    (base, minutes), same, (memory, longer) = asked
    assert same == (base, minutes) and memory == base + 3 * (2530 - 350)
    assert longer - 20 == pytest.approx((minutes - 20) * 2530 / 350, rel=0.3)  # both are whole minutes


def test_the_cost_of_the_papers_study_counts_the_extractions_of_its_plan(paper, monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    import cost

    config = cost.checked(paper / "paper.yaml")
    planned = {job[1:] for job in paper.plan("--configfile", "paper.yaml") if job[0].startswith("extract_")}
    assert set(cost.study_jobs(config)) == planned
    images = {name: cost.images_of(dataset) for name, dataset in config["datasets"].items()}
    shifted = {"imagenet_r": 30_000, "imagenet_r_clean": 10_000, "imagenet_a": 7_500, "imagenet_a_clean": 10_000}
    assert images == {"imagenet": 500, "imagenet_few": 12, "sam": 100} | shifted
    # clean, blur, occlusions, corruptions of two models; clean and a mask; 100 masks; sam; -R and -A of two models
    assert cost.study_cost(config, "float32")[0] == 500 * (2 * (41 + 75) + 2) + 1_200 + 300 + 2 * 57_500


def test_weights_that_are_missing_stop_a_plan_but_not_their_download(paper):
    config = yaml.safe_load((paper / "paper.yaml").read_text())
    shutil.rmtree(config["folders"]["checkpoints"])
    refused = paper.run("--dry-run", "--configfile", "paper.yaml")
    assert refused.returncode == 1
    assert "weights: there is no file" in refused.stdout and "`snakemake download` fetches" in refused.stdout
    assert paper.plan("download", "--configfile", "paper.yaml") == [("download",)]


def test_without_any_folder_there_is_a_download_but_no_table_of_corruptions(paper):
    config = yaml.safe_load((paper / "paper.yaml").read_text())
    shutil.rmtree(config["folders"]["variants"])
    for target in ("table_2", "claims", "results/tokens/mae_finetuned/imagenet/fog.csv"):
        refused = paper.run("--dry-run", "--configfile", "paper.yaml", "--", target)
        assert refused.returncode == 1
        assert "imagenet-c has none of the corruptions asked for" in refused.stdout, target
    shutil.rmtree(config["folders"]["checkpoints"])
    assert paper.plan("download", "--configfile", "paper.yaml") == [("download",)]
