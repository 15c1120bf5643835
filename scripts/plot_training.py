#!/usr/bin/env python3
"""Draws loss and top-1 accuracy over the epochs of a training from the .csv that it writes.

    scripts/plot_training.py FILE.csv -o FILE

FILE ends with .png or .svg. The loss of the training is that of the cost, of the validation set the cross entropy.
"""

import csv
import os
import sys

from generations_driver.errors import Failure, OneLineParser
from generations_driver.figures.learning import set_limits
from generations_driver.figures.style import colour_of, figure_of, save
from generations_driver.files import TEXT

PANELS = (("loss (nats)", 1, (("training cost", "train_loss"), ("validation cross entropy", "valid_loss"))),
          ("top-1 accuracy (%)", 100, (("training", "train_top1"), ("validation", "valid_top1"))))


def read_columns(path):
    """{column: [(epoch, value)]}, without the fields that are empty."""
    try:
        with open(path, newline="", encoding=TEXT) as file:
            rows = list(csv.DictReader(file))
        epochs = [int(row["epoch"]) for row in rows]
        columns = {column: [(epoch, float(row[column])) for epoch, row in zip(epochs, rows) if row[column]]
                   for _, _, lines in PANELS for _, column in lines}
    except OSError as error:
        raise Failure(f"{path}: cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise Failure(f"{path}: not the .csv of a training; name backup/NAME.csv") from error
    if not rows:
        raise Failure(f"{path}: no epoch in it yet; finish one first")
    return columns


def draw(columns, name, path):
    with figure_of(1, 2, figsize=(12, 4.8)) as (figure, both):
        figure.suptitle(name)
        for axes, (title, factor, lines) in zip(both, PANELS):
            drawn = []
            for number, (label, column) in enumerate(lines):
                points = [(epoch, factor * value) for epoch, value in columns[column]]
                if points:
                    marker = "o" if len(points) <= 40 else None
                    axes.plot(*zip(*points), label=label, color=colour_of(number), linewidth=1.6, marker=marker,
                              markersize=3.5)
                drawn += [value for _, value in points]
            epochs = [epoch for epoch, _ in columns["train_loss"]]
            axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
            set_limits(axes, drawn)
            axes.set_title(title)
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            axes.grid(alpha=0.3)
            axes.legend(frameon=False)
        save(figure, path)


def main(arguments=None):
    parser = OneLineParser(description="Draws loss and top-1 accuracy over the epochs of a training.")
    parser.add_argument("csv", metavar="FILE.csv", help="what a training wrote into its backup folder")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the .png or .svg to write")
    options = parser.parse_args(arguments)
    try:
        name = os.path.splitext(os.path.basename(options.csv))[0]
        draw(read_columns(options.csv), name, options.output)
    except Failure as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 1
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
