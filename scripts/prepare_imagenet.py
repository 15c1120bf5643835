#!/usr/bin/env python3
"""Makes ILSVRC2012 ready for training: unpacks the official archives, checks them, writes lists and the .data file.

    scripts/prepare_imagenet.py SOURCE [--out DIR] [--valid-labels FILE] [--part]

SOURCE is a folder with the archives as image-net.org hands them out,
    ILSVRC2012_img_train.tar  ILSVRC2012_img_val.tar  ILSVRC2012_devkit_t12.tar.gz
or one where they are unpacked already: train/nXXXXXXXX/*.JPEG and val/, either in folders of that kind or all in one.
The classes of validation images in one folder come from the devkit (needs python3-scipy), or from --valid-labels FILE
with one name and class index a line.

Unpacked images go to DIR (default: data/ilsvrc2012), where train.txt, valid.txt and ilsvrc2012.data are written, too.
Given again, the command goes on where it stopped: what is unpacked already is not unpacked twice.
"""

import argparse
import io
import os
import shutil
import sys
import tarfile

from generations_driver.errors import Failure, OneLineParser
from generations_driver.files import read_text, tidy, whole_or_none, write_text
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
    """A line that is written over on a terminal; in a pipe a plain line at every tenth."""

    def __init__(self, display, what, total):
        self.display, self.what, self.total, self.shown = display, what, max(1, total), 0

    def at(self, done, text):
        percent = min(100, 100 * done // self.total)
        if self.display.terminal:
            bar = "#" * (percent // 4)
            self.display.update(f"{self.what} [{bar:<25}] {percent:3} % {text}")
        elif percent // 10 > self.shown:
            self.shown = percent // 10
            self.display.line(f"{self.what}: {percent} %, {text}")


def some(names):
    names = sorted(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def check_room(folder, archive, unpacked):
    """An archive needs about its own size."""
    needed = os.path.getsize(archive) - unpacked
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise Failure(f"{folder}: {needed / 1e9:.1f} GB are needed for {archive}, {free / 1e9:.1f} GB are free; "
                      "make room, or name another disk with --out")


def size_of(folder):
    return sum(os.path.getsize(os.path.join(path, name)) for path, _, names in os.walk(folder) for name in names)


def copy_member(archive, member, path, where):
    """Writes one image under a temporary name first. What is no image, or too short, is an error."""
    source = archive.extractfile(member)
    first = source.read(CHUNK)
    if not first.startswith(STARTS):
        raise Failure(f"{where}: {member.name} ({member.size} bytes) is no JPEG; {AGAIN}")
    temporary = path + ".part"
    with open(temporary, "wb") as file:
        file.write(first)
        shutil.copyfileobj(source, file, CHUNK)
        written = file.tell()
    if written != member.size:
        raise Failure(f"{where}: {member.name} has {written} bytes instead of {member.size}; {AGAIN}")
    os.replace(temporary, path)


def images_of(archive, where):
    """The members that are images; anything else is an error."""
    for member in archive:
        if member.isdir():
            continue
        name = os.path.basename(member.name)
        if not member.isfile() or not name.endswith(".JPEG"):
            raise Failure(f"{where}: has {member.name}; allowed: images named *.JPEG")
        yield member, name


def require_end(archive, stream, where):
    """tarfile takes whatever is no header for the end, which is a block of zeros; so does a file that was cut off."""
    stream.seek(archive.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise Failure(f"{where} is damaged at byte {archive.offset}, or cut off; {AGAIN}")


def unpack_class(stream, where, folder):
    """One class's tar into its folder, which gets its name when it is complete."""
    part = folder + ".part"
    os.makedirs(part, exist_ok=True)
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        for member, name in images_of(archive, where):
            path = os.path.join(part, name)
            if not os.path.exists(path) or os.path.getsize(path) != member.size:
                copy_member(archive, member, path, where)
        require_end(archive, stream, where)
    if not os.listdir(part):
        raise Failure(f"{where}: has no images; {AGAIN}")
    os.replace(part, folder)


def unpack_train(path, out, classes, display):
    folder = os.path.join(out, "train")
    os.makedirs(folder, exist_ok=True)
    if all(os.path.isdir(os.path.join(folder, synset)) for synset in classes):
        return folder
    check_room(folder, path, size_of(folder))
    progress = Progress(display, "training images", os.path.getsize(path))
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            if member.isdir():
                continue
            synset, extension = os.path.splitext(os.path.basename(member.name))
            where = f"{path}: {member.name}"
            if synset not in classes or extension != ".tar":
                raise Failure(f"{where} is none of the 1000 classes' archives; give {TRAIN_TAR} of ILSVRC2012")
            target = os.path.join(folder, synset)
            if not os.path.isdir(target):
                try:
                    unpack_class(archive.extractfile(member), where, target)
                except (tarfile.TarError, EOFError) as error:
                    raise Failure(f"{where} is damaged: {error}; {AGAIN}") from error
            progress.at(member.offset_data + member.size, synset)
        require_end(archive, archive.fileobj, path)
    display.clear()
    return folder


def unpack_valid(path, out, display):
    folder = os.path.join(out, "val")
    if os.path.isdir(folder):
        return folder
    part = folder + ".part"
    os.makedirs(part, exist_ok=True)
    check_room(part, path, size_of(part))
    progress = Progress(display, "validation images", os.path.getsize(path))
    with tarfile.open(path, "r:") as archive:
        for member, name in images_of(archive, path):
            target = os.path.join(part, name)
            if not os.path.exists(target) or os.path.getsize(target) != member.size:
                copy_member(archive, member, target, path)
            progress.at(member.offset_data + member.size, name)
        require_end(archive, archive.fileobj, path)
    display.clear()
    os.replace(part, folder)
    return folder


def devkit_labels(path, classes):
    """The class indices of the validation images in their order. The devkit numbers its classes in another way."""
    try:
        import scipy.io  # only here: all else works without it
    except ImportError as error:
        raise Failure(f"{path}: its meta.mat needs SciPy; install python3-scipy, or give --valid-labels FILE") from error
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


def list_folder(folder, classes):
    """[(path, class)] of images in folders of classes."""
    lines = []
    for index, synset in enumerate(classes):
        path = os.path.join(folder, synset)
        if os.path.isdir(path):
            lines += [(os.path.join(path, name), index) for name in sorted(os.listdir(path)) if name.endswith(".JPEG")]
    return lines


def list_valid(folder, classes, options):
    names = sorted(os.listdir(folder))
    if any(name in classes for name in names):
        return list_folder(folder, classes)
    names = [name for name in names if name.endswith(".JPEG")]
    devkit = os.path.join(options.source, DEVKIT)
    if options.valid_labels:
        labels = listed_labels(options.valid_labels)
    elif os.path.exists(devkit):
        numbers = devkit_labels(devkit, classes)
        labels = {f"ILSVRC2012_val_{i:08}.JPEG": label for i, label in enumerate(numbers, 1)}
    else:
        raise Failure(f"{folder}: no image's class is known; put {DEVKIT} into {options.source}, or give "
                      "--valid-labels FILE")
    unknown = [name for name in names if name not in labels]
    if unknown:
        raise Failure(f"{folder}: the classes of {some(unknown)} are unknown; "
                      f"{options.valid_labels or devkit} names others")
    return [(os.path.join(folder, name), labels[name]) for name in names]


def check_counts(lines, what, images, classes, options):
    """Says what is missing; with --part that is no error as long as there is something."""
    found = {index for _, index in lines}
    missing = [synset for index, synset in enumerate(classes) if index not in found]
    empty = [path for path, _ in lines if os.path.getsize(path) == 0]
    if empty:
        raise Failure(f"{what} images: {some(empty)} empty (0 bytes); get them again")
    text = f"{len(lines)} {what} images of {len(found)} classes"
    if not lines:
        raise Failure(f"{text}; allowed: {images} of 1000")
    lacking = len(lines) != images or (missing and what == "training")
    if lacking and not options.part:
        detail = f", missing: {some(missing)}" if missing else ""
        raise Failure(f"{text}{detail}; allowed: {images} of 1000; complete them, or give --part")
    return text


def folder_of(options, name, archive, unpack):
    """Where the images are: in SOURCE, or unpacked from the archive there."""
    tree = os.path.join(options.source, name)
    if os.path.isdir(tree):
        return tree
    path = os.path.join(options.source, archive)
    if not os.path.exists(path):
        done = os.path.join(options.out, name)
        if os.path.isdir(done):
            return done  # unpacked earlier, the archive gone since
        raise Failure(f"{options.source}: has neither {archive} nor a folder {name}; get the archive from image-net.org")
    try:
        return unpack(path)
    except (tarfile.TarError, EOFError) as error:
        raise Failure(f"{path} is damaged: {error}; {AGAIN}") from error


def prepare(options):
    display = Display()
    classes = read_text(LABELS, "list of synsets").split()
    if not os.path.isdir(options.source):
        raise Failure(f"{options.source}: is no folder; give the one with ILSVRC2012's archives")
    os.makedirs(options.out, exist_ok=True)
    members = set(classes)
    train = folder_of(options, "train", TRAIN_TAR, lambda path: unpack_train(path, options.out, members, display))
    valid = folder_of(options, "val", VALID_TAR, lambda path: unpack_valid(path, options.out, display))
    sets = {"train": (list_folder(train, classes), "training", TRAIN_IMAGES),
            "valid": (list_valid(valid, classes, options), "validation", VALID_IMAGES)}
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
    options = parser.parse_args(arguments)
    try:
        prepare(options)
    except Failure as failure:
        sys.stderr.write(f"prepare_imagenet.py: {failure}\n")
        return failure.code
    except KeyboardInterrupt:
        sys.stderr.write("prepare_imagenet.py: stopped; the same command goes on\n")
        return 130
    except OSError as error:
        sys.stderr.write(f"prepare_imagenet.py: {error.filename or options.out}: {error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
