#!/usr/bin/env bash
# Of several `onsuccess:` (or onstart, onerror) in a workflow's included files only the last one runs, without a word.
#
# Each file of rules may end with what it has to tidy up or to say. One would guess that all of them run in their order, or
# that a second one is refused as a second rule of the same name is. But each takes the place of the one before: a new file
# that says "open this page" at the end switched off the handler of another file that removed what jobs had left behind,
# and nothing failed.
#
# Version: Snakemake 9.27.1 (Python 3.11). Source: `Workflow.onsuccess`, which keeps one function; `snakemake --lint` is silent.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q snakemake==9.27.1
cd "$folder"
printf 'onsuccess:\n    print("tidied up")\n' > tidy.smk
printf 'onsuccess:\n    print("open the page")\n' > page.smk
printf 'include: "tidy.smk"\ninclude: "page.smk"\n\nrule all:\n    output:\n        touch("done"),\n' > Snakefile
"$folder/venv/bin/snakemake" --version
"$folder/venv/bin/snakemake" --cores 1 --quiet all > said 2>&1
grep -x -e "tidied up" -e "open the page" said
if grep -qx "tidied up" said; then
    echo "changed: the first handler runs as well" >&2
    exit 1
fi
