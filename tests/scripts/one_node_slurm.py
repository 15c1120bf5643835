"""A Slurm of one node in a folder of its own: configuration, key, sockets and ports are its own, too.

Needs root and Debian's packages slurm-wlm and munge; touches no configuration of the machine. The daemons are children
of this process and are ended by their numbers.
"""

import os
import platform
import pwd
import shutil
import socket
import subprocess
import time

WAIT = 60  # seconds
CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=bf_interval=2,batch_sched_delay=0
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE MaxTime=60
PartitionName=high Nodes=ALL PriorityTier=2 PreemptMode=OFF MaxTime=60
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class OneNodeSlurm:
    """`environment`: for the processes that use it."""

    def __init__(self, folder):
        self.folder, self.daemons = folder, []
        self.environment = {**os.environ, "SLURM_CONF": os.path.join(folder, "slurm.conf")}

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_):
        try:
            if self.queue():
                self.ask("scancel", "--me")
            self.wait_for(lambda: not self.queue(), "the queue is empty")
        finally:
            self._end()

    def _start(self):
        os.makedirs(self.folder)
        os.chmod(self.folder, 0o755)
        munge = os.path.join(self.folder, "munge")
        os.makedirs(munge, 0o755)
        key = os.path.join(munge, "key")
        with open(key, "wb") as file:
            file.write(os.urandom(1024))
        user = pwd.getpwnam("munge")
        for path in (munge, key):
            os.chown(path, user.pw_uid, user.pw_gid)
        os.chmod(key, 0o400)
        os.chown(self.folder, user.pw_uid, user.pw_gid)  # the socket and its lock are made there
        self._daemon("munged", "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
                     "munged", "--foreground", f"--socket={self.folder}/munge.socket", f"--key-file={key}",
                     f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed")
        self.wait_for(lambda: os.path.exists(f"{self.folder}/munge.socket"), "munged has a socket")
        ports = free_ports(2)
        with open(self.environment["SLURM_CONF"], "w", encoding="utf-8") as file:
            file.write(CONF.format(host=platform.node().partition(".")[0], folder=self.folder,
                                   controller_port=ports[0], node_port=ports[1]))
        for name in ("state", "spool"):
            os.makedirs(os.path.join(self.folder, name))
        self._daemon("slurmctld", "slurmctld", "-D", "-i")
        self._daemon("slurmd", "slurmd", "-D")
        self.wait_for(lambda: self.ask("sinfo", "-h", "-o", "%T", code=None).split()[:1] == ["idle"],
                      "the node is idle")

    def _daemon(self, name, *command):
        log = open(os.path.join(self.folder, name + ".out"), "wb")
        with log:
            self.daemons.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                 env=self.environment, start_new_session=True))

    def _end(self):
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(WAIT)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def ask(self, *command, code=0):
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=WAIT, check=False)
        if code is not None and done.returncode != code:
            raise AssertionError(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr}")
        return done.stdout

    def queue(self):
        """[(number, state, name)] of the jobs that wait, run or end."""
        lines = self.ask("squeue", "-h", "--me", "-o", "%i|%T|%j").splitlines()
        return [tuple(line.split("|", 2)) for line in lines]

    def job(self, number):
        """{key: value} of a job."""
        words = self.ask("scontrol", "show", "job", number).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait_for(self, condition, what, seconds=WAIT):
        deadline = time.monotonic() + seconds
        while not condition():
            for daemon in self.daemons:
                if daemon.poll() is not None:
                    raise AssertionError(f"{daemon.args[0]} has ended with code {daemon.returncode}, see {self.folder}")
            if time.monotonic() > deadline:
                raise AssertionError(f"not after {seconds} s: {what}")
            time.sleep(0.05)


def missing():
    """Why there can be none here; None where there can."""
    absent = [name for name in ("munged", "slurmctld", "slurmd", "sbatch", "setpriv") if not shutil.which(name)]
    if absent:
        return f"{', '.join(absent)}: not installed (apt-get install slurm-wlm munge)"
    return None if os.getuid() == 0 else "needs root"
