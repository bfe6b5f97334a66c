"""Writes docs/columns.md, the dictionary of columns, from what the streams say of themselves.

python -m hub.columns
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tap_impact.tap import TapImpact

PAGE = Path(__file__).parents[1] / "docs" / "columns.md"

# One row of the first has many of the second, by a column of the second that holds the first's key.
RELATIONS = (
    ("campaigns", "campaign_id", "actions", "campaign_id"),
    ("campaigns", "campaign_id", "daily_clicks", "campaign_id"),
    ("campaigns", "campaign_id", "contracts", "campaign_id"),
    ("actions", "id", "action_updates", "action_id"),
    ("actions", "id", "action_items", "action_id"),
    ("click_exports", "click_day", "daily_clicks", "click_day"),
    ("click_exports", "click_day", "clicks", "click_day"),
    ("contracts", "id", "contract_payout_terms", "contract_id"),
    ("invoices", "id", "invoice_line_items", "invoice_id"),
    ("invoices", "id", "invoice_detailed_line_items", "invoice_id"),
)

HEAD = """# Columns

Written by `python -m hub.columns` from the descriptions in the catalog. `additional_fields`,
`connection_label` and `connection_currency` are on every table ([streams.md](streams.md)). Keys are
in bold. With the setting `label`, `connection_label` joins too where accounts share a schema.
"""


def catalog() -> list[dict[str, Any]]:
    """The streams that there always are, as discovered."""
    found = TapImpact(config={}, validate_config=False).catalog_dict["streams"]
    return [*found]


def type_of(schema: dict[str, Any]) -> str:
    """The type of a column, for a person."""
    (name, *_) = [each for each in schema["type"] if each != "null"]
    return str(schema.get("format") or {"object": "JSON", "array": "JSON"}.get(name, name))


def page() -> str:
    """The content of docs/columns.md."""
    lines = [HEAD, "```mermaid", "erDiagram"]
    lines += [f"  {one} ||--o{{ {many} : {column}" for one, _, many, column in RELATIONS]
    lines.append("```")
    for stream in catalog():
        lines += [f"\n## {stream['tap_stream_id']}\n", "| column | type | |", "|---|---|---|"]
        for name, schema in stream["schema"]["properties"].items():
            if name in {"additional_fields", "connection_label", "connection_currency"}:
                continue
            shown = f"**`{name}`**" if name in stream["key_properties"] else f"`{name}`"
            words = schema.get("description", "").replace("|", "\\|")
            lines.append(f"| {shown} | {type_of(schema)} | {words} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
