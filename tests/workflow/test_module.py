"""maescope as a module of another workflow, which adds a dataset and a rule of its own."""

import os
import subprocess
from pathlib import Path

import pytest
import warm
import yaml
from conftest import REPOSITORY, SMALLEST, Workflow

from maescope.base import tidy

OUTER = """
configfile: "study.yaml"


module maescope:
    snakefile:
        "{snakefile}"
    config:
        config


use rule * from maescope


rule pictures:
    output:
        directory(expand("pictures/{{label}}", label=["dark", "light"])),
    run:
        from PIL import Image

        for number, folder in enumerate(output):
            os.makedirs(folder)
            for grey in range(5):
                Image.new("RGB", (20, 20), (40 * grey, 10, 200 * number)).save(f"{{folder}}/{{grey}}.png")


use rule sample from maescope as sample_with_pictures with:
    input:
        made=rules.pictures.output,


ruleorder: sample_with_pictures > sample


rule hardest:
    default_target: True
    input:
        "results/measures/accuracy/vit/shades/occlusion.parquet",
    output:
        "results/hardest.csv",
    run:
        import pandas as pd

        pd.read_parquet(input[0]).sort_values("correct").head(2).to_csv(output[0], index=False)
"""


@pytest.fixture
def outer(tmp_path) -> Path:
    """A workflow in a folder of its own, whose study has two shades of pictures and a network that it trains."""
    config = yaml.safe_load(SMALLEST.read_text())
    model = config["models"]["supervised"]
    model |= {"weights": "results/models/vit.safetensors", "num_classes": 2}
    model["training"] |= {"dataset": "shades"}
    study = {
        "study": {"name": "shades", "finetuned": ["vit"], "dataset": "shades"},
        "datasets": {"shades": {"pattern": "pictures/{label}/*.png", "classes": ["dark", "light"], "count": 4}},
        "models": {"vit": model},
        "perturbations": {name: config["perturbations"][name] for name in ("clean", "blur", "occlusion")},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    (tmp_path / "Snakefile").write_text(OUTER.format(snakefile=REPOSITORY / "Snakefile"))
    return tmp_path


def snakemake(folder: Path, *arguments: str) -> str:
    command = [warm.COMMANDS / "snakemake", "--cores", "2", "--nocolor", *arguments]
    environment = dict(os.environ, PATH=f"{warm.COMMANDS}:{os.environ['PATH']}")
    done = warm.run(command, folder, environment, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_another_workflow_runs_maescope_on_its_own_dataset(outer):
    snakemake(outer)
    accuracy = tidy.read([outer / "results/measures/accuracy/vit/shades/occlusion.parquet"])
    assert set(accuracy["label"]) == {"dark", "light"}
    assert len((outer / "results/hardest.csv").read_text().splitlines()) == 3
    assert not (REPOSITORY / "results/measures/accuracy/vit").exists()  # all of it lies in the outer folder


def test_its_plan_reaches_the_figures_too(outer):
    said = snakemake(outer, "--dry-run", "figure_5", "table_1", "overview", "study_page")
    assert (
        "extract_shades" in said and "rule pictures:" in said and "rule overview:" in said.replace("localrule", "rule")
    )


def test_a_rule_with_another_input_runs_again_when_its_code_is_edited(outer):
    """The code is a param: what overrides the input, as `sample_with_pictures`, need not repeat it."""
    clone, target = Workflow(outer / "maescope"), "results/images/shades.csv"
    (outer / "Snakefile").write_text(OUTER.format(snakefile=clone / "Snakefile"))
    snakemake(outer, target)
    assert "Nothing to be done" in snakemake(outer, "--dry-run", target)
    with (clone / "workflow/scripts/maescope/images/sampling.py").open("a") as module:
        module.write("# edited\n")
    said = snakemake(outer, "--dry-run", target)
    assert "rule sample_with_pictures:" in said and "rule pictures:" not in said
    assert "Params have changed" in said


LATE = """

rule late:
    output:
        "late.txt",
    shell:
        "true"
"""


def test_told_to_end_while_it_waits_for_a_file_it_ends(outer):
    """SIGTERM, as a Slurm job gets in which Snakemake runs: while it waits, it holds what its own answer asks for."""
    with (outer / "Snakefile").open("a") as file:
        file.write(LATE)
    command = [warm.COMMANDS / "snakemake", "--cores", "1", "--nocolor", "--latency-wait", "3", "late.txt"]
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=outer, **how) as running:
        assert any("Waiting at most 3 seconds" in line for line in running.stdout)
        running.terminate()
        try:
            said, _ = running.communicate(timeout=60)
        finally:
            running.kill()
    assert running.returncode == 1 and "late.txt" in said
