#!/usr/bin/env python3
"""Writes bench/networks: classifiers of ILSVRC2012 that `make bench` measures beside the networks of cfg/.

    bench/make_networks.py [--check]      --check: exits 1 and names the first file that is not what would be written

Each is built from the table of its paper. They are for measuring: [net] has no recipe.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scripts"))

from generations_driver.errors import OneLineParser
from generations_driver.files import write_or_check
from make_cfg import convolutional, route, section

FOLDER, CLASSES = os.path.relpath(os.path.join(os.path.dirname(__file__), "networks")), 1000
MAXPOOL = section("maxpool", size=2, stride=2)


def shortcut(since, activation="linear"):
    return section("shortcut", **{"from": since, "activation": activation})


def mean_of_classes():
    return [convolutional(CLASSES, 1, activation="linear", normalize=False), section("avgpool")]


def classes_of_mean():
    return [section("avgpool"), section("connected", output=CLASSES, activation="linear")]


def darknet19():
    """Redmon and Farhadi, YOLO9000, 2017, table 6."""
    sections = []
    for widths in ((32,), (64,), (128, 64, 128), (256, 128, 256), (512, 256, 512, 256, 512),
                   (1024, 512, 1024, 512, 1024)):
        sections += [MAXPOOL] if sections else []
        sections += [convolutional(width, 1 if number % 2 else 3, activation="leaky")
                     for number, width in enumerate(widths)]
    return [*sections, *mean_of_classes()]


def darknet53():
    """Redmon and Farhadi, YOLOv3, 2018, table 1."""
    sections = [convolutional(32, 3, activation="leaky")]
    for width, blocks in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        sections.append(convolutional(width, 3, 2, "leaky"))
        for _ in range(blocks):
            sections += [convolutional(width // 2, 1, activation="leaky"), convolutional(width, 3, activation="leaky"),
                         shortcut(-3)]
    return [*sections, *classes_of_mean()]


def resnet50():
    """He, Zhang, Ren, Sun, Deep Residual Learning, 2016, table 1; the stride is that of the 3x3 convolution."""
    sections = [convolutional(64, 7, 2), section("maxpool", size=3, stride=2, padding=2)]
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            sections += [convolutional(width, 1), convolutional(width, 3, stride),
                         convolutional(4 * width, 1, activation="linear")]
            if block:
                sections.append(shortcut(-4, "relu"))
                continue
            subsample = [section("maxpool", size=1, stride=stride)] if stride > 1 else []
            sections += [route([-4]), *subsample, convolutional(4 * width, 1, activation="linear"),
                         shortcut(-3 - len(subsample), "relu")]
    return [*sections, *classes_of_mean()]


def excitation(channels, squeezed):
    """Squeeze and excitation of the layer before."""
    return [section("avgpool"), convolutional(squeezed, 1, activation="swish", normalize=False),
            convolutional(channels, 1, activation="logistic", normalize=False),
            section("scale_channels", **{"from": -4})]


def efficientnet_b0():
    """Tan and Le, EfficientNet, 2019, table 1; without stochastic depth."""
    sections, channels = [convolutional(32, 3, 2, "swish")], 32
    for expansion, width, blocks, stride, size in (
            (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5),
            (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)):
        for block in range(blocks):
            wide = channels * expansion
            body = [convolutional(wide, 1, activation="swish")] if expansion > 1 else []
            body += [convolutional(wide, size, 1 if block else stride, "swish") + f"\ngroups={wide}",
                     *excitation(wide, channels // 4), convolutional(width, 1, activation="linear")]
            sections += body + ([shortcut(-1 - len(body))] if block else [])
            channels = width
    return [*sections, convolutional(1280, 1, activation="swish"), section("avgpool"),
            section("dropout", probability=0.2), section("connected", output=CLASSES, activation="linear")]


def cspdarknet53():
    """Wang and others, CSPNet, 2020, with Darknet-53's stages and mish."""
    sections = [convolutional(32, 3, activation="mish")]
    for width, blocks in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        half, inner = (width, width // 2) if blocks == 1 else (width // 2, width // 2)
        sections += [convolutional(width, 3, 2, "mish"), convolutional(half, 1, activation="mish"), route([-2]),
                     convolutional(half, 1, activation="mish")]
        for _ in range(blocks):
            sections += [convolutional(inner, 1, activation="mish"), convolutional(half, 3, activation="mish"),
                         shortcut(-3)]
        sections += [convolutional(half, 1, activation="mish"), route([-1, -4 - 3 * blocks]),
                     convolutional(width, 1, activation="mish")]
    return [*sections, *classes_of_mean()]


NETWORKS = {"darknet19": (224, darknet19), "darknet53": (256, darknet53), "resnet50": (224, resnet50),
            "efficientnet-b0": (224, efficientnet_b0), "cspdarknet53": (256, cspdarknet53)}


def cfg_text(name):
    side, layers = NETWORKS[name]
    net = section("net", batch=16, subdivisions=1, height=side, width=side, channels=3, learning_rate=0.01,
                  momentum=0.9, decay=0.0001, policy="constant", max_batches=1000000, random_resized_crop=1, mirror=1,
                  valid_resize=side * 8 // 7)
    head = f"# {layers.__doc__}\n# Written by bench/make_networks.py."
    return "\n\n".join([head, net, *layers(), section("softmax")]) + "\n"


def write(options):
    for name in NETWORKS:
        write_or_check(os.path.join(FOLDER, f"{name}.cfg"), cfg_text(name), options.check, "../bench/make_networks.py")


def main():
    parser = OneLineParser(prog="make_networks.py", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--check", action="store_true", help="only compare")
    return parser.run(write)


if __name__ == "__main__":
    sys.exit(main())
