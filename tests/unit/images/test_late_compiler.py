"""timm and torchvision come without torch's compiler, and whoever wants it has the real one."""

import ast
import os
import subprocess
import sys

from conftest import REPOSITORY

SCRIPTS = REPOSITORY / "workflow/scripts"
LATER = """
import sys
assert not {name for name in sys.modules if name.startswith(("torch._dynamo", "torch._inductor", "sympy", "triton"))}

import timm, torch
from torch import nn
from torchvision.ops import roi_align
from maescope.images.late_compiler import late_compiler

torch.use_deterministic_algorithms(True)
square = torch.arange(16.0).reshape(1, 1, 4, 4)
print(roi_align(square, [torch.tensor([[0.0, 0.0, 4.0, 4.0]])], 1, aligned=True).item())  # asks the compiler
compiler = sys.modules["torch._dynamo"]
with late_compiler():
    assert sys.modules["torch._dynamo"] is compiler
model = timm.create_model("vit_tiny_patch16_224", img_size=16, patch_size=8, depth=1, embed_dim=12, num_heads=2).eval()
images = torch.rand(2, 3, 16, 16)
print(torch.equal(torch.compile(model, backend="eager")(images), model(images)))
"""
MEANWHILE = """
import sys
import torch
from maescope.images.late_compiler import late_compiler

with late_compiler():
    from torch._dynamo.utils import is_compile_supported
    once = torch.compiler.disable(lambda: 7)
    assert not hasattr(sys.modules["torch._dynamo"], "__file__") and "torch._inductor" not in sys.modules
    limit = sys.modules["torch._dynamo"].config.recompile_limit  # what is not put off: the real one, at once
    assert hasattr(sys.modules["torch._dynamo"], "__file__")
print(once(), limit, is_compile_supported("cpu") in (True, False), torch._dynamo.config.recompile_limit)
"""


def run(code):
    environment = dict(os.environ, PYTHONPATH=str(SCRIPTS))
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_an_extraction_begins_without_the_compiler_which_is_there_for_whoever_asks():
    body = ast.parse((SCRIPTS / "tokens/extract.py").read_text()).body
    imports = [ast.unparse(node) for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert run("\n".join(imports) + LATER).split() == ["7.5", "True"]  # the mean of 0 to 15


def test_what_asks_for_more_of_the_compiler_meanwhile_has_the_real_one():
    seven, limit, asked, real = run(MEANWHILE).split()
    assert (seven, asked) == ("7", "True") and int(limit) == int(real) > 0
