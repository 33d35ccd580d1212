#!/usr/bin/env bash
# The Slurm plugin of Snakemake cannot submit anything where there is no program `sacct`, and its --slurm-no-account is read
# by nothing.
#
# One would guess that without an account the plugin goes on without one, as it does where sacct answers that there is no
# accounting, and that `--slurm-no-account` keeps it from asking. But only a failure of sacct is expected, not its absence,
# and the option occurs once in the source, where it is declared. So every submission ends in FileNotFoundError, and with an
# account given as well where `sacctmgr` is missing.
#
# Version: snakemake-executor-plugin-slurm 2.8.0, Snakemake 9.27.1 (Python 3.11). Source: accounts.py, and
# ExecutorSettings.no_account and Executor.get_account_arg in __init__.py.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q snakemake==9.27.1 snakemake-executor-plugin-slurm==2.8.0
cd "$folder"
mkdir empty
ln -s "$(command -v which)" empty/which  # by which the plugin looks for squeue
source=$("$folder/venv/bin/python" -c 'import snakemake_executor_plugin_slurm as plugin; print(plugin.__path__[0])')
echo "no_account: $(grep -rho --include='*.py' no_account "$source" | wc -l) time in the source"
asking='import logging
from snakemake_executor_plugin_slurm import accounts
try:
    print("changed: guessed", accounts.get_account(logging.getLogger()))
except FileNotFoundError as error:
    print("FileNotFoundError:", error)'
PATH="$folder/empty" "$folder/venv/bin/python" -c "$asking" | tee said.txt
grep -q "FileNotFoundError: .*'sacct'" said.txt
