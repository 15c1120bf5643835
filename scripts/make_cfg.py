#!/usr/bin/env python3
"""Writes the networks of cfg/: residual networks, DenseNets and a small plain one, each with its schedule.

    scripts/make_cfg.py [--out DIR]            writes them all; DIR is the project's cfg/ unless given
    scripts/make_cfg.py --check [--out DIR]    exits 1 and names the first file that is not what would be written
    scripts/make_cfg.py --list                 names them

The table NETWORKS lists them: a data set, a [net] and layers. To add a network, add a row.
"""

import os
import sys
import textwrap
from typing import NamedTuple

from generations_driver.errors import OneLineParser
from generations_driver.files import make_folder, write_or_check
from generations_driver.tables import counted

FOLDER = os.path.relpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "cfg"))


def section(name, **options):
    return "\n".join([f"[{name}]", *(f"{key}={value}" for key, value in options.items())])


def convolutional(filters, size, stride=1, activation="relu", normalize=True):
    """Padded so that stride 1 keeps height and width."""
    norm = {"batch_normalize": 1} if normalize else {}
    return section("convolutional", **norm, filters=filters, size=size, stride=stride, pad=int(size > 1),
                   activation=activation)


def route(layers):
    return section("route", layers=",".join(str(layer) for layer in layers))


def shortcut(since):
    return section("shortcut", **{"from": since, "activation": "relu"})


def classifier(classes, **options):
    return ["# classifier\n[avgpool]", section("connected", output=classes, activation="linear", **options),
            section("softmax")]


class Layers(NamedTuple):
    title: str
    shape: str
    sections: list  # up to the classifier
    reason: str = ""  # why the sections are as they are


def commented(text, sections):
    return [f"# {text}\n{sections[0]}", *sections[1:]]


def residual_block(filters, stride):
    """Two convolutions beside an identity, or beside a projection where the stride is not 1."""
    block = [convolutional(filters, 3, stride), convolutional(filters, 3, activation="linear")]
    if stride == 1:
        return [*block, shortcut(-3)]
    return [*block, route([-3]), section("maxpool", size=1, stride=stride),
            convolutional(filters, 1, activation="linear"), shortcut(-4)]


