#!/usr/bin/env bash
# With a larger --max-checksum-file-size a job's inputs are read again once for each of its outputs.
#
# Files of up to 1 MB that were merely touched make nothing again, as Snakemake compares a SHA-256 that it recorded. One
# would guess that raising the limit costs one reading of each larger input a job. But when a job has ended the digest of
# every input is computed anew for every output file, in Snakemake's own process, which starts no other job meanwhile: of an
# extraction that reads 350 MB of weights and writes one file for each of 1000 classes 350 GB are read. The recorded digests
# are the same in all outputs.
#
# Version: Snakemake 9.27.1 (Python 3.11). Source: `Persistence.finished`, where the loop over inputs is inside the one over
# outputs; `--help` says "compute the checksum ... job postprocessing only for files that are smaller than the threshold".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q snakemake==9.27.1
cd "$folder"
head -c 20000000 /dev/zero > weights
for outputs in 1 50; do
    printf 'rule many:\n    input:\n        "weights",\n    output:\n        expand("%s/{n}.txt", n=range(%s)),\n    shell:\n        "touch {output}"\n' \
        "$outputs" "$outputs" > "$outputs.smk"
done
"$folder/venv/bin/snakemake" --version
# How often the input is hashed: each call of hashlib.file_digest leaves a line.
printf 'import hashlib\n\nreal = hashlib.file_digest\n\n\ndef told(file, *rest):\n    if getattr(file, "name", "") == "weights":\n        open("hashed", "a").write("once\\n")\n    return real(file, *rest)\n\n\nhashlib.file_digest = told\n' > sitecustomize.py
for outputs in 1 50; do
    rm -f hashed
    PYTHONPATH="$folder" "$folder/venv/bin/snakemake" --cores 1 --snakefile "$outputs.smk" --quiet all --max-checksum-file-size 1GB
    echo "$outputs outputs: the input was hashed $(wc -l < hashed) times"
    if [ "$outputs" = 50 ] && [ "$(wc -l < hashed)" -lt 50 ]; then
        echo "changed: once is enough" >&2
        exit 1
    fi
done
