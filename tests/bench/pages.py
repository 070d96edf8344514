# SPDX-License-Identifier: MIT
"""docs/bench.md, docs/bench.json and the two plots, of a full run; for Linux 7.3
docs/bench-7.3.md and so on."""

import os
import subprocess

from report import FIGURE_HEAD, PHASES, WAY_WORDS, WAYS, flushes_of, show

MOVER_WORDS = {
    "own": "own", "own_per_table": "own, per_table", "own_per_page": "own, per_page",
    "core": "core", "test_hmm": "test_hmm", "move_pages": "move_pages(2)",
    "own_node": "own, node to node",
    "own_single": "own, one at a time", "test_hmm_own": "test_hmm over own",
}
MOVERS = list(MOVER_WORDS)
# The measured steps of a phase; the rest of the phase is "the rest".
WITHIN = {"setup": ("collect", "flush", "isolate", "unmap"), "pages": ("metadata", "hole"),
          "finalize": ("install",)}

HEAD = """\
# Benchmark

`make bench` writes the whole page; no part is written by hand. A run measures four movers
side by side: Ferry over the own engine (*own*), the same driver over the kernel's engine
(*core*), the kernel's `test_hmm`, and `move_pages(2)`. All move the same pages in the same
guest, in turn. Costs are instructions per page, counted by the emulator's clock
(`vm/guest --icount`), and do not depend on the machine. Times are ratios within a round:
the median, with the smallest and the largest.

Guest kernel {kernel}, QEMU {qemu} (TCG), a host of {cpus} CPUs. Calls of 512 pages, 4 KiB
each, unless a section names another size.
"""


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def cell(value):
    return "" if value is None else show(value)


def known(names):
    """In the order of MOVERS."""
    return [mover for mover in MOVERS if mover in names]


def figures_part(report, facts, figures):
    text = ("## Figures\n\n*hard* must be met, *goal* should be met. `NO`: a hard figure is not "
            "met. `no`: a goal without a hard figure is not met.\n\n")
    text += table(FIGURE_HEAD, [figure.row() for figure in figures])
    pages = report["insn_per_page"]
    text += (f"\nmemcpy is the kernel's copy of a page as in the driver (*copy*, below): "
             f"{show(pages['memcpy'])} instructions. The C library's memcpy, between two "
             f"populated buffers, takes {show(pages['memcpy_user']['whole'])} in a single call "
             f"and {show(pages['memcpy_user']['page_by_page'])} page by page. The number of "
             f"flushes is the larger of two counts: flushes on the CPU of the call, and "
             f"flushes sent to other CPUs.\n")
    return text


def cost_part(report, facts, figures):
    movers = known(facts.parts("cost.exclusive", 3))
    text = ("## To the device and to system memory, exclusive pages\n\nInstructions per page. "
            "test_hmm reads the data back after a move to the device. The column test_hmm "
            "includes the read-back, the last column does not.\n\n"
            f"![cost per page]({report['name']}-cost.svg)\n")
    for way in WAYS:
        rows = []
        for size in facts.parts("cost.exclusive", 2):
            key = f"cost.exclusive.{size}"
            row = [size] + [cell(facts.get(f"{key}.{mover}.{way}")) for mover in movers]
            if way == "to_device":
                back = facts.get(f"{key}.test_hmm.read_back")
                row.append("" if back is None else
                           show(facts.need(f"{key}.test_hmm.{way}") - back))
            rows.append(row)
        head = ["pages"] + [MOVER_WORDS[mover] for mover in movers]
        head += ["test_hmm, not read back"] if way == "to_device" else []
        text += f"\n{WAY_WORDS[way].capitalize()}:\n\n" + table(head, rows)
    return text


def growth_part(report, facts, figures):
    columns = [(engine, way) for way in WAYS for engine in ("own", "core")]
    rows = [[size] + [cell(facts.need(f"growth.{size}.{engine}.{way}"))
                      for engine, way in columns] for size in facts.parts("growth", 1)]
    return ("## Growth with the number of pages\n\nInstructions per page, exclusive pages, "
            "own and core alone and first in the guest. In the section above other movers "
            "have moved the same pages before, and have changed the page allocator's lists. "
            "Only the page allocator's part grows: see "
            "[engine.md](engine.md#cost-and-number-of-pages).\n\n" +
            table(["pages", "own, to the device", "core, to the device", "own, to system",
                   "core, to system"], rows))


