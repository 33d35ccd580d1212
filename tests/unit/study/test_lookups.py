"""What the rules look up in a configuration: each answer written out, without a workflow."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml
from conftest import REPOSITORY, SCHEMA, SMALLEST

from maescope.base import provenance
from maescope.base.errors import InputError
from maescope.study import settings
from maescope.study.cluster_requests import ClusterRequests, growing
from maescope.study.convention_lookups import ConventionLookUps
from maescope.study.lookups import pattern, written_with
from maescope.study.sweep import Sweep
from maescope.study.target_lookups import TargetLookUps

ACCURACY = "results/measures/accuracy/mae_finetuned/three/"


def look_up(path=SMALLEST, **study):
    config = yaml.safe_load(path.read_text())
    config["study"] |= study
    if {"blur", "occlusion"} & set(study):
        del config["conventions"]  # some of which are of them
    return TargetLookUps(settings.check(config, SCHEMA))


@pytest.fixture(scope="module")
def look():
    return look_up()


def of(**wildcards):
    return SimpleNamespace(**wildcards)


def test_a_pattern_of_nothing_matches_nothing():
    assert pattern(["a", "b-1"]) == "a|b-1"
    assert pattern([]) == "(?!)"


@pytest.mark.parametrize(
    ("path", "beside"),
    [
        ("results/tokens/m/d/clean/0.1.h5", "results/tokens/m/d/clean.csv"),
        ("results/s/conventions/c/tokens/m/d/blur/a.h5", "results/s/conventions/c/tokens/m/d/blur.csv"),
        ("results/models/a.b.safetensors", "results/models/a.b.loss.csv"),
        ("results/images/three.csv", "results/images/three.skipped.csv"),
        ("/models/vit.safetensors", None),
        ("images/three.csv", None),
    ],
)
def test_the_small_file_that_is_written_with_a_large_one(path, beside):
    assert written_with(path) == beside


def test_the_order_of_keys_makes_no_training_again(look):
    """Snakemake compares params as they are printed."""
    model = of(model="mae_finetuned")

    def backwards(value):
        return {key: backwards(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    config = backwards(yaml.safe_load(SMALLEST.read_text()))
    own = TargetLookUps(settings.check(config, SCHEMA))
    assert repr(own.training(model)) == repr(look.training(model))
    assert repr(own.architecture(model)) == repr(look.architecture(model))


def test_the_digest_of_what_a_fine_tuning_begins_with():
    config = yaml.safe_load(SMALLEST.read_text())
    config["models"]["mae_pretrained"]["sha256"] = "a" * 64
    own = TargetLookUps(settings.check(config, SCHEMA))
    found = {name: own.initial_sha256(of(model=name)) for name in own.trained}
    assert found == {"mae_pretrained": "any", "mae_finetuned": "a" * 64, "supervised": "any"}
    assert look_up().initial_sha256(of(model="mae_finetuned")) == "any"


def test_which_of_the_weights_a_fine_tuning_begins_with_and_a_download_is_held_against():
    config = yaml.safe_load(SMALLEST.read_text())
    elsewhere = {"weights": "/data/dino.pth", "weights_key": "student"}
    entry = {key: value for key, value in config["models"]["mae_pretrained"].items() if key != "training"}
    config["models"]["dino"] = entry | elsewhere
    config["models"]["mae_finetuned"]["training"]["initial"] = "dino"
    own = TargetLookUps(settings.check(config, SCHEMA))
    assert own.initial_key(of(model="mae_finetuned")) == "student"
    assert own.initial_key(of(model="supervised")) is None
    assert own.downloads()["dino"] == elsewhere | {"url": None, "sha256": None}
    assert "weights_key" not in own.downloads()["untrained"]
    assert own.content(of(model="dino"))["weights_key"] == "student"


def test_models_by_what_they_are(look):
    assert look.trained == ["mae_pretrained", "mae_finetuned", "supervised"]
    assert [look.trained_by(recipe) for recipe in ("pretrain", "finetune", "scratch")] == [
        [name] for name in look.trained
    ]
    assert look.with_head() == "mae_finetuned|supervised"
    assert look.of_kind("mask") == "mask|mask_again"
    assert look.on_all_patches == "mae_pretrained" and look.seen_whole == ["mae_pretrained"]
    assert look.used() == ["mae_pretrained", "mae_finetuned", "supervised", "untrained"]


def test_what_a_job_reads(look):
    masked = of(model="mae_pretrained", dataset="three", perturbation="mask")
    assert look.tokens(masked) == "results/tokens/mae_pretrained/three/mask.csv"
    assert look.clean_tokens(masked) == "results/tokens/mae_pretrained/three/clean.csv"
    assert look.images(masked) == "results/images/three.csv"
    assert look.made(masked) == ["results/data/digits/test"]
    assert look.weights(masked) == "results/models/mae_pretrained.safetensors"
    assert look.weights(of(model="untrained")) == []  # drawn, there is no file
    assert look.initial(of(model="mae_finetuned")) == "results/models/mae_pretrained.safetensors"
    assert look.training_images(of(model="supervised")) == "results/images/three_train.csv"


def test_pictures_are_looked_at_for_the_largest_model_that_sees_them():
    config = yaml.safe_load(SMALLEST.read_text())
    resize = {"mae_pretrained": 32, "supervised": 48, "untrained": 64}
    for name, entry in config["models"].items():
        entry["preprocessing"] = {**entry["preprocessing"], "resize": resize.get(name, 16)}
    config["datasets"]["other"] = config["datasets"]["three"]
    config["study"]["compared"] = ["mae_pretrained"]
    config["study"]["sweep"] = []
    look = TargetLookUps(settings.check(config, SCHEMA))
    sizes = {name: look.largest_resize(of(dataset=name)) for name in ("three", "shifted", "three_train", "other")}
    assert sizes == {"three": 48, "shifted": 48, "three_train": 48, "other": 64}
    assert look.resize(["untrained", "mae_finetuned"]) == {"untrained": 64, "mae_finetuned": 16}


@pytest.mark.parametrize(
    ("perturbation", "ranked"), [("occlusion", True), ("occlusion_random", False), ("blur", False), ("clean", False)]
)
def test_perturbations_that_rank_patches_read_the_clean_images(look, perturbation, ranked):
    assert bool(look.rollout(of(model="mae_finetuned", dataset="three", perturbation=perturbation))) == ranked


def test_weights_from_elsewhere_are_checked_and_their_head_where_it_has_as_many_outputs_as_there_are_classes():
    look = look_up()
    trained, drawn = (of(model=name, dataset="three") for name in ("mae_finetuned", "untrained"))
    assert look.check(trained) == look.check_labels(trained) == look.check_labels(drawn) == []
    assert look.check(drawn) == "results/check_model/untrained.json"
    look.models["untrained"]["num_classes"] = 3
    assert look.check_labels(drawn) == "results/check_labels/untrained/three.json"
    look.models["untrained"]["num_classes"] = 4
    assert look.check_labels(drawn) == []


def test_a_fingerprint_is_of_what_decides_the_tokens_and_of_nothing_else():
    job = of(model="mae_finetuned", dataset="three", perturbation="blur")
    first = look_up().config_hash(job)
    assert first == look_up(name="other", tsne={"labels": ["1", "2"], "images": 2}, compared=[]).config_hash(job)
    look = look_up()
    look.models["mae_finetuned"] |= {"batch_size": 7, "device": "cuda", "threads": 9, "sha256": 64 * "0"}
    assert look.config_hash(job) == first
    for change in (
        lambda: look.models["mae_finetuned"]["preprocessing"].update(resize=17),
        lambda: look.models["mae_finetuned"].update(patch_tokens=["blur"]),
        lambda: look.datasets["three"].update(count=3),
        lambda: look.perturbations["blur"]["levels"]["I"].update(sigma=1.5),
    ):
        before = look.config_hash(job)
        change()
        assert look.config_hash(job) != before
    assert look.clean_hash(job) == look.config_hash(of(model="mae_finetuned", dataset="three", perturbation="clean"))


def test_measures_of_a_study_lie_under_it_where_the_study_decides_them(look):
    assert look.measure("accuracy", "m", "clean") == "results/measures/accuracy/m/three/clean.parquet"
    assert look.measure("shift", "m", "clean", "far") == "results/measures/shift/m/far/clean.parquet"
    for measure in ("tsne", "separation", "out_of_distribution", "patch_components"):
        assert look.measure(measure, "m", "mask") == f"results/smoke/measures/{measure}/m/three/mask.csv"


def test_what_figures_and_tables_read(look):
    assert look.measured("accuracy", "mae_finetuned", ["clean", "blur"]) == [
        f"{ACCURACY}clean.parquet",
        f"{ACCURACY}blur.parquet",
    ]
    assert look.occlusions(of()) == [f"{ACCURACY}occlusion.parquet", f"{ACCURACY}occlusion_random.parquet"]
    assert look.corrupted(of()) == [f"{ACCURACY}{name}.parquet" for name in ("clean", "gaussian_noise", "frost")]
    assert look.claimed(of())[:2] == [f"{ACCURACY}clean.parquet", f"{ACCURACY}occlusion.parquet"]
    assert look.masked("angles")(of()) == "results/measures/angles/mae_pretrained/three/mask.csv"
    assert look.mask_variants(of()) == ["results/measures/mask_invariance/mae_pretrained/three/mask.csv"]
    assert look.figure_3(of()) == [
        f"results/measures/attention/{model}/three/clean.parquet" for model in ("mae_pretrained", "mae_finetuned")
    ]
    assert look.compared("spectrum", look.seen_whole)(of()) == [
        "results/measures/spectrum/mae_pretrained/three/clean.csv"
    ]
    alike = look.alike(of())
    assert len(alike) == 3 + 2 + 1 + 2  # pairs of three models, each with itself, and two perturbations of one
    assert alike[-1] == "results/measures/cka/mae_finetuned/three/occlusion/mae_finetuned.csv"
    assert look.shift_datasets() == ["shifted", "three"] and look.shifted_lists() == {}
    assert look.published("table_1") == []
    assert look_up(paper="config/paper").published("table_1") == ["config/paper/table_1.csv"]


@pytest.mark.parametrize(
    ("without", "left"),
    [({"blur": None}, "occlusion"), ({"occlusion": []}, "blur")],
    ids=["no blur", "no occlusion"],
)
def test_without_a_blur_or_an_occlusion_nothing_is_read_of_it(without, left):
    look, (key,) = look_up(**without), without
    assert look.degradations == [left] and look.told_apart
    assert look.degraded("alignment", "mae_finetuned")(of()) == [
        f"results/measures/alignment/mae_finetuned/three/{left}.parquet"
    ]
    assert look.under(left, "features", "m")(of()) == f"results/measures/features/m/three/{left}.parquet"
    with pytest.raises(InputError, match=rf"^study\.{key} is not set, but this target needs it"):
        look.under(key, "features", "m")(of())
    gone = {"blur": {"blur"}, "occlusion": {"occlusion", "occlusion_random"}}[key]
    for own in (look.conditions(of()), look.claimed(of()), look.alike(of()), look.followed_tokens(of())):
        assert own and not gone & {name for path in own for name in path.replace(".", "/").split("/")}
    assert list(look.followed_hashes(of())) == ["clean", left]
    assert look.panels(None) == {"clean": "clean"} and "mae_finetuned" in look.seen_as("mae_finetuned", None)
    assert key not in Sweep(look).families() and None not in Sweep(look).families()


def test_without_blur_and_occlusion_clean_images_are_what_there_is():
    look = look_up(blur=None, occlusion=[], corruptions=[], shifts={})
    assert look.conditions(of()) == look.claimed(of()) == [f"{ACCURACY}clean.parquet"]
    assert look.followed == look.followed_tokens(of()) == [] and look.followed_hashes(of()) == {}
    assert not look.told_apart
    assert look_up(blur=None, occlusion=[], corruptions=[]).told_apart  # from those of another dataset
    for files in (look.degraded("features", "m"), look.occlusions):
        with pytest.raises(InputError, match=r"^study\.(blur, study\.)?occlusion.* set, but this target needs"):
            files(of())


def test_strange_images_are_those_that_a_model_sees_anyway(look):
    found = look.strange(of(model="mae_finetuned", dataset="three", perturbation="clean"))
    assert list(found) == ["clean", "blur", "occlusion", "gaussian_noise", "frost", "images of shifted"]
    assert found["frost"]["paired"] and not found["images of shifted"]["paired"]
    assert found["images of shifted"] == {
        "tokens": "results/tokens/mae_finetuned/shifted/clean.csv",
        "labels": ["0", "1", "2"],
        "config_hash": look.config_hash_of("mae_finetuned", "shifted", "clean"),
        "paired": False,
    }
    without = look_up(shifts={}, corruptions=[])
    assert list(without.strange(of(model="mae_finetuned"))) == ["clean", "blur", "occlusion"]
    tokens = [f"results/tokens/mae_finetuned/three/{name}.csv" for name in ("clean", "blur", "occlusion")]
    assert without.strange_tokens(of(model="mae_finetuned")) == tokens


def test_a_model_that_is_not_tuned_is_shown_scenes_for_figure_3_and_is_told_them_from_clean_images():
    assert look_up().sees_strange == look_up(scenes="three").sees_strange == ["mae_finetuned"]
    own = look_up(scenes="three_train")
    assert own.sees_strange == ["mae_finetuned", "mae_pretrained"]
    job = of(model="mae_pretrained", dataset="three", perturbation="clean")
    found = own.strange(job)
    assert list(found) == ["clean", "images of three_train"] and not found["images of three_train"]["paired"]
    assert not own.has_head(job) and own.has_head(of(model="mae_finetuned"))
    tokens = {part["tokens"] for part in found.values()}
    for path in own.figure_3(of()):  # each of the attention of tokens that are extracted for it
        _, model, dataset, _ = path.removeprefix("results/measures/").removesuffix(".parquet").split("/")
        assert model != job.model or f"results/tokens/{model}/{dataset}/clean.csv" in tokens
    assert set(own.strange_tokens(job)) == tokens
    assert len([path for path in own.figure_3(of()) if job.model in path]) == len(found)


def test_rankings_of_cls_and_dropped_patches_are_left_out_of_models_that_cannot_have_them(look):
    names = ["occlusion", "occlusion_random", "occlusion_cls"]
    assert look.rankings(of()) == [f"{ACCURACY}{name}.parquet" for name in names]
    without = look_up()
    without.models["mae_finetuned"]["arguments"]["class_token"] = False
    assert without.rankings(of()) == [f"{ACCURACY}{name}.parquet" for name in names[:2]]


def test_an_occlusion_by_gradient_takes_its_own_pass_and_asks_for_no_clean_tokens():
    own = look_up()
    ranked = of(model="mae_finetuned", dataset="three", perturbation="occlusion")
    assert own.rollout(ranked) == "results/tokens/mae_finetuned/three/clean.csv"
    own.perturbations["occlusion"]["rollout"] = "gradient"
    assert own.rollout(ranked) == []


def test_classes_are_set_against_each_other_where_there_are_two(look):
    assert look.several_labels(of(dataset="three")) == ["0", "1", "2"]
    look.datasets["one"] = {"labels": ["a"]}
    with pytest.raises(InputError, match=r"datasets\.one\.labels: 1 label, but this target compares classes"):
        look.several_labels(of(dataset="one"))
    del look.datasets["one"]


def test_similarity_is_of_each_two_models_and_of_perturbed_images(look):
    assert look.similar() == [
        (("mae_finetuned", "clean"), ("mae_pretrained", "clean")),
        (("untrained", "clean"), ("mae_pretrained", "clean")),
        (("untrained", "clean"), ("mae_finetuned", "clean")),
        (("mae_finetuned", "blur"), ("mae_finetuned", "clean")),
        (("mae_finetuned", "occlusion"), ("mae_finetuned", "clean")),
    ]
    assert len(set(look.similar_tokens(of()))) == len(look.similar_tokens(of())) == 5
    assert list(look.similar_of(of()))[-1] == "mae_finetuned/occlusion"
    with pytest.raises(InputError, match=r"study\.compared"):
        look_up(compared=[]).similar_tokens(of())


def test_models_without_cls_are_left_out_of_what_is_measured_of_it():
    config = yaml.safe_load(SMALLEST.read_text())
    config["models"]["siglip"] = {"architecture": "vit_base_patch16_siglip_224", "weights": "random:0"}
    config["models"]["siglip"] |= {"pooling": "map", "patch_tokens": ["clean"]}
    config["study"]["compared"] = ["mae_pretrained", "siglip"]
    look = TargetLookUps(settings.check(config, SCHEMA))
    assert (look.without_cls, look.seen_by_cls) == (["siglip"], ["mae_pretrained"])
    assert look.seen_whole == ["mae_pretrained", "siglip"]
    assert look.tokens_with_cls(of(model="mae_pretrained", dataset="three", perturbation="clean"))
    with pytest.raises(InputError, match=r"models\.siglip: vit_base_patch16_siglip_224 has no CLS token"):
        look.tokens_with_cls(of(model="siglip", dataset="three", perturbation="clean"))
    config["study"]["compared"] = ["siglip"]
    look = TargetLookUps(settings.check(config, SCHEMA))
    with pytest.raises(InputError, match=r"study\.compared: no CLS token in siglip, which this target is of; add"):
        look.compared("class_attention", look.seen_by_cls)(of())


def test_heat_maps_and_corruptions_have_titles(look):
    assert look.panels("blur") == {"clean": "clean", "I": "I: 3 px, σ 1 px", "II": "II: 5 px, σ 2 px"}
    assert look.panels("occlusion") == {"clean": "clean", "50": "50 % occluded", "90": "90 % occluded"}
    assert look.sources() == {
        "gaussian_noise": {"corruption": "gaussian_noise", "source": "generated"},
        "frost": {"corruption": "frost", "source": "generated, synthetic"},
    }


def test_figures_say_which_model_they_are_of_and_what_it_sees(look):
    assert look.seen_as("vit", "mask") == "vit, 75 % of patches masked"
    assert look.seen_as("vit", "blur") == look.seen_as("vit", "clean") == "vit, no patches masked"


def test_names_of_classes_make_no_tokens_again(tmp_path):
    names, config = tmp_path / "names.txt", yaml.safe_load(SMALLEST.read_text())
    names.write_text("0\tnought\n")
    config["datasets"]["three"]["names"] = str(names)
    named = TargetLookUps(settings.check(config, SCHEMA))
    assert named.names == {"0": "nought"}
    plain = look_up()
    job = of(model="mae_finetuned", dataset="three", perturbation="blur")
    assert named.config_hash(job) == plain.config_hash(job) and named.dataset(job) == plain.dataset(job)


def test_controls_are_of_the_models_that_are_controlled():
    look = look_up(controlled=[])
    assert look.occlusions_of("mae_finetuned") == ["occlusion"]


def test_guessing_is_among_what_predictions_are_chosen_from():
    config = yaml.safe_load(SMALLEST.read_text())
    config["datasets"]["three"]["labels"] = ["0", "1"]
    config["study"]["tsne"]["labels"] = ["0", "1"]
    del config["study"]["shifts"]
    for among, choices in (("all", 3), ("labels", 2)):
        config["analysis"]["among"] = among
        assert TargetLookUps(settings.check(config, SCHEMA)).choices == choices


def test_a_target_that_a_study_does_not_name_is_refused_with_its_key():
    look = look_up(mask_variants=None, compared=[], sweep=[])
    with pytest.raises(InputError, match=r"study\.mask_variants is not set, but this target needs it"):
        look.mask_variants(of())
    with pytest.raises(InputError, match=r"study\.compared: this target needs 1 or more"):
        look.alike(of())
    with pytest.raises(InputError, match=r"study\.finetuned: this target needs 2 or more"):
        look.judged(of())
    with pytest.raises(
        InputError, match=r"models\.mae_finetuned\.patch_tokens: add clean, or there is nothing to show"
    ):
        look_up(compared=["mae_finetuned"]).compared("spectrum", [])(of())


def test_what_the_study_page_reads(look):
    names = ["clean", "blur", "occlusion", "occlusion_random", "gaussian_noise", "frost"]
    assert look.conditions(of()) == [f"{ACCURACY}{name}.parquet" for name in names]
    tokens = [f"results/tokens/mae_finetuned/three/{name}.csv" for name in names[:3]]
    assert look.followed == ["0", "1", "2"] and look.followed_tokens(of()) == tokens
    assert list(look.followed_hashes(of())) == names[:3]
    assert look.followed_hashes(of())["blur"] == look.config_hash_of("mae_finetuned", "three", "blur")
    many = look_up()
    many.datasets["three"] = many.datasets["three"] | {"labels": [str(number) for number in range(1000)]}
    assert many.followed == [str(number) for number in range(0, 1000, 42)] and len(many.followed) == 24


class Files(list):
    """What Snakemake gives a resource of a job's input."""

    size_mb = 400


