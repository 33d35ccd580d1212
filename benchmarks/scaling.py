"""What every rule costs at several sizes of a study: CPU, clock, memory, disk, and how they grow.

python benchmarks/scaling.py FOLDER IMAGES [IMAGES ...] [--cores N]

Makes a study of each size in FOLDER/IMAGES (`scaled_study`), runs it there as `snakemake` runs any, and prints all
sizes in Markdown, which FOLDER/scaling.json has as well. A size that has ended is not run again, one that was
interrupted goes on.
"""

import argparse
import ast
import json
import math
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import scaled_study
import whole
import yaml

HERE = Path(__file__).resolve().parent
KINDS = {
    "cpu": ("CPU, s", 1, sum),
    "wall": ("clock, s", 1, sum),
    "memory": ("peak, MB", 1e6, max),
    "disk": ("disk, MB", 1e6, sum),
}
TARGETS = ("all", "table_knn")
# Snakemake, whose jobs' scripts are run by the program named first. What it took is a record as well; its memory as
# /proc has it, since what the kernel counts at the end goes back to the process that began it.
SNAKEMAKE = r"""
import json, os, re, resource, sys, time
from snakemake.cli import main
sys.executable, began = sys.argv.pop(1), time.monotonic()
try:
    main()
finally:
    own, status = resource.getrusage(resource.RUSAGE_SELF), open("/proc/self/status").read()
    memory = 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])
    took = {"cpu": own.ru_utime + own.ru_stime, "wall": time.monotonic() - began, "memory": memory}
    with open(os.environ["METERED"], "a") as records:
        records.write(json.dumps(took | {"rule": "snakemake", "disk": 0}) + "\n")
"""


def main() -> None:
    options = _options()
    options.folder.mkdir(parents=True, exist_ok=True)
    found = {
        images: _cost(options.folder.resolve() / str(images), images, options.cores)
        for images in sorted(options.images)
    }
    (options.folder / "scaling.json").write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))


def _cost(folder: Path, images: int, cores: int) -> dict[str, dict]:
    """Of each rule what its jobs took at one size, from the file where that is kept once it is known."""
    kept, study = folder / "cost.json", folder / "study.yaml"
    if not study.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        whole.copy_into(folder)
        study.write_text(yaml.safe_dump(scaled_study.write(folder / "pictures", images)))
    if not kept.is_file():
        kept.write_text(json.dumps(run(folder, cores), indent=1) + "\n")
    return json.loads(kept.read_text())


def run(folder: Path, cores: int) -> dict[str, dict]:
    """Of each rule of the workflow in a folder, and of Snakemake itself, what its jobs took: `by_rule`.

    A job has one thread: of several, on a busy machine, each waits for the others as busily as it works. A run that was
    ended goes on, and what was done before counts.
    """
    records = folder / "records.jsonl"
    environment = dict(os.environ, METERED=str(records), XDG_CACHE_HOME=str(folder / "cache"))
    arguments = [*TARGETS, "--cores", str(cores), "--max-threads", "1", "--configfile", "study.yaml", "--nocolor"]
    command = [sys.executable, "-c", SNAKEMAKE, str(HERE / "metered_python"), *arguments]
    with open(folder / "snakemake.log", "a") as log:
        if subprocess.run(command, cwd=folder, env=environment, stdout=log, stderr=log).returncode:
            sys.exit(f"{folder}/snakemake.log: the study of this size failed")
    return recorded(folder)


def recorded(folder: Path) -> dict[str, dict]:
    """`by_rule` of all that has ended in a folder so far, if it did so well."""
    found = map(json.loads, (folder / "records.jsonl").read_text().splitlines())
    return by_rule(
        [_job(folder, record) if "job" in record else record for record in found if not record.get("status")]
    )


def _job(folder: Path, record: dict) -> dict:
    """A record with the rule of its job, and the bytes that it wrote, in the place of the job itself."""
    pickled = re.search(r"pickle\.loads\((b[\'\"].*?[\'\"])\);from snakemake", record.pop("job"))
    job = pickle.loads(ast.literal_eval(pickled[1]))
    if not job.rule.startswith("extract_"):
        return record | {"rule": job.rule, "disk": sum(_size(folder / path) for path in job.output)}
    files = [*job.output, *(path.removesuffix(".csv") for path in job.output)]  # lists, and the token files beside them
    return record | {"rule": "extract", "disk": sum(_size(folder / path) for path in files)}


def _size(path: Path) -> int:
    """Bytes of a file, or of all in a folder."""
    return sum(file.stat().st_size for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file())


def by_rule(jobs: list[dict]) -> dict[str, dict]:
    """Of each rule how many jobs it had, their seconds and bytes together, and the largest memory of one."""
    found: dict[str, dict] = {}
    for rule in dict.fromkeys(job["rule"] for job in jobs):
        own = [job for job in jobs if job["rule"] == rule]
        found[rule] = {"jobs": len(own)} | {
            kind: of_all(job[kind] for job in own) for kind, (*_, of_all) in KINDS.items()
        }
    return found


def table(found: dict[int, dict[str, dict]]) -> str:
    """Rules by their CPU time at the largest size, each with all sizes, and the exponent between the last two."""
    sizes, largest = list(found), found[max(found)]
    heads = [f"{KINDS[kind][0]} | exponent" for kind in KINDS]
    lines = [f"| {', '.join(f'{size:,}' for size in sizes)} images | jobs | {' | '.join(heads)} |", "|---" * 10 + "|"]
    together = {size: {"jobs": sum(own["jobs"] for own in rules.values())} for size, rules in found.items()}
    for size, rules in found.items():
        for kind, (*_, of_all) in KINDS.items():
            together[size][kind] = of_all(own[kind] for own in rules.values())
    for rule in sorted(largest, key=lambda rule: -largest[rule]["cpu"]):
        lines.append(_line(f"`{rule}`", sizes, [found[size].get(rule) for size in sizes]))
    return "\n".join([*lines, _line("all", sizes, [together[size] for size in sizes])])


def _line(name: str, sizes: list[int], own: list[dict | None]) -> str:
    cells = [name, str(own[-1]["jobs"])]
    for kind, (_, unit, _) in KINDS.items():
        values = [each and each[kind] / unit for each in own]
        cells += [", ".join(map(_number, values)), _exponent(sizes, values)]
    return f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _exponent(sizes: list[int], values: list[float | None]) -> str:
    """By what power of the images the last two values grow."""
    if len(sizes) < 2 or not all(values[-2:]):
        return "-"
    return f"{math.log(values[-1] / values[-2]) / math.log(sizes[-1] / sizes[-2]):.2f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("images", type=int, nargs="+", help="in all: multiples of 500")
    parser.add_argument("--cores", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
