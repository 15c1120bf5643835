#!/usr/bin/env python3
"""Writes the seed inputs of the fuzzers, one folder for each format.

/usr/bin/python3 tests/fuzz/make_corpus.py DIR
"""

import glob
import gzip
import os
import struct
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from run_support import ROOT, TSD, distill, fashion_data, fashion_network, png, read, write

PARAMETERS = 10  # of the network in network_formats.cpp


def segment(marker, body):
    return bytes([0xff, marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg(width, height, scans, frame=0xc0, tables=True, components=1):
    """A grey or colour JPEG: `scans` are (first coefficient, last, successive approximation, bits as text)."""
    quantisation = segment(0xdb, bytes([0]) + bytes([1] * 64))
    header = struct.pack(">BHHB", 8, height, width, components)
    header += b"".join(bytes([c + 1, 0x11, 0]) for c in range(components))
    # Four DC categories and four AC symbols (end of block, a run of them, two values), two or three bits each.
    huffman = b"".join(segment(0xc4, bytes([kind, 0, 3, 1] + [0] * 13) + bytes(symbols))
                       for kind, symbols in ((0x00, (0, 1, 2, 3)), (0x10, (0x00, 0x10, 0x01, 0x02))))
    out = b"\xff\xd8" + quantisation + segment(frame, header) + (huffman if tables else b"")
    for first, last, approximation, bits in scans:
        chosen = range(components) if first == 0 else (0,)
        out += segment(0xda, bytes([len(chosen)]) + b"".join(bytes([c + 1, 0]) for c in chosen)
                       + bytes([first, last, approximation]))
        bits += "1" * (-len(bits) % 8)
        data = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
        out += data.replace(b"\xff", b"\xff\x00")
    return out + b"\xff\xd9"


# The codes are 00, 01, 10, 110. A block: a DC difference, an AC value, the end.
BLOCK = "01" + "1" + "10" + "1" + "00"


def jpegs():
    yield jpeg(16, 8, [(0, 63, 0, BLOCK * 2)])
    yield jpeg(16, 16, [(0, 63, 0, "0000" * 4)])
    yield jpeg(16, 16, [(0, 63, 0, BLOCK * 12)], components=3)
    yield jpeg(16, 8, [(0, 0, 0x01, "011" * 2), (1, 5, 0x02, "00" * 2), (0, 0, 0x10, "10")], frame=0xc2)
    yield jpeg(16, 8, [(0, 63, 0, "")], frame=0xc9, tables=False)
    yield jpeg(16, 8, [(0, 63, 0, BLOCK * 2)] * 4)
    # Huge sizes and many scans in few bytes.
    yield jpeg(32000, 32000, [(0, 63, 0, "")])
    yield jpeg(400, 400, [(0, 0, 0, "0")] + [(1, 63, 0, "00")] * 60, frame=0xc2)
    yield jpeg(500, 500, [(0, 0, 0, "0")] + [(1, 63, 0, "00")] * 101, frame=0xc2)
    yield jpeg(65500, 1, [(0, 63, 0, "0000" * 8188)])


def pngs():
    grey = [bytes(range(0, 240, 20)) for _ in range(9)]
    yield png(grey, 1)
    yield png(grey, 3)
    rows = zlib.compress(b"".join(b"\x04" + row for row in grey))
    yield png(grey, 1, body=rows)
    yield png(grey, 1, body=rows[:-9])
    yield png(grey, 3, size=(30000, 30000))
    yield png(grey, 1, size=(1, 60000), body=zlib.compress(bytes(2 * 60000), 9))
    yield png([bytes(40000)], 1)
    # Palette, 1 bit, interlaced, 16 bits, alpha.
    whole = png(grey, 1)
    at = whole.index(b"IHDR") + 4
    for depth, colour, interlaced in ((1, 0, 0), (1, 3, 0), (8, 0, 1), (16, 0, 0), (8, 6, 0)):
        header = struct.pack(">IIBBBBB", 4, 4, depth, colour, 0, 0, interlaced)
        palette = struct.pack(">I", 6) + b"PLTE" + bytes(6) + bytes(4) if colour == 3 else b""
        body = zlib.compress(bytes(100))
        yield (whole[:at] + header + bytes(4) + palette + struct.pack(">I", len(body)) + b"IDAT" + body + bytes(4)
               + struct.pack(">I", 0) + b"IEND" + bytes(4))


def cfgs():
    yield fashion_network(TSD)
    yield fashion_network(distill("a.cfg", "a.weights", **{"lambda": 0.5}), adam=1, label_smooth_eps=0.1, cutmix=1)
    yield "\ufeff[net]\r\nbatch=4\r\nheight=8\r\nwidth=8\r\nchannels=1\r\n[avgpool]\r\n[softmax]\r\n"
    for path in sorted(glob.glob(os.path.join(ROOT, "tests", "zoo", "*.cfg"))):
        if os.path.getsize(path) < 2000:
            yield read(path)


def data_files():
    yield fashion_data()
    yield fashion_data(train_per_class=5, held_out_per_class=2, valid_every=3, label_noise=0.2, names="a", labels="a")
    for path in sorted(glob.glob(os.path.join(ROOT, "cfg", "*.data"))):
        yield read(path)


def idx():
    images = struct.pack(">IIII", 0x803, 3, 2, 2) + bytes(range(12))
    labels = struct.pack(">II", 0x801, 2) + b"\1\2"
    # Stored, not packed: changed bytes stay readable.
    stored = zlib.compressobj(0, zlib.DEFLATED, 31)
    yield from (images, labels, gzip.compress(images, mtime=0), gzip.compress(labels, mtime=0) * 2,
                stored.compress(images) + stored.flush(), images[:15], struct.pack(">IIII", 0x803, 1 << 31, 1 << 15, 2))


def states():
    header = "DNGSTATE 1\nidentity.seed 7\nmachine.threads 1\niteration 12\naverage_loss 0x1p-1\nbest_top1 0x1p-2\n"
    header += "best_epoch 1\nepoch_images 3\nrow 1,2,3\nrow 2,,\n\n"
    yield header.encode() + struct.pack("<%df" % (2 * PARAMETERS), *range(2 * PARAMETERS))


def targets():
    header = b"DNGTARGETS 1\nseed 7\nclasses 2\npositions 3\nteacher 00\n\n"
    for first in (0.25, -0.25, float("nan")):
        yield header.ljust(4096) + struct.pack("<6f", *(first, 1 - first) * 3)


def weights():
    values = struct.pack("<%df" % PARAMETERS, *range(PARAMETERS))
    yield struct.pack("<iiiQ", 0, 2, 0, 640) + values
    yield struct.pack("<iiiI", 0, 1, 0, 640) + values
    yield struct.pack("<iiiQ", 0, 2, 5, 640) + values[:-5]


def corpus():
    return {
        "cfg": cfgs(), "data": data_files(), "jpeg": jpegs(), "png": pngs(), "idx": idx(), "state": states(),
        "targets": targets(), "weights": weights(),
        "names": ["cat\ndog\nbird\n", "\ufeffcat\r\ndog\r\nred cat\r\n", "0\n1\n1\n"],
        "logits": ["0,1,2\n", "1,0.5,-1e308,0.5,0.5\n", "0,1e-300,-7,1e308,1,0,0\n"],
        "cifar": [b"\3" + bytes(3072), b"\3\4" + bytes(3072), (b"\1\2" + b"\x80" * 3072) * 2],
        "list": ["cat/1.png\ndog.png\n", "a 1.png 1\ncat/1.png 0\n", "\ufeffdog.png\r\n\r\na 1.png\r\n"],
    }


def main(folder):
    for name, inputs in corpus().items():
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        for number, content in enumerate(inputs):
            content = content.encode() if isinstance(content, str) else content
            write(os.path.join(folder, name, "seed%02d" % number), content)


if __name__ == "__main__":
    main(sys.argv[1])
