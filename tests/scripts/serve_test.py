#!/usr/bin/env python3
"""The page of `generations.py serve`: its numbers, what it does not hand out, and, where Selenium, axe and Chromium are
installed (`make test-deploy`), the page in a browser. DNG_SCREENSHOTS names a folder for pictures of it.

/usr/bin/python3 tests/scripts/serve_test.py -v
"""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import unittest

from generations_support import SCRIPT, Case

from generations_driver.folder import Folder

try:
    from axe_selenium_python import Axe
    from selenium import webdriver
except ImportError:
    webdriver = None
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


class ServeCase(Case):
    def begin(self):
        """A run that has trained nothing yet."""
        folder = Folder("runs/trial", self.experiment())
        os.makedirs(folder.path)
        folder.prepare()
        folder.write("run a.ini")

    def serve(self, folder="runs/trial"):
        self.server = subprocess.Popen([sys.executable, SCRIPT, "serve", folder, "--port", "0"], text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment)
        self.addCleanup(self.stop)
        line = self.server.stdout.readline()
        found = re.fullmatch(r"http://(127\.0\.0\.1):(\d+)/ shows \S+; Ctrl-C ends it\n", line)
        self.assertTrue(found, line)
        self.address = found[1], int(found[2])

    def stop(self):
        self.server.terminate()
        self.server.communicate(timeout=60)

    def ask(self, path, method="GET", host=None):
        """(status, headers, content); the path is sent as it is."""
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        self.addCleanup(connection.close)
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host or "%s:%d" % self.address)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def state(self):
        status, _, content = self.ask("/state.json")
        self.assertEqual(status, 200, content)
        return json.loads(content)["runs"]


class ServeTest(ServeCase):
    def test_the_numbers_are_those_of_the_run(self):
        self.run_driver("run", "a.ini", "--set", "experiment.baseline=0")
        self.serve()
        run, = self.state()
        summary = json.loads(self.read("runs/trial/summary.json"))
        self.assertEqual([(row["seed"], row["generation"], row["top1"]) for row in run["rows"]],
                         [(row["seed"], row["generation"], row["last"]["top1"]) for row in summary["runs"]])
        self.assertEqual({row["state"] for row in run["rows"]}, {"done"})
        self.assertEqual(run["generations"][1]["top1"], summary["mean"][1]["last"]["top1"])
        self.assertEqual([curve["epoch"] for curve in run["curves"]], [[1, 2, 3]] * 6)
        self.assertAlmostEqual(sum(run["confidence"][0]["shares"]), 100)
        image = run["examples"][0]["image"]
        status, headers, content = self.ask("/" + image)
        self.assertEqual((status, headers["Content-Type"], content[:4]), (200, "image/png", b"\x89PNG"))
        self.assertEqual(self.ask("/" + run["report"])[0], 200)
        page = self.ask("/")[2].decode()
        self.assertIsNone(re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|<script src|<link rel=\"style", page))

    def test_an_interrupted_run(self):
        self.run_driver("run", "a.ini", "--set", "experiment.seeds=1", code=1, FAKE_FAIL="student2")
        self.write("runs/trial/seed1/student2.csv", "epoch,iteration,train_loss,train_top1,valid_loss,valid_top1,"
                   "valid_topk,rate,seconds\n1,10,1,0.5,1,0.25,0.5,0.1,2\n")
        self.serve()
        rows = {row["generation"]: row for row in self.state()[0]["rows"]}
        self.assertEqual(rows["student1"]["state"], "done")
        self.assertEqual([rows["student2"][key] for key in ("state", "epoch", "epochs", "top1")],
                         ["failed", 1, 3, 0.25])
        # The numbers are those of now, not of the start.
        os.rename("runs/trial/seed1/student2.csv", "elsewhere.csv")
        self.assertNotEqual({row["generation"]: row for row in self.state()[0]["rows"]}["student2"], rows["student2"])

    def test_nothing_but_pictures_tables_and_reports_of_the_folder(self):
        self.begin()
        self.write("secret.png", "secret")
        self.write("runs/trial-other/secret.png", "secret")
        for name in ("report.md", "seed1/student1_final.weights", ".hidden.png"):
            self.write("runs/trial/" + name, "content")
        os.symlink(os.path.abspath("secret.png"), "runs/trial/link.png")
        self.serve()
        self.assertEqual(self.ask("/files/report.md")[2], b"content")
        for path in ("/files/../secret.png", "/files/..%2f..%2fsecret.png", "/files/%2e%2e/%2e%2e/secret.png",
                     "/files/../trial-other/secret.png", "/files//" + os.path.abspath("secret.png"), "/files/link.png",
                     "/files/" + os.path.abspath("secret.png"), "/files/seed1/..\\..\\secret.png", "/../secret.png",
                     "/files/seed1", "/files/", "/files/.hidden.png", "/files/seed1/student1_final.weights",
                     "/files/seed1/student1.cfg", "/files/a%00.png", "/secret.png", "//secret.png"):
            status, _, content = self.ask(path)
            self.assertEqual((status, content), (404, b"not found\n"), path)

    def test_other_hosts_and_other_methods(self):
        self.begin()
        self.serve()
        port = self.address[1]
        for host in (f"localhost:{port}", "127.0.0.1", "localhost"):
            self.assertEqual(self.ask("/state.json", host=host)[0], 200, host)
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", f"0.0.0.0:{port}"):
            self.assertEqual(self.ask("/state.json", host=host)[0], 421, host)
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            self.assertEqual(self.ask("/state.json", method)[0], 501, method)
        status, headers, content = self.ask("/", "HEAD")
        self.assertEqual((status, content), (200, b""))
        self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        listening = [line.split()[1] for line in self.read("/proc/net/tcp").splitlines() if line.split()[3] == "0A"]
        self.assertIn("0100007F:%04X" % port, listening)
        self.assertNotIn("00000000:%04X" % port, listening)

    def test_refusals(self):
        self.assertIn("not a run's folder", self.run_driver("serve", ".", code=1).stderr)
        self.begin()
        self.serve()
        for port, words in ((self.address[1], "cannot listen"), (70000, "--port 70000")):
            self.assertIn(words, self.run_driver("serve", "runs/trial", "--port", str(port), code=1).stderr)


