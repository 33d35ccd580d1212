"""What is known while planning, or after sampling, is said then, in one line and before any token is extracted."""

import html

import numpy as np
import pytest
import torch
from conftest import Workflow
from PIL import Image
from safetensors.torch import save_file
from test_faults import ARCHITECTURE, ARGUMENTS, dataset, model, picture, state, study

from maescope.base import tidy
from maescope.models import architectures


def run_of(folder, counts, **changes):
    """A clone whose study looks at a pretrained model layer by layer, on so many pictures of each label."""
    for label, count in counts.items():
        for number in range(count):
            picture(folder / "pets" / label / f"{number}.png", seed=number)
    save_file(state(), folder / "vit.safetensors")
    config = study(folder / "vit.safetensors", folder / "pets")
    config["datasets"]["pets"] = dataset(folder / "pets", classes=sorted(counts), count=None)
    config["models"]["vit"]["num_classes"] = len(counts)
    config["models"]["encoder"] = model("random:0", num_classes=0, patch_tokens=["mask"])
    config["study"] |= {"pretrained": "encoder"}
    config["analysis"] |= {"subspace": {"k": 2}} | changes
    workflow = Workflow(folder / "clone")
    workflow.configure(config)
    return workflow


def lines(said, word):
    """The different lines in which a word stands, without what is before the message."""
    return sorted({line[line.index(word) :] for line in said.split("\n") if word in line})


def test_case_7_three_classes_of_six_are_told_after_sampling_and_then_while_planning(tmp_path):
    clone = run_of(tmp_path, {"bird": 6, "cat": 6, "dog": 6})
    said = clone.run("figure_1")
    told = "error: analysis.perplexity: 30 must be below the number of points that t-SNE shows, but there are 18 ("
    assert said.returncode == 1 and "Traceback" not in clone.logs()
    assert lines(said.stdout, "error: analysis.") == [
        f"{told}results/images/pets.csv; delete it once there are more); change the key, or add images"
    ]
    assert (clone / "results/images/pets.csv").is_file() and not (clone / "results/tokens").exists()
    rank = "results/measures/effective_rank/encoder/pets/clean.csv"  # which draws no map
    assert "check_sample" in clone.must_run(rank) and (clone / rank).is_file()

    config = clone.config()
    config["analysis"]["perplexity"] = 5
    clone.configure(config)
    made = clone.must_run("results/tokens/encoder/pets/mask.csv")
    assert "extract_pets encoder" in made and "sample" not in made
    config["analysis"]["perplexity"] = 18
    clone.configure(config)
    said = clone.run("--dry-run", "figure_1")
    assert said.returncode == 1 and "analysis.perplexity: 18 must be below the number of points" in said.stdout
    config["analysis"]["perplexity"] = 17
    clone.configure(config)
    assert clone.plan("results/tokens/encoder/pets/mask.csv") == []  # another perplexity makes no tokens again


