"""The list of tolerated findings tolerates what it names and nothing else."""

from pathlib import Path

import pytest

from scripts.database_lints import advisors, cli, own_rules, plpgsql
from scripts.database_lints.findings import ALLOWED, AllowList, Finding, read_allowed
from scripts.local_stack.errors import StackError

FOUND = Finding("no_primary_key", "public.a", "INFO: no key")
KNOWN = AllowList({("no_primary_key", "public.a"): "it is a log"})


def test_a_finding_without_an_entry_is_an_objection() -> None:
    assert AllowList({}).objections([FOUND, FOUND], ["no_primary_key"]) == [
        "no_primary_key: public.a: INFO: no key"
    ]


def test_a_tolerated_finding_is_none() -> None:
    assert KNOWN.objections([FOUND], ["no_primary_key"]) == []


def test_an_entry_is_for_one_rule_and_one_subject() -> None:
    other_subject = Finding("no_primary_key", "public.b", "")
    other_rule = Finding("rls_disabled_in_public", "public.a", "")
    assert len(KNOWN.objections([FOUND, other_subject, other_rule], ["no_primary_key"])) == 2


def test_an_entry_that_tolerates_nothing_is_an_objection_of_the_check_that_knows_its_rule() -> None:
    (line,) = KNOWN.objections([], ["no_primary_key"])
    assert "not found any more" in line
    assert KNOWN.objections([], ["another_rule"]) == []


@pytest.mark.parametrize(
    "text",
    [
        '[[allowed]]\nrule = "r"\nsubjects = ["s"]\n',
        '[[allowed]]\nrule = "r"\nreason = " "\nsubjects = ["s"]\n',
        '[[allowed]]\nrule = "r"\nreason = "why"\nsubjects = []\n',
        '[[allowed]]\nrule = "r"\nreason = "why"\nsubjects = ["s", "s"]\n',
    ],
    ids=["no reason", "blank reason", "no subject", "twice"],
)
def test_an_entry_without_reason_or_subject_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "allowed.toml"
    path.write_text(text)
    with pytest.raises(StackError, match=r"allowed\.toml"):
        read_allowed(path)


def test_every_entry_is_of_a_rule_that_a_check_knows() -> None:
    rules = advisors.RULES | own_rules.RULES | plpgsql.RULES
    assert {rule for rule, _ in read_allowed(ALLOWED).reasons} <= rules


def test_a_check_is_left_out_only_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cli.SKIP, "plpgsql")
    with pytest.raises(StackError, match="plpgsql_check"):
        cli.check()
