"""The command tap-impact-inspect."""
