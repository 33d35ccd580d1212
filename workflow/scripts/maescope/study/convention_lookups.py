"""What the rules look up of conventions: what the paper leaves open, decided otherwise than in the study."""

from collections.abc import Callable

from maescope.base import provenance
from maescope.base.errors import InputError
from maescope.study.conventions import MADE_ANEW, OPTIONS
from maescope.study.lookups import pattern
from maescope.study.target_lookups import TargetLookUps


class ConventionLookUps:
    """The conventions of a configuration; what one of them changes lies in `folder`."""

    def __init__(self, look: TargetLookUps):
        self.look, self.conventions = look, look.config["conventions"]
        self.folder = f"{look.results}/conventions/{{convention}}"
        self.names = pattern(self.conventions)
        study = look.study
        self.roles = {"clean": "clean", "blur": look.blur, "mask": study["mask"], "occlusion": look.occlusion}

    def changing(self, *keys: str) -> str:
        """Names of the conventions that change any of these, as a pattern for a wildcard."""
        return pattern(name for name, entry in self.conventions.items() if set(keys) & set(entry))

    def kind(self, wildcards) -> str:
        """What a convention changes."""
        return next(iter(self.conventions[wildcards.convention]))

    def options(self, wildcards) -> dict:
        """Of the forward pass."""
        return OPTIONS[self.kind(wildcards)]

    def setting(self, wildcards, key: str) -> dict:
        """A setting of the analysis as a convention has it."""
        return self.look.analysis[key] | self.conventions[wildcards.convention].get(key, {})

    def features(self, wildcards) -> dict:
        return self.setting(wildcards, "features")

    def k(self, wildcards) -> int | float | list[int]:
        """Dimensions of a subspace."""
        return self.setting(wildcards, "subspace")["k"]

    def centring(self, wildcards) -> str:
        return self.setting(wildcards, "subspace")["centring"]

    def taken(self, wildcards, role: str) -> str:
        """The perturbation that a convention takes for the study's mask or occlusion, else the study's own."""
        return self.conventions[wildcards.convention].get(role, self.roles[role])

    def measured(self, measure: str, model: str | None, *roles: str) -> Callable:
        """An input: a measure of the study's images as a convention has it; none where the study has no such model."""

        def paths(wildcards) -> list[str]:
            anew = MADE_ANEW.get(self.kind(wildcards)) == measure
            own = self.look.measured(measure, [model] if model else [], [self.taken(wildcards, role) for role in roles])
            folder = self.folder.format(convention=wildcards.convention)
            return [path.replace("results", folder, 1) for path in own] if anew else own

        return paths

    def config_hash_of(self, wildcards, perturbation: str) -> str:
        """The fingerprint of the token files that a convention's measure reads, its own or the study's."""
        own = self.look.config_hash_of(wildcards.model, self.look.study["dataset"], perturbation)
        options = OPTIONS.get(self.kind(wildcards))
        return provenance.fingerprint(own, options) if options else own

    def config_hash(self, wildcards) -> str:
        return self.config_hash_of(wildcards, wildcards.perturbation)

    def clean_hash(self, wildcards) -> str:
        return self.config_hash_of(wildcards, "clean")

    def tokens_of(self, wildcards, perturbation: str) -> str:
        """The tokens that a convention's measure reads, its own or the study's."""
        path = self.look.tokens_of(wildcards.model, self.look.study["dataset"], perturbation)
        folder = self.folder.format(convention=wildcards.convention)
        return path.replace("results", folder, 1) if self.kind(wildcards) in OPTIONS else path

    def tokens(self, wildcards) -> str:
        return self.tokens_of(wildcards, wildcards.perturbation)

    def clean_tokens(self, wildcards) -> str:
        return self.tokens_of(wildcards, "clean")

    def claims(self, wildcards) -> list[str]:
        """The conclusions under each convention."""
        if not self.conventions:
            raise InputError("conventions: none given, but this target needs some; config/README.md explains them")
        return [f"{self.folder.format(convention=name)}/claims.csv" for name in self.conventions]
