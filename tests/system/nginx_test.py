"""The edge behind a real nginx, by compose/deploy/nginx/shina.conf: requests, feeds, WebSockets, and
whose address counts.

    python3 nginx_test.py SHINA SOURCE_DIR

SPDX-License-Identifier: Apache-2.0
"""
import base64
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(sys.argv.pop(2))
SHINA = sys.argv.pop(1)
TENANT = "11111111-1111-4111-8111-111111111111"
PROXY, CLIENT = "127.0.0.1", "127.0.0.2"  # a client from the proxy's own address would be taken for one
PROGRAM = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
ANSWER_S = 20


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Nginx(unittest.TestCase):
    source = PROXY

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="shina-nginx-")
        folder = pathlib.Path(cls.folder.name)
        os.chmod(folder, 0o755)
        cls.certificate = folder / "one.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-keyout", folder / "one.key", "-out", cls.certificate, "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
                       check=True, capture_output=True)
        cls.env = {**os.environ, "SHINA_HOME": str(folder / "home"), "SHINA_HTTP": "127.0.0.1:0",
                   "SHINA_TRUSTED_PROXIES": PROXY, "SHINA_RATE_ANONYMOUS": "60"}
        cls.log = open(folder / "log", "w+")
        cls.shina = subprocess.Popen([SHINA, "run"], stdout=subprocess.PIPE, stderr=cls.log, text=True,
                                     env=cls.env, cwd="/")
        for line in cls.shina.stdout:
            if found := re.search(r"open +http://127\.0\.0\.1:(\d+)/docs", line):
                cls.edge = int(found[1])
                break
        else:
            cls.log.seek(0)
            raise RuntimeError(f"it does not start: {cls.log.read()}")
        cls.token = subprocess.run([SHINA, "token", "--tenant", TENANT, "--role", "ADMIN"], env=cls.env,
                                   check=True, capture_output=True, text=True).stdout.strip()
        cls.start_nginx(folder)
        until = time.monotonic() + 60
        while cls.ask("GET", "/readyz")[0] != 200:
            if time.monotonic() > until:
                raise RuntimeError("it does not get ready")
            time.sleep(0.2)

    @classmethod
    def start_nginx(cls, folder):
        """The file as it is, but for what is of this test: ports and the certificate."""
        cls.port = free_port()
        site = (SOURCE / "compose/deploy/nginx/shina.conf").read_text()
        for old, new in (("server 127.0.0.1:8080 ", f"server 127.0.0.1:{cls.edge} "),
                         ("    server 127.0.0.1:8081 max_fails=2 fail_timeout=2s;\n", ""),
                         ("listen 443 ssl", f"listen 127.0.0.1:{cls.port} ssl"),
                         ("/etc/ssl/shina.pem", str(cls.certificate)),
                         ("/etc/ssl/private/shina.key", str(folder / "one.key"))):
            assert site.count(old) == 1, old
            site = site.replace(old, new)
        (folder / "site.conf").write_text(site)
        (folder / "nginx.conf").write_text(
            f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
            "events {}\nhttp { access_log off;\n" + "".join(
                f"{name}_temp_path {folder}/{name};\n"
                for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")) +
            f"include {folder}/site.conf; }}\n")
        cls.nginx = subprocess.Popen([PROGRAM, "-c", folder / "nginx.conf", "-e", folder / "error.log"])

    @classmethod
    def tearDownClass(cls):
        cls.nginx.send_signal(signal.SIGQUIT)
        cls.nginx.wait(30)
        cls.shina.send_signal(signal.SIGTERM)
        code = cls.shina.wait(60)
        cls.shina.stdout.close()
        cls.log.close()
        cls.folder.cleanup()
        assert code == 0, code

    @classmethod
    def connect(cls):
        context = ssl.create_default_context(cafile=cls.certificate)
        plain = socket.create_connection(("127.0.0.1", cls.port), timeout=ANSWER_S,
                                         source_address=(cls.source, 0))
        return context.wrap_socket(plain, server_hostname="127.0.0.1")

    @classmethod
    def ask(cls, method, path, body=None, *lines):
        text = "" if body is None else json.dumps(body)
        head = [f"{method} {path} HTTP/1.1", "Host: shina.example", "Connection: close",
                f"Authorization: Bearer {cls.token}", "Content-Type: application/json",
                f"Content-Length: {len(text)}", *lines]
        try:
            with cls.connect() as s:
                s.sendall(("\r\n".join(head) + "\r\n\r\n" + text).encode())
                answer = b""
                while chunk := s.recv(65536):
                    answer += chunk
        except ConnectionError:
            return 0, ""
        return int(answer.split()[1]), answer.decode()

    def hire(self, phone):
        status, answer = self.ask("POST", "/api/v1/drivers", {"full_name": "By Proxy", "phone_e164": phone})
        self.assertEqual(status, 201, answer)

    @staticmethod
    def read_until(s, wanted):
        found = b""
        while wanted not in found:
            chunk = s.recv(65536)
            if not chunk:
                break
            found += chunk
        return found

    def test_requests(self):
        self.hire("+79160000001")
        status, answer = self.ask("GET", "/api/v1/drivers")
        self.assertEqual(status, 200, answer)
        self.assertIn("Strict-Transport-Security", answer)

    def test_a_feed(self):
        with self.connect() as s:
            s.sendall(f"GET /api/v1/events/drivers HTTP/1.1\r\nHost: shina.example\r\nAccept: "
                      f"text/event-stream\r\nAuthorization: Bearer {self.token}\r\n\r\n".encode())
            self.assertIn(b"200 OK", self.read_until(s, b"\r\n\r\n"))
            self.hire("+79160000002")
            self.assertIn(b"drivers.hired.v1", self.read_until(s, b"drivers.hired.v1"))

    def test_a_socket(self):
        with self.connect() as s:
            key = base64.b64encode(os.urandom(16)).decode()
            s.sendall(f"GET /api/v1/events/drivers HTTP/1.1\r\nHost: shina.example\r\nUpgrade: websocket\r\n"
                      f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
                      f"Authorization: Bearer {self.token}\r\n\r\n".encode())
            self.assertIn(b"101 Switching Protocols", self.read_until(s, b"\r\n\r\n"))
            self.hire("+79160000003")
            self.assertIn(b"drivers.hired.v1", self.read_until(s, b"drivers.hired.v1"))

    def test_whose_address_counts(self):
        """What a client invents is not believed: all of it comes from here, and is held off together."""
        self.addCleanup(setattr, Nginx, "source", PROXY)
        Nginx.source = CLIENT
        self.assertEqual(self.ask("GET", "/metrics")[0], 403)
        told = [self.ask("GET", "/openapi.json", None, f"X-Forwarded-For: 203.0.113.{i}")[0]
                for i in range(90)]
        self.assertIn(429, told)
        self.hire("+79160000009")
        for _ in range(200):  # moments later it is noted
            status, answer = self.ask("GET", "/api/v1/audit?type=drivers.hire&limit=1")
            self.assertEqual(status, 200, answer)
            if CLIENT in answer:
                break
            time.sleep(0.05)
        self.assertIn(CLIENT, answer)


unittest.main(verbosity=2)