def sources_part(report, facts, figures):
    text = "## Other pages\n\nInstructions per page, own and core.\n\n"
    rows = []
    for source in ("fork_shared", "thp", "swap_cache"):
        for size in facts.parts(f"cost.{source}", 2):
            rows.append([source.replace("_", " "), size] +
                        [cell(facts.get(f"cost.{source}.{size}.{engine}.{way}"))
                         for way in WAYS for engine in ("own", "core")])
    return text + table(["pages are", "pages", "own, to the device", "core, to the device",
                         "own, to system", "core, to system"], rows)


def fault_part(report, facts, figures):
    labels = known(facts.parts("fault", 1))
    words = [MOVER_WORDS[label] for label in labels]
    text = ("## To system memory by CPU fault\n\nInstructions per accessed page: all pages in "
            "order, and one page in 64.\n")
    for how in ("sequential", "one_in_64"):
        rows = [[size] + [cell(facts.get(f"fault.{label}.{size}.{how}")) for label in labels]
                for size in facts.parts("fault", 2)
                if facts.get(f"fault.own.{size}.{how}") is not None]
        text += f"\n{how.replace('_', ' ').capitalize()}:\n\n" + table(["pages"] + words, rows)
    rows = [["middle (p50)"] + [cell(facts.get(f"touch.{label}.4096.p50")) for label in labels],
            ["p99"] + [cell(facts.get(f"touch.{label}.4096.p99")) for label in labels],
            ["faults for 4096 pages"] +
            [cell(facts.get(f"touch.{label}.4096.faults")) for label in labels]]
    return text + "\nA single CPU fault, instructions:\n\n" + table([""] + words, rows)


def latency_part(report, facts, figures):
    rows = []
    for way in WAYS:
        rows.append([f"one page {WAY_WORDS[way]}"] +
                    [cell(facts.need(f"cost.exclusive.1.{engine}.{way}"))
                     for engine in ("own", "core")])
        rows.append([f"the first of a call of 512 {WAY_WORDS[way]}"] +
                    [cell(512 * facts.need(f"cost.exclusive.512.{engine}.{way}"))
                     for engine in ("own", "core")])
    rows.append(["one page by CPU fault"] + [cell(facts.need(f"fault.{label}.1.sequential"))
                                         for label in ("own_single", "core")])
    return ("## Latency\n\nInstructions until the first page can be used. All pages of a call "
            "become usable together, at the end of the call.\n\n" + table(["", "own", "core"], rows))


def device_part(report, facts, figures):
    rows = []
    for source in facts.parts("device_write", 1):
        for size in facts.parts(f"device_write.{source}", 2):
            key = f"device_write.{source}.{size}"
            first, again = facts.need(f"{key}.first"), facts.need(f"{key}.again")
            rows.append([source.replace("_", " "), size, cell(first), cell(again),
                         cell(first - again)])
    return ("## Device write fault\n\nThe device writes a word to each page in system memory. "
            "Instructions per page without an entry in the device's page table (*first*), with "
            "an entry (*again*), and the difference (*fault*).\n\n" + table(["pages are", "pages", "first", "again", "fault"], rows))


def step_row(facts, name, values):
    return [name] + [cell(value) for value in values]


def breakdown_part(report, facts, figures):
    columns = [("own", "to_device"), ("core", "to_device"), ("own", "to_system"),
               ("core", "to_system")]

    def values(step):
        return [facts.get(f"steps.{engine}.{way}.{step}") for engine, way in columns]

    rows = []
    for phase in PHASES:
        rows.append(step_row(facts, f"**{phase}**", values(phase)))
        parts = [values(step) for step in WITHIN[phase]]
        for step, part in zip(WITHIN[phase], parts):
            rows.append(step_row(facts, f"– {step}", part))
        rest = [None if parts[0][i] is None else value - sum(part[i] for part in parts)
                for i, value in enumerate(values(phase))]
        rows.append(step_row(facts, "– the rest", rest))
    for step in ("alloc", "copy", "driver"):
        rows.append(step_row(facts, f"**{step}**", values(step)))
    whole = PHASES + ("alloc", "copy", "driver")
    rows.append(step_row(facts, "**the whole call**",
                         [sum(column) for column in zip(*[values(step) for step in whole])]))
    return ("## Cost of each step\n\nInstructions per page of the same calls, 4,096 exclusive "
            "pages, from reads of the cycle counter (`driver/migrate/timing.c`). Core's phases "
            "have no measured steps. *alloc* lists the pages, and allocates and locks the "
            "destinations; *driver* is the rest of the call.\n\n" +
            table(["step", "own, to the device", "core, to the device", "own, to system",
                   "core, to system"], rows))


