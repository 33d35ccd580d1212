"""Subspaces with their angles, and t-SNE, against plain loops over scipy and scikit-learn; memory against images.

The ratios hardly depend on the number of layers. `python benchmarks/layers.py FOLDER` prints the peak memory of the
subspaces of a folder's token files.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import scipy.linalg
from row import Row, in_a_process, resident
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from maescope.measures import subspaces
from maescope.measures.angles import angle_table
from maescope.measures.tsne import side_by_side
from maescope.tokens import store

LABELS = [str(number) for number in range(10)]
VISIBLE, DIM, K, BATCH = 49, 768, 10, 50


def subspaces_and_angles(options: argparse.Namespace) -> Row:
    """From token files of 10 classes of 50 images, one thread, against SVD and angles in loops, all threads."""
    layers = options.layers
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), layers, images=50)
        ours, seconds = _timed(lambda: _with_one_thread(Path(folder), layers))
        plain, plain_seconds = _timed(lambda: _with_scipy(Path(folder), layers))
    error = float(np.abs(np.radians(ours) - plain).max())
    if error > 1e-5:
        raise SystemExit(f"angles differ from scipy's by {error:.1e} rad: their speed means nothing")
    what = f"subspaces and angles of 10 classes, {layers} layers, against loops of scipy"
    return _row(what, seconds, plain_seconds, 5, f"angles differ by {error:.1e} rad")


def tsne(options: argparse.Namespace) -> Row:
    """90 x 49 patch tokens per layer, layers in processes of one thread, against scikit-learn layer by layer."""
    rng, layers = np.random.default_rng(0), options.layers
    sets = [_tokens(rng, 90).reshape(-1, DIM) for _ in range(layers)]
    cores = len(os.sched_getaffinity(0))
    ours, seconds = _timed(lambda: side_by_side(sets, 0, 30, cores))
    plain = TSNE(init="pca", perplexity=30, random_state=0, n_jobs=cores)
    _, plain_seconds = _timed(lambda: [plain.fit_transform(points) for points in sets])
    if not np.array_equal(ours[0], side_by_side(sets[:1], 0, 30, 1)[0]):
        raise SystemExit("t-SNE of the same tokens differs from run to run: its speed means nothing")
    what = f"t-SNE of {layers} layers, {len(sets[0])} x {DIM}, {cores} cores, against scikit-learn's"
    return _row(what, seconds, plain_seconds, 1, "a rerun is identical")


def memory(options: argparse.Namespace) -> Row:
    """Peak of a process that makes the subspaces of 5,000 images, over that of one for 500."""
    peaks = []
    for images in (50, 500):
        with tempfile.TemporaryDirectory() as folder:
            _write(Path(folder), 1, images)
            peaks.append(in_a_process(__file__, folder)["peak"])
    few, many = peaks
    remark = f"{few / 1e6:.0f} and {many / 1e6:.0f} MB in all"
    return Row("peak memory of subspaces, 5,000 over 500 images", many / few, 1.1, limit=True, remark=remark)


def _write(folder: Path, layers: int, images: int) -> None:
    """Token files like those of ViT-B/16 under a mask of 0.75, each class with ten directions of its own."""
    for number, label in enumerate(LABELS):
        path, rng = folder / f"{label}.h5", np.random.default_rng(number)
        with store.writing(path, [str(i) for i in range(images)], [0] * images, ["1"], {"config_hash": ""}) as writer:
            own = rng.standard_normal((K, DIM)).astype(np.float32)
            for start in range(0, images, BATCH):
                tokens = np.stack([_tokens(rng, BATCH, own) for _ in range(layers)])
                writer.write("1", start, {"patch": tokens})


def _tokens(rng: np.random.Generator, images: int, own: np.ndarray | None = None) -> np.ndarray:
    """Noise, and directions that hold most of the energy: (images, VISIBLE, DIM) float32."""
    noise = rng.standard_normal((images, VISIBLE, DIM), dtype=np.float32)
    if own is None:
        return noise + 5 * rng.standard_normal((images, 1, DIM), dtype=np.float32)
    return noise + rng.standard_normal((images, VISIBLE, len(own)), dtype=np.float32) @ own


def _with_one_thread(folder: Path, layers: int) -> np.ndarray:
    """All angles between classes (L, pairs, k), degrees; the split halves are made as well."""
    files = store.token_files(LABELS, folder, "")
    with threadpool_limits(1):
        found = subspaces.bases(store.streamer(files, "1", "patch"), layers, LABELS, K, "none")
        table = angle_table(found.whole, found.even, found.odd, LABELS, K, 1, 0)
    return table.loc[table["kind"] == "between", "angle_deg"].to_numpy().reshape(layers, -1, K)


def _with_scipy(folder: Path, layers: int) -> np.ndarray:
    """The same in radians, as one would write it down, without the split halves."""
    angles, files = [], store.token_files(LABELS, folder, "")
    for layer in range(1, layers + 1):
        bases = []
        for file in files.values():
            tokens = file.read("1", "patch", layer).reshape(-1, DIM).astype(np.float64)
            bases.append(scipy.linalg.svd(tokens, full_matrices=False)[2][:K].T)
        angles.append([scipy.linalg.subspace_angles(a, b)[::-1] for a, b in combinations(bases, 2)])
    return np.array(angles)


def _row(what: str, seconds: float, plain_seconds: float, target: float, remark: str) -> Row:
    remark = f"{seconds:.1f} s, plain {plain_seconds:.1f} s; {remark}"
    return Row(what, plain_seconds / seconds, target, unit=" x", remark=remark)


def _timed(action: Callable) -> tuple[object, float]:
    start = time.perf_counter()
    return action(), time.perf_counter() - start


def main(folder: str) -> None:
    """Peak memory of this process after the subspaces of a folder."""
    _with_one_thread(Path(folder), 1)
    print(json.dumps({"peak": resident("VmHWM")}))


if __name__ == "__main__":
    main(sys.argv[1])
