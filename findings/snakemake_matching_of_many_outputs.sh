#!/usr/bin/env bash
# A rule of many outputs makes planning grow with the square of their number.
#
# A token file for each class, {model}/cat.h5 beside {model}/dog.h5, is an output of one job and an input of the next. One
# would guess that twice as many classes cost twice the planning: the number of jobs stays, that of files doubles, and
# outputs are found by prefix and suffix. But the index groups by rule: for each input all outputs of that prefix are asked
# for their suffix, and then the rule that was found tries its outputs one after another as regular expressions until one
# fits. Twice as many classes are four times as many matches; a plan of 107 jobs over 1000 classes (75,000 inputs) made 50
# million matches and took two and a half minutes of CPU, of which 84 % was this.
#
# Version: Snakemake 9.27.1 (Python 3.11). Source: `OutputIndex.match_producers`, `Rule.is_producer`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q snakemake==9.27.1
cd "$folder"
cat > Snakefile <<'SMK'
LABELS = [f"class{number}" for number in range(int(config["classes"]))]

rule all:
    input:
        expand("{model}/mean.csv", model=["mae", "supervised"]),

rule tokens:
    output:
        expand("{{model}}/{label}.h5", label=LABELS),

rule mean:
    input:
        expand("{{model}}/{label}.h5", label=LABELS),
    output:
        "{model}/mean.csv",
SMK
# How often an output's regular expression is tried while planning, as the profiler counts it.
cat > count.py <<'PY'
import pstats
import sys

counted = pstats.Stats(sys.argv[1]).stats.items()
print(sum(calls for (file, _, name), (calls, *_) in counted if name == "match" and "snakemake/io" in file))
PY
"$folder/venv/bin/snakemake" --version
for classes in 100 200 400; do
    "$folder/venv/bin/python" -m cProfile -o profile -m snakemake -n --quiet all --config classes=$classes > plan.txt
    matches=$("$folder/venv/bin/python" count.py profile)
    echo "$classes classes, 2 models: $matches matches"
    if [ "$classes" != 100 ] && [ "$matches" -lt $((3 * before)) ]; then
        echo "changed: twice as many classes are no longer four times as many matches" >&2
        exit 1
    fi
    before=$matches
done
