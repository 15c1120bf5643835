"""A report as one HTML file with its figures inside: for a browser, a phone, and paper."""

import base64
import html
import os
import re
import struct

from .document import Heading, Picture, Table, Text, text_columns
from .figures.style import DPI

CSS = """\
:root { color-scheme: light; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 66rem; color: #1a1a1a; background: #fff;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; overflow-wrap: break-word; }
h1, h2, h3 { line-height: 1.2; text-wrap: balance; }
h1 { font-size: 1.8rem; margin: 0 0 1rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .8rem; padding-bottom: .25rem; border-bottom: 1px solid #ccc; }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .6rem; }
p { margin: .7rem 0; max-width: 46rem; }
code { font: .88em/1.4 ui-monospace, "DejaVu Sans Mono", monospace; background: #f3f3f3; padding: .08em .3em;
  border-radius: .2em; }
a { color: #00508a; }
.table { overflow-x: auto; margin: 1rem 0 1.4rem; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { padding: .26rem .55rem; text-align: right; vertical-align: top; }
.text { text-align: left; }
th:first-child, td:first-child { padding-left: 0; }
td { white-space: nowrap; }
td.long { white-space: normal; min-width: 14rem; }
thead th { vertical-align: bottom; border-top: 1.5px solid #1a1a1a; border-bottom: 1px solid #1a1a1a; }
tbody tr + tr td { border-top: 1px solid #eee; }
tbody tr:last-child td { border-bottom: 1.5px solid #1a1a1a; }
figure { margin: 1.2rem 0; }
figure img { display: block; max-width: 100%; height: auto; }
@media (max-width: 34rem) {
  body { padding: 1rem .8rem 2rem; }
  h1 { font-size: 1.45rem; }
  figure.wide { overflow-x: auto; }
  figure.wide img { max-width: 36rem; }
  td:first-child { white-space: normal; min-width: 7rem; }
  table { font-size: .82rem; }
  th, td { padding: .25rem .5rem; }
}
@media print {
  @page { size: A4; margin: 16mm; }
  body { padding: 0; max-width: none; font-size: 9.5pt; }
  h2, h3 { break-after: avoid; }
  figure, tr { break-inside: avoid; }
  figure img { max-height: 125mm; }
  figure.tall img { max-height: 240mm; }
  thead { display: table-header-group; }
  .table { overflow: visible; }
  table { font-size: 7.5pt; }
  th, td { padding: .15rem .35rem; }
  .wide table { font-size: 6pt; }
  .wide td, td.text { white-space: normal; }
  code { background: none; padding: 0; }
  a { color: inherit; text-decoration: none; }
}
"""
WIDE = 8.2  # inches; wider figures have several panels side by side, and a phone scrolls through them
TALL = 1.1  # height over width from which on a figure has a page on paper
PIXEL = 96  # of CSS in an inch
MANY = 8  # columns up to which a table has room on paper with every cell in one line
LONG = 60  # characters from which on a cell's text is broken into lines


def inline(text):
    """Inline Markdown as HTML."""
    parts = re.split(r"(`[^`]*`)", text)
    for i, part in enumerate(parts):
        escaped = html.escape(part.strip("`") if i % 2 else part)
        if i % 2:
            parts[i] = f"<code>{escaped}</code>"
            continue
        escaped = escaped.replace("/report.md)", "/report.html)")  # a page leads to pages
        escaped = re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", r'<a href="\2">\1</a>', escaped)
        escaped = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escaped)
        parts[i] = re.sub(r"\*(.+?)\*", r"<em>\1</em>", escaped)
    return "".join(parts)


def table_html(table):
    def line(tag, cells):
        found = []
        for cell, left in zip(map(str, cells), text_columns(table)):
            classes = ["text"] * left + ["long"] * (len(cell) > LONG)
            found.append(f"<{tag}" + (f' class="{" ".join(classes)}"' if classes else "") + f">{inline(cell)}</{tag}>")
        return f"<tr>{''.join(found)}</tr>"

    head = line("th", table.header)
    rows = "\n".join(line("td", row) for row in table.rows)
    kind = "table wide" if len(table.header) > MANY else "table"
    return f'<div class="{kind}"><table>\n<thead>{head}</thead>\n<tbody>\n{rows}\n</tbody></table></div>'


def picture_html(picture, folder):
    """Lines stay sharp as SVG; photographs, and figures of very many marks, are smaller as PNG."""
    paths = {kind: os.path.join(folder, f"{picture.subject}.{kind}") for kind in ("svg", "png")}
    content = {kind: read_bytes(path) for kind, path in paths.items()}
    kind = min(content, key=lambda kind: len(content[kind]))
    width, height = struct.unpack(">II", content["png"][16:24])
    mime = {"svg": "image/svg+xml", "png": "image/png"}[kind]
    source = f"data:{mime};base64,{base64.b64encode(content[kind]).decode()}"
    kinds = ["tall"] * (height > TALL * width) + ["wide"] * (width > WIDE * DPI)
    shape = f' class="{" ".join(kinds)}"' if kinds else ""
    return (f'<figure{shape}><img alt="{html.escape(picture.text)}" width="{PIXEL * width / DPI:.0f}" '
            f'height="{PIXEL * height / DPI:.0f}" src="{source}"></figure>')


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def html_page(blocks, folder):
    """The whole file; `folder` has the figures."""
    kinds = {
        Heading: lambda block: f"<h{block.level}>{inline(block.text)}</h{block.level}>",
        Text: lambda block: f"<p>{inline(block.text)}</p>",
        Picture: lambda block: picture_html(block, folder),
        Table: table_html,
    }
    title = next(block.text for block in blocks if isinstance(block, Heading))
    return "\n".join([
        "<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">', f"<title>{html.escape(title)}</title>",
        f"<style>\n{CSS}</style>", "</head>", "<body>", *(kinds[type(block)](block) for block in blocks), "</body>",
        "</html>"]) + "\n"
