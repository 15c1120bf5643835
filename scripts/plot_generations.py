#!/usr/bin/env python3
"""Draws accuracy over generations from the summary.json files that generations.py writes.

    scripts/plot_generations.py SUMMARY.json... -o FILE

One summary: a thin line per seed and, with several seeds, a thick line of their mean. Several summaries: a colour per
run. FILE ends with .png or .svg.
"""

import sys

from generations_driver.errors import Failure, OneLineParser
from generations_driver.figures.accuracy import draw
from generations_driver.summary import load_summary


def main(arguments=None):
    parser = OneLineParser(description="Draws accuracy over generations from summary.json files of generations.py.")
    parser.add_argument("summaries", nargs="+", metavar="SUMMARY.json")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the .png or .svg to write")
    options = parser.parse_args(arguments)
    try:
        if not draw([load_summary(path) for path in options.summaries], options.output):
            raise Failure(f"{options.summaries[0]}: no accuracy in it yet; finish a generation first")
    except Failure as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 1
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