def test_what_jobs_ask_for_grows_with_their_work_and_with_each_attempt(look, tmp_path):
    """By the token files that stand behind a list, which itself is small."""
    tokens, ask = tmp_path / "blur.csv", ClusterRequests(look)
    with pytest.raises(FileNotFoundError):  # Snakemake asks again once it is there
        ask.measuring_mb(of(), [str(tokens)], attempt=1)
    tokens.touch()
    (tmp_path / "blur").mkdir()
    for label in "01":
        (tmp_path / f"blur/{label}.h5").touch()
        os.truncate(tmp_path / f"blur/{label}.h5", 200_000_000)
    job, files = of(model="mae_finetuned", dataset="three", perturbation="blur"), Files([str(tokens)])
    assert growing(2000)(job, attempt=3) == 6000
    assert ask.gpus(job) == 0  # device: cpu
    assert ask.extraction_mb(job, attempt=1) == 4000  # weights that are not there count as a ViT-B's; crops of 16 px
    assert ask.extraction_minutes(job, attempt=2) == 2 * 20  # 24 small pictures
    assert (ask.measuring_mb(job, files, attempt=1), ask.measuring_minutes(job, files, attempt=1)) == (2100, 24)
    assert ask.showing_mb(job, files, attempt=2) == 2 * round(2000 + 400 * 2 / 3 / 4)  # two of three labels
    angles = 3 * 2 * 5  # pairs of three labels, layers, 2 and 3 dimensions
    assert ask.angles_mb(lambda wildcards: [2, 3])(job, files, attempt=1) == round(2400 + 330e-6 * angles)
    assert look.every_angle(job)
    look.analysis["subspace"]["every_angle"] = False
    assert ask.angles_mb(lambda wildcards: [2, 3])(job, files, attempt=1) == round(2400 + 330e-6 * 3 * 2 * 2)
    look.analysis["subspace"]["every_angle"] = None
    look.datasets["three"]["count"] = 1000
    width = look.models["mae_finetuned"]["arguments"]["embed_dim"]
    assert ask.separating_mb(job, attempt=2) == 2 * round(4000 + 40e-6 * width * 3000)
    assert ask.comparing_mb(job, attempt=1) == round(3000 + 40e-6 * width * 3000)
    look.datasets["three"]["count"] = 4


