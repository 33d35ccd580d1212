"""What tests on Slurm share: Slurm itself, a small study, and what it comes to without a cluster."""

import signal

import onenode
import pytest
import torch
import yaml
from cluster_runs import accuracy, clone, end_all
from conftest import SMALLEST, Workflow
from safetensors.torch import save_file

from maescope.models import architectures


@pytest.fixture(scope="session")
def slurm():
    """A one-node Slurm, stopped whatever happens, after all that uses it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that a killed session stops its daemons too
    try:
        lock = onenode.claim()
    except onenode.Unavailable as reason:
        pytest.skip(str(reason))
    with lock:
        try:
            onenode.start()
            yield onenode
        except onenode.Unavailable as reason:
            pytest.skip(str(reason))
        finally:
            end_all()
            onenode.stop()


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> dict:
    """A study of one model whose weights are there, so that extraction comes at once."""
    config = yaml.safe_load(SMALLEST.read_text())
    entry = config["models"]["mae_finetuned"]
    entry["weights"] = str(tmp_path_factory.mktemp("weights") / "vit.safetensors")
    del entry["training"]
    torch.manual_seed(0)
    vit = architectures.build(entry["architecture"], entry["arguments"], entry["num_classes"], entry["pooling"])
    save_file(vit.state_dict(), entry["weights"])
    config["study"] = {"name": "small", "finetuned": ["mae_finetuned"], "dataset": "three"}
    del config["conventions"]  # of the pretrained model
    config["models"] = {"mae_finetuned": entry}
    return config


@pytest.fixture(scope="session")
def reference(small, tmp_path_factory) -> Workflow:
    """The small study's measures, made without a cluster and without a fault."""
    workflow = clone(tmp_path_factory.mktemp("reference") / "clone", small)
    workflow.must_run("--", *accuracy("clean", "blur", "gaussian_noise"))
    return workflow
