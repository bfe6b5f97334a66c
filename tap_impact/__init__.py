"""Singer tap for the impact.com partner (publisher) API."""
