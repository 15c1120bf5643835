#!/usr/bin/env python3
"""Classifies images and prints the five most probable classes of each. Needs Pillow (Debian: python3-pil).

    classify.py CFG WEIGHTS NAMES IMAGE...
"""

import ctypes
import os
import sys

from PIL import Image


class DngImage(ctypes.Structure):
    _fields_ = [("pixels", ctypes.c_char_p), ("width", ctypes.c_int), ("height", ctypes.c_int)]


class Classifier:
    """A network with its weights. Several threads may call classify at once."""

    def __init__(self, cfg, weights, names=None):
        self.library = library = ctypes.CDLL(os.environ.get("DARKNET_GENERATIONS_SO", "libdarknet_generations.so.1"))
        library.dng_error.restype = ctypes.c_char_p
        library.dng_load.restype = ctypes.c_void_p
        library.dng_load.argtypes = [ctypes.c_char_p] * 3
        library.dng_free.argtypes = library.dng_classes.argtypes = [ctypes.c_void_p]
        library.dng_class_name.restype = ctypes.c_char_p
        library.dng_class_name.argtypes = [ctypes.c_void_p, ctypes.c_int]
        library.dng_classify.argtypes = [ctypes.c_void_p, ctypes.POINTER(DngImage), ctypes.c_size_t, ctypes.c_int,
                                         ctypes.POINTER(ctypes.c_float)]
        paths = [None if path is None else os.fsencode(path) for path in (cfg, weights, names)]
        self.handle = library.dng_load(*paths)
        if not self.handle:
            raise RuntimeError(self.error())
        classes = range(library.dng_classes(self.handle))
        self.names = [library.dng_class_name(self.handle, index).decode() for index in classes]

    def error(self):
        return self.library.dng_error().decode()

    def classify(self, pictures, threads=0):
        """pictures: (width, height, bytes of RGB). The probabilities of all classes, a list for each picture."""
        images = (DngImage * len(pictures))(*[DngImage(pixels, width, height) for width, height, pixels in pictures])
        found = (ctypes.c_float * (len(pictures) * len(self.names)))()
        if self.library.dng_classify(self.handle, images, len(pictures), threads, found) != 0:
            raise RuntimeError(self.error())
        return [found[i:i + len(self.names)] for i in range(0, len(found), len(self.names))]

    def close(self):
        self.library.dng_free(self.handle)
        self.handle = None


def picture(path):
    with Image.open(path) as image:
        return *image.size, image.convert("RGB").tobytes()


def main(cfg, weights, names, *paths):
    classifier = Classifier(cfg, weights, names)
    for path, row in zip(paths, classifier.classify([picture(path) for path in paths]), strict=True):
        print(path)
        for share, name in sorted(zip(row, classifier.names, strict=True), key=lambda pair: -pair[0])[:5]:
            print(f"{100 * share:5.2f}%: {name}")
    classifier.close()


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit("usage: classify.py CFG WEIGHTS NAMES IMAGE...")
    main(*sys.argv[1:])
