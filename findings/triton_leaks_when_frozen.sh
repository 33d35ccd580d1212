#!/usr/bin/env bash
# After gc.freeze() a process that imported triton ends with some thirty lines on "leaked" functions and types.
#
# One would guess that gc.freeze(), which keeps a process from looking through all it imported once more at its end (a
# fifth of a short job that imports torch and timm), changes nothing but time. But triton's compiler is bound by
# nanobind, which counts what is left of its types and functions when the interpreter is gone, and tells of it on
# standard error, past whatever sys.stderr had become: what was frozen is never collected, so all of it is there. torch
# imports triton behind its optimisers (torch._dynamo), so it comes from training jobs that name neither. The exit
# status stays 0; gc.unfreeze() at the end, where triton was imported, is enough.
#
# Version: triton 3.9.0 (Python 3.11). Source: nanobind's src/nb_internals.cpp, internals_cleanup; CPython's
# Modules/gcmodule.c (gc.freeze).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q triton==3.9.0
said() {
    "$folder/venv/bin/python" -c "import gc, triton._C.libtriton; $1" 2>&1 || echo "exit status $?"
}
said "pass" >"$folder/plain"
said "gc.freeze()" >"$folder/frozen"
said "gc.freeze(); gc.unfreeze()" >"$folder/unfrozen"
"$folder/venv/bin/python" -m pip show triton | grep -i '^version'
wc -l <"$folder/plain" | sed 's/$/ lines as it is/'
wc -l <"$folder/frozen" | sed 's/$/ lines after gc.freeze(), the first of which:/'
sed -n '1p;6p' "$folder/frozen"
wc -l <"$folder/unfrozen" | sed 's/$/ lines after gc.unfreeze() too/'
grep -q 'nanobind: leaked [0-9]* types' "$folder/frozen" && ! [ -s "$folder/plain" ] && ! [ -s "$folder/unfrozen" ]
