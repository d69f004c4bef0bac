"""Processes and folders of `make bench`.

Whatever is started or made here is stopped and removed when the program ends, however it ends.
SPDX-License-Identifier: Apache-2.0
"""
import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SAID_MAX = 2000  # characters of what a program that failed has said
STOP_S = 60  # a process that was told to end is killed after so long


class Failed(Exception):
    """A part cannot go on; the others can."""


class Scratch:
    """Processes and folders of this run, the last ones first out."""

    def __init__(self):
        self.processes, self.folders = [], []

    def folder(self):
        path = tempfile.mkdtemp(prefix="shina-bench-")
        os.chmod(path, 0o755)
        self.folders.append(path)
        return path

    def start(self, args, **options):
        """A group of its own: a Ctrl-C at the terminal reaches us alone, and we end it in order."""
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(args, start_new_session=True, **options)
        self.processes.append(process)
        return process

    def run(self, args, **options):
        """As subprocess.run(check=True) with its output, but ended with us. Returns (out, err)."""
        process = self.start(args, text=True, stdout=subprocess.PIPE, **options)
        out, err = process.communicate()
        self.processes.remove(process)
        if process.returncode != 0:
            said = f"{out}{err or ''}"[-SAID_MAX:]
            raise Failed(f"{' '.join(args[:2])} failed ({process.returncode}):\n{said}")
        return out, err

    def end(self, process):
        if process not in self.processes:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.remove(process)

    def remove(self, folder):
        shutil.rmtree(folder, ignore_errors=True)
        self.folders.remove(folder)

    def end_but(self, kept):
        """All processes but those; after a part that failed."""
        for process in [p for p in reversed(self.processes) if p not in kept]:
            self.end(process)

    def end_all(self):
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)  # whoever is impatient waits until it is clean
        for process in reversed(list(self.processes)):
            self.end(process)
        for folder in list(self.folders):
            self.remove(folder)


scratch = Scratch()
atexit.register(scratch.end_all)
for number in ENDING:
    signal.signal(number, lambda n, _: sys.exit(128 + n))
