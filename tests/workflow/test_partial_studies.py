"""Studies that lack what a study may lack: run to their page, which says so and shows the rest."""

import pandas as pd
import pytest
import yaml
from browser import CHROMIUM, Browser
from made_up import ALIVE

LEAST = """
study: {name: least, finetuned: [vit], dataset: digits}
datasets: {digits: {pattern: "results/data/digits/test/{label}/*.png", classes: ["0", "1", "2"], count: 2}}
models:
  vit:
    architecture: vit_tiny_patch16_224
    arguments: {img_size: 16, patch_size: 4, embed_dim: 24, depth: 2, num_heads: 3}
    weights: "random:0"
    num_classes: 3
    preprocessing: {resize: 16, crop: 16, mean: [0.3, 0.3, 0.3], std: [0.3, 0.3, 0.3]}
    threads: 1
perturbations: {clean: {kind: clean}}
"""
BLUR, OCCLUSION, EITHER = {"figure_6", "table_1"}, {"figure_5", "figure_7"}, {"figure_8", "table_3", "table_drift"}


def claims(run, study: str) -> pd.DataFrame:
    return pd.read_csv(run / f"results/{study}/tables/claims.csv").set_index("claim")


def opened(run, study: str, folder) -> Browser:
    if CHROMIUM is None:
        pytest.skip("no chromium here (apt-get install chromium)")
    return Browser(run / f"results/{study}/study.html", folder)


def shown(browser: Browser) -> set[str]:
    """The figures and tables that are there, each picture of which can be seen."""
    broken = "[...document.querySelectorAll('article img')].filter((one) => !one.naturalWidth).length"
    assert browser.ask(broken) == 0
    return set(browser.ask("[...document.querySelectorAll('article')].map((one) => one.id)"))


def left_out(browser: Browser) -> str:
    return browser.ask("[...document.querySelectorAll('.left-out')].map((one) => one.innerText).join('\\n')")


def refused(run, target: str) -> str:
    done = run.run("--dry-run", target)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    return line.removeprefix("error: ")


@pytest.mark.parametrize(
    ("changes", "gone", "there", "unsaid"),
    [
        ({"blur": None}, BLUR, OCCLUSION | EITHER, "blurred"),
        ({"occlusion": []}, OCCLUSION, BLUR | EITHER, "occluded"),
    ],
    ids=["blur", "occlusion"],
)
def test_without_a_blur_or_an_occlusion_the_rest_is_made_and_the_page_says_what_is_not(
    smoke, tmp_path, changes, gone, there, unsaid
):
    config, (key,) = smoke.config(), changes
    config["study"] |= changes
    del config["conventions"]  # some of which are of them
    smoke.configure(config)
    for name in gone:
        for path in (smoke / "results/smoke").rglob(f"{name}.*"):
            path.unlink()
    smoke.must_run()
    found = claims(smoke, "smoke")
    why = found["why"].fillna("")
    assert (why == f"images are not {unsaid} in this study").sum() == 2
    assert not why.str.contains("nor occluded").any()  # norms still differ
    for target in sorted(gone):
        said = f"study.{key} is not set, but this target needs it; config/README.md explains it"
        assert refused(smoke, target) == said
    with opened(smoke, "smoke", tmp_path) as browser:
        browser.wait(ALIVE)
        names = shown(browser)
        assert there <= names and not names & gone
        said = left_out(browser)
        assert f"study.{key} names no perturbation: " in said
        titles = ["Figure 6", "Table I"] if key == "blur" else ["Figure 5", "Figure 7"]
        assert all(f"{title}: " in said for title in titles)
        left = "occlusion" if key == "blur" else "blur"
        for part in ("path", "heads"):
            options = f"[...document.getElementById('{part}-by').options].map((one) => one.value)"
            assert browser.ask(options) == [left]
        browser.key("ArrowRight", "document.getElementById('path-level')")
        browser.wait("document.getElementById('path-level-out').innerText !== 'clean'")
        assert browser.said == []


@pytest.mark.parametrize("labels", [["0", "1", "2"], ["0"]], ids=["three classes", "one class"])
def test_a_name_a_dataset_and_a_model_make_a_study(workflow, tmp_path, labels):
    config = yaml.safe_load(LEAST)
    config["datasets"]["digits"]["labels"] = labels
    workflow.configure(config)
    workflow.must_run()
    made = {path.stem for kind in ("figures/*.png", "tables/*.csv") for path in (workflow / "results/least").glob(kind)}
    assert made == {"figure_classes", "claims", "shifts"}
    assert claims(workflow, "least")["measured"].isna().all()
    for target in sorted(EITHER):
        said = "study.blur, study.occlusion: neither is set, but this target needs one; config/README.md explains them"
        assert refused(workflow, target) == said
    with opened(workflow, "least", tmp_path) as browser:
        browser.wait(ALIVE)
        assert shown(browser) == made
        for part in ("tsne", "path", "classes", "heads"):
            assert browser.ask(f"document.getElementById('{part}').innerText.includes('Left out: ')"), part
        assert browser.ask("document.querySelectorAll('.controls, .plot, canvas').length") == 0
        assert "neither study.blur nor study.occlusion names a perturbation: Table III" in left_out(browser)
        assert browser.said == []
