"""A signal ends a run without a word of Python's own."""

from __future__ import annotations

import subprocess
import sys

CLOSED_WHILE_IT_ENDS = """
import signal
from tap_impact.singer.signals import Interruption

interruption = Interruption()

def rows():
    try:
        yield 1
    finally:
        with interruption.defer_signals():
            print("whole")

reading = rows()
next(reading)
try:
    interruption.ask(signal.SIGINT)
finally:
    del reading
"""


def test_what_is_closed_while_a_run_ends_adds_nothing_to_its_last_words() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CLOSED_WHILE_IT_ENDS], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "whole\n", "")
