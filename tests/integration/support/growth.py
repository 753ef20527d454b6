# SPDX-License-Identifier: Apache-2.0
"""
Does it grow? Rows of what holder and core hold, taken at equal states, judged leg by leg, and shown as a table.

Judged is what only a process itself can make grow: anonymous memory and shared memory (the ledger, scoreboards), both by
their proportional share, descriptors and threads. PSS is shown: it changes with who else maps the same libraries.
"""

import os
import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROWS_SHOWN = 12  # of a leg
MEASURES = ("memory_kib", "descriptors", "threads")


@dataclass(frozen=True)
class Usage:
    """One process at one moment."""

    pid: int
    anonymous_kib: int
    shmem_kib: int
    pss_kib: int
    descriptors: int
    threads: int
    kinds: tuple = ()  # descriptors by what they are, for messages

    @property
    def memory_kib(self):
        return self.anonymous_kib + self.shmem_kib


@dataclass(frozen=True)
class Row:
    """Holder and core at the end of a cycle."""

    leg: str
    at_s: float
    events: int
    requests: int
    holder: Usage
    core: Usage
    zombies: int


def usage_of(pid, without=()):
    """A process now; |without| are files that may be open or not in an equal state."""
    memory = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        key, amount = line.split(":")
        memory[key] = int(amount.split()[0])
    kinds = Counter()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
        if target not in without:
            kinds["".join(c for c in target if not c.isdigit())] += 1
    return Usage(pid, memory["Pss_Anon"], memory["Pss_Shmem"], memory["Pss"], sum(kinds.values()),
                 len(os.listdir(f"/proc/{pid}/task")), tuple(sorted(kinds.items())))


def growth(values):
    """From the first third to the last, by the medians: one odd row decides nothing."""
    third = max(1, len(values) // 3)
    return round(statistics.median(values[-third:]) - statistics.median(values[:third]))


def problems_of(rows, limit_kib):
    """What has grown in these rows of equal states, as sentences."""
    problems = [f"{row.zombies} zombies at {row.at_s:.0f} s" for row in rows if row.zombies]
    for name in ("holder", "core"):
        series = [getattr(row, name) for row in rows]
        for measure in MEASURES:
            grown = growth([getattr(usage, measure) for usage in series])
            if grown > (limit_kib if measure == "memory_kib" else 0):
                problems.append(f"{rows[0].leg}: {name}: {measure} grew by {grown}, from {series[0]} to {series[-1]}")
    return problems


def thinned(rows):
    step = max(1, -(-len(rows) // ROWS_SHOWN))
    return [row for number, row in enumerate(rows) if number % step == 0 or row is rows[-1]]


HEAD = ("| leg | s | events | requests | holder anon+shm KiB | PSS | fds | thr | core anon+shm KiB | PSS | fds | thr | zombies |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")


def line(row):
    cells = [row.leg, f"{row.at_s:.0f}", row.events, row.requests]
    for usage in (row.holder, row.core):
        cells += [f"{usage.anonymous_kib}+{usage.shmem_kib}", usage.pss_kib, usage.descriptors, usage.threads]
    return f"| {' | '.join(map(str, cells))} | {row.zombies} |"


def summary(leg, rows):
    parts = []
    for name in ("holder", "core"):
        grown = [growth([getattr(getattr(row, name), measure) for row in rows]) for measure in (*MEASURES, "pss_kib")]
        parts.append("{} {:+d} KiB (PSS {:+d}), {:+d} descriptors, {:+d} threads".format(name, grown[0], grown[3], *grown[1:3]))
    return f"{leg}, {len(rows)} rows: {'; '.join(parts)}"
