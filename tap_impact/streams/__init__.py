"""The streams: declarations on top of two ways to read, `ListStream` and `DatedStream`."""
