"""The curves of trainings as TensorBoard's event files, from the .csv of each."""

import glob
import os
import sys

from .errors import Failure

TAGS = {"train_loss": "loss/training cost", "valid_loss": "loss/validation cross entropy",
        "train_top1": "top-1/training", "valid_top1": "top-1/validation", "valid_topk": "top-k/validation",
        "rate": "learning rate"}


def load_tensorboard():
    """(class of writers, module of events, module of summaries); raises Failure where there is no TensorBoard."""
    try:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        advice = f"install it: {sys.executable} -m pip install tensorboard"
        raise Failure(f"{sys.executable} cannot import tensorboard ({error}); {advice}") from error
    return EventFileWriter, event_pb2, summary_pb2


class Events:
    """Of one training, in a folder of their own; written again from the beginning, then as epochs are added."""

    def __init__(self, generation, folder):
        self.writer_kind, self.event_pb2, self.summary_pb2 = load_tensorboard()
        self.generation, self.folder, self.writer, self.last = generation, folder, None, 0

    def update(self):
        """Writes the epochs that are new; returns their number."""
        curve = self.generation.curve()
        rows = [(epoch, row) for epoch, row in sorted(curve.items()) if epoch > self.last]
        if not rows:
            return 0
        if self.writer is None:
            for path in glob.glob(os.path.join(glob.escape(self.folder), "events.out.tfevents.*")):
                os.unlink(path)
            self.writer = self.writer_kind(self.folder)
        # The end of the training less the seconds of the later epochs.
        time = os.path.getmtime(self.generation.path(".csv")) - sum(row.get("seconds") or 0 for _, row in rows)
        for epoch, row in rows:
            time += row.get("seconds") or 0
            values = [self.summary_pb2.Summary.Value(tag=tag, simple_value=row[key])
                      for key, tag in TAGS.items() if row.get(key) is not None]
            self.writer.add_event(self.event_pb2.Event(wall_time=time, step=epoch,
                                                       summary=self.summary_pb2.Summary(value=values)))
        self.writer.flush()
        self.last = rows[-1][0]
        return len(rows)

    def close(self):
        if self.writer:
            self.writer.close()


def events_of(folders, root, out):
    """One for each training of the runs in `root`, below `out`."""
    found = []
    for folder in folders:
        name = os.path.relpath(folder.path, root)
        for generation in folder.generations:
            below = os.path.normpath(os.path.join(out, name, f"seed{generation.seed}", generation.name))
            found.append(Events(generation, below))
    return found
