"""Families of vision transformers side by side: what applies to each is planned, and no more."""

from conftest import REPOSITORY

CONFIG = REPOSITORY / "tests/workflow/families.yaml"
EVERY = ["beit", "dinov3", "eva02", "ijepa", "pixio", "reg4", "siglip"]
WITH_CLS = ["beit", "dinov3", "eva02", "pixio"]


def test_what_is_of_cls_is_planned_of_models_that_have_it_and_refused_of_others(workflow):
    jobs = workflow.plan("--configfile", str(CONFIG))
    of = {
        rule: sorted(job[1] for job in jobs if job[0] == rule) for rule in ("class_attention", "spectrum", "attention")
    }
    assert of == {"class_attention": WITH_CLS, "spectrum": EVERY, "attention": EVERY}
    done = workflow.run(
        "--dry-run", "results/measures/class_attention/siglip/three/clean.csv", "--configfile", str(CONFIG)
    )
    assert done.returncode and "models.siglip: vit_base_patch16_siglip_224 has no CLS token" in done.stdout
