#!/usr/bin/env bash
# Why the cluster ended a job is told of a job alone, and of a group of jobs it is not, neither on the terminal nor in the log.
#
# An executor hands the reason to Snakemake (`report_job_error(job_info, msg=...)`): that of Slurm passes on what Slurm says
# of the job (NODE_FAIL, CANCELLED, OUT_OF_MEMORY) or what sbatch answered. One would guess that it is shown for a group of
# jobs as for one alone. But `GroupJob.log_error` takes the message and uses it nowhere: "Error in group", "message: None".
# On clusters short jobs are grouped, so that most failures are of groups; `scontrol show job` or `sacct` still know why.
#
# Version: Snakemake 9.27.1 (Python 3.11), snakemake-interface-executor-plugins as it comes with it. Source:
# `GroupJob.log_error` beside `Job.log_error` in snakemake/jobs.py; `AbstractExecutor.print_job_error` in the interface.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q snakemake==9.27.1
cd "$folder"
mkdir snakemake_executor_plugin_refusing
# An executor whose every job ends at once, for a reason.
cat > snakemake_executor_plugin_refusing/__init__.py <<'PLUGIN'
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(non_local_exec=True, implies_no_shared_fs=False, job_deploy_sources=False)


class Executor(RemoteExecutor):
    def run_job(self, job):
        self.report_job_submission(SubmittedJobInfo(job, external_jobid="7"))
        self.report_job_error(SubmittedJobInfo(job, external_jobid="7"), msg="the node went down")

    async def check_active_jobs(self, active_jobs):
        for job in active_jobs:
            yield job

    def cancel_jobs(self, active_jobs):
        pass
PLUGIN
printf 'rule one:\n    output:\n        "a.txt",\n    shell:\n        "touch {output}"\n' > Snakefile
"$folder/venv/bin/snakemake" --version
for groups in "" "--groups one=together"; do
    # shellcheck disable=SC2086
    PYTHONPATH="$folder" timeout 120 "$folder/venv/bin/snakemake" --executor refusing --jobs 1 $groups > said 2>&1 && { echo "changed: no failure" >&2; exit 1; }
    told=$(cat said .snakemake/log/*.log | grep -c "the node went down" || true)
    echo "${groups:-alone}: the reason is told $told times"
    grep -E "^ *(message|Error in)" said
    if [ -z "$groups" ] && [ "$told" = 0 ] || [ -n "$groups" ] && [ "$told" != 0 ]; then
        echo "changed" >&2
        exit 1
    fi
    rm -rf .snakemake
done
