#!/usr/bin/env python3
"""The installed shared library: its symbols, what it needs, and the examples in C and Python.

/usr/bin/python3 tests/library/c_interface_test.py -v
"""

import ctypes
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import DARKNET, ROOT, MadeOnceTest, SOFTMAX, fashion_data, fashion_image, fashion_network, \
    write, write_fashion, write_png

BUILD = os.path.dirname(DARKNET)
IMAGES = 24


def output_of(*words, **options):
    return subprocess.run(words, check=True, capture_output=True, text=True, **options).stdout


class CInterface(MadeOnceTest):
    def make(self):
        if not os.path.exists(os.path.join(BUILD, "libdarknet_generations.so")):
            raise unittest.SkipTest(f"{BUILD} has no libdarknet_generations.so: name its program in DNG_DARKNET")
        subprocess.run(["cmake", "--install", BUILD, "--prefix", "/opt/dng"], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "DESTDIR": self.path("stage")})
        write_fashion(self.folder, 256, 64)
        self.write("fashion.data", fashion_data(names=os.path.join(ROOT, "data", "fashion.labels")))
        # Three channels: what the interface takes, and what a grey picture becomes.
        self.write("net.cfg", fashion_network(SOFTMAX, epochs=2, channels=3, valid_resize=32))
        self.write("images.txt", "")
        for index in range(IMAGES):
            rows, _ = fashion_image(index, self.folder)
            # Of another size than the network's.
            rows = [bytes(byte for pixel in row for byte in (pixel, pixel // 2, 255 - pixel))
                    for row in rows[index % 5:]]
            write_png(self.path(f"{index:02}.png"), rows, 3)
            head = f"P6\n28 {len(rows)}\n255\n".encode()
            write(self.path(f"{index:02}.ppm"), head + b"".join(rows))
        self.train("net.cfg")

    def setUp(self):
        super().setUp()
        self.prefix = self.path("stage", "opt", "dng")
        self.library = self.path("stage", "opt", "dng", "lib", "libdarknet_generations.so.1")
        self.names = os.path.join(ROOT, "data", "fashion.labels")
        self.network = (self.path("net.cfg"), self.path("backup", "net_final.weights"))

    def environment(self):
        folder = os.path.dirname(self.library)
        # A library with a sanitizer needs that loaded first.
        preload = {}
        needed = output_of("readelf", "-d", self.library)
        for name in re.findall(r"\[(lib[at]san\.so\.\d+)\]", needed):
            preload["LD_PRELOAD"] = output_of("cc", f"-print-file-name={name}").strip()
            preload["ASAN_OPTIONS"] = "detect_leaks=0"
        return {**os.environ, "LD_LIBRARY_PATH": folder, "DARKNET_GENERATIONS_SO": self.library, **preload}

    def predicted(self, *paths):
        done = self.run_darknet("classifier", "predict", "fashion.data", *self.network, *paths, "-t", 10, "-json")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_symbols_are_those_of_the_header_and_have_a_version(self):
        with open(os.path.join(ROOT, "include", "darknet_generations.h"), encoding="utf-8") as file:
            declared = set(re.findall(r"^DNG_API [^(]*?(dng_\w+)\(", file.read(), re.MULTILINE))
        self.assertEqual(len(declared), 7)
        lines = output_of("nm", "-D", "--defined-only", "--with-symbol-versions", self.library).splitlines()
        exported = {line.split()[-1] for line in lines if line.split()[-2] != "A"}
        self.assertEqual(exported, {f"{name}@@DARKNET_GENERATIONS_1" for name in declared})

    def test_needs_neither_darknet_nor_decoders(self):
        dynamic = output_of("readelf", "-d", self.library)
        self.assertIn("Library soname: [libdarknet_generations.so.1]", dynamic)
        needed = re.findall(r"Shared library: \[([^]]+)\]", dynamic)
        for name in needed:
            self.assertFalse(name.startswith(("libdarknet", "libopencv_imgcodecs", "libjpeg")), needed)
        for program in ("nvidia", "darknet.so"):
            self.assertNotIn(program, output_of("ldd", self.library).replace("libdarknet_generations.so", ""))

    def test_a_c_compiler_builds_the_example_from_the_installed_files(self):
        if shutil.which("pkg-config") is None:
            self.skipTest("pkg-config is missing: install pkg-config")
        environment = {**self.environment(), "PKG_CONFIG_PATH": os.path.join(self.prefix, "lib", "pkgconfig")}
        environment.pop("LD_PRELOAD", None)
        flags = output_of("pkg-config", "--cflags", "--libs", "darknet_generations", env=environment).split()
        self.assertIn(f"-I{self.prefix}/lib/pkgconfig/../../include", flags)
        source = os.path.join(self.prefix, "share/doc/libdarknet-generations-dev/examples/classify.c")
        subprocess.run(["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", source, "-o",
                        self.path("classify"), *flags, "-Wl,--allow-shlib-undefined"], check=True, env=environment)
        paths = [f"{index:02}.ppm" for index in range(IMAGES)]
        out = output_of(self.path("classify"), *self.network, self.names, *paths, cwd=self.folder,
                        env=self.environment())
        wanted = self.run_darknet("classifier", "predict", "fashion.data", *self.network, *paths).stdout
        self.assert_nearly(out, wanted)
        done = subprocess.run([self.path("classify"), "none.cfg", "none.weights", self.names, paths[0]],
                              cwd=self.folder, env=self.environment(), capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "dng_load: none.cfg: the cfg cannot be read: No such file or directory; check "
                         "the path\n")

    def assert_nearly(self, out, wanted):
        """The same lines, but for the last digit of percentages."""
        found, expected = out.splitlines(), wanted.splitlines()
        self.assertEqual(len(found), len(expected))
        self.assertEqual(len(found), 6 * IMAGES)
        for one, other in zip(found, expected, strict=True):
            if "%: " not in one:
                self.assertEqual(one.rpartition(".")[0], other.rpartition(".")[0])
                continue
            (share, name), (other_share, other_name) = one.split("%: "), other.split("%: ")
            self.assertAlmostEqual(float(share), float(other_share), delta=0.011)
            if float(share) > 0.02:
                self.assertEqual(name, other_name)

    def test_the_example_in_python(self):
        if importlib.util.find_spec("PIL") is None:
            self.skipTest("Pillow is missing: install python3-pil")
        paths = [f"{index:02}.png" for index in range(IMAGES)]
        script = os.path.join(self.prefix, "share/doc/libdarknet-generations-dev/examples/classify.py")
        out = output_of(sys.executable, script, *self.network, self.names, *paths, cwd=self.folder,
                        env=self.environment())
        self.assert_nearly(out, self.run_darknet("classifier", "predict", "fashion.data", *self.network, *paths).stdout)

    def test_python_threads_share_a_classifier(self):
        if importlib.util.find_spec("PIL") is None:
            self.skipTest("Pillow is missing: install python3-pil")
        if "LD_PRELOAD" in self.environment():
            self.skipTest("this Python was not started with the sanitizer")
        os.environ["DARKNET_GENERATIONS_SO"] = self.library
        spec = importlib.util.spec_from_file_location("classify", os.path.join(ROOT, "examples", "classify.py"))
        example = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(example)
        with self.assertRaisesRegex(RuntimeError, "none.cfg: the cfg cannot be read"):
            example.Classifier("none.cfg", "none.weights")
        classifier = example.Classifier(*self.network, self.names)
        pictures = [example.picture(self.path(f"{index:02}.png")) for index in range(IMAGES)]
        found = [None] * 4

        def run(place):
            found[place] = classifier.classify(pictures, threads=2)

        threads = [threading.Thread(target=run, args=(place,)) for place in range(len(found))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertTrue(all(rows == found[0] for rows in found))
        wanted = self.predicted(*(f"{index:02}.png" for index in range(IMAGES)))
        worst = 0
        for row, answer in zip(found[0], wanted, strict=True):
            for entry in answer["top"]:
                worst = max(worst, abs(row[entry["class"]] - entry["probability"]))
                self.assertEqual(classifier.names[entry["class"]], entry["name"])
        self.assertLess(worst, 1e-5)
        self.assertGreater(max(row[0] for row in found[0]) - min(row[0] for row in found[0]), 1e-3)
        with self.assertRaisesRegex(RuntimeError, "image 1: "):
            classifier.classify([pictures[0], (0, 5, b"")])
        self.assertEqual(classifier.library.dng_classify(ctypes.c_void_p(classifier.handle), None, 0, 0, None), 0)
        classifier.close()


if __name__ == "__main__":
    unittest.main()
