"""The mutants in benchmarks, which a change of the code may leave behind."""

from __future__ import annotations

from benchmarks.mutants import mutants
from tests.conftest import ROOT


def test_each_mutant_breaks_one_line_of_the_code() -> None:
    found = [(each.rule, (ROOT / each.path).read_text().count(each.right)) for each in mutants()]
    assert not [rule for rule, number in found if number != 1]
