"""From rows of the API to records. Pure: no HTTP, no SDK."""
