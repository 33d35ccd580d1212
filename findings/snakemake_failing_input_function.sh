#!/usr/bin/env bash
# An error in an input function is told when a workflow is new, and later turns into "nothing to be done".
#
# One would guess that a KeyError in an input function always ends a plan, as it does in a new folder. But once results are
# there, two steps further down, Snakemake takes the file between as one that no rule makes: it leaves out the job whose
# function failed and all before it, ends well, and no change of sources or params is seen any more. So a table that an
# input function reads, when it is damaged, hides that everything made from it is out of date.
#
# What helps: input functions that raise nothing, and say themselves what is wrong with what they read.
#
# Version: Snakemake 9.27.1 (Python 3.11). Source: `DAG.update_` in dag.py, which keeps WorkflowErrors of a dependency for
# later, and forgets them where its file exists.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q snakemake==9.27.1
cd "$folder"
cat > Snakefile <<'SNAKEFILE'
import json


def sources(wildcards):
    with open("table.json") as table:
        return json.load(table)["sources"]


rule made:
    input: sources
    output: "made.txt"
    shell: "cat {input} > {output}"


rule read:
    input: "made.txt"
    output: "read.txt"
    shell: "cp {input} {output}"


rule told:
    input: "read.txt"
    output: "told.txt"
    shell: "cp {input} {output}"
SNAKEFILE
plan() {
    "$folder/venv/bin/snakemake" --dry-run --cores 1 told.txt > plan 2>&1 || true
    grep -o -m 1 -e "Nothing to be done" -e "InputFunctionException" -e "^total  *[0-9]*" plan
}
"$folder/venv/bin/snakemake" --version
echo one > first.txt
echo '{}' > table.json
new=$(plan)
echo "a new folder, a table without the key: $new"
echo '{"sources": ["first.txt"]}' > table.json
"$folder/venv/bin/snakemake" --cores 1 told.txt > said 2>&1
echo two > first.txt
changed=$(plan)
echo "made, then a source changed: $changed"
echo '{}' > table.json
later=$(plan)
echo "and the table without the key again: $later"
if [ "$new" != "InputFunctionException" ] || [[ "$changed" != total* ]] || [ "$later" != "Nothing to be done" ]; then
    echo "changed: the error is told, or never was" >&2
    exit 1
fi
