"""The tables of a report as files for other programs: CSV with all digits, LaTeX as in the report."""

import csv
import io
import os

from .document import Cell, Table, text_columns
from .files import write_text

FOLDER = "tables"
SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "`": "", "*": "",
}


def csv_text(table):
    """A column for each number of a Cell, so that nothing needs to be taken apart."""
    keys = []
    for place in range(len(table.header)):
        found = [cell.numbers if isinstance(cell, Cell) else {"": cell} for cell in (row[place] for row in table.rows)]
        keys.append(list(dict.fromkeys(key for numbers in found for key in numbers)) or [""])
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([" ".join(filter(None, (str(head), key))) for head, of in zip(table.header, keys) for key in of])
    for row in table.rows:
        writer.writerow([value_of(cell, key) for cell, of in zip(row, keys) for key in of])
    return file.getvalue()


def value_of(cell, key):
    if isinstance(cell, Cell):
        return cell.numbers.get(key)  # None is written as nothing
    return None if key or cell == "-" else cell


def latex(text):
    """A cell's text; a sign before a number becomes that of mathematics."""
    text = "".join(SPECIAL.get(character, character) for character in str(text))
    return f"${text[0]}${text[1:]}" if text[:1] in "+-" and text[1:2].isdigit() else text


def latex_text(table):
    """A tabular for \\input, with the rules of the booktabs package."""
    columns = "".join("l" if text else "r" for text in text_columns(table))
    lines = [" & ".join(map(latex, row)) + r" \\" for row in (table.header, *table.rows)]
    return "\n".join([r"\begin{tabular}{" + columns + "}", r"\toprule", lines[0], r"\midrule", *lines[1:],
                      r"\bottomrule", r"\end{tabular}"]) + "\n"


def write_tables(folder, blocks):
    """Writes FOLDER/NAME.csv and .tex of every table."""
    os.makedirs(os.path.join(folder, FOLDER), exist_ok=True)
    for table in (block for block in blocks if isinstance(block, Table)):
        path = os.path.join(folder, FOLDER, table.name)
        write_text(path + ".csv", csv_text(table))
        write_text(path + ".tex", latex_text(table))
