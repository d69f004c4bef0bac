"""What compose/deploy says is what the programs are: a file that nobody runs here must not rot.

    python3 check.py SOURCE_DIR SHINA

docker-compose resolves and validates compose.yaml, which needs no engine. Then: every domain has its
service and its projection, every command is a verb, every variable a key of the configuration, and
the image has the packages of all libraries that the program links. systemd-analyze reads the unit and
tells how exposed it is. Prints each fault; exit code 1.
SPDX-License-Identifier: Apache-2.0
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import dockerfile_parse
import yaml

SECRET = re.compile(r"PASSWORD|KEYS|SECRET|TOKEN")

source, shina = pathlib.Path(sys.argv[1]), sys.argv[2]
deploy = source / "compose" / "deploy"
faults = []
EXPOSURE_MAX = 2.0  # of 10; "OK" by systemd's words


def run(*command, cwd=None):
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd).stdout


def resolved():
    """compose.yaml as docker-compose understands it, with the example's variables filled in."""
    with tempfile.TemporaryDirectory() as scratch:
        env = pathlib.Path(scratch) / "env"
        example = (deploy / ".env.example").read_text()
        env.write_text(re.sub(r"=$", "=filled-in", example, flags=re.M))
        tool = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        text = run(*tool, "--env-file", str(env), "-f", str(deploy / "compose.yaml"), "config")
    return yaml.safe_load(text)


def check_processes(services):
    domains = {json.loads(p.read_text())["module"] for p in (source / "schemas").glob("*.json")
               if "module" in json.loads(p.read_text())}
    verbs = set(re.findall(r"^  (?:shina )?([a-z]+)\b", run(shina, "help"), flags=re.M))
    keys = set(re.findall(r"SHINA_[A-Z_]+", run(shina, "config", "--markdown")))
    ours = {name: s for name, s in services.items() if s["image"].startswith("shina")}
    if not domains or not verbs or not keys or not ours:
        faults.append("nothing to compare: domains, verbs, keys or containers were not found")
    wanted = {f"{kind}-{d}": [kind, d] for d in domains for kind in ("service", "projection")}
    wanted["relay"] = ["relay"]
    for name in sorted(set(wanted) | set(ours)):
        command = ours.get(name, {}).get("command")
        if name.startswith("edge-"):
            if command != ["edge"]:
                faults.append(f"{name}: its command is {command}")
        elif name not in wanted:
            faults.append(f"{name}: there is no such domain")
        elif command != wanted[name]:
            faults.append(f"{name}: its command should be {wanted[name]}, not {command}")
    for name, service in ours.items():
        if service["command"][0] not in verbs:
            faults.append(f"{name}: shina has no verb {service['command'][0]}")
        for key in service.get("environment", {}):
            if key not in keys:
                faults.append(f"{name}: shina knows no {key}")
    edges = [s["environment"].get("SHINA_EDGE_ID") for n, s in ours.items() if n.startswith("edge-")]
    if len(edges) < 2 or len(set(edges)) != len(edges):
        faults.append(f"edges need ids of their own: {edges}")


def check_all(services):
    for name, service in services.items():
        image = service["image"]
        if ":" not in image or (image.endswith(":latest") and not image.startswith("shina")):
            faults.append(f"{name}: the image {image} is not pinned")
        for key in ("restart", "mem_limit"):
            if key not in service:
                faults.append(f"{name}: no {key}")
    for name in ("postgres", "redis", "kafka", "edge-0", "edge-1"):
        if "healthcheck" not in services.get(name, {}):
            faults.append(f"{name}: no healthcheck")


def linked_packages():
    """Debian's packages of the libraries that the program names itself, not those that they need."""
    needed = re.findall(r"\(NEEDED\)\s+Shared library: \[(.+)\]", run("readelf", "-d", shina))
    paths = dict(re.findall(r"^\s*(\S+) => (\S+)", run("ldd", shina), flags=re.M))
    for name in needed:
        path = str(pathlib.Path(paths[name]).resolve())
        for known_as in (path, path.removeprefix("/usr")):  # dpkg knows one of the two
            found = subprocess.run(["dpkg", "-S", known_as], capture_output=True, text=True)
            if found.returncode == 0:
                yield found.stdout.split(":")[0]


def check_image():
    parser = dockerfile_parse.DockerfileParser(str(deploy / "Dockerfile"))
    lines = parser.structure
    last = max(i for i, l in enumerate(lines) if l["instruction"] == "FROM")
    installed = set(re.findall(r"[a-z0-9.+-]+", " ".join(l["value"] for l in lines[last:]
                                                       if l["instruction"] == "RUN")))
    for package in set(linked_packages()) - {"libc6"} - installed:
        faults.append(f"Dockerfile: the image lacks {package}")
    users = [l["value"] for l in lines[last:] if l["instruction"] == "USER"]
    if not users or users[-1] in ("root", "0"):
        faults.append("Dockerfile: the image runs as root")
    for line in lines:
        value = line["value"]
        if line["instruction"] in ("ENV", "ARG") and SECRET.search(value):
            faults.append(f"Dockerfile: a secret would be in the image: {value}")
        if line["instruction"] == "FROM" and not re.search(r":\S*\d", value):
            faults.append(f"Dockerfile: {value} is not pinned")
        if line["instruction"] == "COPY" and "--from" not in value:
            for path in value.split()[:-1]:
                if not (source / path).exists():
                    faults.append(f"Dockerfile: there is no {path} to copy")


def check_unit():
    """The unit as it is, but for the program, which is not installed here."""
    with tempfile.TemporaryDirectory() as scratch:
        unit = pathlib.Path(scratch) / "shina.service"
        text = (deploy / "systemd" / "shina.service").read_text()
        unit.write_text(text.replace("/usr/local/bin/shina", str(pathlib.Path(shina).resolve())))
        verified = subprocess.run(["systemd-analyze", "verify", "--recursive-errors=no", str(unit)],
                                  capture_output=True, text=True)
        if verified.returncode != 0 or verified.stderr.strip():
            faults.append(f"shina.service: {verified.stderr.strip()}")
        told = run("systemd-analyze", "security", "--offline=true", "--no-pager", str(unit))
    exposure = re.search(r"exposure level for shina.service: ([0-9.]+)", told)
    if exposure is None or float(exposure.group(1)) > EXPOSURE_MAX:
        faults.append(f"shina.service: exposed by {exposure and exposure.group(1)} of 10")
    keys = set(re.findall(r"SHINA_[A-Z_]+", run(shina, "config", "--markdown")))
    for key in re.findall(r"^Environment=([A-Z_]+)=", text, flags=re.M):
        if key not in keys:
            faults.append(f"shina.service: shina knows no {key}")


all_services = resolved()["services"]
check_processes(all_services)
check_all(all_services)
check_image()
check_unit()
for fault in faults:
    print(f"compose/deploy: {fault}")
sys.exit(1 if faults else 0)
