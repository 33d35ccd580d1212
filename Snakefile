# maescope: images -> tokens (HDF5, the only stage with a GPU) -> measures (tidy CSV) -> figures, tables, report.
# A table of contents; each stage opens with what it reads and writes.

from snakemake.utils import min_version

min_version("9.0")

if not workflow.overwrite_configfiles:  # a file given with --configfile stands alone

    configfile: "config/config.yaml"


report: "workflow/report/overview.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/cluster.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/tokens.smk"
include: "workflow/rules/measures.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/beyond.smk"
include: "workflow/rules/studies.smk"
include: "workflow/rules/sweep.smk"
include: "workflow/rules/overview.smk"
include: "workflow/rules/sensitivity.smk"


rule all:
    default_target: True
    input:
        rules.overview.output,
        rules.figure_1.output if STUDY["pretrained"] else [],
        rules.figure_2.output if STUDY["pretrained"] else [],
        rules.figure_3.output if STUDY["pretrained"] else [],
        rules.figure_4.output if STUDY["pretrained"] else [],
        rules.figure_5.output,
        rules.figure_masks.output if STUDY["mask_variants"] else [],
        rules.training_curves.output if TRAINED else [],
        rules.reconstruction.output if PRETRAINED_HERE else [],
        rules.figure_6.output,
        rules.figure_7.output,
        rules.figure_8.output,
        rules.table_1.output,
        rules.table_2.output if STUDY["corruptions"] else [],
        rules.table_3.output,
        rules.claims.output,
        rules.shifts.output,
        BEYOND,
        SWEEP if STUDY["sweep"] else [],


localrules:
    all,
