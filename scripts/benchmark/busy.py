"""Training beside a process that never sleeps: spinning threads would starve each other."""

import statistics
import subprocess
import sys

from generations_driver.tables import counted


class Spinner:
    """A process that keeps one core busy; it ends with the block."""

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        return self

    def __exit__(self, *_error):
        self.process.kill()
        self.process.wait()


def measure(program, workload, threads, progress):
    """images/s of training on one and on several threads, beside one busy process, interleaved."""
    def rate(count):
        with progress.showing("train"):
            return program.train(workload.data, workload.cfg, workload.batch, count)["images_per_second"]

    with Spinner():
        rates = progress.run(workload.name, {count: counted(count, "thread") for count in (1, threads)}, rate)
    medians = {count: statistics.median(list_of_rates) for count, list_of_rates in rates.items()}
    return {"network": workload.name, "threads": threads, "one": medians[1], "several": medians[threads],
            "repetitions": {str(count): list_of_rates for count, list_of_rates in rates.items()},
            "holds": medians[threads] >= medians[1]}


def line(result):
    verdict = "stays at or above one thread" if result["holds"] else "FALLS BELOW one thread"
    return (f"{result['network']} beside one busy process: 1 thread {result['one']:.0f} images/s, "
            f"{result['threads']} threads {result['several']:.0f} ({result['several'] / result['one']:.2f}): {verdict}")
