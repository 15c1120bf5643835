#!/usr/bin/env python3
"""Prepares a folder of photos for training: lists, labels, a .data file and a cfg with the right number of classes.

    scripts/prepare_photos.py PHOTOS [--out DIR] [--valid SHARE] [--cfg CFG]

PHOTOS has a folder for each class, whose name is the class's label: PHOTOS/cat/1.jpg, PHOTOS/dog/summer/2.png. Of each
class a share of the photos is for validation, at least one; a photo's part depends on its name alone, so it keeps it
when others are added. Where PHOTOS has the folders train/ and valid/ (or val/, test/) with the classes below, these are
the parts.

Writes photos.data, photos.cfg, photos.labels, train.txt and valid.txt into DIR (default: data/ and the name of PHOTOS);
weights go to DIR/backup. Photos stay where they are.
"""

import hashlib
import os
import sys

from generations_driver.errors import Failure, OneLineParser
from generations_driver.files import make_folder, read_text, write_text
from generations_driver.tables import counted

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEFAULT_CFG = os.path.join(ROOT, "cfg", "photos-resnet18.cfg")
ENDS = (".jpg", ".jpeg", ".png")
TRAIN, VALID = ("train",), ("valid", "val", "test")
OUTPUTS = {"connected": "output", "convolutional": "filters"}  # of the last layer with parameters


def folders_in(path):
    try:
        return sorted(entry.name for entry in os.scandir(path) if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise Failure(f"{path}: cannot read the folder: {error.strerror}") from error


def photos_below(folder, ignored):
    """Paths of all photos, sorted; the ends of other files' names are added to `ignored`."""
    found = []
    for root, _, names in os.walk(folder, followlinks=True):
        for name in names:
            if name.startswith("."):
                continue
            end = os.path.splitext(name)[1].lower()
            if end in ENDS:
                found.append(os.path.join(root, name))
            else:
                ignored.append(end or name)
    return sorted(found)


def part_of(photos, folder, share):
    """Those for validation: the first ones in an order that each photo's name decides."""
    order = sorted(photos, key=lambda path: hashlib.sha256(os.path.relpath(path, folder).encode()).digest())
    return set(order[:max(1, round(share * len(photos)))])


def split(photos, share, ignored):
    """(labels, lines for training, lines for validation)"""
    parts = {part: [name for name in names if os.path.isdir(os.path.join(photos, name))]
             for part, names in (("train", TRAIN), ("valid", VALID))}
    divided = all(parts.values())
    top = {part: os.path.join(photos, names[0]) for part, names in parts.items()} if divided else {"train": photos}
    labels = folders_in(top["train"])
    if len(labels) < 2:
        raise Failure(f"{top['train']}: found {counted(len(labels), 'folder')}; a classifier needs a folder of photos "
                      "for each of at least 2 classes")
    if divided and (more := sorted(set(folders_in(top["valid"])) - set(labels))):
        raise Failure(f"{top['valid']}/{more[0]}: no such class in {top['train']}; every class needs photos there")
    lines = {"train": [], "valid": []}
    for number, label in enumerate(labels):
        found = {part: photos_below(os.path.join(folder, label), ignored) for part, folder in top.items()}
        if not divided:
            if len(found["train"]) < 2:
                raise Failure(f"{top['train']}/{label}: found {counted(len(found['train']), 'photo')} "
                              f"({', '.join(ENDS)}); at least 2 are needed, to train and to validate")
            chosen = part_of(found["train"], os.path.join(photos, label), share)
            found = {"train": [path for path in found["train"] if path not in chosen], "valid": sorted(chosen)}
        if not found["train"]:
            raise Failure(f"{top['train']}/{label}: no photos ({', '.join(ENDS)}); every class needs some to train on")
        for part, paths in found.items():
            lines[part] += [f"{path} {number}" for path in paths]
    return labels, lines["train"], lines["valid"]


def with_classes(path, classes):
    """The cfg's text with the outputs of the last layer that has parameters."""
    lines = read_text(path, "cfg").splitlines()
    sections = [(at, line.strip()[1:-1]) for at, line in enumerate(lines) if line.strip().startswith("[")]
    last = next(((at, OUTPUTS[name]) for at, name in reversed(sections) if name in OUTPUTS), None)
    for at in range(last[0], len(lines)) if last else ():
        key, equals, _ = lines[at].partition("=")
        if equals and key.strip() == last[1]:
            lines[at] = f"{last[1]}={classes}"
            return "\n".join(lines) + "\n"
    raise Failure(f"{path}: no [connected] with output= and no [convolutional] with filters=, so the number of classes "
                  "has no place; name another cfg with --cfg")


def prepare(options):
    if not 0 < options.valid < 1:
        raise Failure(f"--valid {options.valid}: allowed is a number between 0 and 1")
    photos = os.path.normpath(options.photos)
    out = options.out or os.path.join("data", os.path.basename(os.path.abspath(photos)))
    ignored = []
    labels, train, valid = split(photos, options.valid, ignored)
    cfg = with_classes(options.cfg, len(labels))
    make_folder(out, "--out")
    at = lambda name: os.path.join(out, name)  # noqa: E731
    data = [f"classes={len(labels)}", f"train={at('train.txt')}", f"valid={at('valid.txt')}",
            f"names={at('photos.labels')}", f"backup={at('backup')}"]
    for name, lines in (("train.txt", train), ("valid.txt", valid), ("photos.labels", labels), ("photos.data", data)):
        write_text(at(name), "\n".join(lines) + "\n")
    write_text(at("photos.cfg"), cfg)
    if ignored:
        ends = ", ".join(sorted(set(ignored))[:5])
        print(f"not used: {counted(len(ignored), 'file')} of other kinds ({ends}); convert them to JPEG or PNG")
    print(f"{len(labels)} classes, {len(train)} photos to train and {len(valid)} to validate: "
          f"{at('photos.data')}\ntrain with\n    ./darknet classifier train {at('photos.data')} {at('photos.cfg')}")


def main(arguments=None):
    parser = OneLineParser(prog="prepare_photos.py", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("photos", metavar="PHOTOS", help="the folder with a folder for each class")
    parser.add_argument("--out", metavar="DIR", help="where the files go (default: data/ and the name of PHOTOS)")
    parser.add_argument("--valid", type=float, default=0.2, metavar="SHARE",
                        help="of each class for validation (default: 0.2)")
    parser.add_argument("--cfg", default=DEFAULT_CFG, metavar="CFG",
                        help="the network (default: cfg/photos-resnet18.cfg)")
    return parser.run(prepare, arguments)


if __name__ == "__main__":
    sys.exit(main())
