"""The actions by dlt's rest_api source, run by the Python of an environment that has dlt[postgres].

    python dlt_pipeline.py FOLDER URL merge|append

Blank texts become null and money becomes decimal, so that the table is that of the taps.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator
from dlt.sources.rest_api import rest_api_source

if TYPE_CHECKING:
    from requests import Response


class NextPage(JSONLinkPaginator):
    """Takes a blank address, impact.com's sign of the last page, for the end."""

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        super().update_state(response, data)
        self._next_reference = self._next_reference or None


def without_blanks(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value or None for name, value in row.items()}


def main() -> None:
    """Run the pipeline once, from nothing."""
    place, url, disposition = sys.argv[1:]
    folder = Path(place)
    described = json.loads((folder / "dlt.json").read_text())
    source = rest_api_source(
        {
            "client": {"base_url": url, "paginator": NextPage("'@nextpageuri'")},
            "resources": [
                {
                    "name": "actions",
                    "primary_key": "Id",
                    "write_disposition": disposition,
                    "columns": {name: {"data_type": "decimal"} for name in described["decimals"]},
                    "endpoint": {"path": described["path"], "data_selector": "Actions"},
                    "processing_steps": [{"map": without_blanks}],
                }
            ],
        }
    )
    pipeline = dlt.pipeline(
        "trial",
        pipelines_dir=str(folder / "dlt"),
        destination=dlt.destinations.postgres(described["database"]),
        dataset_name="trial",
    )
    pipeline.run(source).raise_on_failed_jobs()


if __name__ == "__main__":
    main()