def test_a_convention_reads_its_own_tokens_only_where_it_changes_the_forward_pass(look):
    under = ConventionLookUps(look)
    job = of(model="mae_finetuned", dataset="three", perturbation="blur")
    own, study = (of(**vars(job), convention=name) for name in ("heads_without_cls", "k_1"))
    folder = "results/smoke/conventions/heads_without_cls"
    assert under.tokens(own) == f"{folder}/tokens/mae_finetuned/three/blur.csv"
    assert under.tokens(study) == look.tokens(job)
    assert under.config_hash(study) == look.config_hash(job)
    assert under.config_hash(own) == provenance.fingerprint(look.config_hash(job), {"heads_without_cls": True})


def test_a_convention_changes_one_thing_and_reads_all_else_from_the_study(look):
    under = ConventionLookUps(look)
    paths = {
        name: under.measured(measure, "mae_pretrained", role)(of(convention=name))
        for name, measure, role in [
            ("centred_class", "angles", "mask"),
            ("k_1", "angles", "mask"),
            ("other_mask", "separation", "mask"),
            ("rollout_cls", "accuracy", "occlusion"),
        ]
    }
    assert paths == {
        "centred_class": ["results/smoke/conventions/centred_class/measures/angles/mae_pretrained/three/mask.csv"],
        "k_1": ["results/measures/angles/mae_pretrained/three/mask.csv"],
        "other_mask": ["results/smoke/measures/separation/mae_pretrained/three/mask_again.csv"],
        "rollout_cls": ["results/measures/accuracy/mae_pretrained/three/occlusion_cls.parquet"],
    }
    assert under.measured("angles", None, "mask")(of(convention="k_1")) == []
    assert under.features(of(convention="k_1"))["k"] == 1 and look.analysis["features"]["k"] is None
    assert under.changing("subspace") == "centred_class"
    assert under.claims(of()) == [f"results/smoke/conventions/{name}/claims.csv" for name in under.conventions]
    under.conventions = {}
    with pytest.raises(InputError, match=r"^conventions: none given, but this target needs some"):
        under.claims(of())


