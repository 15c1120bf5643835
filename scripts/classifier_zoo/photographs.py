"""Photographs as a network reads them, so that no program has to crop or resize them in its own way."""

import glob
import os

from generations_driver.cfg_files import read_data
from generations_driver.errors import Failure
from generations_driver.files import read_text, write_text

try:
    from PIL import Image
except ImportError:
    Image = None

COUNT = 6


def require_library():
    if Image is None:
        raise Failure("no Python module PIL: install the package python3-pil")


def of_tree(tree):
    """Paths of Darknet's own ones."""
    paths = sorted(glob.glob(os.path.join(tree, "data", "*.jpg")))[:COUNT]
    if len(paths) < 2:
        raise Failure(f"{tree}/data: no photographs (*.jpg); name a .data file of image lists with --data")
    return paths


def of_data(path):
    """The first ones of a .data file's training list; a class may stand behind the path."""
    train = read_data(path)["train"]
    lines = [line.split() for line in read_text(train, "training list").splitlines() if line.strip()]
    if len(lines) < 2:
        raise Failure(f"{train}: a list of at least two images is needed")
    return [words[0] for words in lines[:COUNT]]


def write_set(folder, paths, shape, classes):
    """A .data file with the photographs as PNGs of that shape, each a class of its own; returns its path and theirs."""
    names = [f"image{number}" for number in range(max(classes, len(paths)))]
    images = [os.path.join(folder, name + ".png") for name in names[:len(paths)]]
    for path, image in zip(paths, images):
        write_image(path, image, shape)
    labels, listed = os.path.join(folder, "labels.txt"), os.path.join(folder, "images.txt")
    write_text(labels, "".join(name + "\n" for name in names[:classes]))
    write_text(listed, "".join(path + "\n" for path in images[:classes]))
    data = os.path.join(folder, "zoo.data")
    write_text(data, f"classes={classes}\ntrain={listed}\nvalid={listed}\nlabels={labels}\nnames={labels}\n"
                     f"backup={folder}\ntop={min(classes, 10)}\n")
    return data, images


def write_image(path, target, shape):
    channels, height, width = shape
    try:
        with Image.open(path) as image:
            image = image.convert("L").convert("RGB") if channels == 1 else image.convert("RGB")
    except OSError as error:
        raise Failure(f"{path}: cannot read this image: {error}") from error
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image.resize((width, height), box=(left, top, left + side, top + side)).save(target)
