#!/usr/bin/env bash
# Counting a forward pass's operations without gradients fails where a module is given a view of a parameter.
#
# One would guess that torch.no_grad() makes counting cheaper and changes nothing else. But FlopCounterMode follows
# modules by hooks on those of their inputs that require gradients, and under no_grad a view of a parameter
# (`latent.expand(...)`, as timm's AttentionPoolLatent gives to its query's layer) still does while it has no function
# of a gradient: the hook then raises an AssertionError that names neither the module nor no_grad. With gradients the
# same pass counts the same operations.
#
# Version: torch 2.15.0 (Python 3.11). Source: torch/utils/module_tracker.py, _fw_pre_hook; torch/autograd/graph.py,
# _get_grad_fn_or_grad_acc.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q torch==2.15.0 numpy
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.utils.flop_counter import FlopCounterMode


class Pool(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.latent, self.query = torch.nn.Parameter(torch.zeros(1, 1, 4)), torch.nn.Linear(4, 4)

    def forward(self, x):
        return self.query(self.latent.expand(len(x), -1, -1)) + x


pool, x = Pool(), torch.zeros(2, 1, 4)
with FlopCounterMode(display=False) as counter:
    pool(x)
print(torch.__version__, "with gradients:", counter.get_total_flops())
try:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        pool(x)
except AssertionError as error:
    print(f"without: {type(error).__name__}: {error}")
    raise SystemExit(0)
print("changed:", counter.get_total_flops())
raise SystemExit(1)
PYTHON
