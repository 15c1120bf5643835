"""What a step does: it takes a training over or trains, and evaluates, as far as that is not done yet."""

import contextlib
import datetime
import os
import time

from .errors import Failure
from .files import now, remove_leftovers, sha256_file
from .lock import Lock
from .provenance import device_of, provenance
from .summary import shown, top1


class Runner:
    """`reuse`: a Reuse; `workers`: a Workers."""

    def __init__(self, program, workers, reuse, children, monitor):
        self.children, self.reuse, self.monitor = children, reuse, monitor
        self.threads = ["-threads", str(workers.threads)]
        self.origin = {**provenance(program), "threads": workers.threads}

    def run(self, step, gpu=None):
        """Leaves a failure in the step's folder, where status and report find it."""
        generation = step.generation
        with Lock(generation.path(".lock"), generation.path("")) as lock:
            for path in (generation.path(""), *(os.path.splitext(one.path)[0] for one in step.evaluations())):
                remove_leftovers(path)
            generation.forget_failure()
            try:
                self._advance(step, Context(lock, gpu))
            except Failure as failure:
                generation.write_failure(str(failure))
                raise

    def _advance(self, step, context):
        generation = step.generation
        if generation.is_done():
            complete_record(generation)
        elif not self._take_over(step):
            self._train(step, context)
        if generation.cached and os.path.exists(generation.targets):
            os.unlink(generation.targets)
        results = {one.path: self._evaluate(step, one, context) for one in step.evaluations()}
        text = f"{step.title}: done, top-1 {shown(top1(results[generation.look_at('last').path]))} % last epoch"
        best = generation.look_at("best").path
        if best in results:
            text += f", {shown(top1(results[best]))} % best epoch ({generation.best_epoch()})"
        self.monitor.finish(step, text)

    def _evaluate(self, step, evaluation, context):
        """The result of an evaluation, the saved one where there is one."""
        result = evaluation.result()
        if result is not None:
            return result
        os.makedirs(os.path.dirname(evaluation.path), exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(evaluation.answer)
        what = f"{step.title}: classifier {evaluation.verb}"
        self.children.run([*evaluation.arguments, *self.threads], step.generation.log, what, context)
        return evaluation.save()

    def _train(self, step, context):
        """Trains what is not done yet, with a record of what it began with and how long it took."""
        generation = step.generation
        arguments = [*generation.train_arguments, *self.threads, *context.gpu_words, "-resume", "-dont_show"]
        record = generation.record() if generation.traces() else None
        if record:
            generation.check_teacher(record)  # the teacher may have been trained again just now
        teacher = generation.teacher
        record = record or {
            "generation": generation.name, "seed": generation.seed, **generation.identity(),
            "teacher_sha256": sha256_file(teacher.final) if teacher else None, "begun": now(), "wall_seconds": 0.0,
        }
        record.pop("taken_from", None)  # reusing another training was interrupted
        record["command"] = [self.children.program, *arguments]
        origins = record.setdefault("provenance", [])
        if not origins or {**origins[-1], "device": None} != {**self.origin, "device": None}:
            origins.append(self.origin)  # a resumed training may go on with another version, or elsewhere
        generation.write_record(record)
        started = time.monotonic()
        try:
            if generation.cached and not os.path.exists(generation.targets):
                words = [*generation.targets_arguments, *self.threads, *context.gpu_words]
                self.children.run(words, generation.log, f"{step.title}: classifier targets", context)
            with self.monitor.training(step):
                self.children.run(arguments, generation.log, step.title, context, watched=True)
        finally:
            record["wall_seconds"] = round(record.get("wall_seconds", 0.0) + time.monotonic() - started, 1)
            origins[-1] = {**origins[-1], "device": device_of(generation.log)}
            generation.write_record(record)
        if not os.path.exists(generation.final):
            raise Failure(f"{generation.final}: the training ended without writing it; log: {generation.log}")
        generation.write_record({**record, "finished": now()})

    def _take_over(self, step):
        """Copies the training from another run, unless its own was begun."""
        generation = step.generation
        begun = generation.traces() and not (generation.record() or {}).get("taken_from")
        origin = None if begun or not step.folder.experiment.reuse else self.reuse.take(generation)
        if origin:
            self.monitor.say(f"{step.title}: reused from {origin}")
        return bool(origin)


def complete_record(generation):
    """Of a training that ended after its driver was killed."""
    record = generation.record()
    if "finished" in record:
        return
    if record.get("provenance"):
        record["provenance"][-1]["device"] = device_of(generation.log)
    ended = datetime.datetime.fromtimestamp(os.path.getmtime(generation.final))
    generation.write_record({**record, "finished": ended.isoformat(timespec="seconds")})


class Context:
    """What the processes of a step share: its lock, and its GPU if it has one for itself."""

    def __init__(self, lock, gpu):
        self.lock = lock
        self.environment = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        # The only one that is visible; named, so that a GPU that is missing is an error and not a training on the CPU.
        self.gpu_words = [] if gpu is None else ["-gpus", "0"]
