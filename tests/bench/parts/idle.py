"""What shina takes while nobody asks anything.

SPDX-License-Identifier: Apache-2.0
"""
from figures import Row

NAME = "idle"
ABOUT = "CPU of an idle shina"
TAKES_S = (10, 10)


def run(ctx):
    shina = ctx.shina()
    percent = [shina.idle_percent(ctx.args.idle)]
    shina.stop()
    ctx.drop(shina.home)
    return [Row("idle", "% of a core", percent, better="less")]
