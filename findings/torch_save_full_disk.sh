#!/usr/bin/env bash
# torch.save to a path does not say that the disk is full; to a file that is open it does.
#
# One would guess an OSError with errno 28 either way. But of a path torch opens a C++ stream of its own, and what that
# could not write is first noticed at the end, as a RuntimeError about a position in the archive ("unexpected pos 704 vs
# 598"), without errno, behind which is "basic_ios::clear: iostream error". Whoever looks for a full disk to keep a
# training going does not find it. With `open(path, "wb")` the OSError is raised, or stands behind the RuntimeError.
#
# Version: torch 2.15.0 (Python 3.11). Source: torch/serialization.py, _open_zipfile_writer_file and _buffer;
# caffe2/serialize/inline_container.cc.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q torch==2.15.0 numpy
"$folder/venv/bin/python" - <<'PYTHON'
import errno

import torch


def chain(error):
    found = []
    while error is not None:
        found.append(f"{type(error).__name__} (errno {getattr(error, 'errno', None)}): {error}")
        error = error.__cause__ or error.__context__
    return found


def said(target):
    try:
        torch.save({"weights": torch.zeros(10**6)}, target)
    except Exception as error:
        return chain(error)
    return []


by_path = said("/dev/full")
by_file = []
try:
    with open("/dev/full", "wb") as file:
        by_file = said(file)
except OSError as error:  # what was left in the buffer
    by_file = by_file or chain(error)
print(torch.__version__, "by path:", *by_path, "by file:", *by_file, sep="\n  ")
known = f"errno {errno.ENOSPC}"
raise SystemExit(0 if not any(known in one for one in by_path) and any(known in one for one in by_file) else 1)
PYTHON