@unittest.skipIf(webdriver is None, "axe-selenium-python is missing: make test-deploy installs it")
@unittest.skipUnless(CHROMIUM and DRIVER, "chromium or chromedriver is missing: make test-deploy installs them")
class BrowserTest(ServeCase):
    def open_page(self, width, height):
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
            options.add_argument(word)
        if width < 500:  # narrower than a window can be
            options.add_experimental_option("mobileEmulation", {
                "deviceMetrics": {"width": width, "height": height, "pixelRatio": 1}})
        else:
            options.add_argument(f"--window-size={width},{height}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
        self.addCleanup(browser.quit)
        browser.get("http://%s:%d/" % self.address)
        self.wait_for(lambda: browser.execute_script("return document.querySelectorAll('article').length"))
        return browser

    def test_no_serious_finding_and_no_sideways_scrolling(self):
        self.run_driver("run", "a.ini")
        self.serve(os.environ.get("DNG_SERVED", "runs/trial"))
        for width, height in ((1280, 900), (390, 844)):
            with self.subTest(width=width):
                browser = self.open_page(width, height)
                self.assertEqual([entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"], [])
                self.assertLessEqual(browser.execute_script("return document.documentElement.scrollWidth"), width)
                self.assertTrue(browser.execute_script("return document.querySelectorAll('polyline').length"))
                axe = Axe(browser)
                axe.inject()
                found = axe.run()
                self.assertGreater(len(found["passes"]), 10)
                serious = [(one["id"], one["help"], [node["html"] for node in one["nodes"]][:3])
                           for one in found["violations"] if one["impact"] in ("serious", "critical")]
                self.assertEqual(serious, [])
                # The check finds what is wrong.
                browser.execute_script("document.querySelector('img').removeAttribute('alt')")
                self.assertIn("image-alt", [one["id"] for one in axe.run()["violations"]])
                folder = os.environ.get("DNG_SCREENSHOTS")
                if folder:
                    height = browser.execute_script("return document.documentElement.scrollHeight")
                    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                        "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
                    browser.save_screenshot(os.path.join(folder, f"page-{width}.png"))


if __name__ == "__main__":
    unittest.main()
