#!/usr/bin/env python3
"""`classifier predict` on many images: lists, folders, standard input, JSON; one bad image does not end the rest.

/usr/bin/python3 tests/cli/predict_test.py -v
"""

import json
import os
import re
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import MadeOnceTest, SOFTMAX, fashion_data, fashion_image, fashion_network, read, write_fashion, \
    write_png

IMAGES = 70  # no multiple of a batch
WORDS = ("classifier", "predict", "fashion.data", "net.cfg", "backup/net_final.weights")


class PredictMany(MadeOnceTest):
    def make(self):
        write_fashion(self.folder, 256, 200)
        self.write("fashion.data", fashion_data(names="names.txt"))
        self.write("names.txt", "".join(f"name {i}\n" for i in range(10)))
        self.write("net.cfg", fashion_network(SOFTMAX, epochs=2))
        os.makedirs(self.path("photos", "deeper"))
        for index in range(IMAGES):
            rows, _ = fashion_image(index, self.folder)
            write_png(self.path(self.name_of(index)), rows, 1)
        self.write("photos/README.txt", "no image\n")
        self.train("net.cfg")

    @staticmethod
    def name_of(index):
        return f"photos/{'deeper/' if index % 3 == 0 else ''}{index:02}.png"

    def names(self):
        return [self.name_of(index) for index in range(IMAGES)]

    def predict_json(self, *words, code=0, **options):
        done = self.run_darknet(*WORDS, *words, "-json", code=code, **options)
        return [json.loads(line) for line in done.stdout.splitlines()], done

    def test_list_folder_images_and_standard_input_give_the_same(self):
        names = self.names()
        by_names = self.run_darknet(*WORDS, *names).stdout
        self.assertEqual(by_names.splitlines()[::6], names)
        self.write("list.txt", "".join(f"{name} {index % 10}\n\n" for index, name in enumerate(names)))
        self.assertEqual(self.run_darknet(*WORDS, "list.txt").stdout, by_names)
        self.assertEqual(self.run_darknet(*WORDS, "-", input="\n".join(names)).stdout, by_names)
        in_folder = self.run_darknet(*WORDS, "photos").stdout
        self.assertEqual(in_folder.splitlines()[::6], sorted(names))
        blocks = [out.splitlines()[i:i + 6] for out in (by_names, in_folder) for i in range(0, 6 * IMAGES, 6)]
        self.assertEqual(sorted(blocks[:IMAGES]), sorted(blocks[IMAGES:]))
        self.assertGreater(len({tuple(block[1:]) for block in blocks}), IMAGES // 2)
        # Several at once, in the order of the command line.
        self.write("short.txt", names[5] + "\n")
        done = self.run_darknet(*WORDS, names[1], "short.txt", "-", names[2], "-t", 1, input=names[3])
        self.assertEqual(done.stdout.splitlines()[::2], [names[1], names[5], names[3], names[2]])

    def test_one_image_alone_has_no_name_and_the_same_classes(self):
        many = self.run_darknet(*WORDS, "photos").stdout.splitlines()
        for name in self.names()[:3]:
            alone = self.run_darknet(*WORDS, name).stdout.splitlines()
            at = many.index(name)
            self.assertEqual([line.split(": ")[1] for line in alone[:2]],
                             [line.split(": ")[1] for line in many[at + 1:at + 3]])
            for one, other in zip(alone, many[at + 1:at + 6], strict=True):
                self.assertAlmostEqual(float(one.split("%")[0]), float(other.split("%")[0]), delta=0.011)
        os.makedirs(self.path("single"), exist_ok=True)
        shutil.copy(self.path(self.name_of(0)), self.path("single", "a.png"))
        self.assertEqual(self.run_darknet(*WORDS, "single", "-t", 1).stdout.splitlines()[0], "single/a.png")

    def test_json_lines(self):
        rows, _ = self.predict_json("photos", "-t", 3)
        text = self.run_darknet(*WORDS, "photos", "-t", 3).stdout.splitlines()
        self.assertEqual(len(rows), IMAGES)
        for row, block in zip(rows, (text[i:i + 4] for i in range(0, len(text), 4)), strict=True):
            self.assertEqual(list(row), ["file", "class", "name", "probability", "top"])
            self.assertEqual(row["file"], block[0])
            self.assertEqual(["%5.2f%%: %s" % (100 * entry["probability"], entry["name"]) for entry in row["top"]],
                             block[1:])
            self.assertEqual({key: row[key] for key in ("class", "name", "probability")}, row["top"][0])
            self.assertEqual(row["name"], f"name {row['class']}")
        alone, _ = self.predict_json(self.name_of(0))
        self.assertEqual((len(alone), alone[0]["file"], len(alone[0]["top"])), (1, self.name_of(0), 5))

    def test_json_counts_what_valid_counts(self):
        paths, labels = [], []
        for index in range(200):
            rows, label = fashion_image(index, self.folder)
            paths.append(f"all{index:03}.png")
            labels.append(label)
            write_png(self.path(paths[-1]), rows, 1)
        rows, _ = self.predict_json("-", "-threads", 3, input="\n".join(paths))
        self.run_darknet("classifier", "valid", *WORDS[2:], "-json", "valid.json")
        hits = sum(row["class"] == label for row, label in zip(rows, labels, strict=True))
        self.assertEqual(hits, json.loads(read(self.path("valid.json")))["top1_count"])

    def test_results_do_not_depend_on_threads(self):
        one = self.run_darknet(*WORDS, "photos", "-json", "-threads", 1).stdout
        for threads in (2, 5):
            self.assertEqual(self.run_darknet(*WORDS, "photos", "-json", "-threads", threads).stdout, one)

    def test_bad_images_do_not_end_the_rest(self):
        names = self.names()
        broken = self.write("broken.png", read(self.path(names[0]))[:-20])
        words = [names[0], "none.png", os.path.basename(broken), names[1]]
        good, _ = self.predict_json(names[0], names[1])
        rows, done = self.predict_json(*words, code=1)
        self.assertEqual([row["file"] for row in rows], words)
        self.assertIn("none.png: image cannot be read: No such file or directory", rows[1]["error"])
        self.assertIn("truncated PNG", rows[2]["error"])
        self.assertEqual([list(row) for row in rows[1:3]], [["file", "error"]] * 2)
        for found, wanted in zip((rows[0], rows[3]), good, strict=True):
            self.assertEqual(found["class"], wanted["class"])
            self.assertAlmostEqual(found["probability"], wanted["probability"], places=5)
        self.assert_one_line(done, "2 of 4 images were not classified; their lines have the errors")
        # As text the names stay in order, the errors are on stderr.
        done = self.run_darknet(*WORDS, *words, "-t", 1, code=1)
        lines = done.stdout.splitlines()
        self.assertEqual([line for line in lines if "%" not in line], words)
        self.assertEqual([bool(re.search("%", line)) for line in lines], [False, True, False, False, False, True])
        self.assertEqual(len(done.stderr.splitlines()), 2, done.stderr)
        self.assertIn("darknet: none.png: image cannot be read", done.stderr)

    def test_session_answers_as_json(self):
        rows, _ = self.predict_json("-t", 1, input=f"{self.name_of(0)}\nmissing.png\n", code=1)
        self.assertEqual([row["file"] for row in rows], [self.name_of(0), "missing.png"])
        self.assertIn("error", rows[1])

    def test_a_file_name_that_json_must_escape(self):
        odd = 'odd "name"\t\\.png'
        shutil.copy(self.path(self.name_of(0)), self.path(odd))
        rows, _ = self.predict_json(odd, self.name_of(0))
        self.assertEqual(rows[0]["file"], odd)
        self.assertEqual(rows[0]["top"], rows[1]["top"])

    def test_what_has_no_images_is_refused_before_the_work(self):
        os.makedirs(self.path("empty"), exist_ok=True)
        self.write("blank.txt", "\n\n")
        for words, parts, options in (
                (["empty"], ["empty: the folder has no images"], {}),
                (["blank.txt"], ["blank.txt: the list has no paths", "one a line"], {}),
                (["-"], ["standard input: the list has no paths"], {"input": ""})):
            done = self.run_darknet(*WORDS, *words, code=1, **options)
            self.assert_one_line(done, *parts)
            self.assertEqual(done.stdout, "")

    def test_an_evaluation_does_not_load_darknet(self):
        log = self.run_darknet(*WORDS, self.name_of(0), env={**os.environ, "LD_DEBUG": "files",
                                                             "LD_DEBUG_OUTPUT": self.path("ld")})
        self.assertIn("%", log.stdout)
        files = [name for name in os.listdir(self.folder) if name.startswith("ld.")]
        # One process: the program does not restart itself.
        self.assertEqual(len(files), 1, files)
        text = read(self.path(files[0])).decode(errors="replace")
        self.assertIn("libdnnl", text)
        for name in ("libdarknet.so", "libdark.so", "libopencv_highgui"):
            self.assertNotIn(name, text)


if __name__ == "__main__":
    unittest.main()
