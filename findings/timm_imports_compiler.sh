#!/usr/bin/env bash
# `import timm` and `import torchvision` load all of torch's compiler, which a forward pass has no use for.
#
# One would guess that an eager program pays for eager code. But torchvision's roi_align takes one function from
# `torch._dynamo.utils` at its top, above a helper that says "This avoids eagerly importing dynamo", and timm and
# torchvision decorate with `torch.compiler.disable`, which imports `torch._dynamo` to do nothing: with it come
# torch._inductor, torch.distributed, sympy and triton, 800 modules, two fifths of the CPU time of the import.
# torch itself defers the same decorator to the first call (`torch._disable_dynamo`).
#
# Version: timm 1.0.31, torchvision 0.29.2, torch 2.15.0 (Python 3.11). Source: torchvision/ops/roi_align.py,
# torchvision/tv_tensors/__init__.py, timm/models/naflexvit.py, torch/compiler/__init__.py, torch/_compile.py.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q timm==1.0.31 torchvision==0.29.2 torch==2.15.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import time

import torch

before, began = set(sys.modules), time.process_time()
print("after torch:", sorted({"torch._dynamo", "torch._inductor", "sympy"} & before))
import timm

loaded = {name for name in set(sys.modules) - before if name.startswith(("torch._dynamo", "torch._inductor", "sympy"))}
print(f"timm {timm.__version__}: {time.process_time() - began:.1f} s of CPU, {len(loaded)} modules of the compiler")
raise SystemExit(not loaded)
PYTHON
