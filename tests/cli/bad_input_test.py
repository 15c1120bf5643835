#!/usr/bin/env python3
"""Bad input: every mistake ends in one line that says what, where, found, allowed, and leaves every file as it was.

python3 tests/cli/bad_input_test.py -v

DNG_DARKNET=FILE is the program (default ./darknet), DNG_HOST=packaged|alexeyab the Darknet it was built with. A case is
one row of CASES: a name, how a valid folder is changed, the command, the exit code, and what its line must contain.
"""

import base64
import collections
import concurrent.futures
import gzip
import hashlib
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

import run_support
from run_support import DARKNET, HOST

SECONDS = 20  # that a case may take
# With a policy set the program need not start itself once more for its own: half the time of a case.
ENVIRONMENT = {**os.environ, "OMP_WAIT_POLICY": "passive"}
RECORD = 3073  # bytes of a CIFAR-10 record
CLASSES = 10
LABELS = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen", "ibis", "jay"]

# 32x32 pixels, written by OpenCV at quality 20.
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKrarYqMyP/L2u71"
    "////m8H////6/+b9//j/2wBDASstLTw1PHZBQXb4pYyl+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4"
    "+Pj4+Pj4+Pj/wAARCAAgACADASIAAhEBAxEB/8QAGQAAAgMBAAAAAAAAAAAAAAAAAgMAAQQF/8QAIRAAAgEDBAMBAAAAAAAAAAAA"
    "AQIAAxESITFRYQQiQXH/xAAYAQACAwAAAAAAAAAAAAAAAAAABAECBf/EABoRAAIDAQEAAAAAAAAAAAAAAAACAREhEiL/2gAMAwEA"
    "AhEDEQA/AOUEhilHIkelKCvQJ6Moo9Qx4/U1EKhta54lBXb7b8jSPJeeYwlNI9hgotudodFIeGVU9aTMVtF1elwRTo6awrEmyaDm"
    "OZCWwGw3hY29V3+niNoxHVZB/9k=")
JPEG_BODY = 293 + 40  # an offset within its entropy-coded data

NET = """\
[net]
batch=8
subdivisions=2
height=32
width=32
channels=3
learning_rate=0.01
max_batches=6
pad=4
mirror=1

[convolutional]
batch_normalize=1
filters=4
size=3
stride=2
pad=1
activation=leaky

[convolutional]
filters=10
size=1
activation=linear

[avgpool]

[softmax]
"""
LIVE = "[distill]\nteacher=net.cfg\nteacher_weights=net.weights\n"
CACHED = "[distill]\ntargets=net.targets\n"

TRAIN = "classifier train data.data net.cfg -threads 2 -seed 1"
VALID = "classifier valid data.data net.cfg net.weights -threads 2"
RESUME = "classifier train data.data more.cfg -threads 2 -seed 1 -resume"
STUDENT = "classifier train data.data live.cfg -threads 2 -seed 1"
CACHE = "classifier train data.data cached.cfg -threads 2 -seed 1"
IMAGES = "classifier train images.data net.cfg -threads 2 -seed 1"
IDX = "classifier train idx.data idx.cfg -threads 2 -seed 1"
TARGETS = "classifier targets data.data live.cfg -out new.targets -threads 2 -seed 1"


# The valid folder.


def png(width=32, height=32, shade=0, body=None):
    """A PNG; `body` replaces the compressed pixels."""
    rows = [] if body else [bytes((x * 3 + y * 5 + shade) % 256 for x in range(3 * width)) for y in range(height)]
    return run_support.png(rows, 3, (width, height), body)


def cifar(records, seed):
    draw = random.Random(seed)
    return b"".join(bytes([i % CLASSES]) + draw.getrandbits(8 * (RECORD - 1)).to_bytes(RECORD - 1, "big")
                    for i in range(records))


def idx_images(count, side=12):
    draw = random.Random(count)
    pixels = bytes(draw.randrange(256) for _ in range(count * side * side))
    return struct.pack(">IIII", 0x803, count, side, side) + pixels


def idx_labels(count):
    return struct.pack(">II", 0x801, count) + bytes(i % CLASSES for i in range(count))


def darknet(folder, command, stdout=subprocess.PIPE, stdin=b""):
    words = command if isinstance(command, list) else command.split()
    return subprocess.run([DARKNET] + words, cwd=folder, stdout=stdout, stderr=subprocess.PIPE, input=stdin,
                          timeout=SECONDS, check=False, env=ENVIRONMENT)


def make_valid_folder(folder):
    def put(name, content):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)

    put("net.cfg", NET)
    put("live.cfg", NET.replace("[softmax]\n", LIVE))
    put("cached.cfg", NET.replace("[softmax]\n", CACHED))
    put("tsd.cfg", NET.replace("[softmax]", "[tsd]\neta=0.6\nk=5"))
    put("shallow.cfg", NET.replace("filters=4", "filters=3"))
    put("nine.cfg", NET.replace("filters=10", "filters=9"))
    put("small.cfg", NET.replace("height=32\nwidth=32", "height=24\nwidth=24"))
    put("idx.cfg", NET.replace("height=32\nwidth=32\nchannels=3", "height=12\nwidth=12\nchannels=1"))
    put("data.data", "classes=10\ntrain=train.bin\nvalid=valid.bin\nbackup=backup\n")
    put("idx.data", "classes=10\ntrain=t-images-idx3-ubyte.gz\nvalid=t-images-idx3-ubyte.gz\nbackup=backup\n")
    put("images.data", "classes=10\ntrain=images.list\nvalid=images.list\nlabels=labels.txt\nbackup=backup\n")
    put("train.bin", cifar(24, 1))
    put("valid.bin", cifar(12, 2))
    put("t-images-idx3-ubyte.gz", gzip.compress(idx_images(16), mtime=0))
    put("t-labels-idx1-ubyte.gz", gzip.compress(idx_labels(16), mtime=0))
    put("labels.txt", "\n".join(LABELS) + "\n")
    images = []
    for i in range(16):
        images.append(f"images/{i}_{LABELS[i % CLASSES]}.{'jpg' if i % 4 == 0 else 'png'}")
        put(images[-1], JPEG if i % 4 == 0 else png(shade=i))
    put("images.list", "\n".join(images) + "\n")
    put("logits.csv", "0,1.5,0.25,-1\n2,0.1,0.2,0.3\n")
    for command in ("classifier train data.data net.cfg -threads 2 -seed 1",
                    "classifier train data.data shallow.cfg -threads 2 -seed 1"):
        run_valid(folder, command)
    os.rename(os.path.join(folder, "backup/net_final.weights"), os.path.join(folder, "net.weights"))
    os.rename(os.path.join(folder, "backup/shallow_final.weights"), os.path.join(folder, "shallow.weights"))
    # A run that goes on: six batches are done, nine are asked for.
    put("more.cfg", NET.replace("max_batches=6", "max_batches=9"))
    os.rename(os.path.join(folder, "backup/net.state"), os.path.join(folder, "backup/more.state"))
    run_valid(folder, "classifier targets data.data live.cfg -out net.targets -threads 2 -seed 1")


