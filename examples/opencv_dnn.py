#!/usr/bin/env python3
"""Classifies images with OpenCV's dnn module, without this project's code. Needs python3-opencv.

    opencv_dnn.py CFG STOCK_CFG WEIGHTS NAMES IMAGE...

STOCK_CFG is what `darknet-generations chain stock CFG` prints, or the stock.cfg of a run. CFG says how images are
prepared, which is not OpenCV's business.
"""

import sys

import cv2
import numpy as np


def net_options(path):
    """{key: value} of [net]."""
    options = {}
    with open(path, encoding="utf-8") as file:
        for line in map(str.strip, file):
            if line.startswith("[") and line not in ("[net]", "[network]"):
                break
            key, equals, value = line.partition("=")
            if equals and line[0] not in "#;":
                options[key.strip()] = value.strip()
    return options


def resize_aligned(image, height, width):
    """Bilinear, the outermost pixels of both images on one another: Darknet's own resize."""
    for axis, size in enumerate((height, width)):
        last = image.shape[axis] - 1
        place = np.arange(size) * np.float32(last / max(size - 1, 1))
        before = np.minimum(place.astype(int), last)
        after = np.minimum(before + 1, last)
        share = (place - before).reshape((-1, 1) if axis == 0 else (1, -1)).astype(np.float32)
        if image.ndim == 3:
            share = share[..., None]
        image = (1 - share) * image.take(before, axis) + share * image.take(after, axis)
    return image


def centre(image, height, width):
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top:top + height, left:left + width]


def prepare(image, options, host="packaged"):
    """An image as cv2.imread gives it, as `classifier predict` prepares it: [channels][height][width]."""
    height, width, channels = (int(options[key]) for key in ("height", "width", "channels"))
    image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY if channels == 1 else cv2.COLOR_BGR2RGB)
    rows, columns = image.shape[:2]
    if (rows, columns) != (height, width):
        length = int(options.get("valid_resize", width if host == "alexeyab" else min(rows, columns)))
        shorter = min(rows, columns)
        size = rows * length // shorter, columns * length // shorter
        if "valid_resize" in options:
            how = cv2.INTER_AREA if length <= shorter else cv2.INTER_LINEAR
            image = centre(cv2.resize(image, size[::-1], interpolation=how), height, width)
        elif host == "alexeyab":
            image = centre(resize_aligned(image.astype(np.float32), *size), height, width)
        else:
            image = resize_aligned(centre(image, shorter, shorter).astype(np.float32), height, width)
    values = image.astype(np.float32) / 255
    for key, apply in (("mean", np.subtract), ("std", np.divide)):
        if key in options:
            values = apply(values, np.array([float(value) for value in options[key].split(",")], np.float32))
    return values.reshape(height, width, channels).transpose(2, 0, 1)


def main(cfg, stock_cfg, weights, names, *paths):
    with open(names, encoding="utf-8") as file:
        names = file.read().splitlines()
    options, network = net_options(cfg), cv2.dnn.readNetFromDarknet(stock_cfg, weights)
    for path in paths:
        network.setInput(prepare(cv2.imread(path), options)[None])
        shares = network.forward().ravel()
        print(path)
        for index in np.argsort(-shares, kind="stable")[:5]:
            print(f"{100 * shares[index]:5.2f}%: {names[index]}")


if __name__ == "__main__":
    if len(sys.argv) < 6:
        sys.exit(__doc__.split("\n\n", maxsplit=2)[1].strip())
    main(*sys.argv[1:])
