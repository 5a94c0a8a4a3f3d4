"""Documents that are read by a template: the same rows as without one, and only what the template admits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xray_documents import DEEP, SUB, Found, alone, decode, decode_all, segment, subsegment

from collector.receivers import xray_forms
from collector.receivers.formats import FormatsDecoder
from collector.receivers.xray_forms import REST, SOONEST, TRIES, Forms
from collector.receivers.xray_spans import Caches, Rows
from collector.request import Request

WARM = 4 * SOONEST
"""So many documents of a form make a template: looked at after one, three and four times that many."""


def trace(number: int) -> str:
    return f"1-581cf771-{number + 1:024x}"


def order(number: int, **fields: Any) -> dict[str, Any]:
    """A document of a shop; what a number changes has a place in the template."""
    http = {
        "method": "POST",
        "url": f"https://shop/{number}",
        "user_agent": "curl",
        "client_ip": f"10.0.0.{number}",
    }
    return segment(
        id=f"{number + 1:016x}", trace_id=trace(number), start_time=1478293361.25 + number,
        end_time=1478293362.5 + number, parent_id=f"{number + 7:016x}",
        http={"request": http, "response": {"status": 200, "content_length": number}},
        annotations={"customer": f"u{number}", "items": number, "gold": True},
        metadata={"cart": {"lines": [number, f"e{number}", 1.5], "empty": {}}},
        aws={"request_id": f"r{number}", "xray": {"sdk": "X-Ray for Go"}, "function": "f"},
        subsegments=[
            subsegment(
                id=f"{number + 3:016x}", name="DynamoDB", namespace="aws",
                aws={"table_name": "t", "retries": 0},
                start_time=1478293361.5 + number, end_time=1478293361.75 + number,
                subsegments=[subsegment(id=f"{number + 4:016x}", trace_id=trace(number))],
            ),
        ],
        **fields,
    )  # fmt: skip


def plain(found: Found) -> list[Any]:
    """Everything but the order of names."""
    tables = [found.rows(name) for name in ("spans", "span_events", "span_links", "segments")]
    return [*tables, found.decoded.outcomes, found.rows("resources")]


class Taken:
    """Counts what was read by templates."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        take = Forms.take

        def counted(forms: Forms, text: str, rows: Rows, tenant: int) -> bool:
            taken = take(forms, text, rows, tenant)
            self.count += taken
            return taken

        monkeypatch.setattr(xray_forms.Forms, "take", counted)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Taken:
    return Taken(monkeypatch)


def warm(text: str = "") -> FormatsDecoder:
    """A decoder that has a template for orders, or for the text."""
    decoder = FormatsDecoder()
    decode(*[text or order(number) for number in range(WARM)], decoder=decoder)
    return decoder


