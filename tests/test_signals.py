"""A signal ends a run between two lines, and without a word of Python's own."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys

import pytest

CLOSED_WHILE_IT_ENDS = """
import signal
from tap_impact.singer.signals import SignalHandler

signal_handler = SignalHandler()

def rows():
    try:
        yield 1
    finally:
        with signal_handler.defer_signals():
            print("whole")

reading = rows()
next(reading)
try:
    signal_handler.request_end(signal.SIGINT)
finally:
    del reading
"""

SIGNALLED_WHILE_PYTHON_ENDS = """
import os, signal
from tap_impact.singer.signals import SignalHandler

class Last:
    def __del__(self, kill=os.kill, pid=os.getpid(), signum=signal.SIGTERM):
        kill(pid, signum)

last = Last()
SignalHandler().request_end(signal.SIGINT)
"""

# Writes lines of many lengths for as long as it may; what is written while a run ends goes nowhere.
ENDLESS_LINES = """
import json, random, signal, sys
from tap_impact.singer.signals import SignalHandler
from tap_impact.singer.stdout import Output

signal_handler = SignalHandler()
output = Output(signal_handler)
for each in (signal.SIGINT, signal.SIGTERM):
    signal.signal(each, lambda signum, frame: signal_handler.request_end(signum))
choose = random.Random(int(sys.argv[1]))
try:
    while True:
        lengths = [choose.choice((1, 5_000, 70_000, 500_000)) for _ in range(choose.randint(1, 5))]
        output.write(b"".join(json.dumps("x" * each).encode() + b"\\n" for each in lengths))
finally:
    output.write(b'{"type": "STATE"}\\n')
"""


def endless_lines(seed: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", ENDLESS_LINES, str(seed)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_what_is_closed_while_a_run_ends_adds_nothing_to_its_last_words() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CLOSED_WHILE_IT_ENDS], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "whole\n", "")


def test_a_signal_while_python_ends_leaves_the_exit_code() -> None:
    ended = subprocess.run([sys.executable, "-c", SIGNALLED_WHILE_PYTHON_ENDS], check=False)
    assert ended.returncode == 130


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_no_signal_cuts_a_line_that_its_reader_still_takes(seed: int) -> None:
    """The reader takes a little between one signal and the next, and the rest after the last."""
    choose = random.Random(seed)  # noqa: S311
    with endless_lines(seed) as process:
        assert process.stdout
        reading = process.stdout.fileno()
        taken = bytearray()

        def take(count: int) -> None:
            while count > 0 and (some := os.read(reading, min(count, 4096))):
                taken.extend(some)
                count -= len(some)

        take(choose.randrange(1, 2_000_000))
        first, *others = choose.choices((signal.SIGINT, signal.SIGTERM), k=choose.randint(2, 4))
        process.send_signal(first)
        for another in others:
            take(choose.choice((0, 100, 10_000)))
            process.send_signal(another)
        take(sys.maxsize)
        assert process.wait() in {130, 143}
    lines = taken.splitlines(keepends=True)
    assert all(line.endswith(b"\n") for line in lines)
    assert {*map(type, map(json.loads, lines))} == {str}


@pytest.mark.slow
def test_a_reader_that_is_stuck_is_given_up() -> None:
    with endless_lines(0) as process:
        assert process.stdout
        process.stdout.read(100_000)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130  # five, and what a busy machine adds
