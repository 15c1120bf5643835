#!/usr/bin/env python3
"""Text files as editors of Windows write them, with a byte order mark and CRLF, mean the same to every verb.

/usr/bin/python3 tests/cli/windows_text_test.py -v
"""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import RunTest, TSD, distill, fashion_image, fashion_network, write_fashion, write_png


class WindowsText(RunTest):
    def files(self):
        """Every text file that the program reads, in a folder of its own; the networks are small ones."""
        lists = {name: "".join(f"images/{index}_lbl{label}x.png {label}\n" for index, label in self.labels[at])
                 for name, at in (("train.txt", slice(40)), ("valid.txt", slice(40, 60)))}
        return {
            "set.data": "# a comment\nclasses=10\ntrain=train.txt\nvalid=valid.txt\nbackup=backup\nlabels=labels.txt\n"
                        "names=names.txt\nsuperclasses=supers.txt\nclass_weights=weights.txt\n",
            **lists,
            "labels.txt": "".join(f"lbl{label}x\n" for label in range(10)),
            "names.txt": "".join(f"number {label}\n" for label in range(10)),
            "supers.txt": "".join(f"{label % 3}\n" for label in range(10)),
            "weights.txt": "".join(f"{1 + label % 2}\n" for label in range(10)),
            "teacher.cfg": fashion_network(TSD, batch=10, epochs=2),
            "student.cfg": fashion_network(distill("teacher.cfg", "backup/teacher_final.weights"), batch=10, epochs=2),
            "logits.csv": "1,0.5,-1,2\n\n0,1,2,3\n",
        }

    def results(self, form):
        self.write_all(form)
        words = ("-threads", 1, "-nogpu")
        for cfg in ("teacher.cfg", "student.cfg"):
            self.run_darknet("classifier", "train", "set.data", cfg, "-restart", *words)
        found = [self.read("backup", name + "_final.weights") for name in ("teacher", "student")]
        rest = ("set.data", "student.cfg", "backup/student_final.weights")
        for verb, *more in (("valid", "-classes"), ("inspect",), ("predict", "images/1_lbl2x.png")):
            path = [] if verb == "predict" else ["-json", "out.json"]
            found.append(self.run_darknet("classifier", verb, *rest, *more, *path, *words).stdout)
            found += [self.read(name) for name in path[1:]]
        found.append(self.run_darknet("layer", "softmax", "logits.csv").stdout)
        return found

    def write_all(self, form):
        for name, text in self.files().items():
            self.write(name, form(text))

    def test_results_are_the_same(self):
        write_fashion(self.folder, 1, 60)
        os.makedirs(self.path("images"))
        self.labels = []
        for index in range(60):
            rows, label = fashion_image(index, self.folder)
            self.labels.append((index, label))
            write_png(self.path("images", f"{index}_lbl{label}x.png"), rows, 1)
        unix = self.results(str.encode)
        windows = self.results(lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
        for one, other in zip(unix, windows, strict=True):
            self.assertEqual(one, other)
        self.assertIn("number 3", unix[2])


if __name__ == "__main__":
    unittest.main()