@pytest.mark.parametrize("tenant", [0, 7])
def test_a_form_that_comes_again_is_read_by_a_template(taken: Taken, tenant: int) -> None:
    decoder = warm()
    assert taken.count == 0
    again = [order(number) for number in (3, 1000, 12)]
    found = decode(*again, tenant=tenant, decoder=decoder)
    assert taken.count == 3
    assert plain(found) == plain(decode(*again, tenant=tenant))
    assert found.rows("spans")[0]["attributes"]["aws.xray.metadata.cart"] == {
        "lines": [3, "e3", 1.5],
        "empty": {},
    }


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(segment()),
        json.dumps(segment(), separators=(",", ":")),
        json.dumps(segment(in_progress=True, end_time=None), indent=2),
        json.dumps(order(1, user="u", origin="AWS::EC2::Instance")),
        json.dumps(segment(subsegments=[subsegment(), subsegment(id=DEEP, namespace="remote", traced=True)])),
        json.dumps(segment(fault=True, subsegments=[subsegment(namespace="remote", sql={"url": "a/b"})])),
        json.dumps(segment(parent_id="", annotations={"2": 2, "y": 1.5, "7310000000000000": 1})),
        json.dumps(segment(user="Größe", metadata={"ü": "北京"}), ensure_ascii=False),
        json.dumps(segment(metadata={"m": [[1, [2, {"a": ["b"]}]]]}, http={"request": {"url": ""}})),
    ],
)
def test_forms_of_all_kinds(taken: Taken, text: str) -> None:
    found = decode(text, decoder=warm(text))
    assert taken.count == 1
    assert plain(found) == plain(decode(text))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(segment(user="a\x1fb")),
        json.dumps(segment(metadata={"m": "§1§"}), ensure_ascii=False),
        json.dumps(segment(annotations={"n": 7310000000000000001})),
        json.dumps(segment(user="x" * 9_000)),
        json.dumps(segment(cause={"exceptions": [{"type": "T", "message": "m"}]})),
        json.dumps(segment(links=[{"trace_id": trace(1), "id": SUB}])),
        json.dumps(segment(annotations={"left out": [1]})),
        json.dumps(alone()),
        json.dumps([segment()]),
        json.dumps(segment(trace_id="2" + trace(1)[1:])),
        json.dumps(segment())[:-1] + ', "user": "first", "user": "second"}',
        json.dumps(segment())[:-1] + ', "metadata": {"m": ' + "[" * 900 + "]" * 900 + "}}",
        json.dumps(segment(name="")),
        json.dumps(segment(id="000000000000000A")),
        json.dumps(segment(parent_id="000000000000000A")),
        json.dumps(segment(start_time=3.5)),
        json.dumps(segment(subsegments=[subsegment(id=SUB.upper())])),
        json.dumps(segment(subsegments=[subsegment(end_time=2.5)])),
    ],
)
def test_what_has_no_template(taken: Taken, text: str) -> None:
    found = decode(text, decoder=warm(text))
    assert taken.count == 0
    assert plain(found) == plain(decode(text))


def replaced(before: str, after: str) -> str:
    text = json.dumps(order(1), ensure_ascii=False)
    assert before in text
    return text.replace(before, after, 1)


@pytest.mark.parametrize(
    "text",
    [
        replaced('"id": "0000000000000002"', '"id": "0000000000000000"'),
        replaced('"id": "0000000000000002"', '"id": "000000000000000A"'),
        replaced('"id": "0000000000000004"', '"id": "000000000000000x"'),
        replaced('"id": "0000000000000004"', '"id": 4'),
        replaced(trace(1), "1-00000000-" + "0" * 24),
        replaced(trace(1), "2" + trace(1)[1:]),
        replaced(trace(1), "1-581CF771-" + "A" * 24),
        replaced("1478293362.25", "1478293362"),
        replaced("1478293362.25", "9478293362.25"),
        replaced("1478293362.25", "1.47829336225e10"),
        replaced("1478293362.25", "1.47829336225e-9"),
        replaced("1478293362.25", "-1478293362.25"),
        replaced("https://shop/1", "https://shop/" + "x" * 2_000),
        replaced("https://shop/1", "a\\u001fb"),
        replaced("https://shop/1", "a\\nb"),
        replaced("https://shop/1", "a\nb"),
        replaced("curl", "x" * 251),
        replaced("curl", '"'),
        replaced('"content_length": 1', '"content_length": -0'),
        replaced('"content_length": 1', '"content_length": 1.0'),
        replaced('"content_length": 1', '"content_length": 01'),
        replaced('"items": 1', '"items": 18446744073709551615'),
        replaced('"items": 1', '"items": "1"'),
        replaced('"u1"', '"' + "u" * 1_001 + '"'),
        replaced('"u1"', "null"),
        replaced("200", "404"),
        replaced("X-Ray for Go", "X-Ray for Java"),
        replaced('"shop"', '"other"'),
        replaced('"gold": true', '"gold": false'),
        replaced("1.5]", "1.25]"),
        json.dumps(order(1)) + " ",
        json.dumps(order(1))[:-1],
        json.dumps(order(1, fault=True)),
    ],
)
def test_what_a_template_does_not_admit_is_decoded_as_ever(taken: Taken, text: str) -> None:
    decoder = FormatsDecoder()
    written = [json.dumps(order(number), ensure_ascii=False) for number in range(WARM + 1)]
    decode(*written, decoder=decoder)
    assert taken.count == 1
    found = decode(text, decoder=decoder)
    assert taken.count == 1
    assert plain(found) == plain(decode(text))


