#!/usr/bin/env python3
"""The roofline of a training step on a GPU, computed from the cfg: operations, fewest bytes, kernels. Measures nothing.

    scripts/gpu_roofline.py [--card NAME] [--precision P[,P...]] [--work W[,W...]] [--batch N] [--darknet FILE] [CFG...]

Prints a table in Markdown. The roofline is the time of all kernels one after the other, each as long as its operations
take at the card's rate or its bytes at the card's bandwidth, whichever is longer, with a gap between them.
scripts/benchmark/roofline.py says what is counted.
"""

import argparse
import sys

from benchmark.roofline import CARDS, GAP, PRECISIONS, Card, Roofline, card_named
from benchmark.workload import GPU_BATCHES, PAPER_CFGS, WORK, batch_for
from cfg_network.network import Network
from generations_driver.errors import Failure, OneLineParser, words_of
from generations_driver.place import default_program

HEADING = ("network", "work", "precision", "batch", "GFLOP", "MB", "kernels", "operations", "bytes", "gaps", "roofline",
           "images/s")


def row(roofline):
    def milliseconds(seconds):
        return f"{1000 * seconds:.3f}"
    return (roofline.network, roofline.work, roofline.precision, roofline.batch, f"{roofline.operations / 1e9:.1f}",
            f"{roofline.bytes / 1e6:.0f}", roofline.launches, milliseconds(roofline.operation_seconds),
            milliseconds(roofline.byte_seconds), milliseconds(roofline.launch_seconds), milliseconds(roofline.seconds),
            f"{roofline.batch / roofline.seconds:.0f}")


def markdown(cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def card_of(options):
    """The named card, with the rates that the options override."""
    card = card_named(options.card)
    given = {key: getattr(options, key) for key in ("bf16", "tf32", "fp32", "bandwidth")
             if getattr(options, key) is not None}
    if min([*given.values(), 1]) <= 0 or options.gap < 0 or options.batch is not None and options.batch <= 0:
        raise Failure("rates, --bandwidth and --batch must be above 0, --gap not below", code=2)
    return card._replace(**given), options.card + (" with other rates" if given else "")


def show_table(options):
    card, name = card_of(options)
    print(f"Computed, not measured. {name}: bf16 {card.bf16:g}, tf32 {card.tf32:g}, fp32 {card.fp32:g} TFLOP/s, "
          f"{card.bandwidth:g} TB/s; {options.gap:g} us between kernels (assumed). Times in ms a step.")
    print("", markdown(HEADING), "|" + "---|" * len(HEADING), sep="\n")
    for path in options.cfgs or PAPER_CFGS:
        network = Network(path, options.darknet)
        batch = options.batch or batch_for(network.input.height, GPU_BATCHES)
        for precision in options.precision:
            for work in options.work:
                print(markdown(row(Roofline(network, work, batch, precision, card, options.gap))))


def main(arguments=None):
    parser = OneLineParser(prog="gpu_roofline.py", description=__doc__.split("\n\n", maxsplit=1)[0],
                           epilog=__doc__.split("\n\n", maxsplit=2)[2], formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cfgs", nargs="*", metavar="CFG", help="networks (default: those of the paper)")
    parser.add_argument("--card", default="H100-SXM", metavar="NAME", help=f"{', '.join(CARDS)} (default: H100-SXM)")
    parser.add_argument("--precision", type=words_of(PRECISIONS), default=["bf16"], metavar="P[,P...]",
                        help=f"{', '.join(PRECISIONS)} (default: bf16)")
    parser.add_argument("--work", type=words_of(WORK), default=list(WORK), metavar="W[,W...]",
                        help=f"{', '.join(WORK)} (default: all)")
    parser.add_argument("--batch", type=int, metavar="N", help="default: 128, and 256 for large images")
    for key in Card._fields[:3]:
        parser.add_argument(f"--{key}", type=float, metavar="T", help=f"10^12 operations a second in {key}")
    parser.add_argument("--bandwidth", type=float, metavar="T", help="10^12 bytes a second")
    parser.add_argument("--gap", type=float, default=GAP, metavar="US",
                        help=f"microseconds between two kernels (default: {GAP:g}, an assumption)")
    parser.add_argument("--darknet", default=default_program(), metavar="FILE", help="the program (default: ./darknet)")
    return parser.run(show_table, arguments)


if __name__ == "__main__":
    sys.exit(main())