def test_a_sweep_has_a_setting_for_each_of_its_models():
    swept = Sweep(look_up(REPOSITORY / "tests/workflow/sweep.yaml"))
    settings_of = {one["model"]: (one["ratio"], one["patch"]) for one in swept.settings()}
    assert settings_of["low-0"] == settings_of["low-1"] == settings_of["low_tuned-0"]
    assert all(one["model"] in swept.look.pretrained_here for one in swept.decoded)
    assert set(swept.families().values()) >= {"clean", "blur", "occlusion"}
    path = swept.measured("angles")(of())[0]
    assert path == f"results/measures/angles/{swept.swept[0]['model']}/three/{swept.swept[0]['mask']}.csv"
    without = Sweep(look_up())
    with pytest.raises(InputError, match=r"study\.sweep is not set"):
        without.measured("angles")(of())


def test_the_package_needs_neither_torch_nor_snakemake():
    code = "import sys; import maescope.study.lookups, maescope.study.settings, maescope.study.cluster_requests; "
    code += "print(sorted({'torch', 'snakemake', 'timm', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    scripts = str(REPOSITORY / "workflow/scripts")
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": scripts}, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_images_that_vote_are_those_of_the_reference_without_patches():
    """Under the perturbation of those that are judged, and only of these; their sample is held against the study's."""
    name = "three_train"  # whose labels are those of three
    look = look_up(reference=name)
    job = of(model="mae_pretrained", dataset="three", perturbation="mask")
    assert look.reference_tokens(job) == f"results/tokens/mae_pretrained/{name}/mask.csv"
    assert look.reference_hash(job) == look.config_hash_of("mae_pretrained", name, "mask")
    theirs = of(model="mae_pretrained", dataset=name, perturbation="mask")
    assert look.reference_tokens(theirs) == []
    assert (look.stores_patches(job), look.stores_patches(theirs)) == (True, False)
    assert (look.judged_by(theirs), look.judged_by(job)) == ("results/images/three.csv", [])
    assert look.check_sample(theirs) == f"results/check_sample/{name}.json"
    without = look_up()
    assert without.reference_tokens(job) == [] and without.reference_hash(job) is None
    assert without.judged_by(theirs) == [] and without.stores_patches(theirs)
