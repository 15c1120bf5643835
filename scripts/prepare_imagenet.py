#!/usr/bin/env python3
"""Prepares ILSVRC2012 for training: unpacks the official archives, checks them, writes lists and the .data file.

    scripts/prepare_imagenet.py SOURCE [--out DIR] [--valid-labels FILE] [--part]

SOURCE is a folder with the archives as image-net.org distributes them,
    ILSVRC2012_img_train.tar  ILSVRC2012_img_val.tar  ILSVRC2012_devkit_t12.tar.gz
or one where they are unpacked already: train/nXXXXXXXX/*.JPEG and val/, either in folders of that kind or all in one.
The classes of validation images in one folder come from the devkit (needs python3-scipy), or from --valid-labels FILE
with one name and class index a line.

Unpacked images go to DIR (default: data/ilsvrc2012), where train.txt, valid.txt and ilsvrc2012.data are written, too.
The same command resumes after an interruption: it unpacks only what is missing.
"""

import argparse
import contextlib
import io
import os
import shutil
import sys
import tarfile

from generations_driver.errors import Failure, OneLineParser
from generations_driver.files import make_folder, read_text, replacing, tidy, whole_or_none, write_text
from generations_driver.progress import Display

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LABELS = os.path.join(ROOT, "data", "ilsvrc2012.labels")
DATA_FILE = os.path.join(ROOT, "cfg", "ilsvrc2012.data")
DEFAULT_OUT = "data/ilsvrc2012"
TRAIN_TAR, VALID_TAR = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
TRAIN_IMAGES, VALID_IMAGES = 1281167, 50000
CHUNK = 1 << 20
# The official training set has one PNG with the name of a JPEG.
STARTS = (b"\xff\xd8\xff", b"\x89PNG")
AGAIN = "get the archive again"


