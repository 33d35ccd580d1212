#!/usr/bin/env bash
# A class that happens to be called `Resources`, imported into a Snakefile, breaks every rule below it.
#
# One would guess that names imported into a Snakefile are one's own: what rules are made of is Snakemake's, inside it.
# But the Snakefile is executed in the very namespace that its own generated code looks names up in, so an import of a
# class `Resources` takes the place of Snakemake's, and the first rule fails where it is declared, by a message about
# one's own class that names neither the import nor the clash. The same class under another name does no harm.
#
# Version: Snakemake 9.27.1 (Python 3.11). Source: the generated code of a rule, `snakemake --print-compilation`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q snakemake==9.27.1
cd "$folder"
printf 'class Resources:\n    pass\n\n\nclass Asked:\n    pass\n' > own.py
rule='\n\nrule hello:\n    output:\n        "hello.txt",\n    resources:\n        mem_mb=100,\n    shell:\n        "echo hello > {output}"\n'
printf "from own import Asked\n$rule" > fine.smk
printf "from own import Resources\n$rule" > hidden.smk
"$folder/venv/bin/snakemake" --version
"$folder/venv/bin/snakemake" --cores 1 --snakefile fine.smk --quiet all && cat hello.txt
if "$folder/venv/bin/snakemake" --cores 1 --snakefile hidden.smk --forceall > said.txt 2>&1; then
    echo "changed: a class called Resources does no harm any more" >&2
    exit 1
fi
grep "Resources" said.txt
grep -q "type object 'Resources' has no attribute 'from_mapping'" said.txt
