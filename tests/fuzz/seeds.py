#!/usr/bin/env python3
"""Writes the seeds of all fuzzers into tests/fuzz/seeds/<target>/, a file for each form an input may take.

    tests/fuzz/seeds.py            writes them anew; what was found by fuzzing (found-*) stays
    tests/fuzz/seeds.py --check    says what differs, and fails then

The forms are told at the top of each <target>_fuzz.c. Seeds of decode beyond these few are made of the
contracts at each run: decode_seeds.py.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import json
import pathlib
import struct
import sys

SEEDS = pathlib.Path(__file__).parent / "seeds"

TENANT = "01900000-0000-7000-8000-000000000002"
USER = "01900000-0000-7000-8000-000000000001"
STREAM = "01900000-0000-7000-8000-00000000000a"
ID = bytes(range(16))


# --- texts ----------------------------------------------------------------------------------------

def after():
    return {
        "position": b"raw\nvehicles:0:1",
        "position-last": b"raw\nvehicles:7:9223372036854775807",
        "position-other-domain": b"raw\ntrips:0:1",
        "position-no-partition": b"raw\nvehicles:8:1",
        "position-negative": b"raw\nvehicles:-1:1",
        "latest": b"raw\nlatest",
        "nothing": b"raw\n",
        "cursor": b"~vehicles~0.1.2a.0.0.7fffffffffffffff.0.0",
        "cursor-too-large": b"~vehicles~8000000000000000.1.2.3.4.5.6.7",
        "cursor-short": b"~vehicles~0.1",
        "cursor-other-domain": b"~trips~0.1.2.3.4.5.6.7",
        "cursor-wrong-sum": b"raw\n~vehicles~0.1.2.3.4.5.6.7~00000000",
    }


def cursor():
    return {
        "row": ID + b"2026-11-23 10:00:00+00",
        "row-no-value": ID,
        "row-null": b"null\n" + ID,
        "row-long": ID + b"x" * 1024,
        "text": b"raw\n" + base64.urlsafe_b64encode(bytes(25)).rstrip(b"="),
        "text-with-padding": b"raw\n" + base64.urlsafe_b64encode(bytes(25)),
    }


def header():
    return {
        "traceparent": b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "traceparent-later-version": b"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "traceparent-zero": b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "language": b"ru-RU, en;q=0.8, *;q=0.1",
        "language-refused": b"ru;q=0, en;q=0.000",
        "if-match": b'"2"', "if-match-any": b"*", "if-match-weak": b'W/"2"',
        "if-none-match": b'"1", W/"2", "3"',
        "key": b"order-17", "key-quoted": b'"order 17"', "key-long": b"k" * 256,
        "target": b"http://example.org:80/api/v1/vehicles?limit=1", "target-no-path": b"http://a",
        "json": b"application/json; charset=utf-8", "json-latin": b'application/json;charset="latin1"',
        "time": b"2026-11-23T10:00:00.123Z", "time-offset": b"2026-11-23T10:00:00+05:30",
        "time-leap": b"2024-02-29T23:59:60Z", "time-ms": b"1700000000000", "time-zero": b"0",
        "time-last": b"9999-12-31T23:59:59.999-12:00",
        "date": b"2024-02-29", "date-wrong": b"2023-02-29",
        "int": b"-9223372036854775808", "int-large": b"9223372036854775808",
    }


def env():
    return {
        "plain": b"SHINA_HTTP=127.0.0.1:8080\nSHINA_LOG=debug\n",
        "export-quotes": b"# a comment\n\nexport SHINA_HTTP = \"127.0.0.1:8080\"\r\n  SHINA_LOG='warn'\n",
        "secret": b"SHINA_JWT_KEYS=k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n",
        "domain": b"SHINA_DATABASE_URL_TRIPS=postgres://a\nSHINA_DATABASE_URL_TRIPS=\n",
        "unknown": b"SHINA_NO_SUCH_KEY=1\n",
        "others": b"PATH=/bin\nHOME=\n",
        "not-a-line": b"SHINA_HTTP\n",
        "no-number": b"SHINA_PARTITIONS=many\n",
        "bus": b"SHINA_BUS=kafka\nSHINA_KAFKA=a:9092,b:9092\n",
        "long": b"SHINA_HTTP=" + b"x" * 8200 + b"\n",
        "nul": b"SHINA_LOG=info\0\nSHINA_HTTP=:1\n",
        "cut-off": b"SHINA_LOG=in",
    }


def token():
    claims = {"sub": USER, "tenant": TENANT, "roles": ["DISPATCHER", "VIEWER"], "exp": 1700000100,
              "iat": 1700000000}

    def signed(header_text="", **more):
        kept = {name: value for name, value in {**claims, **more}.items() if value is not None}
        return (header_text + "\n" + json.dumps(kept)).encode()

    return {
        "good": signed(),
        "driver": signed(roles=["DRIVER"], grants=["finance.read"], driver_id=STREAM, nbf=1700000000),
        "service": signed(roles=["SERVICE", "ADMIN"]),
        "expired": signed(exp=1),
        "not-yet": signed(nbf=1800000000),
        "no-times": signed(exp=None, iat=None),
        "fractions": signed(exp=1700000100.5),
        "no-user": signed(sub=None),
        "nil-tenant": signed(tenant="00000000-0000-0000-0000-000000000000"),
        "roles-no-array": signed(roles="ADMIN"),
        "claims-no-object": b"\n[1,2]",
        "claims-twice": b'\n{"sub":"a","sub":"b"}',
        "alg-none": signed('{"alg":"none","kid":"k1"}'),
        "alg-other": signed('{"alg":"HS512","kid":"k1"}'),
        "kid-unknown": signed('{"alg":"HS256","kid":"k2"}'),
        "kid-missing": signed('{"alg":"HS256"}'),
        "raw": b"raw\neyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIn0.e30.AAAA",
        "raw-two-parts": b"raw\neyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIn0.e30.",
        "raw-nothing": b"raw\n",
    }


def query():
    return {
        "all": b"ADMIN vehicles\n",
        "filter": b"ADMIN vehicles\nstatus=AVAILABLE,BLOCKED&sort=-odometer_m&limit=10",
        "range": b"DISPATCHER trips\nplanned_start_at.gte=2026-11-01T00:00:00Z&planned_start_at.lt=1700000000000",
        "driver": b"DRIVER trips\nlimit=200",
        "comma": b"ADMIN vehicles\nplate=A123BC77\\,x,B\\\\",
        "quote": b"ADMIN vehicles\nplate=a'b\"c{}\\\"",
        "date": b"ADMIN profit_days\nday.gte=2024-02-29&day.lte=2026-11-01",
        "group": b"ADMIN profit_group_days\nsort=-day",
        "cursor": b"ADMIN vehicles\nsort=-odometer_m&cursor=NEXT120000",
        "cursor-null": b"ADMIN vehicles\nsort=odometer_m&cursor=NEXT-",
        "cursor-by-id": b"ADMIN vehicles\ncursor=NEXT",
        "cursor-wrong": b"ADMIN vehicles\ncursor=AAAA",
        "unknown": b"ADMIN vehicles\nno_such=1",
        "twice": b"ADMIN vehicles\nlimit=1&limit=2",
        "limit": b"ADMIN vehicles\nlimit=201",
        "many": b"ADMIN vehicles\n" + b"&".join(b"p%d=1" % n for n in range(40)),
        "values": b"ADMIN vehicles\nstatus=" + b",".join([b"AVAILABLE"] * 101),
        "nul": b"ADMIN vehicles\nplate=a\0b",
        "not-utf-8": b"ADMIN vehicles\nplate=\xff\xfe",
        "no-value": b"ADMIN vehicles\nstatus",
        "windows": b"ADMIN delivery_on_time_hours\nsort=window_start",
    }


def record():
    headers = [
        ("ce_specversion", "1.0"), ("ce_id", STREAM + ":0"), ("ce_source", "/shina/vehicles"),
        ("ce_type", "vehicles.registered.v1"), ("ce_subject", STREAM),
        ("ce_time", "2026-11-23T10:00:00.000Z"), ("content-type", "application/json"),
        ("ce_partition", "3"), ("ce_offset", "17"), ("ce_streamversion", "1"), ("ce_tenant", TENANT),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-0190000000007000-01"),
        ("ce_actor", USER), ("ce_aggregate", "vehicle"), ("ce_epoch", "2"), ("ce_digest", "-5"),
        ("ce_actorjson", json.dumps({"id": USER, "roles": ["ADMIN"], "grants": []})),
    ]

    def message(change=None, drop=None, more=()):
        lines = [f"{name}:{(change or {}).get(name, value)}" for name, value in headers if name != drop]
        return "\n".join(lines + [f"{n}:{v}" for n, v in more] + ["", '{"plate":"A123BC77"}']).encode()

    return {
        "full": message(),
        "derived": message(more=[("ce_causation", STREAM + ":1"),
                                 ("ce_devicetime", "2026-11-23T09:00:00.000Z")]),
        "no-id": message(drop="ce_id"),
        "no-actorjson": message(drop="ce_actorjson"),
        "other-domain": message({"ce_source": "/shina/trips"}),
        "offset-zero": message({"ce_offset": "0"}),
        "offset-large": message({"ce_offset": "9223372036854775808"}),
        "partition-large": message({"ce_partition": "65536"}),
        "time-wrong": message({"ce_time": "2026-02-30T10:00:00.000Z"}),
        "twice": message(more=[("ce_id", "x")]),
        "unknown-header": message(more=[("ce_other", "x"), ("a", "")]),
        "no-headers": b"\n{}",
    }


def cloudevents():
    event = {"specversion": "1.0", "id": "fill-1", "source": "cards", "type": "fuel.filled",
             "subject": "card 7", "time": "2026-11-23T10:00:00Z", "datacontenttype": "application/json",
             "data": {"litres": 60}}
    binary = b"specversion:1.0\nid:1\nsource:cards\ntype:fuel.filled\ntime:2026-11-23T10:00:00Z\n\n"

    def structured(**more):
        return b"\0" + json.dumps({k: v for k, v in {**event, **more}.items() if v is not None}).encode()

    return {
        "structured": structured(),
        "structured-text": structured(data="plain", datacontenttype="text/plain"),
        "structured-base64": structured(data=None, data_base64="AAEC"),
        "structured-both": structured(data_base64="AAEC"),
        "structured-extension": structured(traceparent="00-1", other=7),
        "structured-no-id": structured(id=None),
        "structured-version": structured(specversion="0.3"),
        "batch": b"\1" + json.dumps([event, {**event, "id": "fill-2"}]).encode(),
        "batch-empty": b"\1[]",
        "batch-many": b"\1" + json.dumps([{"id": str(n)} for n in range(101)]).encode(),
        "binary-json": b"\2" + binary + b'{"litres":60}',
        "binary-text": b"\3" + binary + b"sixty litres",
        "binary-no-type": b"\2id:1\nsource:x\nspecversion:1.0\n\n{}",
        "binary-percent": b"\2specversion:1.0\nid:1\nsource:%D0%96\ntype:a%\n\n{}",
        "own": b"\4" + b'{"type":"call.ended","id":9}',
        "own-with-id": b"\x0c" + b'{"event":"call.ended"}',
        "own-text": b"\7" + b"not JSON \xff",
    }


def webhook():
    def lines(*parts):
        return b"\n".join(parts)

    return {
        "plain": lines(b"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", b"msg_1", b"1700000000",
                       b"v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=", b"{}"),
        "own-bytes": lines(b"a secret of letters", b"1", b"1700000299", b"v1a,x v1,y v2,z", b""),
        "many": lines(b"s", b"1", b"1700000000", b" ".join([b"v1,AAAA"] * 40), b"{}"),
        "schedule": lines(b"s", b"1", b"5,300,0.5,604800", b"", b""),
        "schedule-wrong": lines(b"s", b"", b"1e3,nan,-1", b"", b""),
        "bad-secret": lines(b"whsec_???", b"1", b"1700000000", b"", b""),
        "long-secret": lines(b"x" * 129, b"1", b"999999999999", b"", b""),
    }


def archive():
    line = [b"3", b"17", b"2", STREAM.encode(), b"thing", b"4", TENANT.encode(), b"things.made.v1", USER.encode(),
            b"1", b"-77", USER.encode(), b"\\N", b"{}", b"2026-01-31 23:59:59.123456+00",
            b"1969-12-31 23:59:59.9+00", b"[\\n]", rb'{"a":"\\\\n\t"}']

    def changed(column, value):
        return b"\t".join(line[:column] + [value] + line[column + 1:])

    return {
        "line": b"\t".join(line),
        "no-device-time": changed(15, b"\\N"),
        "no-sends": changed(16, b"\\N"),
        "short": b"\t".join(line[:-1]),
        "long": b"\t".join(line + [b"x"]),
        "infinity": changed(14, b"infinity"),
        "before-christ": changed(14, b"0044-03-15 12:00:00+00 BC"),
        "escapes": changed(17, rb"\x41\101\b\f\v\r\q"),
        "backslash-last": changed(17, b"{}\\"),
        "offset-large": changed(1, b"9223372036854775808"),
    }


def keys():
    key = base64.b64encode(b"0123456789abcdef" * 2)
    return {
        "jwt": b"jwt\nk1:" + key,
        "jwt-two": b"jwt\nk1:" + key + b",k2:" + base64.urlsafe_b64encode(bytes(range(200, 248))).rstrip(b"="),
        "jwt-same": b"jwt\nk1:" + key + b",k1:" + key,
        "jwt-short": b"jwt\nk1:AAAA",
        "jwt-no-colon": b"jwt\nk1",
        "jwt-many": b"jwt\n" + b",".join(b"k%d:%s" % (n, key) for n in range(17)),
        "master": b"master\nm1:" + key,
        "master-two": b"master\nm2:" + key + b",m1:" + key,
        "master-long": b"master\n" + b"m" * 300 + b":" + key,
        "seal": b"seal\na secret of 16 bytes and more",
        "seal-long": b"seal\n" + b"x" * 128,
        "sealed": b"sec:1:m1:" + base64.b64encode(bytes(60)),
        "sealed-other-key": b"sec:1:m9:" + base64.b64encode(bytes(60)),
        "sealed-short": b"sec:1:m1:AAAA",
        "sealed-no-kid": b"sec:1:",
    }


def decode():
    return {
        "register": b'clear vehicles.register\n{"plate":"A123BC77","vin":"XTA210990Y1234567","specs":'
                    b'{"class":"VAN","payload_g":1500000,"cargo_ml":9000000,"tank_ml":80000,"fuel":"DIESEL",'
                    b'"norm_summer_ml_100km":9500,"norm_winter_ml_100km":10500,"wear_kop_km":350,'
                    b'"fixed_kop_day":250000},"odometer_m":120000000}',
        "sealed": b'sealed drivers.registered.v1\n{"full_name":"enc:1:-:AAAA","phone_e164":""}',
        "opened": b'opened drivers.registered.v1\n{"full_name":"","phone_e164":""}',
        "settings": b"clear trips.settings\n{}",
        "what-if": b'clear trips.what_if\n{"per_km_kop":600,"fuel_litre_kop":7000}',
        "row": b'clear row.vehicles\n{"status":"AVAILABLE"}',
        "twice": b'clear specimen.name\n{"a":1,"a":2}',
        "deep": b"clear specimen.nest\n" + b"[" * 17 + b"]" * 17,
        "exponent": b'clear specimen.count\n{"n":1e3,"m":9007199254740993.0,"k":-0.0}',
        "escapes": rb'clear specimen.write' + b"\n" + rb'{"t":"\ud83d\ude9a\u0000\u00e9\/\b\ud83d"}',
        "not-utf-8": b'clear specimen.write\n{"t":"\xff\xfe\xed\xa0\x80"}',
        "trailing": b"clear specimen.nothing_said.v1\n{} {}",
    }


# --- HTTP: $T, $D and $L stand for tokens and the body's length ------------------------------------

def request(line, *headers, body=None, token=b"$T"):
    lines = [line + b" HTTP/1.1", b"Host: a"]
    if token is not None:
        lines.append(b"Authorization: Bearer " + token)
    lines += headers
    if body is not None:
        lines.append(b"Content-Length: $L")
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


VAN = (b'{"plate":"A123BC77","vin":"XTA210990Y1234567","odometer_m":120000000,"specs":{"class":"VAN",'
       b'"payload_g":1500000,"cargo_ml":9000000,"tank_ml":80000,"fuel":"DIESEL","norm_summer_ml_100km":9500,'
       b'"norm_winter_ml_100km":10500,"wear_kop_km":350,"fixed_kop_day":250000}}')
JSON = b"Content-Type: application/json"
# Of rows.c: what the last byte of a source's id says of it, and the secret of all.
SOURCES = {"bearer": STREAM[:-1].encode() + b"8", "own": STREAM[:-1].encode() + b"9",
           "disabled": STREAM[:-1].encode() + b"c"}
SECRET = b"a secret of a source"


def http():
    item = b"/api/v1/vehicles/" + STREAM.encode()
    batch = b"".join(b'{"command":"vehicles.record_odometer","id":"%s","data":{"odometer_m":%d,"source":"DRIVER"}}\n'
                     % (STREAM.encode(), n) for n in (1, 2)) + b"{\n\n"
    pushed = b'{"specversion":"1.0","id":"1","source":"c","type":"t","data":{}}'
    return {
        "post": request(b"POST /api/v1/vehicles", JSON, b"Idempotency-Key: one", body=VAN),
        "post-driver": request(b"POST /api/v1/vehicles", JSON, body=VAN, token=b"$D"),
        "post-invalid": request(b"POST /api/v1/vehicles", JSON, b"Accept-Language: ru", body=b'{"plate":7}'),
        "post-type": request(b"POST /api/v1/vehicles", b"Content-Type: text/plain", body=b"{}"),
        "post-coding": request(b"POST /api/v1/vehicles", JSON, b"Content-Encoding: gzip", body=b"\x1f\x8b"),
        "post-item": request(b"POST " + item + b"/odometer", JSON, b'If-Match: "2"',
                             b"X-Device-At: 2026-01-01T00:00:00Z",
                             b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                             body=b'{"odometer_m":5,"source":"DRIVER"}'),
        "post-chunked": request(b"POST /api/v1/vehicles", JSON, b"Transfer-Encoding: chunked")
                        + b"2;x=y\r\n{}\r\n0\r\nTrailer: a\r\n\r\n",
        "post-chunk-wrong": request(b"POST /api/v1/vehicles", JSON, b"Transfer-Encoding: chunked") + b"zz\r\n{}",
        "post-both": request(b"POST /api/v1/vehicles", JSON, b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        "post-expect": request(b"POST /api/v1/vehicles", JSON, b"Expect: 100-continue", body=VAN),
        "post-large": request(b"POST /api/v1/vehicles", JSON, b"Content-Length: 99999999"),
        "post-secret": request(b"POST /api/v1/ingest/sources", JSON, b"Idempotency-Key: s",
                               body=b'{"name":"cards","kind":"CLOUDEVENTS","scheme":"BEARER"}'),
        "batch": request(b"POST /api/v1/batch", b"Content-Type: application/x-ndjson", body=batch),
        "push": request(b"POST /api/v1/ingest/" + TENANT.encode() + b"." + STREAM.encode(),
                        b"Content-Type: application/cloudevents+json", b"webhook-id: 1", body=pushed,
                        token=b"secret"),
        "push-bearer": request(b"POST /api/v1/ingest/" + TENANT.encode() + b"." + SOURCES["bearer"],
                               b"Content-Type: application/cloudevents+json", body=pushed, token=SECRET),
        "push-header": request(b"POST /api/v1/ingest/" + TENANT.encode() + b"." + SOURCES["own"],
                               JSON, b"X-Webhook-Secret: " + SECRET, b"webhook-id: 1",
                               body=b'{"type":"call.ended"}', token=None),
        "push-binary": request(b"POST /api/v1/ingest/" + TENANT.encode() + b"." + SOURCES["bearer"],
                               JSON, b"ce-specversion: 1.0", b"ce-id: 1", b"ce-source: c", b"ce-type: t",
                               b"ce-time: 2026-11-23T10:00:00Z", body=b"{}", token=SECRET),
        "push-batch": request(b"POST /api/v1/ingest/" + TENANT.encode() + b"." + SOURCES["bearer"],
                              b"Content-Type: application/cloudevents-batch+json",
                              body=b"[" + pushed + b"," + pushed + b',{"id":7}]', token=SECRET),
        "push-disabled": request(b"POST /api/v1/ingest/" + TENANT.encode() + b"." + SOURCES["disabled"],
                                 JSON, body=b"{}", token=SECRET),
        "get-item": request(b"GET " + item, b'If-None-Match: "1"'),
        "get-after": request(b"GET " + item, b"X-After: vehicles:0:1"),
        "get-as-of": request(b"GET " + item + b"?as_of=2026-11-01T00:00:00Z"),
        "get-list": request(b"GET /api/v1/vehicles?status=AVAILABLE&sort=-odometer_m&limit=10&x=%D0%96%00"),
        "head": request(b"HEAD /api/v1/vehicles"),
        "options": request(b"OPTIONS /api/v1/vehicles"),
        "delete": request(b"DELETE /api/v1/vehicles"),
        "absolute": request(b"GET http://a/healthz"),
        "open": request(b"GET /healthz", token=None),
        "ready": request(b"GET /readyz", token=None),
        "metrics": request(b"GET /metrics", token=None),
        "root": request(b"GET /", token=None),
        "document": request(b"GET /openapi.json", b"Accept-Encoding: gzip", token=None),
        "document-schema": request(b"GET /schemas/vehicles.register.json", token=None),
        "document-viewer": request(b"GET /docs/swagger-ui.css", token=None),
        "document-up": request(b"GET /docs/..%2fsecret.json", token=None),
        "document-hidden": request(b"GET /docs/.hidden.js", token=None),
        "no-token": request(b"GET /api/v1/vehicles", token=None),
        "bad-token": request(b"GET /api/v1/vehicles", token=b"a.b.c"),
        "feed": request(b"GET /api/v1/events/vehicles?limit=10&after=latest"),
        "feed-all": request(b"GET /api/v1/events/vehicles?limit=100"),
        "feed-driver": request(b"GET /api/v1/events/vehicles?limit=100", token=b"$D"),
        "feed-wait": request(b"GET /api/v1/events/trips?after=latest&wait_s=1"),
        "feed-frames": request(b"GET /api/v1/events/vehicles?after=latest", b"Connection: Upgrade",
                               b"Upgrade: websocket", b"Sec-WebSocket-Version: 13",
                               b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
                       + ws(9, b"ping") + ws(10) + ws(8, b"\x03\xe8"),
        "feed-sse": request(b"GET /api/v1/events/vehicles", b"Accept: text/event-stream",
                            b"Last-Event-ID: vehicles:0:1"),
        "feed-socket": request(b"GET /api/v1/events/vehicles", b"Connection: Upgrade", b"Upgrade: websocket",
                               b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                               b"Sec-WebSocket-Protocol: shina.events.v1, bearer.$T", token=None),
        "pipelined": request(b"GET /healthz") + request(b"GET /metrics") + request(b"GET /none"),
        "smuggled": request(b"POST /api/v1/vehicles", JSON, b"Content-Length: 4", b"Content-Length: 5")
                    + b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "folded": request(b"GET /healthz", b"X-A: 1\r\n  2"),
        "colon": request(b"GET /healthz", b": x", b"X-A : y"),
        "bare-lf": b"GET /healthz HTTP/1.1\nHost: a\n\n",
        "http-1.0": b"GET /healthz HTTP/1.0\r\n\r\n",
        "http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "no-host": b"GET /healthz HTTP/1.1\r\n\r\n",
        "hosts": request(b"GET /healthz", b"Host: b"),
        "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "long-address": request(b"GET /api/v1/vehicles?x=" + b"y" * 5000),
    }


# --- bytes ------------------------------------------------------------------------------------------

def text(value):
    return struct.pack("<I", len(value)) + value


def ints(*values):
    return struct.pack(f"<{len(values)}q", *values)


def command(route=7, data=b'{"odometer_m":5}', origin=0, version=-1):
    return (struct.pack("<BQQ", 0, 4, route) + ID + text(b"vehicles.record_odometer") + ID + ID
            + struct.pack("<HB", 3, origin) + ID + struct.pack("<II", 1, 0) + bytes(16) + ID + text(b"")
            + ints(1800000000000, version, 0, 0) + text(data))


def reply(route=1, status=0, repeated=0):
    return (struct.pack("<BQQ", 1, 9, route) + ID + struct.pack("<BB", status, repeated) + ID + ints(3)
            + struct.pack("<H", 3) + ints(41) + text(b"VEHICLE_ODOMETER_BACK") + text(b'{"last_m":1}')
            + text(b"") + text(b"[]"))


def record_bytes(partition=3, offset=17):
    return (struct.pack("<H", partition) + ints(offset, 2) + ID + text(b"vehicle") + ints(1) + ID
            + text(b"vehicles.registered.v1") + ID + ints(0, -5) + ID + text(b"") + text(b'{"id":"x"}')
            + ints(1700000000000, 0) + text(b"") + text(b"{}"))


def batch(topic=b"events.vehicles", count=1, offset=17):
    records = b"".join(record_bytes(offset=offset + n) for n in range(count))
    return text(topic) + struct.pack("<H", 3) + ints(offset) + struct.pack("<IB", count, count > 0) + records


def envelope():
    actor = {"id": USER, "roles": ["ADMIN", "DRIVER"], "grants": ["finance.read"], "driver_id": STREAM}
    return {
        "command": b"e" + command(), "command-origin": b"e" + command(origin=5),
        "reply": b"e" + reply(), "reply-repeated": b"e" + reply(repeated=2),
        "batch": b"b" + batch(count=2), "batch-empty": b"b" + batch(b"views.vehicles.1a2b", 0),
        "batch-many": b"b" + batch(count=1).replace(struct.pack("<IB", 1, 1), struct.pack("<IB", 1 << 31, 1)),
        "actor": b"a" + json.dumps(actor).encode(),
        "actor-plain": b"a" + json.dumps(actor, separators=(",", ":")).encode(),
        "actor-unknown-role": b"a" + json.dumps({**actor, "roles": ["KING"]}).encode(),
    }


def entry(kind, body):
    return struct.pack("<B", kind) + text(body)


def frame(*entries, url=b"ipc:///nowhere/peer", to=b"to us!!!", magic=b"shb1"):
    return magic + struct.pack("<Q", 99) + to + text(url) + b"".join(entries)


def nng():
    return {
        "empty": frame(),
        "command": frame(entry(1, text(b"vehicles/1") + command())),
        "command-silent": frame(entry(1, text(b"vehicles/1") + command()[:1] + b"\5" + command()[2:])),
        "command-nobody": frame(entry(1, text(b"trips/1") + command())),
        "command-far-client": frame(entry(1, text(b"vehicles/1") + command(route=1 << 32))),
        "reply": frame(entry(2, reply())),
        "reply-before-us": frame(entry(2, reply()), to=bytes(8)),
        "batch": frame(entry(3, batch(count=2))),
        "topics": frame(entry(4, struct.pack("<H", 2) + text(b"events.trips") + text(b"views.x"))),
        "topics-none": frame(entry(4, struct.pack("<H", 0))),
        "topics-long": frame(entry(4, struct.pack("<H", 1) + text(b"t" * 96))),
        "all": frame(entry(1, text(b"vehicles/1") + command()), entry(2, reply()), entry(3, batch()),
                     entry(4, struct.pack("<H", 1) + text(b"events.trips"))),
        "kind": frame(entry(5, b"")),
        "cut-off": frame(entry(3, batch()))[:-3],
        "no-url": frame(url=b"http://x"),
        "long-url": frame(url=b"x" * 600),
        "other-version": frame(magic=b"shb2"),
    }


def ws(opcode, payload=b"", fin=0x80, masked=True, rsv=0):
    length = len(payload)
    head = bytes([fin | rsv | opcode])
    mask = bytes([1, 2, 3, 4]) if masked else b""
    if length < 126:
        head += bytes([(0x80 if masked else 0) | length])
    elif length < 65536:
        head += bytes([(0x80 if masked else 0) | 126]) + struct.pack(">H", length)
    else:
        head += bytes([(0x80 if masked else 0) | 127]) + struct.pack(">Q", length)
    return head + mask + (bytes(b ^ mask[i % 4] for i, b in enumerate(payload)) if masked else payload)


def socket():
    def client(what, *frames, early=0):
        return bytes([early, what]) + b"".join(frames)

    return {
        "pong": client(0x04, ws(10)),
        "ping": client(0x13, ws(9, b"hello"), early=15),
        "close": client(0x01, ws(8, b"\x03\xe8bye")),
        "close-code": client(0x00, ws(8, b"\x00\x01")),
        "close-half": client(0x00, ws(8, b"\x03")),
        "ended": client(0x08, ws(8, b"\x03\xe9")),
        "beat-twice": client(0x44),
        "text": client(0x01, ws(1, b"what?")),
        "not-utf-8": client(0x01, ws(1, b"\xff\xfe")),
        "binary-large": client(0x00, ws(2, bytes(2000))),
        "huge": client(0x00, bytes([0x82, 0xff]) + b"\x7f" + b"\xff" * 7 + bytes(4)),
        "fragments": client(0x00, ws(1, b"a", fin=0), ws(0, b"b", fin=0), ws(9), ws(0, b"c")),
        "continued": client(0x00, ws(0, b"c")),
        "unmasked": client(0x00, ws(1, b"x", masked=False)),
        "reserved": client(0x00, ws(1, b"x", rsv=0x40), ws(3)),
        "long-ping": client(0x00, ws(9, bytes(126))),
        "pings": client(0x31, *[ws(9, bytes(100))] * 40, early=8),
    }


def planted():
    return {"nothing": b"x"}


TARGETS = [after, archive, cloudevents, cursor, decode, env, envelope, header, http, keys, nng, planted, query, record,
           socket, token, webhook]


def main(check):
    differ = 0
    for target in TARGETS:
        folder = SEEDS / target.__name__
        wanted = target()
        if not check:
            folder.mkdir(parents=True, exist_ok=True)
        found = {path.name for path in folder.glob("*") if not path.name.startswith("found-")}
        for name in sorted(found | set(wanted)):
            path = folder / name
            if name in found and name in wanted and path.read_bytes() == wanted[name]:
                continue
            differ += 1
            print(f"{path.relative_to(SEEDS.parent)} {'differs' if check else 'written'}")
            if check:
                continue
            if name in wanted:
                path.write_bytes(wanted[name])
            else:
                path.unlink()
    return 1 if check and differ else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
