"""A plain tap of the SDK: its defaults, and the same records.

    python -m benchmarks.plain_tap --config CONFIG

Its configuration names the URL, and the folder that `benchmarks.server` prepared.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.pagination import BaseHATEOASPaginator

from benchmarks.cleaning import Cleaning
from benchmarks.rows import ACCOUNT

if TYPE_CHECKING:
    from requests import Response


class Paginator(BaseHATEOASPaginator):
    def get_next_url(self, response: Response) -> str | None:
        return response.json()["@nextpageuri"] or None


class Actions(RESTStream[Any]):
    name = "actions"
    path = f"{ACCOUNT}/Actions"
    primary_keys = ("id",)
    replication_key = "event_date"
    records_jsonpath = "$.Actions[*]"

    def __init__(self, tap: Tap) -> None:
        folder = Path(tap.config["folder"])
        super().__init__(tap, schema=json.loads((folder / "actions.schema").read_text()))
        self.clean = Cleaning(folder / "actions.kinds").clean

    @property
    def url_base(self) -> str:
        return str(self.config["api_url"])

    def get_new_paginator(self) -> Paginator:
        return Paginator()

    def get_url_params(self, context: Any, next_page_token: Any) -> Any:
        del context
        return next_page_token.query if next_page_token else {}

    def post_process(self, row: dict[str, Any], context: Any = None) -> dict[str, Any]:
        del context
        return self.clean(row)


class PlainTap(Tap):
    name = "tap-impact"
    config_jsonschema = th.PropertiesList(
        th.Property("api_url", th.StringType), th.Property("folder", th.StringType)
    ).to_dict()

    def discover_streams(self) -> list[Actions]:
        return [Actions(self)]


if __name__ == "__main__":
    PlainTap.cli()
