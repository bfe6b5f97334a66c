"""The files of exports, in every shape that impact.com is known or thought to write."""

from __future__ import annotations

import csv
import zlib
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from impact_sandbox.formats import xml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from impact_sandbox.switches import Switches

Click = dict[str, Any]
ROWS_AT_ONCE = 200
RESULT_FORMATS = {"JSON": "application/json", "CSV": "text/csv", "XML": "application/xml"}
BRAND_COLUMNS = ("AdCampaign", "AdGroup", "Keyword", "MatchType", "Channel")
PARTNER_COLUMNS = ("SubId1", "SubId2", "SubId3")


def click_file(clicks: Iterable[Click], result_format: str, switches: Switches) -> Iterator[bytes]:
    """Write clicks as they come, a few hundred at once."""
    if switches.click_words == "documented":
        clicks = map(as_documented, clicks)
    if result_format == "CSV":
        parts = csv_parts(map(flat, clicks), CSV_COLUMNS)
    elif result_format == "XML":
        parts = xml_parts(clicks, "Clicks", "Click")
    else:
        parts = json_parts(map(NESTINGS[switches.export_nesting], clicks), "Clicks", switches)
    return compressed(parts) if switches.export_gzip else parts


def report_file(
    rows: Iterable[dict[str, str]], columns: Sequence[str], result_format: str, switches: Switches
) -> Iterator[bytes]:
    """Write rows of a report as they come, a few hundred at once."""
    if result_format == "CSV":
        parts = csv_parts(rows, columns)
    elif result_format == "XML":
        parts = xml_parts(rows, "Records", "Record")
    else:
        parts = json_parts(rows, "Records", switches)
    return compressed(parts) if switches.export_gzip else parts


def as_documented(click: Click) -> Click:
    """Name browser and system by the words of the OpenAPI file, such as CHROME_MOBILE."""
    words = {name: click[name] for name in ("Browser", "Os") if click[name] != "null"}
    return click | {name: word.upper().replace(" ", "_") for name, word in words.items()}


def flat(click: Click) -> Click:
    """Turn the nested parts into columns."""
    brand = click["BrandRelated"][0] if click["BrandRelated"] else {}
    partner = click["PartnerRelated"][0]
    plain = {k: v for k, v in click.items() if not isinstance(v, list)}
    return (
        plain
        | {name: brand.get(name, "") for name in BRAND_COLUMNS}
        | {name: partner[name] for name in PARTNER_COLUMNS}
    )


def as_objects(click: Click) -> Click:
    """Turn the nested parts into one object each; blank is a space there."""
    brand = click["BrandRelated"][0] if click["BrandRelated"] else dict.fromkeys(BRAND_COLUMNS, " ")
    return click | {"BrandRelated": brand, "PartnerRelated": click["PartnerRelated"][0]}


def as_lists(click: Click) -> Click:
    """Leave the nested parts as the OpenAPI file has them."""
    return click


NESTINGS: dict[str, Callable[[Click], Click]] = {
    "list": as_lists,
    "object": as_objects,
    "flat": flat,
}


def blocks(clicks: Iterable[Click]) -> Iterator[list[Click]]:
    """Cut an iterable into lists of a few hundred."""
    rest = iter(clicks)
    while block := list(islice(rest, ROWS_AT_ONCE)):
        yield block


def json_parts(clicks: Iterable[Click], name: str, switches: Switches) -> Iterator[bytes]:
    """Write an object with a named list, a bare list, or lines; no rows may be an empty file."""
    encoder = msgspec.json.Encoder()
    if switches.export_shape == "lines":
        for block in blocks(clicks):
            yield encoder.encode_lines(block)
        return
    opening, closing = {
        "object": (b'{"' + name.encode() + b'":[', b"]}"),
        "list": (b"[", b"]"),
    }[switches.export_shape]
    before = opening
    for block in blocks(clicks):
        yield before + encoder.encode(block)[1:-1]
        before = b","
    if before == b",":
        yield closing
    elif switches.empty_export == "list":
        yield opening + closing


def csv_parts(rows: Iterable[Click], columns: Sequence[str]) -> Iterator[bytes]:
    """Write a header and quoted rows; an empty day has a header alone."""
    text = StringIO()
    writer = csv.DictWriter(text, columns, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    for block in blocks(rows):
        writer.writerows(block)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    if rest := text.getvalue():
        yield rest.encode()


def xml_parts(rows: Iterable[Click], name: str, element: str) -> Iterator[bytes]:
    """Write a document of elements below one of another name."""
    yield f'<?xml version="1.0"?><ImpactRadiusResponse><{name}>'.encode()
    for block in blocks(rows):
        yield "".join(xml(element, row) for row in block).encode()
    yield f"</{name}></ImpactRadiusResponse>".encode()


def compressed(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Write the parts as one gzip file."""
    squeeze = zlib.compressobj(1, wbits=31)
    for part in parts:
        if squeezed := squeeze.compress(part):
            yield squeezed
    yield squeeze.flush()


CSV_COLUMNS = (
    *("Id", "ProgramId", "ProgramName", "ProfileId", "IpAddress", "EventDate", "MediaId"),
    *("MediaName", "AdId", "AdName", "AdType", "ProductSku", *BRAND_COLUMNS, "DealName"),
    *("DealType", "DealScope", "CustomerArea", "CustomerCity", "CustomerRegion"),
    *("CustomerCountry", "DeviceType", "DeviceFamily", "Browser", "Os", "ReferringUrl"),
    *("ReferringDomain", "LandingPageUrl", "TrafficCategory", "TrafficSource", "BidKeyword"),
    *("SearchText", "SharedId", *PARTNER_COLUMNS, "CpcBid", "Payout", "UniqueClick"),
)
