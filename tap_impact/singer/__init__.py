"""All that touches the SDK and the Singer protocol."""
