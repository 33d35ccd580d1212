#!/usr/bin/env bash
# A Python package beside the Snakefile, found through `workflow.source_path`, is a package of only the files asked for.
#
# One would guess that for a Snakefile on the local disk `workflow.source_path("lib/pack/__init__.py")` is that very file,
# so that its folder can go to `sys.path` and all of the package be imported. But local files too are handed out as copies
# in a source cache of the run, made when they are asked for, one by one: the folder beside the copy holds nothing else,
# and `from pack import other` fails, though other.py lies beside __init__.py on disk. It works once every file of the
# package has been asked for.
#
# Version: Snakemake 9.27.1 (Python 3.11). Source: Workflow.source_path, whose docstring says "path to source file".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q snakemake==9.27.1
cd "$folder"
mkdir -p lib/pack
touch lib/pack/__init__.py
echo 'WORDS = "imported"' > lib/pack/other.py
ask='import sys\nfrom pathlib import Path\n\nsys.path.insert(0, str(Path(workflow.source_path("lib/pack/__init__.py")).parents[1]))\n'
use='from pack import other\n\nprint(other.WORDS)\n\n\nrule all:\n    input: []\n'
printf "$ask$use" > one.smk
printf "${ask}workflow.source_path(\"lib/pack/other.py\")\n$use" > every.smk
"$folder/venv/bin/snakemake" --version
"$folder/venv/bin/snakemake" --cores 1 --snakefile every.smk 2> /dev/null | grep -x imported
if "$folder/venv/bin/snakemake" --cores 1 --snakefile one.smk > said.txt 2>&1; then
    echo "changed: the package is whole" >&2
    exit 1
fi
grep "cannot import name 'other' from 'pack'" said.txt | sed "s#$folder#FOLDER#g"
