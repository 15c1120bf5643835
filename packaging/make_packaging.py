#!/usr/bin/env python3
"""Makes what is installed beside the program: man page, completion, Debian's changelog and copyright, scripts.

    packaging/make_packaging.py DARKNET VERSION MAINTAINER OUT SCRIPT...

Verbs and options come from `darknet help` and from the driver's parser, their meaning from docs/options.md.
"""

import email.utils
import gzip
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
os.environ["DARKNET_GENERATIONS"] = NAME = "darknet-generations"

from generations import make_parser  # noqa: E402

SHARE = "/usr/share/darknet-generations"


def read(*names):
    with open(os.path.join(ROOT, *names), encoding="utf-8") as file:
        return file.read()


def usage_lines(darknet):
    """{verb: synopsis}, the driver's verbs included."""
    done = subprocess.run([NAME, "help"], executable=darknet, capture_output=True, text=True, check=True)
    lines = {}
    for line in done.stdout.splitlines():
        words = line.removeprefix(NAME + " ")
        verb = re.match(r"(?:[a-z]+(?: |$))*", words)[0].strip()
        if line.startswith(NAME) and not verb.startswith("chain"):
            lines[verb] = words.removeprefix(verb).strip()
    _, verbs = make_parser()
    for verb, parser in verbs.choices.items():
        text = " ".join(parser.format_usage().split()).partition(f"chain {verb} ")[2]
        lines[f"chain {verb}"] = text.replace("[-h] ", "")
    return lines


def options_of(synopsis):
    return re.findall(r"(?<![\w-])--?[a-z_]+(?:-[a-z]+)*(?![\w-])", synopsis)


def completion_words(lines):
    """{verb so far: what may follow it}; '.': nothing so far."""
    words = {".": ["help"]}
    for verb, synopsis in lines.items():
        parts = verb.split()
        for i, part in enumerate(parts):
            before = words.setdefault(" ".join(parts[:i]) or ".", [])
            before += [part] if part not in before else []
        if verb:
            words[verb] = [*options_of(synopsis), "-h" if not verb.startswith("chain") else "--help"]
        else:
            words["."] += options_of(synopsis)
    return words


def option_rows(lines):
    """[(option, its value, default, where, meaning)] of docs/options.md, those that the usage lines have."""
    used = {option for synopsis in lines.values() for option in options_of(synopsis)}
    rows = re.findall(r"^\| `(-[^`]+)`[^|]*\|([^|]*)\|([^|]*)\|(.*)\|$",
                      read("docs", "options.md").partition("## command line")[2], re.MULTILINE)
    verbs = {word for verb in lines for word in verb.split()}
    rows = [row for row in rows if row[0] in used and verbs & set(re.findall(r"\w+", row[2]))]
    missing = used - {"--version", "--verbose"} - {row[0] for row in rows}
    if missing:
        sys.exit(f"docs/options.md: no row for {', '.join(sorted(missing))} in the tables of the command line")
    return rows


def roff(text):
    text = text.replace("`", "").replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


def man_page(lines, version):
    synopsis = "\n".join(f"{NAME} {verb} {line}".rstrip().replace("  ", " ") for verb, line in lines.items())
    options = []
    for option, default, where, meaning in option_rows(lines):
        default = f"; default: {default.strip()}" if default.strip() else ""
        options.append(f".TP\n.B {roff(option)}\n({roff(where.strip())}) {roff(meaning.strip() + default)}")
    page = read("packaging", "man.in").replace("@SYNOPSIS@", roff(synopsis)).replace("@OPTIONS@", "\n".join(options))
    return page.replace("@VERSION@", version).replace("@SHARE@", SHARE)


def paragraphs(text):
    return "\n".join(f" {line.rstrip()}" if line.strip() else " ." for line in text.strip().splitlines())


def copyright_text():
    _, holder, licence = read("LICENSE").split("\n\n", maxsplit=2)
    wordnet = read("data", "ilsvrc2012.license").split("\n\n", maxsplit=1)[1]
    holder = holder.removeprefix("Copyright (c) ")
    return f"""\
Upstream-Name: {NAME}

Files: *
Copyright: {holder}
License: Expat
{paragraphs(licence)}

Files: data/ilsvrc2012.names data/ilsvrc2012.superclasses data/ilsvrc2012.superclass_names
Copyright: 2006 Princeton University
License: WordNet
{paragraphs(wordnet)}
"""


def main(darknet, version, maintainer, out, *scripts):
    os.makedirs(out, exist_ok=True)

    def write(name, text):
        path = os.path.join(out, name)
        with (gzip.GzipFile(path, "wb", mtime=0) if name.endswith(".gz") else open(path, "wb")) as file:
            file.write(text.encode())

    lines = usage_lines(os.path.abspath(darknet))
    words = "\n".join(f'    ["{verb}"]="{" ".join(known)}"' for verb, known in completion_words(lines).items())
    write(NAME + ".bash", read("packaging", "completion.bash.in").replace("@WORDS@", words))
    write("copyright", copyright_text())
    date = email.utils.formatdate(float(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
    write("changelog.gz", f"{NAME} ({version}) unstable; urgency=medium\n\n  * Release {version}.\n\n"
          f" -- {maintainer}  {date}\n")
    for script in scripts:
        # Debian's Python, which the dependencies are for; -B: no __pycache__ where the program is installed.
        write(script, read("scripts", script).replace("#!/usr/bin/env python3", "#!/usr/bin/python3 -B", 1))
    write(NAME + ".1.gz", man_page(lines, version))


if __name__ == "__main__":
    main(*sys.argv[1:])
