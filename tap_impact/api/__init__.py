"""The HTTP client of impact.com. Knows no stream and no field."""
