#!/usr/bin/env bash
# A name without quotes that only looks like a date, 2021-13-01, is neither text nor a YAML error: it ends the program.
#
# One would guess that what is no date (there is no month 13) is taken as text, or refused by an error of YAML's own.
# But the pattern for timestamps matches digits of any value, and the constructor then hands them to `datetime.date`,
# whose ValueError is no yaml.YAMLError: who catches those, as Snakemake does for its configuration file, shows a
# traceback that names neither the file nor the line. 2021-12-01 becomes a date, 2021-13-1x is text.
#
# Version: PyYAML 6.0.3 (Python 3.11). Source: yaml/constructor.py, construct_yaml_timestamp; the YAML 1.1 timestamp type.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q pyyaml==6.0.3
"$folder/venv/bin/python" - <<'PYTHON'
import yaml

print(yaml.__version__, repr(yaml.safe_load("2021-12-01")), repr(yaml.safe_load("2021-13-1x")))
try:
    print("changed:", repr(yaml.safe_load("2021-13-01")))
except ValueError as error:
    print(f"{type(error).__name__}, a YAMLError: {isinstance(error, yaml.YAMLError)}: {error}")
    raise SystemExit(isinstance(error, yaml.YAMLError))
raise SystemExit(1)
PYTHON
