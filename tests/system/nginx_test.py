"""The edge behind a real nginx, by compose/deploy/nginx/shina.conf: requests, feeds, WebSockets, and
whose address counts.

    python3 nginx_test.py SHINA SOURCE_DIR

SPDX-License-Identifier: Apache-2.0
"""
import base64
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import unittest

from running import Running, make_certificate

SOURCE = pathlib.Path(sys.argv.pop(2))
SHINA = sys.argv.pop(1)
PROXY, CLIENT = "127.0.0.1", "127.0.0.2"  # a client from the proxy's own address would be taken for one
PROGRAM = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
ANSWER_S = 20


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Nginx(Running):
    source = PROXY

    @classmethod
    def setUpClass(cls):
        cls.make_folder()
        cls.certificate, cls.key = make_certificate(cls.folder, "one")
        cls.start(SHINA, SHINA_TRUSTED_PROXIES=PROXY, SHINA_RATE_ANONYMOUS="60")
        cls.start_nginx(cls.folder)
        cls.wait_until(lambda: cls.ask("GET", "/readyz")[0] == 200)

    @classmethod
    def start_nginx(cls, folder):
        """The file as it is, but for what is of this test: ports and the certificate."""
        cls.edge, cls.port = cls.port, free_port()
        site = (SOURCE / "compose/deploy/nginx/shina.conf").read_text()
        for old, new in (("server 127.0.0.1:8080 ", f"server 127.0.0.1:{cls.edge} "),
                         ("    server 127.0.0.1:8081 max_fails=2 fail_timeout=2s;\n", ""),
                         ("listen 443 ssl", f"listen 127.0.0.1:{cls.port} ssl"),
                         ("/etc/ssl/shina.pem", cls.certificate),
                         ("/etc/ssl/private/shina.key", cls.key)):
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
        super().tearDownClass()

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
