"""Documents of JSON, and what is nearly JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from impact_sandbox import faults

from tap_impact.api.pages import decode, page_decoder
from tap_impact.streams.actions import ACTIONS
from tests.inside import run_inside
from tests.runs import catalog

if TYPE_CHECKING:
    from tests.conftest import SandboxFactory

# Characters of all kinds, halves of surrogate pairs and U+0000 among them.
ODD_TEXTS = st.text(
    st.characters(exclude_categories=())
    | st.sampled_from('\0\ud800\udfff\udbff\\"u0d8\n\x01é\U0001f600')
)
DOCUMENTS = st.recursive(
    ODD_TEXTS | st.none() | st.booleans() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD_TEXTS, inner, max_size=3),
    max_leaves=8,
)


def as_text(written: Any) -> Any:
    """What may be left of a document: each half pair and each U+0000 is U+FFFD."""
    match written:
        case str():
            whole = written.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            return whole.replace("\0", "\ufffd")
        case list():
            return [as_text(item) for item in written]
        case dict():
            return {as_text(name): as_text(value) for name, value in written.items()}
        case _:
            return written


@given(DOCUMENTS)
@example("\\u0000")
@example(["\\", "\0", "\ud83d\ude00", "\ude00\ud83d"])
def test_all_but_what_is_no_text_is_decoded_as_written(document: Any) -> None:
    replaced: list[str] = []
    written = json.dumps(document)
    exact = json.loads(written)
    assert decode(written.encode(), replaced.append) == as_text(exact)
    assert bool(replaced) == (as_text(exact) != exact)


@given(DOCUMENTS, st.data())
def test_nothing_that_was_cut_short_is_taken_for_whole(document: Any, data: st.DataObject) -> None:
    written = json.dumps([document, "\ud800"]).encode()
    end = data.draw(st.integers(0, len(written) - 1))
    with pytest.raises(msgspec.DecodeError):
        decode(written[:end])


@pytest.mark.parametrize(
    ("content", "expected", "said"),
    [
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}, "byte order mark"),
        (b'{"a":"caf\xe9"}', {"a": "caf\ufffd"}, "not UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', {"a": "\ufffd\ufffd\ufffd"}, "not UTF-8"),
        (b'{"caf\xe9":1}', {"caf\ufffd": 1}, "not UTF-8"),
        (b'{"a":"\\ud800"}', {"a": "\ufffd"}, "surrogate"),
        (b'{"a":"x\\u0000"}', {"a": "x\ufffd"}, "U+0000"),
        (b'{"a":"x\0"}', {"a": "x\ufffd"}, "U+0000"),
        (b'{"a":"x\ty\n"}', {"a": "x\ty\n"}, "control character"),
        (b'{"a":NaN,"b":[-Infinity]}', {"a": "NaN", "b": ["-Infinity"]}, "NaN"),
    ],
)
def test_what_is_nearly_json_is_read_and_said(
    content: bytes, expected: dict[str, Any], said: str
) -> None:
    replaced: list[str] = []
    assert decode(content, replaced.append) == expected
    (what,) = replaced
    assert said in what


@pytest.mark.parametrize(
    "content", [b'{"a":"NaN"}', b'{"a":"\\\\u0000"}', b'{"a":"\\ud83d\\ude00"}', b'{"a":0.10}']
)
def test_of_json_nothing_is_said(content: bytes) -> None:
    replaced: list[str] = []
    assert decode(content, replaced.append) == json.loads(content, parse_float=Decimal)
    assert not replaced


def test_a_number_beyond_all_decimals_is_text() -> None:
    assert decode(b'{"a":1e99999999999999999999}') == {"a": "1e99999999999999999999"}


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_nesting_is_no_document(opening: bytes) -> None:
    for document in (opening * 100_000, opening * 100_000 + b'"\xe9'):
        with pytest.raises(msgspec.DecodeError):
            decode(document)


@pytest.mark.parametrize("rest", [b"", b',"NewField":1'], ids=["typed", "as dicts"])
@pytest.mark.parametrize("odd", [b"\xe9", b"\\ud800", b"\\u0000", b"\x01"])
def test_rows_of_a_type_are_repaired_alike(odd: bytes, rest: bytes) -> None:
    page = b'{"@total":"1","Actions":[{"Id":"1","Oid":"%s"%s}]}'
    read = page_decoder("Actions", ACTIONS.record_map.row_type)
    replaced: list[str] = []
    (row,) = read(page % (odd, rest), replaced.append)["Actions"]
    found = row["Oid"] if rest else row.Oid
    assert found in {"\ufffd", "\x01"}
    assert len(replaced) == 1


ODD_CAMPAIGNS = b"""\xef\xbb\xbf{"@total":"2","@nextpageuri":"","Campaigns":[
    {"CampaignId":"1","CampaignName":"caf\xe9","Type":"\\ud800"},
    {"CampaignId":"2","CampaignName":"a\\u0000b","Type":"\\udc00"}]}"""


def test_text_that_is_no_text_is_not_worth_a_stop(sandbox: SandboxFactory) -> None:
    odd = faults.status(200, ODD_CAMPAIGNS)
    impact = sandbox(faults=[odd.at("Campaigns")])
    run = run_inside(impact.settings(), catalog=catalog("campaigns"))
    assert run.exit_code == 0, run.stderr
    names = {record["campaign_id"]: record["campaign_name"] for record in run.records("campaigns")}
    assert names == {"1": "caf\ufffd", "2": "a\ufffdb"}
    for what in ("byte order mark", "not UTF-8", "surrogate", "U+0000"):
        assert run.stderr.count(what) == 1
    assert r"\u0000" not in run.stdout


def test_a_body_that_nests_too_deeply_is_an_error_in_words(sandbox: SandboxFactory) -> None:
    deep = faults.status(200, b"[" * 100_000).at("Campaigns", times=2)
    run = run_inside(sandbox(faults=[deep]).settings(), catalog=catalog("campaigns"))
    assert run.exit_code == 0, run.stderr
    assert "something that is not JSON" in run.stderr
