"""A whole shina for the tests in Python: a folder of its own, started, asked for a token, ended.

SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import unittest

TENANT = "11111111-1111-4111-8111-111111111111"
START_S, END_S = 90, 60


class Running(unittest.TestCase):
    """Of a class of tests: folder, env, shina (the process), port and token, from start() to stop()."""

    @classmethod
    def make_folder(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="shina-test-")
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.folder.chmod(0o755)  # its servers run as somebody else

    @classmethod
    def start(cls, program, **settings):
        cls.env = {**os.environ, "SHINA_HOME": str(cls.folder / "home"), "SHINA_HTTP": "127.0.0.1:0", **settings}
        cls.log = open(cls.folder / "log", "w+")
        cls.shina = subprocess.Popen([program, "run"], stdout=subprocess.PIPE, stderr=cls.log, text=True,
                                     env=cls.env, cwd="/")
        for line in cls.shina.stdout:
            if found := re.search(r"open +https?://127\.0\.0\.1:(\d+)/docs", line):
                cls.port = int(found[1])
                break
        else:
            cls.log.seek(0)
            raise RuntimeError(f"it does not start: {cls.log.read()}")
        cls.token = subprocess.run([program, "token", "--tenant", TENANT, "--role", "ADMIN"], env=cls.env,
                                   check=True, capture_output=True, text=True).stdout.strip()

    @staticmethod
    def wait_until(is_ready):
        until = time.monotonic() + START_S
        while not is_ready():
            if time.monotonic() > until:
                raise RuntimeError("it does not get ready")
            time.sleep(0.2)

    @classmethod
    def tearDownClass(cls):
        cls.shina.send_signal(signal.SIGTERM)
        code = cls.shina.wait(END_S)
        cls.log.close()
        cls.shina.stdout.close()
        cls.temporary.cleanup()
        assert code == 0, code

    @staticmethod
    def read_until(s, wanted):
        """What comes, up to that or the end."""
        found = b""
        while wanted not in found:
            chunk = s.recv(65536)
            if not chunk:
                break
            found += chunk
        return found


def make_certificate(folder, name):
    """A certificate of 127.0.0.1 that signs itself, and its key: their files."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    return str(certificate), str(key)