def residual(stem, widths, blocks):
    """He, Zhang, Ren, Sun, Deep Residual Learning, 2016: every stage but the first halves height and width."""
    sections = list(stem)
    for stage, filters in enumerate(widths, 1):
        for block in range(1, blocks + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            sections += commented(f"stage {stage}, block {block}", residual_block(filters, stride))
    filters = ", ".join(map(str, widths[:-1])) + f" and {widths[-1]}"
    return Layers(
        f"ResNet-{2 * len(widths) * blocks + 2}",
        f"{len(widths)} stages of {counted(blocks, 'block')} with {filters} filters",
        sections,
        "Where the shape changes, the block's input comes back through [route], is subsampled by a maxpool of size "
        "1 and goes through a 1x1 convolution: the packaged Darknet ignores the stride of a 1x1 convolution, "
        "AlexeyAB's [shortcut] wants equal shapes.")


def small_residual(blocks, stem=None):
    """The residual networks for small images, of depth 6 blocks + 2."""
    return residual([stem or convolutional(16, 3)], (16, 32, 64), blocks)


def image_residual(blocks):
    """Those for images of 224x224, which reach the first stage as 56x56."""
    return residual([convolutional(64, 7, 2), section("maxpool", size=3, stride=2, padding=2)], (64, 128, 256, 512),
                    blocks)


# Sections of a dense layer, and so the distance between the outputs that a dense block concatenates.
DENSE_LAYER = 5


def dense_input(outputs):
    """Batch norm and ReLU of all that the block has put out so far: its input and one output of each dense layer."""
    return [route(-1 - DENSE_LAYER * back for back in reversed(range(outputs))), section("batchnorm"),
            section("activation", activation="relu")]


def dense(depth, growth):
    """Huang, Liu, van der Maaten, Weinberger, Densely Connected Convolutional Networks, 2017: DenseNet-BC."""
    blocks = 3
    layers = (depth - blocks - 1) // (2 * blocks)  # of a block; the others are the first one, transitions, classifier
    channels = 2 * growth
    sections = [convolutional(channels, 3, activation="linear", normalize=False)]
    for block in range(1, blocks + 1):
        for layer in range(1, layers + 1):
            sections += commented(f"block {block}, layer {layer}", [
                *dense_input(layer), convolutional(4 * growth, 1),
                convolutional(growth, 3, activation="linear", normalize=False)])
        channels += layers * growth
        end = dense_input(layers + 1)
        if block < blocks:
            channels //= 2
            end += [convolutional(channels, 1, activation="linear", normalize=False),
                    section("local_avgpool", size=2, stride=2, padding=0)]
        sections += commented(f"transition {block}" if block < blocks else "end", end)
    return Layers(
        f"DenseNet-BC-{depth}",
        f"{blocks} blocks of {layers} layers, growth {growth}",
        sections,
        "A layer starts with its own [route] of the block's input and of the outputs of all layers of the block before "
        f"it. Batch norm and ReLU follow, a 1x1 convolution to {4 * growth} channels with its batch norm and ReLU, and "
        f"a 3x3 convolution to {growth}. Between blocks a 1x1 convolution halves the channels, and average pooling "
        "height and width.")


def plain(widths):
    """Convolutions of stride 2."""
    return Layers("A small network", f"{counted(len(widths), 'convolution')} of stride 2",
                  [convolutional(width, 3 if number else 5, 2) for number, width in enumerate(widths)])


class Data(NamedTuple):
    title: str
    classes: int
    side: int
    channels: int


CIFAR100 = Data("CIFAR100", 100, 32, 3)
FASHION = Data("Fashion-MNIST", 10, 28, 1)
PHOTOS = Data("photos", 2, 224, 3)
ILSVRC2012 = Data("ILSVRC2012", 1000, 224, 3)


class Training(NamedTuple):
    note: str
    batch: int
    epochs: int
    drops: tuple  # epochs from which on the learning rate is a tenth of what it was; without any it follows a cosine
    augmentation: dict
    rate: float = 0.1
    subdivisions: int = 1


class Network(NamedTuple):
    data: Data
    layers: Layers
    training: Training
    last: dict = {}  # options of the last layer with parameters


def cut(pad):
    """Zero padding and a random crop of the image's own size."""
    return {"pad": pad, "mirror": 1}


RESNET = Training("The recipe of the paper's ResNets:", 128, 164, (81, 122), cut(4))
DENSENET = Training("The recipe of the paper's DenseNets:", 64, 300, (150, 225), cut(4))
IMAGES = Training("The recipe of the paper's ResNet-18:", 256, 90, (30, 60),
                  {"random_resized_crop": 1, "mirror": 1, "valid_resize": 256}, subdivisions=16)

NETWORKS = {
    "cifar100-resnet8": Network(CIFAR100, small_residual(1), RESNET._replace(
        note="For trying things out; cifar100-resnet20.cfg has the recipe of the paper. A short schedule:",
        epochs=30, drops=(15, 23))),
    "cifar100-resnet8-stride2": Network(CIFAR100, small_residual(1, convolutional(16, 3, 2)), RESNET._replace(
        note="A quarter of the work of cifar100-resnet8.cfg, as the first convolution leaves 16x16: whole chains over "
        "several seeds in hours on two cores. A short schedule:", epochs=20, drops=())),
    "cifar100-resnet20": Network(CIFAR100, small_residual(3), RESNET),
    "cifar100-resnet56": Network(CIFAR100, small_residual(9), RESNET),
    "cifar100-resnet110": Network(CIFAR100, small_residual(18), RESNET),
    "cifar100-densenet100": Network(CIFAR100, dense(100, 12), DENSENET),
    "cifar100-densenet190": Network(CIFAR100, dense(190, 40), DENSENET._replace(subdivisions=8)),
    "ilsvrc2012-resnet18": Network(ILSVRC2012, image_residual(2), IMAGES),
    "photos-resnet18": Network(PHOTOS, image_residual(2), IMAGES._replace(
        note="The network of ilsvrc2012-resnet18.cfg, for some hundred to some thousand photos: "
        "scripts/prepare_photos.py writes lists, .data file and cfg. Weights of ilsvrc2012-resnet18.cfg can be the "
        "start: dontload=1 leaves the last layer, which has other classes, fresh (learning_rate=0.005 then).",
        batch=32, subdivisions=2, epochs=40, drops=(), rate=0.02), {"dontload": 1}),
    "fashion-resnet": Network(FASHION, small_residual(1, convolutional(16, 5, 2)), Training(
        "2.6 million multiply-adds an image, as the first convolution leaves 14x14: a training takes a minute on two "
        "cores.", 128, 6, (), cut(2))),
    "fashion-small": Network(FASHION, plain((8, 16, 32)), Training(
        "0.17 million multiply-adds an image, so that an epoch takes seconds on any CPU.", 64, 4, (), cut(0),
        rate=0.05)),
}


def net(data, training):
    schedule = {"policy": "steps" if training.drops else "cosine", "epochs": training.epochs}
    if training.drops:
        schedule["epoch_steps"] = ",".join(map(str, training.drops))
        schedule["scales"] = ",".join(".1" for _ in training.drops)
    return section("net", batch=training.batch, subdivisions=training.subdivisions, height=data.side, width=data.side,
                   channels=data.channels, learning_rate=training.rate, momentum=0.9, decay=0.0001, **schedule,
                   **training.augmentation)


def training_text(training):
    drops = " and ".join(f"from epoch {epoch}" for epoch in training.drops)
    text = f"{training.note} {training.epochs} epochs, learning rate {training.rate}, " + (
        f"a tenth of it {drops} on." if drops else "falling as a cosine.")
    if training.subdivisions > 1:
        text += (f" To save memory a batch goes through in {training.subdivisions} parts of "
                 f"{training.batch // training.subdivisions} images; batch norm sees one part at a time.")
    return text


def comment(*paragraphs):
    return "\n".join(textwrap.fill(text, 120, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
                     if text else "#" for text in paragraphs)


def cfg_text(network):
    data, layers, training, last = network
    head = comment(f"{layers.title} for {data.title}: {layers.shape}.", training_text(training),
                   *(["", layers.reason] if layers.reason else []), "", "Written by scripts/make_cfg.py.")
    return "\n\n".join([head, net(data, training), *layers.sections, *classifier(data.classes, **last)]) + "\n"


def write(options):
    if options.list:
        print("\n".join(f"{name}.cfg" for name in NETWORKS))
        return
    if not options.check:
        make_folder(options.out, "--out")
    for name, network in NETWORKS.items():
        write_or_check(os.path.join(options.out, f"{name}.cfg"), cfg_text(network), options.check, "make_cfg.py")


def main(arguments=None):
    parser = OneLineParser(prog="make_cfg.py", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--out", default=FOLDER, metavar="DIR", help="the folder (default: the project's cfg/)")
    verb = parser.add_mutually_exclusive_group()
    verb.add_argument("--check", action="store_true", help="only compare")
    verb.add_argument("--list", action="store_true", help="name the files")
    return parser.run(write, arguments)


if __name__ == "__main__":
    sys.exit(main())
