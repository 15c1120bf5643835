"""Photographs as a network reads them, so that no program has to crop or resize them in its own way."""

import glob
import os

from generations_driver.cfg_files import read_data
from generations_driver.errors import Failure
from generations_driver.files import read_text, stem

try:
    from PIL import Image
except ImportError:
    Image = None

COUNT = 6


class Photographs:
    """`paths` with `labels`, a name for each class; a file's name has its label."""

    def __init__(self, paths, labels):
        if Image is None:
            raise Failure("no Python module PIL: install the package python3-pil")
        self.paths, self.labels = paths, labels

    @classmethod
    def of_tree(cls, tree):
        """Darknet's own ones: each is a class."""
        paths = sorted(glob.glob(os.path.join(tree, "data", "*.jpg")))
        if len(paths) < 2:
            raise Failure(f"{tree}/data: no photographs (*.jpg); name a .data file of image lists with --data")
        return cls(paths, [stem(path) for path in paths])

    @classmethod
    def of_data(cls, path):
        """The first of a .data file's training list."""
        keys = read_data(path)
        if "labels" not in keys:
            raise Failure(f"{path}: no labels=; --data needs a .data file of image lists")
        paths = read_text(keys["train"], "training list").split()[:COUNT]
        if not paths:
            raise Failure(f"{keys['train']}: no images")
        return cls(paths, read_text(keys["labels"], "labels").split())

    def write(self, folder, shape, classes):
        """A .data file with the photographs as PNGs of that shape; returns its path and the images' paths."""
        images = os.path.join(folder, "images")
        os.makedirs(images, exist_ok=True)
        written = [self.write_image(path, images, shape) for path in self.paths]
        labels = (self.labels + [f"unused{number}" for number in range(classes)])[:classes]
        lists = {"images.txt": written, "labels.txt": labels}
        for name, lines in lists.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write("".join(line + "\n" for line in lines))
        data = os.path.join(folder, "zoo.data")
        keys = {"classes": classes, "train": "images.txt", "valid": "images.txt", "labels": "labels.txt",
                "names": "labels.txt", "backup": folder, "top": min(classes, 10)}
        with open(data, "w", encoding="utf-8") as file:
            file.write("".join(f"{key}={os.path.join(folder, value) if str(value).endswith('.txt') else value}\n"
                               for key, value in keys.items()))
        return data, written

    @staticmethod
    def write_image(path, folder, shape):
        channels, height, width = shape
        try:
            with Image.open(path) as image:
                image = image.convert("L").convert("RGB") if channels == 1 else image.convert("RGB")
        except OSError as error:
            raise Failure(f"{path}: cannot read this image: {error}") from error
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        target = os.path.join(folder, stem(path) + ".png")
        image.resize((width, height), box=(left, top, left + side, top + side)).save(target)
        return target
