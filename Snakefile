# maescope: images -> tokens (HDF5, the only stage with a GPU) -> measures (tidy CSV) -> figures, tables, report.
# A table of contents; each stage opens with what it reads and writes.

from snakemake.utils import min_version

min_version("9.17")

if not workflow.overwrite_configfiles:  # a file given with --configfile stands alone

    configfile: "config/config.yaml"


report: "workflow/report/overview.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/cluster.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/tokens.smk"
include: "workflow/rules/measures.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/beyond.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/sweep.smk"
include: "workflow/rules/conventions.smk"
include: "workflow/rules/page.smk"


rule all:
    default_target: True
    input:
        rules.study_page.output,
        rules.overview.output,
        rules.figure_1.output if STUDY["pretrained"] else [],
        rules.figure_2.output if STUDY["pretrained"] else [],
        rules.figure_3.output if STUDY["pretrained"] else [],
        rules.figure_4.output if STUDY["pretrained"] else [],
        rules.figure_5.output if look.occlusion else [],
        rules.figure_classes.output,
        rules.figure_6.output if look.blur else [],
        rules.figure_7.output if look.occlusion else [],
        rules.figure_8.output if look.degradations else [],
        rules.figure_masks.output if STUDY["mask_variants"] else [],
        rules.figure_cka.output if STUDY["compared"] else [],
        rules.figure_models.output if STUDY["compared"] else [],
        rules.figure_rank.output if STUDY["compared"] else [],
        rules.figure_heads.output if STUDY["compared"] else [],
        rules.figure_eigenvalues.output if STUDY["compared"] else [],
        rules.figure_neural_collapse.output if STUDY["compared"] else [],
        rules.figure_spectrum.output if look.seen_whole else [],
        rules.figure_high_norms.output if look.seen_whole else [],
        rules.figure_patches.output if look.seen_whole else [],
        rules.figure_class_attention.output if look.seen_by_cls else [],
        rules.figure_out_of_distribution.output if look.told_apart else [],
        rules.training_curves.output if look.trained else [],
        rules.reconstruction.output if look.pretrained_here else [],
        rules.table_1.output if look.blur else [],
        rules.table_2.output if STUDY["corruptions"] else [],
        rules.table_3.output if look.degradations else [],
        rules.table_drift.output if STUDY["compared"] and look.degradations else [],
        rules.table_models.output if len(STUDY["finetuned"]) > 1 else [],
        rules.claims.output,
        rules.shifts.output,
        SWEEP if STUDY["sweep"] else [],


localrules:
    all,
