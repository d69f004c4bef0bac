"""Clients that are slow on purpose, by the hundred: heads and bodies byte by byte, answers that nobody
reads, connections that say nothing. Others are served meanwhile, and the slow ones are cut off. At last
one address takes all places, and another one is served.

    python3 slow_clients_test.py SHINA

SPDX-License-Identifier: Apache-2.0
"""
import selectors
import socket
import sys
import time
import unittest

from running import Running

SHINA = sys.argv.pop(1)
CONNECTIONS = 400  # SHINA_CONNECTIONS of this test
SLOW = 100         # of each kind
IDLE_S = 6         # SHINA_IDLE_S; its default is 30
CUT_S = 5 * IDLE_S # a slow sender lives twice as long and a little more
HEAD = "GET /api/v1/vehicles HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
BODY = ("POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000\r\n\r\n{")


class Slow(Running):
    @classmethod
    def setUpClass(cls):
        cls.make_folder()
        cls.start(SHINA, SHINA_CONNECTIONS=str(CONNECTIONS), SHINA_IDLE_S=str(IDLE_S), SHINA_RATE_ANONYMOUS="0")
        cls.wait_until(lambda: cls.status("/readyz") == 200)

    @classmethod
    def status(cls, path, token=None, address="127.0.0.1"):
        """0: no answer within ten seconds."""
        line = f"Authorization: Bearer {token}\r\n" if token else ""
        try:
            with socket.create_connection(("127.0.0.1", cls.port), timeout=10, source_address=(address, 0)) as s:
                s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{line}\r\n".encode())
                answer = b""
                while chunk := s.recv(65536):
                    answer += chunk
        except OSError:
            return 0
        return int(answer.split()[1]) if answer else 0

    def open_one(self, text, address="127.0.0.1"):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=10, source_address=(address, 0))
        s.sendall(text.encode())
        s.setblocking(False)
        return s

    def test_slow_clients(self):
        slow = [self.open_one(HEAD) for _ in range(SLOW)] + [self.open_one(BODY) for _ in range(SLOW)]
        slow += [self.open_one("") for _ in range(SLOW)]
        watch, closed, served, began = selectors.DefaultSelector(), 0, [], time.monotonic()
        for s in slow:
            watch.register(s, selectors.EVENT_READ)
        self.addCleanup(lambda: [s.close() for s in slow])
        while closed < len(slow) and time.monotonic() - began < CUT_S:
            for key, _ in watch.select(0.5):
                try:
                    gone = not key.fileobj.recv(4096)
                except OSError:
                    gone = True
                if gone:
                    watch.unregister(key.fileobj)
                    closed += 1
            for s in [key.fileobj for key in watch.get_map().values()][:2 * SLOW]:
                try:
                    s.send(b"x")  # one more byte of a head, or of a body
                except OSError:
                    pass
            served.append(self.status("/api/v1/vehicles", self.token))
            time.sleep(0.5)
        self.assertEqual(set(served), {200})
        self.assertEqual(closed, len(slow), f"{len(slow) - closed} are still there after {CUT_S} s")

    def test_answers_that_nobody_reads(self):
        request = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20
        stuck = [self.open_one(request) for _ in range(SLOW)]
        self.addCleanup(lambda: [s.close() for s in stuck])
        for _ in range(20):
            self.assertEqual(self.status("/api/v1/vehicles", self.token), 200)
            time.sleep(0.1)

    def test_one_address_cannot_take_all_places(self):
        hog = []
        self.addCleanup(lambda: [s.close() for s in hog])
        friend = self.open_one("", "127.0.0.3")  # was there before
        self.addCleanup(friend.close)
        for i in range(2 * CONNECTIONS):
            try:
                hog.append(self.open_one("", "127.0.0.2"))
            except OSError:
                pass
            if i % 100 == 99:
                self.assertEqual(self.status("/api/v1/vehicles", self.token), 200)
        self.assertIn(self.status("/api/v1/vehicles", self.token, "127.0.0.2"), (503, 0))
        friend.settimeout(10)
        friend.sendall(f"GET /api/v1/vehicles HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.token}\r\n\r\n"
                       .encode())
        self.assertEqual(friend.recv(20)[9:12], b"200")

    def test_more_than_there_is_room_for(self):
        """Who comes over the bound is told so, and those who look after the machine are served."""
        idle = [self.open_one("") for _ in range(CONNECTIONS)]
        self.addCleanup(lambda: [s.close() for s in idle])
        time.sleep(0.5)
        self.assertIn(self.status("/api/v1/vehicles", self.token), (503, 0))
        self.assertEqual(self.status("/healthz"), 200)
        for s in idle:
            s.close()
        time.sleep(0.5)
        self.assertEqual(self.status("/api/v1/vehicles", self.token), 200)


unittest.main(verbosity=2)
