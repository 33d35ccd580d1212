#!/usr/bin/env bash
# An input marked `ancient` makes Snakemake overlook, for one run, that its job has to be made again for another reason.
#
# One would guess that `ancient` says one thing: that the time of this file is no reason. But where the job that makes
# the ancient file has to run, the jobs behind it are not looked at themselves, as they are thought to follow from it; and
# then they do not follow, because the file is ancient. A param that was changed at the same time is overlooked, the
# results stay as they were, and Snakemake ends with success; only the next run makes them again.
#
# Version: Snakemake 9.27.1 (Python 3.11). Source: snakemake/dag.py, update_needrun: `masked`, and is_ancient below it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q snakemake==9.27.1
cd "$folder"
cat > Snakefile <<'SNAKEFILE'
rule result:
    input:
        check=ancient("check.txt"),
    output:
        "result.txt",
    params:
        value=config["value"],
    shell:
        "echo {params.value} > {output}"


rule check:
    output:
        "check.txt",
    params:
        strictness=config["strictness"],
    shell:
        "echo {params.strictness} > {output}"
SNAKEFILE
run() { "$folder/venv/bin/snakemake" --cores 1 --quiet all "$@" > said.txt 2>&1 || cat said.txt; }
"$folder/venv/bin/snakemake" --version
run --config value=1 strictness=1
run --config value=2 strictness=2 && first=$(cat result.txt) # both params are others now
run --config value=2 strictness=2 && second=$(cat result.txt)
echo "value 2 was asked for; after the first run the result is $first, after the second $second"
if [ "$first" != 1 ] || [ "$second" != 2 ]; then
    echo "changed: the param of a job with an ancient input is no longer overlooked" >&2
    exit 1
fi
