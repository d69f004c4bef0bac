"""The parts of `make bench`, in the order in which they run.

A part is a module with NAME, ABOUT, TAKES_S (seconds by default and with --full) and run(ctx),
which returns a list of figures.Row and leaves nothing running.
SPDX-License-Identifier: Apache-2.0
"""
from parts import (
    api,
    append,
    append_stores,
    budget,
    commands,
    disk,
    growth,
    idle,
    lone,
    memory,
    rebuild,
    relay,
    start,
    transports,
    windows,
)

# What changes the long log comes after what measures it.
ALL = (api, commands, budget, lone, append, append_stores, rebuild, windows, relay, transports, start, growth, idle,
       memory, disk)