def test_case_7_folds_are_held_against_the_smallest_class(tmp_path):
    clone = run_of(tmp_path, {"bird": 40, "cat": 40, "dog": 3})
    said = clone.run("figure_1")
    assert said.returncode == 1
    (line,) = lines(said.stdout, "error: analysis.")
    assert line.startswith(
        "error: analysis.folds: 5 folds need as many images of each label, but dog has 3 (results/images"
    )
    assert not (clone / "results/tokens").exists()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A study at 8 px with patches of 2 and a blur of 3."""
    folder = tmp_path_factory.mktemp("small")
    for label in ("cat", "dog"):
        for number in range(3):
            picture(folder / "pets" / label / f"{number}.png", seed=number)
    own = ARGUMENTS | {"img_size": 8, "patch_size": 2}
    save_file(state(**own), folder / "vit.safetensors")
    config = study(folder / "vit.safetensors", folder / "pets")
    config["models"]["vit"] |= {"arguments": own, "preprocessing": {"resize": 8, "crop": 8}}
    picture(folder / "frost/ice.png", size=(60, 37))
    config["perturbations"]["frost"] = {"kind": "corruption", "frost": str(folder / "frost")}
    workflow = Workflow(folder / "clone")
    workflow.configure(config)
    return workflow


def test_case_11_the_window_of_ssim_and_the_crop_are_known_while_planning(small):
    said = small.run("table_1")
    assert said.returncode == 1 and not (small / "results").exists()
    assert lines(said.stdout, "models.vit") == [
        "models.vit.preprocessing.crop: 8 px, but SSIM (Table I; reconstruction errors, of the sweep) has a window of "
        "11 x 11 px; raise it, or ask for other targets"
    ]
    assert ("figure_5",) in small.plan("figure_5")  # which needs no SSIM

    config = small.config()
    own = config["models"]["vit"]
    config["models"]["mae"] = {key: own[key] for key in ("architecture", "arguments", "preprocessing")}
    config["models"]["mae"] |= {"training": {"recipe": "pretrain", "dataset": "pets", "epochs": 1}}
    small.configure(config)
    said = small.run("results/measures/reconstruction_error/mae/pets/mask.csv")
    small.configure(config | {"models": {"vit": own}})
    assert said.returncode == 1 and "models.mae.preprocessing.crop: 8 px, but SSIM" in said.stdout
    assert not (small / "results").exists()


def test_a_frost_photograph_smaller_than_the_crop_is_known_while_planning(small):
    said = small.run("table_2")
    assert said.returncode == 1 and not (small / "results").exists()
    (line,) = lines(said.stdout, "perturbations.frost")
    assert "/frost/ice.png has 60 x 37 px, but 38 x 38 px are needed for the crop of 8 px of vit" in line


YAML = {
    "classes: [cat, dog]": (
        "classes: [2021-03-01, 2021-03-02]",
        'line 7: datasets.pets.classes.0: 2021-03-01 is a date or a time in YAML; quote it: "2021-03-01"',
    ),
    "I: {kernel: 3, sigma: 1.0}": (
        "010: {kernel: 3, sigma: 1.0}",
        'perturbations.blur.levels.010: 010 is read as 8 in YAML; quote it: "010"',
    ),
    "sigma: 1.0": ("sigma: .nan", "perturbations.blur.levels.I.sigma: nan is no number to compute with"),
    "architecture: vit_tiny_patch16_224": (
        "architecture: hf-hub:timm/vit_base_patch16_224.mae",
        "models.vit.architecture: hf-hub:timm/vit_base_patch16_224.mae is looked up outside of timm",
    ),
    "in_chans: 3": ("in_chans: 1", "models.vit.arguments.in_chans: 1, but pictures are read as red, green and blue: 3"),
}
TEXT = """\
study: {name: pets, finetuned: [vit], dataset: pets}
analysis: {resamples: 100}
datasets:
  pets:
    pattern: /nowhere/{label}/*.png
    count: 3
    classes: [cat, dog]
models:
  vit:
    architecture: vit_tiny_patch16_224
    arguments: {img_size: 16, patch_size: 4, embed_dim: 24, depth: 2, num_heads: 3, in_chans: 3}
    weights: "random:0"
    num_classes: 2
    batch_size: 2
    preprocessing: {resize: 16, crop: 16}
perturbations:
  clean: {kind: clean}
  blur: {kind: blur, levels: {I: {kernel: 3, sigma: 1.0}}}
  occlusion: {kind: occlusion, levels: [0, 50]}
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    return Workflow(tmp_path_factory.mktemp("yaml") / "clone")


def test_the_text_as_it_is_is_planned(clone):
    (clone / "mine.yaml").write_text(TEXT)
    assert ("accuracy", "vit", "pets", "clean") in clone.plan("table_1", "--configfile", "mine.yaml")


@pytest.mark.parametrize("place", YAML)
def test_cases_4_12_and_16_are_one_line_while_planning(clone, place):
    written, told = YAML[place]
    assert TEXT.count(place) == 1
    (clone / "mine.yaml").write_text(TEXT.replace(place, written))
    said = clone.run("table_1", "--configfile", "mine.yaml")
    assert said.returncode == 1 and not (clone / "results").exists()
    assert told in said.stdout and "Traceback" not in said.stdout


HUES = 12


def colour(number):
    """Twelve colours on a circle around grey, by which a class is known."""
    angle = 2 * np.pi * number / HUES
    along, across = np.array([1, -1, 0]) / np.sqrt(2), np.array([1, 1, -2]) / np.sqrt(6)
    return 0.5 + 0.35 * (np.cos(angle) * along + np.sin(angle) * across)


def knows_colours(order):
    """Weights of a ViT that tells the twelve colours apart, its outputs in an order of their numbers.

    Its layers add nothing: the mean patch token is a turned copy of the colour's direction from grey.
    """
    torch.manual_seed(0)
    weights = architectures.build(**ARCHITECTURE, arguments=ARGUMENTS, num_classes=HUES, pooling="avg").state_dict()
    nothing = ("attn.proj", "mlp.fc2", "pos_embed", "bias")
    weights |= {key: torch.zeros_like(value) for key, value in weights.items() if any(part in key for part in nothing)}
    axes = torch.linalg.qr(torch.randn(24, 24, generator=torch.Generator().manual_seed(0)) - 0.0).Q[:, :2]
    axes = axes - axes.mean(0)  # LayerNorm takes the mean
    directions = torch.tensor(np.stack([colour(number) for number in order]) - 0.5, dtype=torch.float32)
    plane = torch.tensor([[1, -1, 0], [1, 1, -2]]) / torch.tensor([[2.0], [6.0]]).sqrt()
    turned = axes @ plane  # (24, 3)
    weights["patch_embed.proj.weight"] = (turned / 16)[..., None, None].expand(-1, -1, 4, 4).clone()
    weights["fc_norm.weight"] = torch.ones(24)
    weights["head.weight"] = directions @ turned.T
    return weights


def coloured(folder, order, **changes):
    """A clone whose twelve classes, `0` to `11`, have five pictures each, and a head in another order."""
    for number in range(HUES):
        for copy in range(5):
            rng = np.random.default_rng([number, copy])
            pixels = 255 * (colour(number) + rng.normal(0, 0.05, (16, 16, 3)))
            path = folder / "pets" / str(number) / f"{copy}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    save_file(knows_colours(order), folder / "vit.safetensors")
    config = study(folder / "vit.safetensors", folder / "pets")
    config["datasets"]["pets"] |= {"classes": [str(number) for number in range(HUES)], "count": 5}
    grey = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
    config["models"]["vit"] |= {"num_classes": HUES, "preprocessing": {"resize": 16, "crop": 16} | grey}
    workflow = Workflow(folder / "clone")
    workflow.configure(config)
    return workflow


def test_case_22_a_head_in_the_order_of_text_is_told_by_the_check_and_by_all_that_shows_accuracy(tmp_path):
    text = sorted(map(str, range(HUES)))
    clone = coloured(tmp_path, [int(name) for name in text])
    tables = ("table_1", "table_3", "figure_5", "figure_classes", "claims", "overview")
    said = clone.must_run(*tables)
    clean = tidy.read([str(clone / "results/measures/accuracy/vit/pets/clean.parquet")])
    assert clean["correct"].mean() == 2 / 12  # 0 and 1 stay where they are
    found = (
        "16.7 % right as `classes` has them, 100.0 % if the head's outputs are in the order of text (0, 1, 10, ...). "
        "Give `classes` in that order"
    )
    for log in ("check_labels/vit/pets.log", "accuracy/vit/pets/clean.log"):
        assert f"results/logs/{log}: CLASSES IN ANOTHER ORDER: " in said
    assert found in (clone / "results/logs/accuracy/vit/pets/clean.log").read_text()
    for page in ("tables/table_1", "tables/table_3", "tables/claims", "overview"):
        text_of = html.unescape((clone / f"results/pets/{page}.html").read_text())
        assert f"CLASSES IN ANOTHER ORDER: vit, {found}" in text_of, page
    claims = tidy.read([str(clone / "results/pets/tables/claims.csv")])
    why = claims.loc[claims["claim"].str.startswith("mean cosine of correctly"), "why"].iloc[0]
    assert "the head's outputs are rather in the order of text" in why or "only" in why
    by_class = tidy.read([str(clone / "results/pets/figures/figure_classes.csv")]).set_index("label")
    assert by_class["accuracy"].to_dict() == {str(n): 100.0 if n < 2 else 0.0 for n in range(HUES)}
    assert by_class["called"].dropna().to_dict() == {name: str(text.index(name)) for name in text if int(name) > 1}

    config = clone.config()
    config["datasets"]["pets"]["classes"] = text
    clone.configure(config)
    accuracy = "results/measures/accuracy/vit/pets/clean.parquet"
    assert "CLASSES" not in clone.must_run(accuracy)
    assert tidy.read([str(clone / accuracy)])["correct"].all()
