"""Which files under results/ are results."""

from maescope.verify import records

RESULTS = [
    "results/check_labels/logs/three.json",  # of a model of that name
    "results/mine/conventions/logs/tokens/vit/three/clean/0.h5",
    "results/mine/figures/figure_5.csv",
    "results/mine/overview.html",
    "results/models/logs.safetensors",
    "results/subspaces/logs/three/mask.npz",
    "results/tokens/logs/three/clean/0.h5",
]
OTHERS = [
    "results/benchmarks/extract/vit/three/clean.tsv",
    "results/logs/digits.log",
    "results/mine/conventions/k_1/benchmarks/extract/vit/three/clean.tsv",
    "results/mine/conventions/k_1/logs/claims.log",
    "results/mine/logs/figure_5.log",
    "results/mine/report.html",
    "results/models/.state/vit/000000012.0123456789abcdef.pt",
    "results/provenance/images/three.csv.json",
]


def test_logs_and_run_times_of_all_studies_and_of_one_are_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in RESULTS + OTHERS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert records.found() == RESULTS
