"""The account itself."""

from __future__ import annotations

from tap_impact.api.scopes import Scope
from tap_impact.records.fields import RecordMap, key, text, timestamp, verbatim
from tap_impact.sources.lists import ObjectSource
from tap_impact.streams.stream import Stream

# The partner account that the token belongs to. Not in the vendor's specification.
ACCOUNT = Stream(
    name="account",
    source=ObjectSource("", Scope("Account", "Retrieve account home", required=False)),
    keys=("id",),
    ids_are_global=True,
    record_map=RecordMap(
        key("Id", "Identifies the account, as the brands see it."),
        verbatim("Name", "Name of the account."),
        text("Status", "State of the account, like ACTIVE."),
        text("Currency", "ISO 4217 code of the account's currency."),
        timestamp("DateActivated", "When the account was activated."),
        text("ApiVersion", "Version of the API that the account is set to."),
        text("Uri", "Path of the account in the API."),
    ),
)