def settings_part(report, facts, figures):
    rows = []
    for kernel in facts.parts("settings", 1):
        for lru in ("y", "n"):
            for numa in ("1", "0"):
                key = f"settings.{kernel}.lru_gen_{lru}.numa_balancing_{numa}"
                row = [kernel.replace("_", "-", 1).replace("_", "."), "on" if lru == "y" else "off",
                       "on" if numa == "1" else "off"]
                for way in WAYS:
                    own, core = (sum(facts.need(f"{key}.{engine}.{way}.{phase}")
                                     for phase in PHASES) for engine in ("own", "core"))
                    row += [cell(own), cell(core), show(core / own)]
                rows.append(row)
    if not rows:
        return ""
    return ("## LRU_GEN and NUMA_BALANCING\n\nInstructions per page of the engines alone, 4,096 "
            "exclusive pages, with the settings that distributions switch on. `distro-7.3` is "
            "`lean-7.3` with these and other settings, compiled for the benchmark; "
            "`debian-7.3` is Debian's own kernel.\n\n" +
            table(["kernel", "LRU_GEN", "NUMA_BALANCING", "own, to the device",
                   "core, to the device", "core : own", "own, to system", "core, to system",
                   "core : own"], rows))


def flushes_part(report, facts, figures):
    movers = known(facts.parts("flushes", 3))
    rows = []
    for cpus in facts.parts("flushes", 1):
        for n in facts.parts(f"flushes.{cpus}", 2):
            key = f"flushes.{cpus}.{n}"
            rows.append([cpus, n, show(facts.need(f"pages.flushes.{cpus}"))] +
                        [f"{facts.need(f'{key}.{mover}.local'):.4f}, "
                         f"{facts.need(f'{key}.{mover}.remote'):.4f}" for mover in movers])
    return ("## TLB flushes\n\nPer page, to the device in a single call: flushes on the CPU of "
            "the call, and flushes sent to other CPUs. Siblings are threads that have accessed "
            "the range and spin.\n\n"
            f"![flushes per page]({report['name']}-flushes.svg)\n\n" +
            table(["CPUs", "siblings", "pages"] + [MOVER_WORDS[m] for m in movers], rows))


KIND_WORDS = {"own_auto": "auto", "own": "per_call", "own_per_table": "per_table",
              "core": "core"}


def kinds_part(report, facts, figures):
    rows = []
    for cpus in facts.parts("kind", 1):
        for n in facts.parts(f"kind.{cpus}", 2):
            key = f"kind.{cpus}.{n}"
            rows.append([cpus, n] + [", ".join(f"{facts.need(f'{key}.{mover}.{word}'):.1f}"
                                               for word in ("all", "one", "received"))
                                     for mover in KIND_WORDS])
    return ("## Kinds of flush\n\nPer call, to the device: flushes of the whole TLB and of single "
            "pages on the CPU of the call, and interrupts on other CPUs. A thread spins on "
            "another CPU. *auto* is the default: as wide as the moved range.\n\n" +
            table(["CPUs", "pages"] + list(KIND_WORDS.values()), rows))


def span(facts, key):
    values = [facts.get(f"{key}.{part}") for part in ("median", "min", "max")]
    return "" if None in values else f"{show(values[0])} ({show(values[1])} to {show(values[2])})"


def wall_part(report, facts, figures):
    rows = []
    for cpus in facts.parts("wall_ratio", 1):
        for n in facts.parts(f"wall_ratio.{cpus}", 2):
            rows.append([cpus, n, show(facts.need(f"pages.walls.{cpus}"))] +
                        [span(facts, f"wall_ratio.{cpus}.{n}.{way}") for way in WAYS])
    return ("## Time\n\nown : core in the same round. If the guest has more CPUs than the "
            "host, each of core's flushes also waits for the host's scheduler.\n\n" +
            table(["CPUs", "siblings", "pages", "to the device",
                   "to system memory by ioctl"], rows))


