#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes bench.json, the table of figures and, after a full run, docs/bench.md with the
plots, from the facts that the guests printed. No part is written by hand.

usage: tests/bench/report.py quick|full DIRECTORY KERNEL
  DIRECTORY  of the facts; its name is the name of the files in docs/
"""

import glob
import json
import os
import re
import statistics
import subprocess
import sys

FACT = re.compile(r"^([a-z0-9_.]+) (-?[0-9.e+-]+)\r?$")
ENGINES = ("own", "core")
WAYS = ("to_device", "to_system")
PHASES = ("setup", "pages", "finalize")
WAY_WORDS = {"to_device": "to the device", "to_system": "to system memory by ioctl"}


def die(message):
    sys.exit(f"bench: {message}")


def read_facts(directory):
    """A fact that a guest printed more than once was measured more than once."""
    told = {}
    for path in sorted(glob.glob(f"{directory}/*.facts")):
        with open(path, errors="replace") as file:
            found = [FACT.match(line) for line in file]
        found = [match for match in found if match]
        if "ended" not in [match[1] for match in found]:
            die(f"{path} does not come to its end")
        for match in found:
            told.setdefault(match[1], []).append(float(match[2]))
    return {key: statistics.median(values) for key, values in told.items()}


class Facts:
    def __init__(self, facts):
        self.all = facts

    def get(self, key):
        return self.all.get(key)

    def need(self, key):
        if key not in self.all:
            die(f"'{key}' was not measured")
        return self.all[key]

    def parts(self, prefix, index):
        """The parts at one position of all keys with the prefix, numbers in order."""
        found = {key.split(".")[index] for key in self.all if key.startswith(prefix + ".")}
        return sorted(found, key=lambda part: (not part.isdigit(), int(part) if
                                               part.isdigit() else 0, part))


# The keys that other checks read ---------------------------------------------------------


def insn_per_page(facts):
    keys = {}
    for mover in facts.parts("cost.exclusive.4096", 3):
        keys[mover] = {way: facts.need(f"cost.exclusive.4096.{mover}.{way}") for way in WAYS}
    for label in facts.parts("fault", 1):
        keys.setdefault(label, {})["cpu_fault"] = facts.need(f"fault.{label}.4096.sequential")
    for label in ("test_hmm", "test_hmm_own"):
        back = facts.need(f"cost.exclusive.4096.{label}.read_back")
        keys[label]["to_device_without_read_back"] = keys[label]["to_device"] - back
    # The layout of the pages decides the number of loops around the copy: the least.
    keys["memcpy"] = min(facts.need(f"steps.{engine}.{way}.copy")
                         for engine in ENGINES for way in WAYS)
    keys["memcpy_user"] = {"whole": facts.need("memcpy.whole"),
                           "page_by_page": facts.need("memcpy.pages")}
    return keys


def engine_insn_per_page(facts):
    return {engine: {way: sum(facts.need(f"steps.{engine}.{way}.{phase}") for phase in PHASES)
                     for way in WAYS} for engine in ENGINES}


# Flushes on the CPU of the call and flushes sent to other CPUs: the larger count.
def flushes_of(facts, cpus, siblings, mover):
    key = f"flushes.{cpus}.{siblings}.{mover}"
    return max(facts.need(f"{key}.local"), facts.need(f"{key}.remote"))


def flushes_per_page(facts):
    movers = {"per_page": "own_per_page", "per_table": "own_per_table", "per_call": "own",
              "core": "core", "test_hmm": "test_hmm"}
    return {name: flushes_of(facts, 2, 1, mover) for name, mover in movers.items()}


def wall_ratio_own_core(facts):
    return {f"siblings_{n}": facts.need(f"wall_ratio.2.{n}.to_device.median")
            for n in (0, 1, 7)}


# The figures to reach --------------------------------------------------------------------


class Figure:
    def __init__(self, name, measured, hard, goal, at_least, unit="", note=""):
        self.name, self.measured, self.hard, self.goal = name, measured, hard, goal
        self.at_least, self.unit, self.note = at_least, unit, note

    def reaches(self, target):
        if target is None:
            return False
        return self.measured >= target if self.at_least else self.measured <= target

    def met(self):
        if self.reaches(self.goal):
            return "goal"
        if self.hard is None:
            return "no"
        return "hard" if self.reaches(self.hard) else "NO"

    def target(self, value):
        return "" if value is None else f"{'≥' if self.at_least else '≤'} {show(value, self.unit)}"

    def row(self):
        return [self.name, show(self.measured, self.unit) + self.note, self.target(self.hard),
                self.target(self.goal), self.met()]


def show(value, unit=""):
    if unit == "1/":
        return "0" if value <= 0 else f"1/{1 / value:.0f}"
    if unit == "%":
        return f"{100 * value:.2f} %"
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def deviation(facts, sizes, prefix, engine, way):
    """The largest deviation from 4,096 pages, in instructions per page and as a share."""
    middle = facts.need(f"{prefix}.4096.{engine}.{way}")
    most = max(abs(facts.need(f"{prefix}.{size}.{engine}.{way}") - middle) for size in sizes)
    return most, most / middle


# The hard ratio of the engines, by the kernel's version: core of 7.x does more for a page.
ENGINE_HARD = {"6.12": 2.6, "7.3": 3.0}


def engine_figures(report, facts):
    hard = ENGINE_HARD[".".join(report["kernel"].split(".")[:2])]
    engine, pages = report["engine_insn_per_page"], report["insn_per_page"]
    for way, goal in zip(WAYS, (4.0, 4.6)):
        yield Figure(f"engine alone, core : own, {WAY_WORDS[way]}",
                     engine["core"][way] / engine["own"][way], hard, goal, True)
    for way in WAYS:
        yield Figure(f"MIGRATE, multiple of memcpy, {WAY_WORDS[way]}",
                     pages["own"][way] / pages["memcpy"], 4, 2.5, False)
    yield Figure("test_hmm without its read-back : Ferry, to the device",
                 pages["test_hmm"]["to_device_without_read_back"] / pages["own"]["to_device"],
                 2.2, 3, True)
    yield Figure("to system memory by CPU fault, in order, core one at a time : own",
                 pages["core"]["cpu_fault"] / pages["own"]["cpu_fault"], 3, 5, True)


def driver_figures(report, facts):
    for way in WAYS:
        part = facts.need(f"steps.own.{way}.alloc") + facts.need(f"steps.own.{way}.driver")
        yield Figure(f"the driver's own part, instructions per page, {WAY_WORDS[way]}",
                     part, 400, None, False)
    sizes = facts.parts("growth", 1)
    for way in WAYS:
        most, share = deviation(facts, sizes, "growth", "own", way)
        of_core, _ = deviation(facts, sizes, "growth", "core", way)
        _, later = deviation(facts, sizes, "cost.exclusive", "own", way)
        yield Figure(f"cost per page, {sizes[0]} to {sizes[-1]} pages, ±, {WAY_WORDS[way]}",
                     share, 0.10, 0.03, False, "%",
                     f" ({most:.0f} instructions, core's {of_core:.0f}; after the other "
                     f"movers {show(later, '%')})")
    known = facts.need("fast_path.known")
    yield Figure("fast path, share of exclusive pages",
                 known / (known + facts.need("fast_path.walked")), 0.995, 1, True, "%")


def node(facts):
    def per_page(source, mover):
        return statistics.mean(facts.need(f"cost.{source}.4096.{mover}.{way}") for way in WAYS)

    def ratio(source):
        return per_page(source, "move_pages") / per_page(source, "own_node")

    def listed(kind):
        return facts.need(f"list.{kind}.core") / facts.need(f"list.{kind}.own")

    memcpy = min(facts.need(f"steps.{engine}.{way}.copy") for engine in ENGINES for way in WAYS)
    return {"move_pages_over_own": ratio("exclusive"),
            "pagecache_move_pages_over_own": ratio("page_cache"),
            "migrate_pages_over_own": listed("anonymous"),
            "pagecache_over_own": {kind: listed(kind) for kind in ("clean", "dirty")},
            "huge_multiple_of_memcpy": per_page("thp", "own_node") / memcpy}


def node_figures(report, facts):
    yield Figure("node to node, move_pages(2) : own, anonymous",
                 report["node"]["move_pages_over_own"], 4, 6, True)
    yield Figure("node to node, move_pages(2) : own, dirty page cache, mapped",
                 report["node"]["pagecache_move_pages_over_own"], None, 2, True)
    yield Figure("node to node, migrate_pages() : own, a list, anonymous",
                 report["node"]["migrate_pages_over_own"], 1.5, 2.5, True)
    for kind in ("clean", "dirty"):
        yield Figure(f"node to node, migrate_pages() : own, a list, {kind} page cache, not mapped",
                     report["node"]["pagecache_over_own"][kind], 1.5, 2, True)
    yield Figure("node to node, huge pages, multiple of memcpy",
                 report["node"]["huge_multiple_of_memcpy"], 1.5, 1.1, False)


def wall_figures(report, facts):
    flushes, ratio = report["flushes_per_page"], report["wall_ratio_own_core"]
    for name, hard, goal in (("per_table", 256, 512), ("per_call", 1024, 2048)):
        yield Figure(f"TLB flushes per page, one sibling, {name}", flushes[name], 1 / hard,
                     1 / goal, False, "1/")
    for n in (1, 7):
        key = f"wall_ratio.2.{n}.to_device"
        yield Figure(f"wall, own : core, to the device, siblings: {n}", ratio[f"siblings_{n}"],
                     0.6, 0.4, False, "",
                     f" ({show(facts.need(key + '.min'))} to {show(facts.need(key + '.max'))})")
    walls = {n: facts.need(f"wall.2.{n}.own.to_device.median")
             for n in facts.parts("wall.2", 2)}
    yield Figure(f"wall of own, siblings {', '.join(walls)}, ±",
                 max(abs(wall / walls["0"] - 1) for wall in walls.values()), None, 0.15,
                 False, "%")
    key = "scaling.2.processes.2"
    yield Figure("2 processes on one device, 2 CPUs, throughput of one is 1",
                 facts.need(f"{key}.own.median"), 1.7, 1.9, True, "",
                 f" ({show(facts.need(f'{key}.own.min'))} to "
                 f"{show(facts.need(f'{key}.own.max'))}; memcpy "
                 f"{show(facts.need(f'{key}.memcpy.median'))})")


# Output ----------------------------------------------------------------------------------


def rounded(value):
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value


def print_table(head, rows):
    widths = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]
    for row in [head] + rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


FIGURE_HEAD = ["figure", "measured", "hard", "goal", "met?"]


def versions(kernel):
    kernel = subprocess.run(["vm/kernel", "--path", kernel], capture_output=True, text=True,
                            check=True).stdout.strip()
    with open(f"{kernel}/include/config/kernel.release") as file:
        release = file.read().strip()
    qemu = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True,
                          text=True, check=True).stdout.split()[3]
    return {"kernel": release, "qemu": qemu}


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("quick", "full"):
        sys.exit(__doc__)
    level, directory, kernel = sys.argv[1:]
    facts = Facts(read_facts(directory))
    report = {"level": level, **versions(kernel), "cpus": os.cpu_count(),
              "insn_per_page": insn_per_page(facts),
              "engine_insn_per_page": engine_insn_per_page(facts), "node": node(facts)}
    figures = [*engine_figures(report, facts), *driver_figures(report, facts),
               *node_figures(report, facts)]
    if facts.parts("wall_ratio", 1):
        report["flushes_per_page"] = flushes_per_page(facts)
        report["wall_ratio_own_core"] = wall_ratio_own_core(facts)
        figures += wall_figures(report, facts)
    report["figures"] = [{"figure": f.name, "measured": rounded(float(f.measured)),
                          "hard": f.hard, "goal": f.goal, "met": f.met()} for f in figures]
    report["facts"] = facts.all
    text = json.dumps(rounded(report), indent=1) + "\n"
    with open(f"{directory}/bench.json", "w") as file:
        file.write(text)
    print_table(FIGURE_HEAD, [f.row() for f in figures])
    if level == "full":
        import pages
        pages.write(f"docs/{os.path.basename(directory)}", report, facts, figures, text)


if __name__ == "__main__":
    main()
