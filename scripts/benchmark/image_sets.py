"""The first images of a data set as a set: a long evaluation minus a short one excludes the program's start. Where a
set has too few images, they are repeated."""

import gzip
import os
import struct

from generations_driver.errors import Failure

PLANES = 3 * 32 * 32


def read(path):
    try:
        with gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}") from error


def cifar_record(classes):
    """A label, or two (coarse and fine), and the planes."""
    return (2 if classes in (20, 100) else 1) + PLANES


def count(path, classes):
    """How many images a set has."""
    if path.endswith(".bin"):
        return len(read(path)) // cifar_record(classes)
    if "ubyte" in path:
        return struct.unpack(">I", read(path)[4:8])[0]
    return sum(1 for line in read(path).splitlines() if line.strip())


def take(path, classes, images, folder, name):
    """Writes the first `images` of the set into the folder; returns the new set's path."""
    target = os.path.join(folder, name)
    if path.endswith(".bin"):
        return write(target + ".bin", repeated(read(path), images * cifar_record(classes)))
    if "ubyte" in path:
        labels = os.path.join(os.path.dirname(path), os.path.basename(path).replace("images-idx3", "labels-idx1"))
        write(target + "-labels-idx1-ubyte", take_idx(read(labels), images))
        return write(target + "-images-idx3-ubyte", take_idx(read(path), images))
    lines = [line for line in read(path).splitlines() if line.strip()]
    return write(target + ".txt", b"\n".join(repeated(lines, images)) + b"\n")


def repeated(content, length):
    """The first `length` items, over and over."""
    return (content * -(-length // len(content)))[:length] if content else content


def take_idx(content, images):
    """IDX: magic number, whose last byte is the number of dimensions, the dimensions, the bytes."""
    dimensions = struct.unpack(f">{content[3]}I", content[4: 4 + 4 * content[3]])
    size = images
    for length in dimensions[1:]:
        size *= length
    start = 4 + 4 * len(dimensions)
    return content[:4] + struct.pack(">I", images) + content[8:start] + repeated(content[start:], size)


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)
    return path
