"""Which reports an account has, what each takes and gives, and the setting that loads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tap_impact.errors import RowsWithoutKey
from tap_impact.records.anomalies import Anomalies
from tap_impact.records.fields import UnreadableField
from tap_impact.sources.reports import metadata
from tap_impact.streams.reports import PRESETS, REPORT_LIST, REPORTS, Entry, report_of
from tap_impact.token_scopes import in_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_impact.api.client import ImpactClient

PRESET_OF = {preset.id: name for name, preset in PRESETS.items()}


def list_reports(client: ImpactClient) -> Iterator[str]:
    """Lines of text: the reports of the account, those that can be loaded first.

    Raises:
        RowsWithoutKey: Some have no id; all others were given.
    """
    found, without_id = [], 0
    for page in REPORT_LIST.pages_once(client):
        for row in page.rows:
            try:
                found.append(REPORTS.record_map.record(row, Anomalies()))
            except UnreadableField:
                without_id += 1
    found.sort(key=lambda report: (not report["api_accessible"], report["id"]))
    yield from in_columns(
        [
            ("ID", "BY API", "PRESET", "CATEGORY", "NAME"),
            *(
                (
                    report["id"],
                    "yes" if report["api_accessible"] else "no",
                    PRESET_OF.get(report["id"], ""),
                    report["category"] or "",
                    report["name"] or "",
                )
                for report in found
            ),
        ]
    )
    if without_id:
        raise RowsWithoutKey(f"The list has {without_id} more without an Id that can be read.")


def describe_report(client: ImpactClient, report_id: str) -> Iterator[str]:
    """Lines of text: what a report takes, what it gives, and the setting that loads it.

    Raises:
        NotFound, AccessDenied: There is none of this id, or it cannot be read by API.
    """
    found = metadata(client, report_id)
    asked = PRESET_OF.get(report_id)
    entry = Entry.of(asked or {"id": report_id})
    report = report_of(entry, found.attributes)
    properties = report.record_map.json_schema()["properties"]
    yield "Parameters:"
    yield from (f"  {name}" for name in found.filters)
    yield ""
    columns = [("COLUMN", "TYPE", "IN IMPACT.COM", "ITS TYPE THERE")]
    for each in found.attributes:
        name = report.names[each.name]
        field = next((one for one in report.record_map.sent if one.source == name), None)
        if field:
            of = properties[field.name]
            columns.append((field.name, of.get("format") or of["type"][0], *each[:2]))
        else:
            columns.append(("in additional_fields", "", *each[:2]))
    yield from in_columns(columns)
    yield ""
    yield f"Key: {', '.join(entry.keys)}"
    yield f"Setting: reports: {json.dumps([asked or {'id': report_id}])}"