@pytest.mark.parametrize(
    "time", ["1478293362.25", "1.47829336225E9", "1.47829336225e+09", "8999999999.999999"]
)
def test_times_as_programs_write_them(taken: Taken, time: str) -> None:
    """Java's SDK writes an exponent."""
    decoder = FormatsDecoder()
    written = [json.dumps(order(number), ensure_ascii=False) for number in range(WARM)]
    decode(*written, decoder=decoder)
    text = replaced("1478293362.25", time)
    assert plain(decode(text, segment(), decoder=decoder)) == plain(decode(text, segment()))
    assert taken.count == 1


def test_half_a_surrogate_pair_is_repaired(taken: Taken) -> None:
    text = json.dumps(order(1), ensure_ascii=False).replace("curl", "\ud83d")
    lenient = Request("traces", json.dumps({"TraceSegmentDocuments": [text]}).encode(), format="xray")
    decoder = FormatsDecoder()
    decode(*[json.dumps(order(number), ensure_ascii=False) for number in range(WARM)], decoder=decoder)
    found = decode_all([lenient], decoder)
    assert taken.count == 0
    assert plain(found) == plain(decode_all([lenient]))


def test_its_spans_own_what_is_sent_alone_below_them(taken: Taken) -> None:
    decoder = warm()
    below = [alone(trace_id=trace(5), parent_id=f"{5 + place:016x}", name=f"n{place}") for place in (1, 3, 4)]
    found = decode(order(5), *below, decoder=decoder)
    assert taken.count == 1
    assert {row["service"] for row in found.rows("spans")} == {"shop"}
    assert plain(found) == plain(decode(order(5), *below))


def test_what_its_rows_refer_to_is_named_in_every_batch() -> None:
    decoder = warm()
    for number in (1, 2):
        found = decode(order(number), decoder=decoder)
        names = set(found.decoded.batch.tables["shapes"]["shape"].to_pylist())
        assert {row["shape"] for row in found.rows("spans")} <= {0, *names}


def test_how_many_are_kept_is_bounded(taken: Taken) -> None:
    decoder = FormatsDecoder()
    forms = [segment(user=f"user {number}") for number in range(TRIES + 1)]
    for form in forms:
        decode(*[form] * (REST * len(forms) + WARM), decoder=decoder)
    taken.count = 0
    decode(*forms, decoder=decoder)
    assert taken.count == TRIES


values = st.integers(0, 2**40)
texts = st.text(max_size=12) | st.sampled_from(
    ["x" * 250, "x" * 251, "a\x1f", "\x1e", "§3§", "\\", '"', "{}"]
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(values, texts, texts, st.integers() | st.floats(allow_nan=False)), min_size=1, max_size=5
    ),
    st.booleans(),
)
def test_any_values_give_the_same_rows(rows: list[tuple[int, str, str, float]], ascii_only: bool) -> None:
    def written(number: int, url: str, note: str, amount: float) -> str:
        document = order(number, user="u")
        document["http"]["request"]["url"] = url
        document["annotations"] |= {"customer": note, "items": amount}
        document["metadata"]["cart"]["lines"] = [amount, note, 1.5]
        document["aws"]["request_id"] = url
        return json.dumps(document, ensure_ascii=ascii_only)

    decoder = FormatsDecoder()
    decode(*[written(number, "u", "n", number) for number in range(WARM)], decoder=decoder)
    documents = [written(*row) for row in rows]
    assert plain(decode(*documents, decoder=decoder)) == plain(decode(*documents))


def test_nothing_of_a_template_depends_on_the_document_that_it_was_made_of() -> None:
    """Rows of the first, read once more by its own template, are those that the plain decoder made."""
    caches = Caches()
    forms, text = Forms(caches), json.dumps(order(1))
    entity = json.loads(text)
    for _ in range(WARM):
        forms.learn(text, entity)
    by_template, plainly = Rows(caches), Rows(Caches())
    assert forms.take(text, by_template, 0)
    plainly.add(entity, text, 0)
    assert by_template.count == plainly.count
    assert [str(cell) for cell in by_template.spans] == [str(cell) for cell in plainly.spans]
