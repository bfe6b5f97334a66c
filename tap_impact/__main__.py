"""The command `tap-impact`, which tells its version without loading what a sync needs.

To import the SDK is nearly all that `--version` would take, and the SDK imports all of itself.
"""

from __future__ import annotations

import sys
from importlib.metadata import version


def main() -> None:
    """Run the tap."""
    if sys.argv[1:] == ["--version"]:
        # the words of the SDK's own --version
        ours, sdk = version("tap-impact-partner"), version("singer-sdk")
        sys.stdout.write(f"tap-impact v{ours}, Meltano SDK v{sdk}\n")
    else:
        from tap_impact.tap import TapImpact  # noqa: PLC0415 - see above

        TapImpact.cli()


if __name__ == "__main__":
    main()
