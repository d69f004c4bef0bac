// The AsyncAPI document under AsyncAPI's own parser, which is also its reference validator.
//     node asyncapi.js NODE_MODULES TOOL SCHEMAS...
// SPDX-License-Identifier: Apache-2.0
"use strict";

const { execFileSync } = require("child_process");
const fs = require("fs");
const os = require("os");
const path = require("path");

const [modules, tool, ...folders] = process.argv.slice(2);
const { Parser } = require(path.join(modules, "@asyncapi/parser"));

const ERROR = 0;
const WARNING = 1;
let failed = false;

function say(where, what) {
    failed = true;
    console.error(`${where}: ${what}`);
}

// What is wrong with the document, worst first; hints (newer versions of the format) are none.
async function faults(document) {
    const { diagnostics } = await new Parser().parse(document);

    return diagnostics
        .filter((d) => d.severity === ERROR || d.severity === WARNING)
        .map((d) => `${d.path.join("/")}: ${d.message}`);
}

async function check(schemas, out) {
    execFileSync(tool, ["asyncapi", "--schemas", schemas, "--out", out]);
    const document = fs.readFileSync(out, "utf8");
    const { document: parsed } = await new Parser().parse(document);

    for (const fault of await faults(document)) {
        say(schemas, fault);
    }
    for (const file of fs.readdirSync(schemas).filter((f) => f.endsWith(".json"))) {
        const contract = JSON.parse(fs.readFileSync(path.join(schemas, file), "utf8"));
        const channel = parsed && parsed.channels().get(contract.module);

        if (file === "common.json") {
            continue;
        }
        if (!channel || channel.address() !== `shina.${contract.module}.events`) {
            say(file, "has no channel");
            continue;
        }
        const feed = parsed.channels().get(`${contract.module}_feed`);

        if (!feed || feed.address() !== `/api/v1/events/${contract.module}`) {
            say(file, "has no feed");
            continue;
        }
        for (const aggregate of Object.values(contract.aggregates)) {
            for (const event of Object.keys(aggregate.events)) {
                if (!channel.messages().get(event)?.payload()) {
                    say(file, `${event} is no message of its channel`);
                }
                if (!feed.messages().get(event)?.payload()) {
                    say(file, `${event} is no message of its feed`);
                }
            }
        }
    }
    // A validator that takes anything proves nothing.
    const broken = JSON.parse(document);
    Object.values(broken.operations)[0].action = "shout";
    if ((await faults(JSON.stringify(broken))).length === 0) {
        say("@asyncapi/parser", "finds nothing wrong in a broken document");
    }
}

async function main() {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "shina-asyncapi-"));

    try {
        for (const schemas of folders) {
            await check(schemas, path.join(folder, "asyncapi.json"));
        }
    } finally {
        fs.rmSync(folder, { recursive: true });
    }
    process.exitCode = failed ? 1 : 0;
}

main();
