"""A report as a list of blocks, and its Markdown.

Texts are inline Markdown: `code`, **bold**, *emphasis*, [a](link).
"""

import dataclasses
import re

from .summary import shown, shown_spread


@dataclasses.dataclass(frozen=True)
class Heading:
    level: int
    text: str


@dataclasses.dataclass(frozen=True)
class Text:
    text: str


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure: SUBJECT.png and SUBJECT.svg beside the report."""

    subject: str
    text: str


@dataclasses.dataclass(frozen=True)
class Cell:
    """What is shown, and the numbers behind it for the CSV: {what the column is called behind its header: number}."""

    text: str
    numbers: dict

    def __str__(self):
        return self.text


@dataclasses.dataclass(frozen=True)
class Table:
    """`name` is that of its files; the cells are strings or Cells."""

    name: str
    header: list
    rows: list


def spread_cell(entry, scale=100, digits=2, text=None):
    """A mean over seeds with its deviation."""
    numbers = {"": None, "deviation": None, "n": 0}
    if entry:
        deviation = entry["deviation"]
        numbers = {"": scale * entry["mean"], "deviation": deviation and scale * deviation, "n": entry["n"]}
    return Cell(text or shown_spread(entry, scale, digits), numbers)


def number_cell(value, digits=2, scale=100):
    return Cell(shown(value, digits, scale), {"": None if value is None else scale * value})


def text_columns(table):
    """For each column whether it is text, which stands at the left; numbers stand at the right."""
    columns = zip(*table.rows) if table.rows else [()] * len(table.header)
    return [place == 0 or any(re.match("[^-+<0-9]", str(cell)) for cell in column)
            for place, column in enumerate(columns)]


def markdown_table(table):
    ruler = ["---" if text else "---:" for text in text_columns(table)]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (table.header, ruler, *table.rows))


def markdown(blocks):
    kinds = {
        Heading: lambda block: f"{'#' * block.level} {block.text}",
        Text: lambda block: block.text,
        Picture: lambda block: f"![{block.text}]({block.subject}.png)",
        Table: markdown_table,
    }
    return "\n\n".join(kinds[type(block)](block) for block in blocks) + "\n"
