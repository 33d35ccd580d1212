"""Remake the first two numbers in each cell of docs/corruptions.md: PSNR of the corruptions and their re-derivations.

python benchmarks/corruptions.py (a minute or two)
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/corruptions.md"
sys.path[:0] = [str(ROOT / folder) for folder in ("workflow/scripts", "tests", "tests/unit/images")]

import test_corruption_psnr as page  # noqa: E402

import rederived  # noqa: E402


def row(name: str, size: int, published: list[float]) -> str:
    """One line of Markdown; the third number of each cell stays."""
    cells = [f"| `{name}`"]
    for severity, theirs in enumerate(published, start=1):
        ours, again = page.our_psnr(name, size, severity), rederived.rederived_psnr(name, size, severity)
        cells.append(f"{ours:.2f} / {again:.2f} / {theirs:.2f}")
    return " | ".join(cells) + " |"


def main() -> None:
    text = PAGE.read_text()
    for (size, name), values in page.documented().items():
        head, table = text.split(f"### {size} px", 1)
        table = re.sub(rf"^\| `{name}` \|.* / .*$", row(name, size, values[:, 2]), table, count=1, flags=re.MULTILINE)
        text = f"{head}### {size} px{table}"
        print(size, name, flush=True)
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