class Progress:
    """How much of an archive is unpacked: a bar on a terminal; in a pipe a plain line at every tenth."""

    def __init__(self, display, what, archive):
        self.display, self.what, self.total, self.shown = display, what, os.path.getsize(archive), 0

    def at(self, member):
        percent = min(100, 100 * (member.offset_data + member.size) // self.total)
        name = os.path.basename(member.name)
        if self.display.terminal:
            bar = "#" * (percent // 4)
            self.display.update(f"{self.what} [{bar:<25}] {percent:3} % {name}")
        elif percent // 10 > self.shown:
            self.shown = percent // 10
            self.display.line(f"{self.what}: {percent} %, {name}")


def some(names):
    names = sorted(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def check_room(folder, unpacked):
    """For all archives together, {archive: its folder}; an archive needs about its own size, less what is unpacked."""
    needed = 0
    for archive, target in unpacked.items():
        files = (os.path.join(path, name) for path, _, names in os.walk(target) for name in names)
        needed += max(0, os.path.getsize(archive) - sum(map(os.path.getsize, files)))
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise Failure(f"{folder}: {needed / 1e9:.1f} GB are needed for {' and '.join(unpacked)}, {free / 1e9:.1f} GB "
                      "are free; free more, or name another disk with --out")


@contextlib.contextmanager
def opened(where, **source):
    """An archive that is read to its end; damage is one line."""
    try:
        with tarfile.open(mode="r:", **source) as archive:
            yield archive
            # tarfile takes whatever is no header for the end, which is a block of zeros.
            archive.fileobj.seek(archive.offset)
            if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise Failure(f"{where} is damaged at byte {archive.offset}, or cut off; {AGAIN}")
    except (tarfile.TarError, EOFError) as error:
        raise Failure(f"{where} is damaged: {error}; {AGAIN}") from error


def copy_member(archive, member, path, where):
    """Writes one image."""
    source = archive.extractfile(member)
    first = source.read(CHUNK)
    if not first.startswith(STARTS):
        raise Failure(f"{where}: {member.name} ({member.size} bytes) is no JPEG; {AGAIN}")
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(first)
        shutil.copyfileobj(source, file, CHUNK)
        if file.tell() != member.size:
            raise Failure(f"{where}: {member.name} has {file.tell()} bytes instead of {member.size}; {AGAIN}")


def unpack_images(where, folder, progress=None, **source):
    """An archive of images into a folder, which gets its name when it is complete."""
    part = folder + ".part"
    os.makedirs(part, exist_ok=True)
    with opened(where, **source) as archive:
        for member in (member for member in archive if not member.isdir()):
            path = os.path.join(part, os.path.basename(member.name))
            if not member.isfile() or not path.endswith(".JPEG"):
                raise Failure(f"{where}: has {member.name}; allowed: images named *.JPEG")
            if not os.path.exists(path) or os.path.getsize(path) != member.size:
                copy_member(archive, member, path, where)
            if progress:
                progress.at(member)
    if not os.listdir(part):
        raise Failure(f"{where}: has no images; {AGAIN}")
    os.replace(part, folder)


def unpack_train(path, folder, classes, progress):
    os.makedirs(folder, exist_ok=True)
    with opened(path, name=path) as archive:
        for member in (member for member in archive if not member.isdir()):
            synset, extension = os.path.splitext(os.path.basename(member.name))
            where = f"{path}: {member.name}"
            if synset not in classes or extension != ".tar":
                raise Failure(f"{where} is none of the 1000 classes' archives; give {TRAIN_TAR} of ILSVRC2012")
            target = os.path.join(folder, synset)
            if not os.path.isdir(target):
                unpack_images(where, target, fileobj=archive.extractfile(member))
            progress.at(member)


def devkit_labels(path, classes):
    """The class indices of the validation images in their order. The devkit numbers its classes in another way."""
    try:
        import scipy.io  # only here: all else works without it
    except ImportError as error:
        advice = "install python3-scipy and use /usr/bin/python3, or give --valid-labels FILE"
        raise Failure(f"{path}: its meta.mat needs SciPy; {advice}") from error
    try:
        with tarfile.open(path, "r:gz") as archive:
            files = {os.path.basename(member.name): member for member in archive if member.isfile()}
            missing = {"meta.mat", "ILSVRC2012_validation_ground_truth.txt"} - set(files)
            if missing:
                raise Failure(f"{path}: lacks {some(missing)}; give {DEVKIT} of ILSVRC2012")
            meta = scipy.io.loadmat(io.BytesIO(archive.extractfile(files["meta.mat"]).read()), squeeze_me=True)
            truth = archive.extractfile(files["ILSVRC2012_validation_ground_truth.txt"]).read().decode().split()
        synset_of = {int(entry["ILSVRC2012_ID"]): str(entry["WNID"]) for entry in meta["synsets"]}
        index_of = {synset: i for i, synset in enumerate(classes)}
        return [index_of[synset_of[int(number)]] for number in truth]
    except (tarfile.TarError, EOFError, OSError) as error:
        raise Failure(f"{path}: cannot be read: {error}; {AGAIN}") from error
    except (KeyError, ValueError, IndexError) as error:
        raise Failure(f"{path}: does not name classes 1 to 1000 as ILSVRC2012's does ({error}); {AGAIN}") from error


def listed_labels(path):
    """{image: class index} of a text file."""
    labels = {}
    for number, line in enumerate(read_text(path, "labels of the validation images").splitlines(), 1):
        fields = line.split()
        if not fields:
            continue
        index = whole_or_none(fields[1]) if len(fields) > 1 else None
        if index is None or index >= 1000:
            raise Failure(f"{path}:{number}: {line!r}; allowed: name of an image and class index, 0 to 999")
        labels[os.path.basename(fields[0])] = index
    return labels


def images_in(folder):
    return sorted(name for name in os.listdir(folder) if name.endswith(".JPEG")) if os.path.isdir(folder) else []


def list_folder(folder, classes):
    """[(path, class)] of images in folders of classes."""
    paths = [(os.path.join(folder, synset), index) for index, synset in enumerate(classes)]
    return [(os.path.join(path, name), index) for path, index in paths for name in images_in(path)]


def valid_labels(options, classes):
    """{image: class index} of the validation images, and the file that says so."""
    devkit = os.path.join(options.source, DEVKIT)
    if options.valid_labels:
        return listed_labels(options.valid_labels), options.valid_labels
    if not os.path.exists(devkit):
        raise Failure(f"{options.source}: no validation image's class is known; add {DEVKIT}, or give "
                      "--valid-labels FILE")
    numbers = devkit_labels(devkit, classes)
    return {f"ILSVRC2012_val_{i:08}.JPEG": label for i, label in enumerate(numbers, 1)}, devkit


def list_valid(folder, labels, origin):
    names = images_in(folder)
    unknown = [name for name in names if name not in labels]
    if unknown:
        raise Failure(f"{folder}: the classes of {some(unknown)} are unknown; {origin} names others")
    return [(os.path.join(folder, name), labels[name]) for name in names]


def check_counts(lines, what, images, classes, options):
    """Refuses missing images, or with --part only a set without any; returns the counts as text."""
    found = {index for _, index in lines}
    missing = [synset for index, synset in enumerate(classes) if index not in found]
    empty = [path for path, _ in lines if os.path.getsize(path) == 0]
    if empty:
        raise Failure(f"{what} images: {some(empty)} empty (0 bytes); get them again")
    text = f"{len(lines)} {what} images of {len(found)} classes"
    lacking = len(lines) != images or (missing and what == "training")
    if not lines or lacking and not options.part:
        detail = f", missing: {some(missing)}" if missing else ""
        raise Failure(f"{text}{detail}; allowed: {images} of 1000; complete them, or give --part")
    return text


def place_of(options, name, archive, complete):
    """(the folder of the images, the archive to unpack into it or None)."""
    tree, done = os.path.join(options.source, name), os.path.join(options.out, name)
    path = os.path.join(options.source, archive)
    if os.path.isdir(tree):
        return tree, None
    if os.path.isdir(done) and (complete(done) or not os.path.exists(path)):
        return done, None
    if os.path.exists(path):
        return done, path
    raise Failure(f"{options.source}: has neither {archive} nor a folder {name}; get the archive from image-net.org")


def prepare(options):
    display = Display()
    classes = read_text(LABELS, "list of synsets").split()
    if not os.path.isdir(options.source):
        raise Failure(f"{options.source}: is no folder; give the one with ILSVRC2012's archives")
    # Everything that can be checked first: unpacking takes hours.
    train, train_tar = place_of(options, "train", TRAIN_TAR, lambda folder: set(classes) <= set(os.listdir(folder)))
    valid, valid_tar = place_of(options, "val", VALID_TAR, lambda folder: True)
    in_folders = not valid_tar and not set(classes).isdisjoint(os.listdir(valid))
    labels = None if in_folders else valid_labels(options, classes)
    make_folder(options.out, "--out")
    unpacked = {train_tar: train, valid_tar: valid + ".part"}
    check_room(options.out, {archive: folder for archive, folder in unpacked.items() if archive})
    if train_tar:
        unpack_train(train_tar, train, set(classes), Progress(display, "training images", train_tar))
    if valid_tar:
        unpack_images(valid_tar, valid, Progress(display, "validation images", valid_tar), name=valid_tar)
    display.clear()
    valid_lines = list_folder(valid, classes) if in_folders else list_valid(valid, *labels)
    sets = {"train": (list_folder(train, classes), "training", TRAIN_IMAGES),
            "valid": (valid_lines, "validation", VALID_IMAGES)}
    for lines, what, images in sets.values():
        display.line(check_counts(lines, what, images, classes, options))
    data = read_text(DATA_FILE, "data file")
    for name, (lines, _, _) in sets.items():
        path = os.path.join(options.out, f"{name}.txt")
        write_text(path, "".join(f"{tidy(image)} {index}\n" for image, index in lines))
        data = data.replace(f"{DEFAULT_OUT}/{name}.txt", tidy(path))
    path = os.path.join(options.out, "ilsvrc2012.data")
    write_text(path, data)
    display.line(f"ready: ./darknet classifier train {tidy(path)} cfg/ilsvrc2012-resnet18.cfg")


def main(arguments=None):
    parser = OneLineParser(prog="prepare_imagenet.py", description=__doc__,
                           formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("source", metavar="SOURCE", help="the folder with the archives, or with train/ and val/")
    parser.add_argument("--out", default=DEFAULT_OUT, metavar="DIR", help=f"default: {DEFAULT_OUT}")
    parser.add_argument("--valid-labels", metavar="FILE", help="name and class index of a validation image a line")
    parser.add_argument("--part", action="store_true", help="fewer images or classes than ILSVRC2012 has are no error")
    return parser.run(prepare, arguments, "stopped; the same command resumes")


if __name__ == "__main__":
    sys.exit(main())