def scaling_part(report, facts, figures):
    rows = []
    for cpus in facts.parts("scaling", 1):
        for how in facts.parts(f"scaling.{cpus}", 2):
            for n in facts.parts(f"scaling.{cpus}.{how}", 3):
                key = f"scaling.{cpus}.{how}.{n}"
                rows.append([cpus, f"{n} {how}"] + [span(facts, f"{key}.{mover}")
                                                    for mover in ("own", "core", "memcpy")])
    text = ("## Scaling\n\nThroughput on disjoint ranges of a device; a single process or thread "
            "of the same round is 1. The last column is memcpy: the limit of the machine.\n\n" +
            table(["CPUs", "who", "own", "core", "memcpy"], rows))
    rows = []
    for cpus in facts.parts("crowd", 1):
        for label in known(facts.parts(f"crowd.{cpus}", 2)):
            key = f"crowd.{cpus}.{label}"
            rows.append([cpus, MOVER_WORDS[label], span(facts, f"{key}.different"),
                         span(facts, f"{key}.same"), show(facts.need(f"{key}.races"))])
    return (text + "\n16 threads move 1,024 pages to system memory by CPU fault. The time of a "
            "single thread is 1. Races are faults per page that met another thread's fault, "
            "with all threads at the same pages.\n\n" + table(["CPUs", "engine", "different pages", "the same pages",
                               "races"], rows))


PARTS = (figures_part, cost_part, growth_part, fault_part, breakdown_part, settings_part,
         flushes_part, kinds_part, wall_part, scaling_part, latency_part, sources_part, device_part)


def plot(path, settings, lines):
    """Each line is a title, the points, and the style."""
    script = [f"set terminal svg size 900,480 background '#ffffff' font 'sans,13'",
              f"set output '{path}'", "set key outside right noenhanced", "set grid ytics", *settings]
    for i, (_, points, _) in enumerate(lines):
        script += [f"$data{i} << END", *(f"{x} {y:.6g}" for x, y in points), "END"]
    script.append("plot " + ", ".join(
        f"$data{i} with linespoints {style} title '{title}'"
        for i, (title, _, style) in enumerate(lines)))
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)


def plot_cost(path, facts):
    lines = []
    for i, mover in enumerate(("own", "core", "test_hmm", "move_pages")):
        for way in WAYS:
            keys = [(size, f"cost.exclusive.{size}.{mover}.{way}")
                    for size in facts.parts("cost.exclusive", 2)]
            points = [(size, facts.get(key)) for size, key in keys if facts.get(key)]
            words = WAY_WORDS[way].removesuffix(" memory by ioctl")
            lines.append((f"{MOVER_WORDS[mover]}, {words}", points,
                          f"lc {i + 1} pt {i + 4} dt {1 if way == 'to_device' else 2}"))
    plot(f"{path}-cost.svg", ["set logscale x 2", "set logscale y 10",
                              "set xlabel 'pages'", "set ylabel 'instructions per page'"],
         lines)


def plot_flushes(path, facts):
    lines = []
    for i, mover in enumerate(known(facts.parts("flushes", 3))):
        points = [(n, flushes_of(facts, 2, n, mover)) for n in facts.parts("flushes.2", 2)]
        lines.append((MOVER_WORDS[mover], points, f"lc {i + 1} pt {i + 4}"))
    plot(f"{path}-flushes.svg", ["set logscale y 10", "set yrange [1e-4:10]",
                                 "set format y '10^{%L}'", "set xlabel 'siblings'",
                                 "set ylabel 'TLB flushes per page, 2,048 pages'"], lines)


def write(path, report, facts, figures, json_text):
    """path: of all files, without the suffixes."""
    report = {**report, "name": os.path.basename(path)}
    with open(f"{path}.md", "w") as file:
        file.write(HEAD.format(**report))
        for part in PARTS:
            text = part(report, facts, figures)
            file.write("\n" + text if text else "")
    with open(f"{path}.json", "w") as file:
        file.write(json_text)
    plot_cost(path, facts)
    plot_flushes(path, facts)