def run_valid(folder, command):
    done = darknet(folder, command)
    if done.returncode != 0 or done.stderr:
        raise RuntimeError(f"{command}: exit code {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode()


# Changes to a folder. Each is a function of its path; `several` chains them.


def path_in(folder, name):
    return os.path.join(folder, name)


def read(folder, name):
    with open(path_in(folder, name), "rb") as file:
        return file.read()


def put(name, content):
    def change(folder):
        with open(path_in(folder, name), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
    return change


def edit(name, old, new):
    """Replaces text that stands there exactly once."""
    def change(folder):
        content = read(folder, name)
        assert content.count(old.encode()) == 1, f"{name}: {old!r} stands there {content.count(old.encode())} times"
        put(name, content.replace(old.encode(), new.encode()))(folder)
    return change


def net(old, new):
    return edit("net.cfg", old, new)


def cost(new, name="net.cfg"):
    return edit(name, "[softmax]", new)


def add(name, content):
    return lambda folder: put(name, read(folder, name) + (content.encode() if isinstance(content, str) else content))(
        folder)


def cut(name, size):
    """Keeps the first `size` bytes, or leaves out the last -`size`."""
    return lambda folder: put(name, read(folder, name)[:size])(folder)


def overwrite(name, offset, content):
    def change(folder):
        old = read(folder, name)
        at = offset if offset >= 0 else len(old) + offset
        put(name, old[:at] + content + old[at + len(content):])(folder)
    return change


def flip(name, offset):
    """Damages one byte; a negative offset counts from the end."""
    return lambda folder: overwrite(name, offset, bytes([read(folder, name)[offset] ^ 0x55]))(folder)


def remove(name):
    return lambda folder: os.remove(path_in(folder, name))


def make_folder(name):
    return lambda folder: os.mkdir(path_in(folder, name))


def copy(source, target):
    return lambda folder: shutil.copy(path_in(folder, source), path_in(folder, target))


def several(*changes):
    def change(folder):
        for one in changes:
            one(folder)
    return change


NOTHING = several()


class Case:
    def __init__(self, name, change, command, code, *needles, host=None, stdout=os.devnull):
        """`host`: the case is for this one only. `stdout`: where standard output goes."""
        self.name, self.change, self.command, self.code, self.needles = name, change, command, code, needles
        self.host, self.stdout = host, stdout


# What a cfg may hold is tested where it is read: tests/cfg, tests/graph/network_config_test.cpp and tests/layers/costs.
CFG_CASES = [
    Case("cfg_unknown_section", net("[avgpool]", "[avgpol]"), TRAIN, 1,
         "net.cfg:25: unknown section 'avgpol'", "did you mean 'avgpool'?", "known are", "softmax"),
    Case("cfg_unknown_key", net("filters=4", "filtres=4"), TRAIN, 1,
         "net.cfg:14: [convolutional] unknown key 'filtres'", "did you mean 'filters'?", "allowed here:", "stride"),
    Case("cfg_text_for_number", net("filters=4", "filters=four"), TRAIN, 1,
         "net.cfg:14: [convolutional] filters=four", "found 'four'", "allowed is a whole number from 1 to"),
    Case("cfg_activation", net("activation=leaky", "activation=leeky"), TRAIN, 1,
         "net.cfg:18:", "found 'leeky'", "allowed is one of", "did you mean 'leaky'?"),
    Case("cfg_duplicate_key", net("filters=4", "filters=4\nsize=5"), TRAIN + " -strict", 1,
         "net.cfg:16: [convolutional] size=3", "already given as 5 in line 15", "keep one"),
    Case("cfg_missing_height", net("height=32\n", ""), TRAIN, 1,
         "net.cfg:1: [net]", "height= is missing", "the input needs a size"),
    Case("cfg_binary", copy("train.bin", "net.cfg"), TRAIN, 1, "net.cfg: this is a binary file", "text file"),
    Case("cfg_control_characters", net("activation=leaky", "activation=le\x1baky\vx"), TRAIN, 1,
         "net.cfg:18:", r"\x1b", r"\x0b", "allowed is one of"),
    Case("cfg_missing", remove("net.cfg"), TRAIN, 1,
         "net.cfg: the cfg cannot be read: No such file or directory", "check the path"),
    Case("cfg_folder", several(remove("net.cfg"), make_folder("net.cfg")), TRAIN, 1,
         "net.cfg: the cfg is a folder", "give the path of a file"),
    Case("cfg_below_a_file", NOTHING, "classifier train data.data train.bin/net.cfg", 1,
         "train.bin/net.cfg: the cfg cannot be read: Not a directory", "check the path"),
    Case("cfg_name_with_line_break", NOTHING, ["classifier", "train", "data.data", "a\nb.cfg"], 1,
         r"a\x0ab.cfg: the cfg cannot be read: No such file or directory"),
    Case("cfg_line_without_equals", net("filters=4", "filters 4"), TRAIN, 1,
         "net.cfg:14: 'filters 4' is neither [section] nor key=value", "write key=value"),
    Case("cfg_last_not_a_cost", net("\n[softmax]\n", ""), TRAIN, 1,
         "net.cfg:25: [avgpool]", "ends in [avgpool]: no classifier", "ends with", "[softmax]", "[tsd]"),
    Case("data_and_cfg_swapped", NOTHING, "classifier train net.cfg data.data", 1,
         "net.cfg:1: found '[net]'", "the .data file comes first, then the cfg"),
    Case("cfg_too_many_weights", net("[convolutional]\nbatch", "[connected]\noutput=16000000\n\n"
                                     "[convolutional]\nbatch"), TRAIN, 1,
         "net.cfg:13: [connected] output=16000000", "4.92e+10 weights", "fewer than 2^31", "smaller"),
    Case("cfg_too_many_filter_weights", net("filters=10\nsize=1\n", "filters=1000000\nsize=1024\npad=1\n"), TRAIN, 1,
         "net.cfg:21: [convolutional] filters=1000000", "weights", "fewer than 2^31", "smaller"),
    Case("cfg_output_too_large", net("batch=8\nsubdivisions=2", "batch=1048576"), TRAIN, 1,
         "net.cfg:19: [convolutional]", "2^31", "smaller batch or more subdivisions"),
    Case("cfg_no_length", net("max_batches=6\n", ""), TRAIN + " -strict", 1,
         "net.cfg:1: [net]", "max_batches= is missing", "max_batches= or epochs="),
    Case("cfg_image_channels", net("channels=3", "channels=2"), TRAIN, 1,
         "net.cfg:6: [net] channels=2", "found 2", "1 (grey) and 3 (colour)"),
    Case("cfg_image_too_small_for_net", net("height=32\nwidth=32", "height=64\nwidth=64"), TRAIN, 1,
         "train.bin record", "32x32", "64x64", "random_resized_crop"),
    Case("cfg_classes_mismatch_train", NOTHING, "classifier train data.data nine.cfg", 1,
         "nine.cfg:27: [softmax]", "9 outputs", "data.data says classes=10", "give 10"),
    Case("cfg_classes_mismatch_valid", NOTHING, "classifier valid data.data nine.cfg net.weights", 1,
         "nine.cfg:27: [softmax]", "9 outputs", "data.data says classes=10", "give 10"),
    Case("cfg_classes_mismatch_options", NOTHING, "options nine.cfg data.data", 1,
         "nine.cfg:27: [softmax]", "9 outputs", "data.data says classes=10", "give 10"),
    Case("cfg_softmax_groups", cost("[softmax]\ngroups=2"), TRAIN, 1, "net.cfg:28: [softmax] groups=2", "found '2'"),
    Case("cfg_softmax_tree", cost("[softmax]\ntree=a.tree"), TRAIN, 1, "net.cfg:28: [softmax] tree=a.tree",
         "remove it"),
    Case("cfg_dilation", net("size=3\nstride=2", "size=4\ndilation=2\nstride=2"), TRAIN, 1,
         "net.cfg:16: [convolutional] dilation=2", "an odd size with pad=1 alone"),
    Case("cfg_xnor", net("stride=2", "stride=2\nxnor=1"), TRAIN, 1, "net.cfg:17: [convolutional] xnor=1",
         "networks of binary weights", "remove it from all sections"),
    Case("cfg_batch_norm_across_updates", net("batch_normalize=1", "batch_normalize=2"), TRAIN, 1,
         "net.cfg:13: [convolutional] batch_normalize=2", "across updates", "write batch_normalize=1"),
    Case("cfg_switch_strict", net("pad=1", "pad=2"), TRAIN + " -strict", 1,
         "net.cfg:17: [convolutional] pad=2", "write pad=1"),
]

WEIGHTS_CASES = [
    Case("weights_missing", remove("net.weights"), VALID, 1,
         "net.weights: the weights file cannot be read: No such file or directory", "check the path"),
    Case("weights_empty", put("net.weights", ""), VALID, 1, "net.weights: 0 bytes are too few", "give a .weights file"),
    Case("weights_header_only", cut("net.weights", 20), VALID, 1,
         "net.weights: found 0 numbers, the network of net.cfg needs", "truncated", "give the weights"),
    Case("weights_half_a_header", cut("net.weights", 18), VALID, 1,
         "net.weights", "within their header", "truncated", "give a whole one"),
    Case("weights_truncated", cut("net.weights", -4), VALID, 1,
         "net.weights: found", "the network of net.cfg needs", "truncated or of another network", "give the weights"),
    Case("weights_truncated_in_a_number", cut("net.weights", -3), VALID, 1,
         "net.weights: found", "and a part of one", "truncated"),
    Case("weights_truncated_for_training", cut("net.weights", -4), TRAIN.replace("net.cfg", "net.cfg net.weights"), 1,
         "net.weights: found", "the network of net.cfg needs", "truncated or of another network"),
    Case("weights_longer", add("net.weights", bytes(4)), VALID, 1,
         "net.weights: found", "the network of net.cfg needs", "of another network", "give the weights"),
    Case("weights_of_another_network", NOTHING, VALID.replace("net.weights", "shallow.weights"), 1,
         "shallow.weights: found", "the network of net.cfg needs", "another network", "trained with this cfg"),
    Case("weights_nan", overwrite("net.weights", -8, b"\0\0\xc0\x7f"), VALID, 1,
         "net.weights: number", "not finite", "use an earlier file"),
    Case("weights_infinite", overwrite("net.weights", -8, b"\0\0\x80\x7f"), VALID, 1, "net.weights", "not finite"),
    Case("weights_text", put("net.weights", NET), VALID, 1, "net.weights: this is no weights file", "give a .weights"),
    Case("weights_folder", several(remove("net.weights"), make_folder("net.weights")), VALID, 1,
         "net.weights: the weights file is a folder", "give the path of a file"),
    Case("weights_of_second_ensemble_member", cut("shallow.weights", -4),
         "classifier ensemble data.data net.cfg net.weights shallow.weights", 1, "shallow.weights: found", "net.cfg"),
    Case("weights_inspect", flip("net.weights", 1), "classifier inspect data.data net.cfg net.weights", 1,
         "net.weights: this is no weights file"),
    Case("weights_have_seen_everything", NOTHING, TRAIN.replace("net.cfg", "net.cfg net.weights"), 1,
         "net.weights: these weights have seen 48 images", "6 batches of net.cfg", "-clear"),
]

# What a .data file may hold: tests/data/data_file_test.cpp.
DATA_CASES = [
    Case("data_missing", remove("data.data"), TRAIN, 1,
         "data.data: data file cannot be read: No such file or directory", "check the path"),
    Case("data_folder", NOTHING, "classifier train images net.cfg", 1,
         "images: data file is a folder", "give the path of a file"),
    Case("data_binary", copy("train.bin", "data.data"), TRAIN, 1, "data.data: data file is not text",
         "give a text file"),
    Case("data_unknown_key", edit("data.data", "valid=", "vaild="), TRAIN, 1,
         "data.data:3: unknown key 'vaild'", "allowed:", "did you mean 'valid'?"),
    Case("data_classes_wrong", edit("data.data", "classes=10", "classes=9"), "classifier train data.data nine.cfg", 1,
         "train.bin (train of data.data)", "classes = 9", "classes = 10"),
    Case("data_classes_of_other_cifar", several(edit("data.data", "classes=10", "classes=100"),
                                                net("filters=10", "filters=100")), TRAIN, 1,
         "train.bin (train of data.data)", "CIFAR-10", "classes = 100", "set classes = 10"),
    Case("data_train_missing", edit("data.data", "train=train.bin\n", ""), TRAIN, 1,
         "data.data: train= is missing", "name a packed set or a list"),
    Case("data_train_missing_for_targets", edit("data.data", "train=train.bin\n", ""), TARGETS, 1,
         "data.data: train= is missing", "name a packed set or a list"),
    Case("data_valid_missing", edit("data.data", "valid=valid.bin\n", ""), VALID, 1,
         "data.data: valid= is missing", "name a packed set or a list"),
    Case("data_backup_missing", edit("data.data", "backup=backup\n", ""), TRAIN, 1,
         "data.data: backup= is missing", "name the folder"),
    Case("data_set_missing", remove("train.bin"), TRAIN, 1,
         "train.bin: train set of data.data cannot be read: No such file or directory", "check the path"),
    Case("data_set_below_a_file", edit("data.data", "train=train.bin", "train=valid.bin/train.bin"), TRAIN, 1,
         "valid.bin/train.bin: train set of data.data cannot be read: Not a directory", "check the path"),
    Case("data_set_folder", edit("data.data", "train=train.bin", "train=images"), TRAIN, 1,
         "images: train set of data.data is a folder", "give the path of a file"),
    Case("data_set_device", edit("data.data", "train=train.bin", "train=/dev/zero"), TRAIN, 1,
         "/dev/zero (train of data.data): is a device", "give the path of a file"),
    Case("data_set_empty", put("train.bin", ""), TRAIN, 1, "train.bin (train of data.data): is empty (0 bytes)",
         "get the file again"),
    Case("data_short_record", cut("train.bin", -1), TRAIN, 1,
         "train.bin (train of data.data): short record", "23 records", "3072 bytes over", "get the file again"),
    Case("data_label_out_of_range", overwrite("train.bin", 5 * RECORD, b"\x0a"), TRAIN, 1,
         "train.bin (train of data.data): record 5", "label 10", "allowed: 0 to 9"),
    Case("data_valid_label_out_of_range", overwrite("valid.bin", 3 * RECORD, b"\xff"), TRAIN, 1,
         "valid.bin (valid of data.data): record 3", "label 255", "allowed: 0 to 9"),
    Case("data_set_is_an_image", edit("data.data", "train=train.bin", "train=images/1_bee.png"), TRAIN, 1,
         "images/1_bee.png (train of data.data): is a single image", "one image path a line"),
    Case("data_backup_is_a_file", edit("data.data", "=backup", "=valid.bin"), TRAIN, 1,
         "valid.bin: backup= cannot be", "name a folder that can be written"),
    Case("data_backup_below_a_file", edit("data.data", "=backup", "=valid.bin/backup"), TRAIN, 1,
         "valid.bin/backup: backup= cannot be", "name a folder that can be written"),
    Case("labels_binary", copy("train.bin", "labels.txt"), IMAGES, 1, "images.data:4: labels.txt: labels is not text"),
    Case("list_blank", put("images.list", "\n \n"), IMAGES, 1, "images.list (train of images.data)",
         "only blank lines", "one image path a line"),
    Case("list_missing_image", edit("images.list", "images/5_fox.png", "images/5_fux.png"), IMAGES, 1,
         "images.list:6: image images/5_fux.png cannot be read: No such file or directory", "correct the path"),
    Case("list_folder", edit("images.list", "images/5_fox.png", "images"), IMAGES, 1,
         "images.list:6: image images is a folder", "give the path of a file"),
    Case("list_below_a_file", edit("images.list", "images/5_fox.png", "train.bin/5_fox.png"), IMAGES, 1,
         "images.list:6: image train.bin/5_fox.png cannot be read: Not a directory", "correct the path"),
    Case("list_empty_image", put("images/5_fox.png", ""), IMAGES, 1,
         "images.list:6: image images/5_fox.png is empty (0 bytes)", "take the line out"),
    Case("list_label_unknown", several(copy("images/5_fox.png", "images/5_yak.png"),
                                       edit("images.list", "images/5_fox.png", "images/5_yak.png")), IMAGES, 1,
         "images.list:6: class of images/5_yak.png is unknown", "no label equals", "add the class index"),
    Case("list_label_within_a_word", several(copy("images/5_fox.png", "images/5_foxes.png"),
                                             edit("images.list", "images/5_fox.png", "images/5_foxes.png")), IMAGES, 1,
         "images.list:6: class of images/5_foxes.png is unknown"),
    Case("list_two_labels", several(make_folder("hen"), copy("images/5_fox.png", "hen/5_fox.png"),
                                    edit("images.list", "images/5_fox.png", "hen/5_fox.png")), IMAGES, 1,
         "images.list:6: class of hen/5_fox.png is unknown", "two labels match, 'hen' and 'fox'"),
    Case("list_index_out_of_range", edit("images.list", "images/5_fox.png", "images/5_fox.png 10"), IMAGES, 1,
         "images.list:6: class index 10", "allowed: 0 to 9"),
    Case("list_no_labels", edit("images.data", "labels=labels.txt\n", ""), IMAGES, 1,
         "images.list:1: images/0_ant.jpg has no class index", "add 'labels = FILE'"),
    Case("idx_labels_missing", remove("t-labels-idx1-ubyte.gz"), IDX, 1,
         "t-images-idx3-ubyte.gz (train of idx.data)", "t-labels-idx1-ubyte.gz is missing", "put it beside"),
    Case("idx_gzip_damaged", flip("t-images-idx3-ubyte.gz", 200), IDX, 1,
         "t-images-idx3-ubyte.gz: gzip data is damaged", "get the file again"),
    Case("idx_gzip_truncated", cut("t-images-idx3-ubyte.gz", -100), IDX, 1,
         "t-images-idx3-ubyte.gz: gzip data is truncated", "get the file again"),
    Case("idx_labels_gzip_damaged", flip("t-labels-idx1-ubyte.gz", -6), IDX, 1,
         "t-labels-idx1-ubyte.gz: gzip data is damaged", "get the file again"),
    Case("idx_images_short", put("t-images-idx3-ubyte.gz", idx_images(16)[:-1]), IDX, 1,
         "t-images-idx3-ubyte.gz (train of idx.data)", "promises 16 images of 12x12", "15 images and 143 bytes",
         "get the file again"),
    Case("idx_more_labels", put("t-labels-idx1-ubyte.gz", idx_labels(17)), IDX, 1,
         "t-labels-idx1-ubyte.gz: 17 labels for the 16 images", "as many labels as images"),
    Case("idx_label_out_of_range", put("t-labels-idx1-ubyte.gz", idx_labels(16)[:-1] + b"\x0b"), IDX, 1,
         "t-labels-idx1-ubyte.gz: record 15", "label 11", "allowed: 0 to 9"),
    Case("idx_labels_as_images", edit("idx.data", "train=t-images-idx3-ubyte.gz", "train=t-labels-idx1-ubyte.gz"), IDX,
         1, "t-labels-idx1-ubyte.gz (train of idx.data)", "magic 0x00000801 (labels)", "name the images file"),
    Case("idx_images_as_labels", copy("t-images-idx3-ubyte.gz", "t-labels-idx1-ubyte.gz"), IDX, 1,
         "t-labels-idx1-ubyte.gz: IDX labels: magic 0x00000803", "allowed: 0x00000801"),
    Case("idx_no_images", put("t-images-idx3-ubyte.gz", struct.pack(">IIII", 0x803, 0, 12, 12)), IDX, 1,
         "t-images-idx3-ubyte.gz (train of idx.data)", "0 images of 12x12", "at least one"),
]

# In the middle of a training list: the run stops when it comes to the image, within the first batch or two.
BROKEN = "images/5_fox.png"
IMAGE_CASES = [
    Case("image_not_an_image", put(BROKEN, "not an image\n" * 9), IMAGES, 1, BROKEN + ": image cannot be decoded",
         "take it out of the list"),
    Case("image_jpeg_truncated", put(BROKEN, JPEG[:-30]), IMAGES, 1, BROKEN + ": image cannot be decoded",
         "truncated JPEG", "no end of image", "get the file again or take it out of the list"),
    Case("image_jpeg_damaged", put(BROKEN, JPEG[:JPEG_BODY] + bytes(40) + JPEG[JPEG_BODY + 40:]), IMAGES, 1,
         BROKEN + ": image cannot be decoded", "damaged JPEG", "get the file again or take it out of the list"),
    Case("image_jpeg_damaged_in_predict", put(BROKEN, JPEG[:JPEG_BODY] + bytes(40) + JPEG[JPEG_BODY + 40:]),
         "classifier predict images.data net.cfg net.weights " + BROKEN, 1, BROKEN + ": image cannot be decoded",
         "damaged JPEG"),
    Case("list_in_utf16", put("images.list", "images/0_ant.jpg\n".encode("utf-16")), IMAGES, 1, "is text in UTF-16",
         "save it as UTF-8"),
    Case("image_jpeg_body_short", put(BROKEN, JPEG[:JPEG_BODY] + b"\xff\xd9"), IMAGES, 1,
         BROKEN + ": image cannot be decoded", "damaged JPEG", "get the file again or take it out of the list"),
    Case("image_jpeg_header_only", put(BROKEN, JPEG[:100] + b"\xff\xd9"), IMAGES, 1,
         BROKEN + ": image cannot be decoded", "get the file again or take it out of the list"),
    Case("image_png_truncated", put(BROKEN, png()[:-20]), IMAGES, 1, BROKEN + ": image cannot be decoded",
         "truncated PNG", "get the file again or take it out of the list"),
    Case("image_png_damaged", several(put(BROKEN, png()), flip(BROKEN, 60)), IMAGES, 1,
         BROKEN + ": image cannot be decoded", "damaged PNG (checksum",
         "get the file again or take it out of the list"),
    Case("image_png_pixels_missing", put(BROKEN, png(body=zlib.compress(bytes(500)))), IMAGES, 1,
         BROKEN + ": image cannot be decoded", "get the file again or take it out of the list"),
    Case("image_png_not_deflated", put(BROKEN, png(body=b"no zlib data")), IMAGES, 1,
         BROKEN + ": image cannot be decoded", "get the file again or take it out of the list"),
    Case("image_png_huge", put(BROKEN, png(2000000, 2000000, body=zlib.compress(bytes(500)))), IMAGES, 1,
         BROKEN + ": image cannot be decoded", "get the file again or take it out of the list"),
    Case("image_bmp_damaged", put(BROKEN, b"BM" + bytes(60)), IMAGES, 1, BROKEN + ": image cannot be decoded",
         "get the file again or take it out of the list"),
    Case("image_ppm_truncated", put(BROKEN, b"P6 10 10 255\n" + bytes(30)), IMAGES, 1,
         BROKEN + ": image cannot be decoded", "get the file again or take it out of the list"),
    Case("image_hdr_damaged", put(BROKEN, b"#?RADIANCE\n" + bytes(30)), IMAGES, 1,
         BROKEN + ": image cannot be decoded", "get the file again or take it out of the list"),
    Case("image_in_valid", several(put("fresh.png", png()[:-20]), put("valid.list", "fresh.png 3\n"),
                                   edit("images.data", "valid=images.list", "valid=valid.list")),
         "classifier valid images.data net.cfg net.weights", 1, "fresh.png: image cannot be decoded", "truncated PNG"),
    Case("image_in_predict", put(BROKEN, JPEG[:-30]), "classifier predict images.data net.cfg net.weights " + BROKEN, 1,
         BROKEN + ": image cannot be decoded", "truncated JPEG"),
    Case("image_missing_in_predict", NOTHING, "classifier predict images.data net.cfg net.weights none.jpg", 1,
         "none.jpg: image cannot be read: No such file or directory", "check the path"),
    Case("folder_without_images_in_predict", NOTHING, "classifier predict images.data net.cfg net.weights backup", 1,
         "backup: the folder has no images", "paths of images"),
]

TEACHER_CASES = [
    Case("teacher_cfg_missing", edit("live.cfg", "teacher=net.cfg", "teacher=none.cfg"), STUDENT, 1,
         "none.cfg: the cfg cannot be read: No such file or directory", "check the path"),
    Case("teacher_weights_missing", edit("live.cfg", "=net.weights", "=none.weights"), STUDENT, 1,
         "none.weights: the weights file cannot be read: No such file or directory", "check the path"),
    Case("teacher_of_other_classes", edit("live.cfg", "teacher=net.cfg", "teacher=nine.cfg"), STUDENT, 1,
         "live.cfg:28: [distill] teacher=nine.cfg", "the teacher has 9 classes, the student 10", "must agree"),
    Case("teacher_of_other_size", edit("live.cfg", "teacher=net.cfg", "teacher=small.cfg"), STUDENT, 1,
         "live.cfg:28: [distill] teacher=small.cfg", "3x24x24", "3x32x32", "must agree"),
    Case("teacher_weights_truncated", cut("net.weights", -4), STUDENT, 1,
         "net.weights: found", "the network of net.cfg needs", "truncated"),
    Case("teacher_weights_of_another_network", edit("live.cfg", "=net.weights", "=shallow.weights"), STUDENT, 1,
         "shallow.weights: found", "the network of net.cfg needs", "another network"),
    Case("teacher_cfg_broken", several(copy("net.cfg", "old.cfg"), edit("old.cfg", "filters=4", "filtres=4"),
                                       edit("live.cfg", "teacher=net.cfg", "teacher=old.cfg")), STUDENT, 1,
         "old.cfg:14: [convolutional] unknown key 'filtres'", "did you mean 'filters'?"),
    Case("teacher_without_weights", edit("live.cfg", "teacher_weights=net.weights\n", ""), STUDENT, 1,
         "live.cfg:27: [distill]", "teacher_weights= is missing", "name the weights"),
    Case("teacher_nor_targets", edit("live.cfg", LIVE, "[distill]\n"), STUDENT, 1,
         "live.cfg:27: [distill]", "teacher= is missing", "targets="),
    Case("teacher_missing_for_targets", edit("live.cfg", LIVE, CACHED), TARGETS, 1,
         "live.cfg:27: [distill]", "teacher= is missing", "name the cfg"),
    Case("teacher_for_targets_of_no_student", NOTHING, TARGETS.replace("live.cfg", "net.cfg"), 1,
         "net.cfg:27: [softmax]", "ends with [distill]"),
]

TARGETS_CASES = [
    Case("targets_missing", remove("net.targets"), CACHE, 1, "cached.cfg:28: [distill] targets=net.targets",
         "no such file", "make it with 'darknet classifier targets"),
    Case("targets_text", put("net.targets", NET * 20), CACHE, 1, "net.targets: this is no targets file", "make one"),
    Case("targets_empty", put("net.targets", ""), CACHE, 1, "net.targets: this is no targets file", "make one"),
    Case("targets_folder", several(remove("net.targets"), make_folder("net.targets")), CACHE, 1,
         "net.targets", "is a folder", "give the path of a file"),
    Case("targets_of_other_seed", NOTHING, CACHE.replace("-seed 1", "-seed 2"), 1,
         "net.targets: made for another seed", "found '1', this run has '2'", "make the targets again"),
    Case("targets_of_other_augmentation", edit("cached.cfg", "pad=4", "pad=2"), CACHE, 1,
         "net.targets: made for another augmentation", "pad=4", "pad=2", "make the targets again"),
    Case("targets_of_other_data", flip("train.bin", -1), CACHE, 1,
         "net.targets: made for another data", "make the targets again"),
    Case("targets_of_other_batch", edit("cached.cfg", "subdivisions=2", "subdivisions=1"), CACHE, 1,
         "net.targets: made for another mini_batch", "found '4', this run has '8'", "make the targets again"),
    Case("targets_of_other_host", edit("net.targets", "host " + HOST, "host " + HOST[::-1]), CACHE, 1,
         "net.targets: made for another host", "make the targets again"),
    Case("targets_of_other_classes", several(edit("cached.cfg", "filters=10", "filters=9"),
                                             edit("data.data", "classes=10", "classes=9"),
                                             edit("data.data", "train=train.bin\nvalid=valid.bin",
                                                  "train=idx3/images-idx3"),
                                             make_folder("idx3"), put("idx3/images-idx3", idx_images(8, 32)),
                                             put("idx3/labels-idx1", idx_labels(8))), CACHE, 1,
         "net.targets: made for another classes", "make the targets again"),
    Case("targets_of_other_teacher", several(edit("cached.cfg", CACHED, CACHED + LIVE[len("[distill]\n"):]),
                                             flip("net.weights", -1)), CACHE, 1,
         "net.targets: made for another teacher", "make the targets again"),
    Case("targets_of_fewer_epochs", edit("cached.cfg", "max_batches=6", "max_batches=7"), CACHE, 1,
         "net.targets: made for fewer epochs", "found 48 positions, this run has 56", "make the targets again"),
    Case("targets_truncated", cut("net.targets", -1), CACHE, 1,
         "net.targets: found", "expected", "damaged", "make the targets again"),
    Case("targets_damaged", overwrite("net.targets", 4096 + 40, b"\0\0\xc0\x7f"), CACHE, 1,
         "net.targets: the row of position 1", "damaged", "make the targets again"),
    Case("targets_negative", overwrite("net.targets", 4096, struct.pack("<ff", -3, 4)), CACHE, 1,
         "net.targets: the row of position 0", "damaged", "make the targets again"),
    Case("targets_out_missing", NOTHING, "classifier targets data.data live.cfg", 2,
         "-out is missing", "name the file"),
    Case("targets_out_is_a_folder", make_folder("new.targets"), TARGETS, 1, "new.targets", "is a folder",
         "give the path of a file"),
    Case("targets_out_below_a_file", NOTHING, TARGETS.replace("new.targets", "train.bin/new.targets"), 1,
         "train.bin/", "name a folder that can be written"),
]

STATE = "backup/more.state"
STATE_CASES = [
    Case("state_damaged_in_numbers", flip(STATE, -300), RESUME, 1, STATE + ": the state is damaged",
         "start without -resume"),
    Case("state_damaged_in_header", edit(STATE, "\niteration 6\n", "\niteration 5\n"), RESUME, 1,
         STATE + ": the state is damaged", "start without -resume"),
    Case("state_damaged_hash", flip(STATE, -1), RESUME, 1, STATE + ": the state is damaged", "start without -resume"),
    Case("state_truncated", cut(STATE, -1), RESUME, 1, STATE + ": the state is damaged", "start without -resume"),
    Case("state_truncated_in_header", cut(STATE, 40), RESUME, 1, STATE + ": the state is damaged",
         "start without -resume"),
    Case("state_empty", put(STATE, ""), RESUME, 1, STATE + ": this is no state of a training", "start without -resume"),
    Case("state_text", put(STATE, NET), RESUME, 1, STATE + ": this is no state of a training",
         "start without -resume"),
    Case("state_folder", several(remove(STATE), make_folder(STATE)), RESUME, 1, STATE + ": the state is a folder",
         "give the path of a file"),
    Case("state_of_other_seed", NOTHING, RESUME.replace("-seed 1", "-seed 2"), 1,
         STATE + ": the state is of a run with another seed", "found '1', this run has '2'", "start without -resume"),
    Case("state_of_other_network", edit("more.cfg", "filters=4", "filters=5"), RESUME, 1,
         STATE + ": the state is of a run with another network", "start without -resume"),
    Case("state_of_other_cost", edit("more.cfg", "[softmax]", "[label_smoothing]"), RESUME, 1,
         STATE + ": the state is of a run with another network", "start without -resume"),
    Case("state_of_other_data", flip("train.bin", -1), RESUME, 1,
         STATE + ": the state is of a run with another data", "start without -resume"),
    Case("state_of_other_batch", edit("more.cfg", "batch=8\n", "batch=4\n"), RESUME, 1,
         STATE + ": the state is of a run with another batch", "found '8', this run has '4'"),
    Case("state_of_other_augmentation", edit("more.cfg", "mirror=1", "mirror=0"), RESUME, 1,
         STATE + ": the state is of a run with another augmentation", "mirror=1", "mirror=0"),
]

USAGE = "usage: darknet classifier"
STDOUT_FULL = "standard output could not be written"
OPTION_CASES = [
    Case("verb_missing", NOTHING, "", 2, "the verb is missing", "darknet help"),
    Case("verb_unknown", NOTHING, "clasifier train data.data net.cfg", 2, "unknown verb 'clasifier'",
         "did you mean 'classifier'?", "darknet help"),
    Case("classifier_verb_unknown", NOTHING, "classifier trian data.data net.cfg", 2,
         "unknown verb 'classifier trian'", "did you mean 'train'?", "known are"),
    Case("classifier_verb_missing", NOTHING, "classifier", 2, "the verb behind 'classifier' is missing", "known are"),
    Case("flag_unknown", NOTHING, TRAIN + " -sed 1", 2, "unknown option '-sed'", "did you mean '-seed'?", USAGE),
    Case("flag_of_another_verb", NOTHING, VALID + " -resume", 2, "unknown option '-resume'", USAGE + " valid"),
    Case("flag_without_value", NOTHING, TRAIN[:-2], 2, "-seed needs a value", USAGE + " train"),
    Case("flag_twice", NOTHING, TRAIN + " -seed 2", 2, "-seed is given twice", USAGE),
    Case("seed_text", NOTHING, "classifier train data.data net.cfg -seed abc", 2, "-seed abc", "found 'abc'",
         "allowed is a whole number from 0", USAGE),
    Case("seed_negative", NOTHING, "classifier train data.data net.cfg -seed -1", 2, "-seed -1", "found '-1'",
         "allowed is a whole number from 0", USAGE),
    Case("threads_zero", NOTHING, "classifier train data.data net.cfg -threads 0", 2, "-threads 0", "found '0'",
         "from 1 to", USAGE),
    Case("threads_fraction", NOTHING, "classifier valid data.data net.cfg net.weights -threads 1.5", 2,
         "-threads 1.5", "allowed is a whole number", USAGE),
    Case("state_seconds_negative", NOTHING, TRAIN + " -state_seconds -3", 2, "-state_seconds -3", "found '-3'",
         "from 0", USAGE),
    Case("top_zero", NOTHING, "classifier predict images.data net.cfg net.weights images/0_ant.jpg -t 0", 2,
         "-t 0", "from 1 to", USAGE),
    Case("arguments_too_few", NOTHING, "classifier train data.data", 2, "found 1 arguments, needed are at least 2",
         USAGE + " train DATA CFG"),
    Case("arguments_none", NOTHING, "classifier valid", 2, "found 0 arguments, needed are at least 3", USAGE),
    Case("arguments_too_many", NOTHING, VALID + " more", 2, "unexpected argument 'more'", USAGE + " valid"),
    Case("ensemble_of_one", NOTHING, "classifier ensemble data.data net.cfg net.weights", 2,
         "found 3 arguments, needed are at least 4", USAGE + " ensemble"),
    Case("gpus", NOTHING, TRAIN + " -gpus 0,1", 2, "-gpus 0,1", "one GPU", "give one number"),
    Case("gpu", NOTHING, TRAIN + " -gpus first", 2, "-gpus first", "the number of a GPU", "nvidia-smi"),
    Case("gpus and nogpu", NOTHING, TRAIN + " -gpus 0 -nogpu", 2, "-gpus 0 and -nogpu", "keep one"),
    Case("json_below_nothing", NOTHING, VALID + " -json none/figures.json", 1, "none/figures.json",
         "No such file or directory", "folder"),
    Case("json_is_a_folder", NOTHING, VALID + " -json images", 1, "images", "is a folder", "give the path of a file"),
    Case("json_of_inspect", NOTHING, VALID.replace("valid ", "inspect ") + " -json none/figures.json", 1,
         "none/figures.json", "No such file or directory", "folder"),
    Case("json_of_ensemble", NOTHING, "classifier ensemble data.data net.cfg net.weights net.weights -json none/a.json",
         1, "none/a.json", "No such file or directory", "folder"),
    Case("layer_missing", NOTHING, "layer", 2, "found 0 arguments, needed are at least 2", "usage: darknet layer"),
    Case("layer_unknown_cost", NOTHING, "layer tds eta=0.6 logits.csv", 2, "unknown cost 'tds'", "did you mean 'tsd'?",
         "known are"),
    Case("layer_without_file", NOTHING, "layer tsd eta=0.6", 2, "found 0 files", "usage: darknet layer"),
    Case("layer_two_files", NOTHING, "layer softmax logits.csv logits.csv", 2, "found 2 files", "usage: darknet layer"),
    Case("layer_option_out_of_range", NOTHING, "layer tsd eta=2 k=2 logits.csv", 2, "[tsd] eta=2", "found '2'",
         "from 0 to 1"),
    Case("layer_option_unknown", NOTHING, "layer tsd eat=1 k=2 logits.csv", 2, "[tsd] unknown key 'eat'",
         "did you mean 'eta'?"),
    Case("layer_option_twice", NOTHING, "layer tsd eta=1 eta=1 logits.csv", 2, "eta= is given twice", "keep one"),
    Case("layer_option_empty", NOTHING, "layer tsd eta= logits.csv", 2, "eta", "found ''", "allowed is a number"),
    Case("layer_option_before_file", NOTHING, "layer tsd eat=1 none.csv", 2, "[tsd] unknown key 'eat'"),
    Case("layer_csv_missing", NOTHING, "layer softmax none.csv", 1, "none.csv: the file of logits cannot be read",
         "No such file or directory", "check the path"),
    Case("layer_csv_empty", put("logits.csv", ""), "layer softmax logits.csv", 1, "logits.csv: the file has no samples",
         "write one a line"),
    Case("layer_csv_label", put("logits.csv", "0,1,2,3\n3,1,2,3\n"), "layer softmax logits.csv", 1,
         "logits.csv:2: column 1: found '3'", "allowed is a label from 0 to 2"),
    Case("layer_csv_columns", put("logits.csv", "0,1,2,3\n1,1,2\n"), "layer softmax logits.csv", 1,
         "logits.csv:2: found 3 columns, the first line has 4"),
    Case("layer_csv_text", put("logits.csv", "0,1,two,3\n"), "layer softmax logits.csv", 1,
         "logits.csv:1: column 3: found 'two'", "allowed is a finite number"),
    Case("layer_csv_infinite", put("logits.csv", "0,1,inf,3\n"), "layer softmax logits.csv", 1,
         "logits.csv:1: column 3: found 'inf'", "allowed is a finite number"),
    Case("layer_csv_one_class", put("logits.csv", "0,1\n"), "layer softmax logits.csv", 1,
         "logits.csv:1: found 2 columns", "at least 2 classes"),
    Case("layer_csv_binary", copy("train.bin", "logits.csv"), "layer softmax logits.csv", 1, "logits.csv:1:", "found"),
    Case("layer_teacher_columns", NOTHING, "layer distill logits.csv", 1, "logits.csv:1: found 4 columns",
         "the teacher's C probabilities"),
    Case("layer_teacher_sum", put("logits.csv", "0,1,2,.5,.6\n"), "layer distill logits.csv", 1, "logits.csv:1:",
         "sum to 1.1", "must sum to 1"),
    Case("stdout_full_valid", NOTHING, VALID, 1, STDOUT_FULL, "free some space", stdout="/dev/full"),
    Case("stdout_full_layer", NOTHING, "layer softmax logits.csv", 1, STDOUT_FULL, "free some space",
         stdout="/dev/full"),
    Case("stdout_full_help", NOTHING, "help", 1, STDOUT_FULL, "free some space", stdout="/dev/full"),
    Case("stdout_full_predict", NOTHING, "classifier predict images.data net.cfg net.weights images/0_ant.jpg", 1,
         STDOUT_FULL, "free some space", stdout="/dev/full"),
    Case("stdout_full_and_an_error", remove("net.weights"), VALID, 1, "net.weights: the weights file cannot be read",
         stdout="/dev/full"),
]

# The rate is the largest that is allowed.
DIVERGE = several(net("learning_rate=0.01", "learning_rate=1e9"), net("activation=leaky", "activation=linear"))
TRAINING_CASES = [
    Case("loss_not_finite", several(DIVERGE, net("batch=8\nsubdivisions=2", "batch=2"),
                                    net("batch_normalize=1\n", ""), net("max_batches=6", "max_batches=12")), TRAIN, 1,
         "net.cfg: iteration", "the loss is not finite", "layer", "learning_rate=1e+09", "lower", "backup"),
    Case("broken_image_in_the_middle", several(put(BROKEN, JPEG[:-30]), net("batch=8\nsubdivisions=2", "batch=2")),
         IMAGES, 1, BROKEN + ": image cannot be decoded", "truncated JPEG"),
]

CASES = [case for case in (CFG_CASES + WEIGHTS_CASES + DATA_CASES + IMAGE_CASES + TEACHER_CASES + TARGETS_CASES +
                           STATE_CASES + OPTION_CASES + TRAINING_CASES) if case.host in (None, HOST)]

# The same commands on the unchanged folder succeed, so a case fails for its change alone.
VALID_COMMANDS = [
    TRAIN, VALID, RESUME, STUDENT, CACHE, IMAGES, IDX, TARGETS, TRAIN.replace("net.cfg", "tsd.cfg"),
    TRAIN.replace("net.cfg", "net.cfg net.weights -clear"),
    VALID + " -json figures.json",
    VALID.replace("valid ", "inspect ") + " -json figures.json",
    "classifier ensemble data.data net.cfg net.weights net.weights -json figures.json",
    "classifier predict images.data net.cfg net.weights images/0_ant.jpg -t 3",
    "classifier predict images.data net.cfg net.weights images/1_bee.png",
    "classifier predict images.data net.cfg net.weights images -json",
    "layer softmax logits.csv", "layer tsd eta=0.6 k=2 logits.csv",
]


def files_of(folder):
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    return found


Outcome = collections.namedtuple("Outcome", "code stderr before after")


class BadInputTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.TemporaryDirectory(prefix="bad_input_")
        cls.addClassCleanup(cls.work.cleanup)
        cls.base = os.path.join(cls.work.name, "valid")
        make_valid_folder(cls.base)
        # A few at a time: a case is start-up and disk more than it is arithmetic.
        cls.pool = concurrent.futures.ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1))
        cls.addClassCleanup(cls.pool.shutdown, cancel_futures=True)
        cls.outcomes = {case.name: cls.pool.submit(cls.run_case, case) for case in CASES}

    @classmethod
    def run_case(cls, case):
        folder = os.path.join(cls.work.name, case.name)
        shutil.copytree(cls.base, folder)
        case.change(folder)
        before = files_of(folder)
        with open(case.stdout, "wb") as stdout:
            done = darknet(folder, case.command, stdout=stdout)
        outcome = Outcome(done.returncode, done.stderr.decode(errors="replace"), before, files_of(folder))
        shutil.rmtree(folder)
        return outcome

    def check(self, case):
        outcome = self.outcomes[case.name].result()
        said = f"{case.command!r} said:\n{outcome.stderr}"
        self.assertEqual(outcome.code, case.code, said)
        self.assert_one_line(outcome.stderr)
        for needle in case.needles:
            self.assertIn(needle, outcome.stderr, said)
        for name, content in outcome.before.items():
            self.assertEqual(outcome.after.get(name), content, f"{name} was harmed; {said}")
        self.assertEqual(sorted(set(outcome.after) - set(outcome.before)), [], said)

    def assert_one_line(self, text):
        self.assertTrue(text.startswith("darknet: "), repr(text))
        self.assertTrue(text.endswith("\n"), repr(text))
        self.assertTrue(text[:-1].isprintable(), repr(text))
        self.assertNotIn("(null)", text)

    def test_names_are_unique_and_cases_are_many(self):
        names = [case.name for case in CASES]
        self.assertEqual([name for name, count in collections.Counter(names).items() if count > 1], [])
        self.assertGreaterEqual(len(CASES), 70)
        self.assertTrue(all(case.needles and case.code in (1, 2) for case in CASES))

    def test_commands_succeed_on_the_valid_folder(self):
        for command in VALID_COMMANDS:
            with self.subTest(command=command):
                folder = os.path.join(self.work.name, "unchanged")
                shutil.copytree(self.base, folder)
                run_valid(folder, command)
                self.assertEqual([name for name in files_of(folder) if name.endswith(".tmp") or "probe" in name], [])
                shutil.rmtree(folder)

    def test_last_good_files_survive_a_run_that_diverges(self):
        folder = self.copy_of_base("diverged")
        several(DIVERGE, net("batch=8\nsubdivisions=2", "batch=2"), net("max_batches=6", "max_batches=60"))(folder)
        net("batch_normalize=1\n", "")(folder)
        done = darknet(folder, TRAIN + " -state_seconds 0")
        self.assertEqual(done.returncode, 1)
        self.assert_one_line(done.stderr.decode())
        # What was saved before is finite and whole, if its outputs are finite or not.
        valid = darknet(folder, VALID.replace("net.weights", "backup/net_last.weights"))
        self.assertIn(b"top1 ", valid.stdout, valid.stderr)
        resumed = darknet(folder, TRAIN + " -resume")
        self.assertIn(b"resumed at iteration", resumed.stdout)
        self.assertIn(b"the loss is not finite", resumed.stderr)
        self.assert_one_line(resumed.stderr.decode())

    def test_last_good_files_survive_a_broken_image(self):
        folder = self.copy_of_base("broken")
        net("batch=8\nsubdivisions=2", "batch=1")(folder)
        net("max_batches=6", "max_batches=32")(folder)
        put(BROKEN, JPEG[:-30])(folder)
        # Until a seed's first batch has not drawn the broken image.
        for seed in range(20):
            done = darknet(folder, IMAGES.replace("-seed 1", f"-seed {seed}") + " -state_seconds 0")
            self.assertEqual(done.returncode, 1)
            self.assert_one_line(done.stderr.decode())
            self.assertIn(BROKEN.encode(), done.stderr)
            if os.path.exists(path_in(folder, "backup/net_last.weights")):
                break
        run_valid(folder, VALID.replace("net.weights", "backup/net_last.weights"))

    def test_predict_goes_on_after_a_bad_path(self):
        done = darknet(self.copy_of_base("predict"), "classifier predict images.data net.cfg net.weights -t 1",
                       stdin=b"none.jpg\nimages/1_bee.png\nimages\n")
        self.assertEqual(done.returncode, 1)
        lines = done.stderr.decode().splitlines()
        self.assertEqual(len(lines), 2, lines)
        self.assertIn("darknet: none.jpg: image cannot be read", lines[0])
        self.assertIn("darknet: images: image is a folder", lines[1])
        self.assertIn(b"images/1_bee.png\n", done.stdout)

    def copy_of_base(self, name):
        folder = os.path.join(self.work.name, name)
        shutil.copytree(self.base, folder)
        return folder


def add_tests():
    for case in CASES:
        setattr(BadInputTest, "test_" + case.name, lambda self, case=case: self.check(case))


add_tests()

if __name__ == "__main__":
    unittest.main()
