"""The edge over TLS: requests, feeds, WebSockets, what is refused, and CORS from configuration.

    python3 tls_test.py SHINA

A certificate is made for the occasion, and a whole shina started with it.
SPDX-License-Identifier: Apache-2.0
"""
import base64
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import unittest
import warnings

from running import START_S, Running, make_certificate

SHINA = sys.argv.pop(1)
ORIGIN = "https://panel.example"
VEHICLE = {"plate": "A123BC77", "vin": "XTA210990Y1234567", "odometer_m": 1000,
           "specs": {"class": "VAN", "payload_g": 1500000, "cargo_ml": 9000000, "tank_ml": 80000,
                     "fuel": "DIESEL", "norm_summer_ml_100km": 9500, "norm_winter_ml_100km": 10500,
                     "wear_kop_km": 350, "fixed_kop_day": 250000}}
ANSWER_S = 20


class Tls(Running):
    @classmethod
    def setUpClass(cls):
        cls.make_folder()
        cls.certificate, cls.key = make_certificate(cls.folder, "one")
        cls.other_certificate, cls.other_key = make_certificate(cls.folder, "other")
        os.chmod(cls.key, 0o644)
        cls.start(SHINA, SHINA_TLS_CERTIFICATE=cls.certificate, SHINA_TLS_KEY=cls.key,
                  SHINA_CORS_ORIGINS=f"https://other.example,{ORIGIN}", SHINA_RATE_ANONYMOUS="0")
        cls.wait_until(lambda: cls.ask("GET", "/readyz")[0] == 200)

    @classmethod
    def connect(cls, **bounds):
        context = ssl.create_default_context(cafile=cls.certificate)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old versions are what is tried
            for name, value in bounds.items():
                setattr(context, name, value)
        plain = socket.create_connection(("127.0.0.1", cls.port), timeout=ANSWER_S)
        return context.wrap_socket(plain, server_hostname="127.0.0.1")

    @classmethod
    def ask(cls, method, path, body=None, **headers):
        """Status, headers by their names in small letters, body; over a connection of its own."""
        text = "" if body is None else json.dumps(body)
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close",
                 f"Content-Length: {len(text)}"]
        if body is not None:
            lines.append("Content-Type: application/json")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        with cls.connect() as s:
            s.sendall(("\r\n".join(lines) + "\r\n\r\n" + text).encode())
            answer = b""
            while chunk := s.recv(65536):
                answer += chunk
        head, _, rest = answer.decode().partition("\r\n\r\n")
        first, *others = head.split("\r\n")
        found = dict(line.lower().split(": ", 1) for line in others)
        return int(first.split()[1]), found, rest

    def bearer(self):
        return f"Bearer {self.token}"

    def test_a_key_that_all_can_read_is_told(self):
        told = [json.loads(line)["file"] for line in (self.folder / "log").read_text().splitlines()
                if "keys.readable_by_all" in line]
        self.assertEqual(told, [self.key])  # and none of those that it has made itself

    def test_requests(self):
        status, headers, body = self.ask("POST", "/api/v1/vehicles", VEHICLE, Authorization=self.bearer())
        self.assertEqual(status, 201, body)
        self.assertEqual(headers["strict-transport-security"], "max-age=31536000")
        status, _, body = self.ask("GET", "/api/v1/vehicles", Authorization=self.bearer(),
                                   X_After=json.loads(body)["position"])
        self.assertEqual(status, 200)
        self.assertIn("A123BC77", body)

    def test_only_what_has_forward_secrecy(self):
        for suite in ("AES128-GCM-SHA256", "AES128-SHA", "ECDHE-RSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256"):
            context = ssl.create_default_context(cafile=self.certificate)
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(f"{suite}:@SECLEVEL=0")
            with self.assertRaises((ssl.SSLError, ConnectionError), msg=suite):
                with socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_S) as plain:
                    context.wrap_socket(plain, server_hostname="127.0.0.1")
        with self.connect(maximum_version=ssl.TLSVersion.TLSv1_2) as s:
            self.assertIn("ECDHE", s.cipher()[0])

    def test_a_large_body_comes_whole(self):
        status, _, body = self.ask("GET", "/openapi.json")
        self.assertEqual(status, 200)
        self.assertGreater(len(json.loads(body)["paths"]), 50)

    def test_a_feed(self):
        with self.connect() as s:
            s.sendall(f"GET /api/v1/events/drivers HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream"
                      f"\r\nAuthorization: {self.bearer()}\r\n\r\n".encode())
            self.assertIn(b"200 OK", self.read_until(s, b"\r\n\r\n"))
            self.hire("+79160000001")
            self.assertIn(b"drivers.hired.v1", self.read_until(s, b"drivers.hired.v1"))

    def test_a_socket(self):
        with self.connect() as s:
            key = base64.b64encode(os.urandom(16)).decode()
            s.sendall(f"GET /api/v1/events/drivers HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                      f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
                      f"Authorization: {self.bearer()}\r\n\r\n".encode())
            self.assertIn(b"101 Switching Protocols", self.read_until(s, b"\r\n\r\n"))
            self.hire("+79160000002")
            self.assertIn(b"drivers.hired.v1", self.read_until(s, b"drivers.hired.v1"))
            s.sendall(b"\x89\x84\x00\x00\x00\x00ping")  # a ping, masked by zeroes
            self.assertIn(b"\x8a\x04ping", self.read_until(s, b"\x8a\x04ping"))

    def hire(self, phone):
        status, _, body = self.ask("POST", "/api/v1/drivers", {"full_name": "By Wire", "phone_e164": phone},
                                   Authorization=self.bearer())
        self.assertEqual(status, 201, body)

    def test_what_is_not_spoken(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_S) as s:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try:
                self.assertNotIn(b"HTTP/1.1 200", s.recv(4096))
            except ConnectionError:
                pass
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            with self.connect(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1):
                pass
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)

    def test_other_origins(self):
        _, headers, _ = self.ask("GET", "/api/v1/vehicles", Authorization=self.bearer(), Origin=ORIGIN)
        self.assertEqual(headers["access-control-allow-origin"], ORIGIN)
        self.assertEqual(headers["vary"], "origin")
        self.assertNotIn("access-control-allow-credentials", headers)
        status, headers, _ = self.ask("OPTIONS", "/api/v1/vehicles", Origin=ORIGIN,
                                      Access_Control_Request_Method="POST")
        self.assertEqual(status, 204)
        self.assertIn("post", headers["access-control-allow-methods"])
        self.assertIn("idempotency-key", headers["access-control-allow-headers"])
        for origin in ("https://evil.example", "null", "https://panel.example.evil.example",
                       "https://panel.exampl", "http://panel.example", f"{ORIGIN},https://other.example"):
            _, headers, _ = self.ask("OPTIONS", "/api/v1/vehicles", Origin=origin,
                                     Access_Control_Request_Method="POST")
            self.assertNotIn("access-control-allow-origin", headers, origin)

    def test_verbs_find_it(self):
        env = {**self.env, "SHINA_HTTP": f"127.0.0.1:{self.port}"}
        told = subprocess.run([SHINA, "status"], env=env, capture_output=True, text=True)
        self.assertIn("ready at", told.stdout, told.stderr)

    def test_wrong_files(self):
        for change, wanted in (({"SHINA_TLS_KEY": ""}, "SHINA_TLS_KEY"),
                               ({"SHINA_TLS_KEY": self.other_key}, "SHINA_TLS_KEY is not the key"),
                               ({"SHINA_TLS_KEY": self.certificate}, "SHINA_TLS_KEY"),
                               ({"SHINA_TLS_CERTIFICATE": self.key}, "SHINA_TLS_CERTIFICATE"),
                               ({"SHINA_TLS_CERTIFICATE": "/nowhere.pem"}, "/nowhere.pem")):
            env = {**self.env, "SHINA_DATABASE_URL": self.database(), **change}
            told = subprocess.run([SHINA, "edge"], env=env, capture_output=True, text=True,
                                  timeout=START_S)
            self.assertNotEqual(told.returncode, 0, change)
            self.assertIn(wanted, told.stderr, change)

    def database(self):
        run = pathlib.Path(self.env["SHINA_HOME"]) / "run"
        return f"postgres://shina@/shina?host={run}&sslmode=disable"


unittest.main(verbosity=2)
