"""How long the rest of a run may take, and how that is said."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

# Times as long as other jobs, in the embedded study, by the first word of a rule's name; holds until one has ended.
HEAVY = {"pretrain": 60, "finetune": 60, "train": 60, "extract": 6}


class Pace:
    """How long the rest of a run may take, by the jobs that have ended.

    Parameters
    ----------
    counts : how many jobs of each rule there are
    """

    def __init__(self, counts: Mapping[str, int]):
        self.rest, self.took = Counter(counts), defaultdict(list)

    def ended(self, rule: str, seconds: float) -> None:
        self.rest[rule] -= 1
        self.took[rule].append(seconds)

    def left(self, running: Iterable[tuple[str, float, float]], wall: float) -> float | None:
        """Seconds, or None before the first job has ended.

        Parameters
        ----------
        running : of each job that runs its rule, seconds so far, and the fraction that is done, 0 where it does not say
        wall : seconds since the first job began
        """
        running, rest = list(running), self.rest.copy()
        spent = sum(map(sum, self.took.values()))
        weights = sum(_weight(rule) * len(took) for rule, took in self.took.items())
        if not spent:
            return None

        def expected(rule: str) -> float:
            took = self.took.get(rule)
            return sum(took) / len(took) if took else spent / weights * _weight(rule)

        work = 0.0
        for rule, seconds, fraction in running:
            rest[rule] -= 1
            work += max((seconds / fraction if fraction else expected(rule)) - seconds, 0)
        work += sum(expected(rule) * count for rule, count in rest.items() if count > 0)
        at_a_time = (spent + sum(seconds for _, seconds, _ in running)) / wall
        return work / max(at_a_time, 1)


def clock(seconds: float) -> str:
    """1:05, or 1:01:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def about(seconds: float) -> str:
    """A guess, as roughly as it is one."""
    if seconds < 90:
        return f"{max(round(seconds, -1), 10):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _weight(rule: str) -> int:
    return HEAVY.get(rule.split("_")[0], 1)
