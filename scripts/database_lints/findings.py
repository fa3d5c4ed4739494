"""What a check found, and the list of findings that are tolerated, each with its reason."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts.local_stack.errors import StackError

ALLOWED = Path(__file__).with_name("allowed.toml")
_KEYS = {"rule", "reason", "subjects"}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """`rule` and `subject` name it in the allow-list; `detail` is for the person who reads it."""

    rule: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class AllowList:
    """Tolerated findings: (rule, subject) and the reason."""

    reasons: dict[tuple[str, str], str]

    def objections(self, found: Iterable[Finding], rules: Iterable[str]) -> list[str]:
        """Return a line for each finding that is not tolerated, and for each entry that tolerates nothing.

        `rules` are those that the check knows: entries of other rules are no business of it.
        """
        seen = sorted(set(found))
        lines = [
            f"{finding.rule}: {finding.subject}: {finding.detail}"
            for finding in seen
            if (finding.rule, finding.subject) not in self.reasons
        ]
        wanted = {(finding.rule, finding.subject) for finding in seen}
        known = set(rules)
        lines += [
            f"{rule}: {subject}: {ALLOWED.name} tolerates this, but it is not found any more: take it out"
            for rule, subject in sorted(self.reasons)
            if rule in known and (rule, subject) not in wanted
        ]
        return lines


def read_allowed(path: Path = ALLOWED) -> AllowList:
    """Read the allow-list.

    Raises:
        StackError: an entry has no reason, other keys, or is there twice.
    """
    reasons: dict[tuple[str, str], str] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("allowed", []):
        if set(entry) != _KEYS or not str(entry["reason"]).strip() or not entry["subjects"]:
            raise StackError(f"{path.name}: each entry has a rule, a reason and subjects, but not {entry}.")
        for subject in entry["subjects"]:
            key = (entry["rule"], subject)
            if key in reasons:
                raise StackError(f"{path.name}: {key[0]} of {key[1]} is tolerated twice.")
            reasons[key] = entry["reason"]
    return AllowList(reasons)
