"""However quiet Snakemake is asked to be, a run that fails ends in the line that says why."""

import pytest
from conftest import Workflow
from safetensors.torch import save_file
from test_faults import pets, state, study

VERBOSITIES = [(), ("--quiet",), ("--quiet", "rules", "host"), ("--quiet", "all"), ("--verbose",), ("-p",)]


@pytest.fixture
def broken(tmp_path):
    """A study with a picture that cannot be decoded."""
    pets(tmp_path / "pets")
    (tmp_path / "pets/dog/1.jpg").write_bytes(b"<html>not a picture</html>")
    save_file(state(), tmp_path / "vit.safetensors")
    workflow = Workflow(tmp_path / "clone")
    workflow.configure(study(tmp_path / "vit.safetensors", tmp_path / "pets"))
    return workflow


@pytest.mark.parametrize("verbosity", VERBOSITIES, ids=" ".join)
def test_a_failed_job_has_the_last_word(broken, verbosity):
    done = broken.run("results/images/pets.csv", *verbosity)
    assert done.returncode == 1
    last = done.stdout.rstrip().splitlines()[-1]
    assert last.startswith("results/logs/sample/pets.log: error: ") and "dog/1.jpg" in last, done.stdout


@pytest.mark.parametrize("verbosity", VERBOSITIES[2:5], ids=" ".join)
def test_what_is_refused_while_planning_is_said(broken, verbosity):
    config = broken.config()
    config["datasets"]["pets"]["cuont"] = 3
    broken.configure(config)
    done = broken.run("results/images/pets.csv", *verbosity)
    last = done.stdout.rstrip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith("error: config/config.yaml: "), done.stdout
    assert last.endswith("datasets.pets: unknown key 'cuont' (did you mean 'count'?)")


def test_of_several_failed_jobs_each_says_why(broken):
    (broken / "../vit.safetensors").write_bytes(b"truncated")
    done = broken.run("results/images/pets.csv", "results/check_model/vit.json", "--keep-going", "--quiet", "rules")
    last = {line.split(": error: ")[0] for line in done.stdout.rstrip().splitlines()[-2:]}
    assert last == {"results/logs/sample/pets.log", "results/logs/check_model/vit.log"}, done.stdout
