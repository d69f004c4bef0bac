"""What was measured, on what: facts that stand beside every figure.

SPDX-License-Identifier: Apache-2.0
"""
import os
import platform
import subprocess

SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "wal_compression",
            "shared_buffers", "max_wal_size", "checkpoint_timeout", "server_version")
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


def cpu_model():
    with open("/proc/cpuinfo") as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")),
                    platform.processor())


def memory_mib():
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE") // (1 << 20)


def facts():
    return {"cores": os.cpu_count(), "memory_mib": memory_mib(), "kernel": platform.release(),
            "cpu": cpu_model(), "load_before": os.getloadavg()[0]}


def git(*args):
    found = subprocess.run(["git", "-c", "safe.directory=*", *args], capture_output=True, text=True,
                           check=False)
    return found.stdout.strip() if found.returncode == 0 else ""


def source():
    return {"commit": git("rev-parse", "--short=12", "HEAD") or "unknown",
            "dirty": bool(git("status", "--porcelain"))}


def postgres_settings(sql):
    """sql: runs a statement. A server that would forget what it has acknowledged is refused."""
    names = ", ".join(f"'{name}'" for name in SETTINGS)
    lines = sql(f"select name || '=' || current_setting(name) from pg_settings "
                f"where name in ({names}) order by name").splitlines()
    found = dict(line.split("=", 1) for line in lines)
    loose = [name for name in DURABLE if found[name] != "on"]
    if loose:
        raise RuntimeError(f"PostgreSQL is not durable: {', '.join(loose)} is not on")
    return found
