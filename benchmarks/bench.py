"""What maescope costs: each target of speed and memory as a ratio, measured in one run on one machine.

python benchmarks/bench.py [--only NAME ...] [--architecture NAME] [--batch N] [--rounds N] [--device auto|cpu|cuda]
                           [--layers N] [--images N] [--small NAME] [--demo]

Prints Markdown and writes benchmarks/latest.json; a target that is missed is said and is no failure. All but --demo
takes about 25 minutes on two idle cores.
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

import digests
import layers
import memory
import passes
import pictures
import separating
import shards
import torch
import training_steps
import whole
from row import HEADER

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from maescope.base import provenance  # noqa: E402
from maescope.models import devices  # noqa: E402

ROWS = {  # those of `passes` come behind those of `layers`: with them this process begins to keep freed memory
    "subspaces": layers.subspaces_and_angles,
    "subspaces_memory": layers.memory,
    "tsne": layers.tsne,
    "separation": separating.separation_row,
    "separation_memory": separating.memory_row,
    "probe": separating.probe_row,
    "float32": passes.pixels_to_files("float32", 0.97),
    "bfloat16": passes.pixels_to_files("bfloat16", 0.92),
    "patch": passes.pixels_to_files("float32", 0.93, patch=True),
    "attention": passes.pixels_to_files("float32", 0.85, attention=True),
    "attention_bfloat16": passes.pixels_to_files("bfloat16", 0.70, attention=True),
    "digests": digests.written_and_read,
    "quality": pictures.measures,
    "quality_memory": pictures.memory,
    "corruptions": pictures.corrupted,
    "shards": shards.against_files,
    "files": passes.jpegs_to_files,
    "gpu_files": passes.gpu_from_jpegs,
    "gpu_memory": passes.gpu_from_memory,
    "training": training_steps.files_row,
    "gpu_training": training_steps.gpu_row,
    "hooks": memory.against_hooks,
    "many": memory.many_images,
    "plan": whole.plan,
    "plan_thousand": whole.plan_thousand,
    "demo": whole.demo,
}


def main() -> None:
    options = _options()
    machine = _machine(options.device)
    print(f"{options.architecture}, batch {options.batch}, {machine}, torch {torch.__version__}\n")
    print(HEADER, flush=True)
    settings = vars(options) | {"machine": machine, "platform": platform.platform(), "versions": provenance.versions()}
    found: list[dict] = []
    for name in options.only:
        rows = ROWS[name](options)
        for row in rows if isinstance(rows, list) else [rows]:
            found.append(asdict(row) | {"verdict": row.verdict})
            print(row.markdown(), flush=True)
        content = json.dumps({"settings": settings, "rows": found}, indent=1)
        (ROOT / "benchmarks" / "latest.json").write_text(content + "\n")  # after each: nothing measured is lost


def _machine(device: str) -> str:
    """What computes, and how busy it was before: on a machine that others use, no number here means much."""
    gpu = f"{torch.cuda.get_device_name()}, " if devices.device_of(device).type == "cuda" else ""
    return f"{gpu}{torch.get_num_threads()} CPU threads, load {os.getloadavg()[0]:.1f} at the beginning"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), metavar="NAME", help=", ".join(ROWS))
    parser.add_argument("--architecture", default="vit_base_patch16_224")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="of pixels in memory")
    parser.add_argument("--layers", type=int, default=12, help="of subspaces and t-SNE")
    parser.add_argument("--images", type=int, default=512, help="of the memory against hooks, or fewer")
    parser.add_argument("--small", default="vit_tiny_patch16_224", help="model of 5,000 images against 500")
    parser.add_argument("--demo", action="store_true", help="run make demo as well")
    return parser.parse_args()


if __name__ == "__main__":
    main()
