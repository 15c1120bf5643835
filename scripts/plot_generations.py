#!/usr/bin/env python3
"""Draws accuracy over generations from the summary.json files that generations.py writes.

    scripts/plot_generations.py SUMMARY.json... -o FILE

One summary: a thin line per seed and, with several seeds, a thick line of their mean. Several summaries: a line per
run, as `generations.py compare` draws it. FILE ends with .png or .svg.
"""

import sys

from generations_driver.errors import Failure, OneLineParser
from generations_driver.figures import accuracy, comparison
from generations_driver.methods import labels_of
from generations_driver.summary import load_summary


def plot(options):
    summaries = [load_summary(path) for path in options.summaries]
    several = len(summaries) > 1
    if not (comparison.draw(summaries, labels_of(summaries), options.output) if several
            else accuracy.draw(summaries[0], options.output)):
        raise Failure(f"{options.summaries[0]}: no accuracy in it yet; finish a generation first")
    print(options.output)


def main(arguments=None):
    parser = OneLineParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("summaries", nargs="+", metavar="SUMMARY.json")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the .png or .svg to write")
    return parser.run(plot, arguments)


if __name__ == "__main__":
    sys.exit(main())
