"""What kills cost: an extraction with twenty of them and five preemptions in a row, and one in a group of four.

On demand, as it takes minutes:

MAESCOPE_SOAK=10 python -m pytest -s tests/slurm/test_killed_again.py
"""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import numpy as np
import onenode
import pytest
import torch
from cluster_runs import QUICK, Run, clone, edit, jobs
from onenode import wait_until
from PIL import Image
from safetensors.torch import save_file

from maescope.models import architectures

pytest_plugins = ["on_slurm"]
pytestmark = pytest.mark.skipif(os.environ.get("MAESCOPE_SOAK", "1") == "1", reason="on demand: MAESCOPE_SOAK=10")

KILLS, PREEMPTIONS = 20, 5
LABELS, IMAGES = 90, 4  # an image in each of two batches, twice
TOKENS = "results/tokens/mae_finetuned/many/{}"
GROUP = ("clean", "blur", "gaussian_noise", "frost")
LOOP = "\n        for images in done:\n"
SLOWLY = f"""
        def slowly(batches):
            import time

            order = list(missing)
            for number, images in enumerate(batches):
                with open("computed", "a") as file:
                    file.write(f"{{order[number // 2]}} {{number % 2}} {{os.getpid()}}\\n")
                time.sleep(0.15)
                yield images

        import os

        done = slowly(done){LOOP}"""


@pytest.fixture(scope="module")
def many(small, tmp_path_factory):
    """A study of many labels, and what it comes to undisturbed."""
    folder, generator = tmp_path_factory.mktemp("many"), np.random.default_rng(0)
    names = [f"{number:02}" for number in range(LABELS)]
    for name in names:
        (folder / "images" / name).mkdir(parents=True)
        for number in range(IMAGES):
            pixels = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "images" / name / f"{number}.png")
    entry = small["models"]["mae_finetuned"] | {"num_classes": LABELS, "batch_size": 2}
    entry["weights"] = str(folder / "vit.safetensors")
    torch.manual_seed(0)
    vit = architectures.build(entry["architecture"], entry["arguments"], LABELS, entry["pooling"])
    save_file(vit.state_dict(), entry["weights"])
    data = {"pattern": str(folder / "images/{label}/*.png"), "classes": names, "count": IMAGES}
    study = {"name": "many", "finetuned": ["mae_finetuned"], "dataset": "many"}
    config = small | {"study": study, "models": {"mae_finetuned": entry}, "datasets": {"many": data}}
    workflow = clone(folder / "clone", config)
    targets = [f"{TOKENS.format(name)}.csv" for name in GROUP]
    workflow.must_run("--until", "check_labels", "--", *targets)
    edit(workflow, "workflow/scripts/tokens/extract.py", LOOP, SLOWLY)
    undisturbed = workflow.moved(folder / "undisturbed")
    undisturbed.must_run("--", *targets)
    return workflow, undisturbed


def same(workflow, undisturbed, *perturbations) -> None:
    """Token files are those of an undisturbed run, bit for bit."""
    for name in perturbations:
        paths = list((undisturbed / TOKENS.format(name)).glob("*.h5"))
        assert len(paths) == LABELS
        for path in paths:
            assert path.read_bytes() == (workflow / TOKENS.format(name) / path.name).read_bytes(), path


def test_a_group_of_four_extractions_that_is_killed_at_nine_tenths(slurm, many, tmp_path, capsys):
    """Snakemake removes what all four have made; what is computed again is the label in the making."""
    workflow = many[0].moved(tmp_path / "clone")
    batches, began = 2 * LABELS * len(GROUP), time.monotonic()
    targets = [f"{TOKENS.format(name)}.csv" for name in GROUP]
    with Run(workflow, *QUICK, "--retries", "1", "--", *targets) as run:
        wait_until(lambda: len(_computed(workflow)) >= 0.9 * batches, 600, "nine tenths")
        os.kill(int(_computed(workflow)[-1][2]), signal.SIGKILL)
        killed = time.monotonic()
        run.ends(0)
    again = len(_computed(workflow)) - batches
    with capsys.disabled():
        print(f"a group of four: {batches} batches, killed after {killed - began:.0f} s at nine tenths,")
        print(f"ended {time.monotonic() - killed:.0f} s later with {again} batches computed again")
    same(workflow, many[1], *GROUP)
    assert [job["JobState"] for job in jobs(workflow)] == ["FAILED", "COMPLETED"]
    assert 0 <= again <= 4  # of the label in the making and of the one that was read ahead


def test_an_extraction_that_is_killed_and_preempted_again_and_again(slurm, many, tmp_path, capsys):
    workflow, undisturbed = many[0].moved(tmp_path / "clone"), many[1]
    edit(workflow, "profiles/slurm/config.yaml", "  cpu: {}", "  cancel: {}")
    generator = random.Random(0)
    events = ["killed"] * KILLS + ["preempted"] * PREEMPTIONS
    generator.shuffle(events)
    table = [("event", "after s", "labels done", "of them in this attempt")]
    more = ("--retries", str(KILLS + 1), "--set-resources", "extract_many:mem_mb=4000")
    began = time.monotonic()
    with Run(workflow, *QUICK, *more, "--", f"{TOKENS.format('clean')}.csv") as run:
        seen = 0
        for event in events:
            wait_until(lambda seen=seen: len(_computed(workflow)) > seen + 2, 300, "a label of this attempt")
            time.sleep(generator.uniform(0, 0.6))
            process = int(_computed(workflow)[-1][2])
            onenode.said("srun", "--quiet", "--partition=urgent", "--exclusive", "true") if event == "preempted" else (
                os.kill(process, signal.SIGKILL)
            )
            wait_until(lambda process=process: not Path(f"/proc/{process}").exists(), 60, "the process to end")
            done = len(list((workflow / "results/tokens").rglob("[0-9]*.h5")))
            this = len({label for label, _, pid in _computed(workflow)[seen:] if int(pid) == process})
            seen = len(_computed(workflow))
            table.append((event, f"{time.monotonic() - began:.0f}", str(done), str(this)))
        run.ends(0)
    table.append(("ended", f"{time.monotonic() - began:.0f}", str(LABELS), ""))
    with capsys.disabled():
        print(*("".join(f"{word:>25}" for word in line) for line in table), sep="\n")
        times = Counter(label for label, number, _ in _computed(workflow) if number == "0")
        print("times that a label was begun -> labels:", dict(Counter(times.values())))
    same(workflow, undisturbed, "clean")
    assert len(times) == LABELS and max(times.values()) <= 2
    states = Counter(job["JobState"] for job in jobs(workflow))
    assert states == {"FAILED": KILLS, "PREEMPTED": PREEMPTIONS, "COMPLETED": 1}


def _computed(workflow) -> list[list[str]]:
    """Batches that were computed: label, number in it, process."""
    file = workflow / "computed"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []
