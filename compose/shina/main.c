/* main.c - the command line of shina: a table of verbs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/last_word.h"
#include "compose/process/process.h"
#include "compose/process/registry.h"
#include "compose/shina/verbs.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int verb_config(const bus_config *config, int argc, char **argv);
static int verb_version(const bus_config *config, int argc, char **argv);

static const struct {
    const char *name;
    shina_verb  run;
    const char *arguments, *summary, *help;
} verbs[] = {
    {"run", verb_run, "", "everything in this process, on the embedded default",
     "Starts a PostgreSQL and a Redis of its own in SHINA_HOME (unless SHINA_DATABASE_URL and\n"
     "SHINA_REDIS_URL name others), applies the migrations, and runs all services, projections\n"
     "and the HTTP edge in this process. Ctrl-C stops it cleanly.\n"},
    {"servers", verb_servers, "", "the embedded PostgreSQL and Redis alone, for the next three",
     "Runs the servers of SHINA_HOME that SHINA_DATABASE_URL and SHINA_REDIS_URL do not name\n"
     "elsewhere, and applies the migrations. The processes of the same SHINA_HOME find them.\n"},
    {"edge", verb_edge, "", "the HTTP edge as a process of its own",
     "Serves SHINA_HTTP; commands go over nng to the services, wherever they run.\n"},
    {"service", verb_service, "NAME...", "services as a process of their own",
     "Carries out the commands of these domains. Several processes of one domain share its\n"
     "partitions. Listens on SHINA_BUS_URL, by default a socket in SHINA_HOME.\n"},
    {"projection", verb_projection, "NAME...", "projections as a process of their own",
     "Fills the views of these domains. A second process of one domain stands by.\n"},
    {"relay", verb_relay, "[DOMAIN...]", "copies events to Kafka as a process of its own",
     "Copies the logs of these domains, without a name of all, to the topics of SHINA_KAFKA, from\n"
     "where each topic ends. Several share the partitions. `run` does it too where SHINA_KAFKA is\n"
     "set.\n"},
    {"token", verb_token, "--tenant UUID --role ROLE[,ROLE] [options]", "make a bearer token",
     "  --tenant UUID   the carrier\n"
     "  --role NAMES    ADMIN, DISPATCHER, DRIVER, VIEWER; several with commas\n"
     "  --user UUID     who; default: a new one\n"
     "  --driver UUID   the driver that the user is\n"
     "  --grant NAMES   finance.read, tenants.manage, telegram.link\n"
     "  --ttl SECONDS   how long it holds; default 3600\n"},
    {"admin", verb_admin, "create --tenant UUID --email EMAIL --name NAME [--tenant-name NAME]",
     "the first ADMIN of a carrier",
     "Opens the tenant at the shina that listens on SHINA_HTTP, and makes a user of it who is an\n"
     "ADMIN, with the password that is typed, or is the first line of standard input. Prints his\n"
     "id. Needs SHINA_OPERATOR_TOKENS. After a failure: the same again.\n"
     "  --tenant UUID        the carrier\n"
     "  --tenant-name NAME   what it is called, if it is new\n"},
    {"status", verb_status, "[--json]", "how the running shina is",
     "Asks /readyz of the shina that listens on SHINA_HTTP, and the database which processes are\n"
     "there. Exit code 1: not ready or not there.\n"
     "  --json   the answer as it came, with \"processes\"\n"},
    {"events", verb_events, "DOMAIN [--after P:O] [--limit N] [--follow] [--clear]",
     "print a domain's log",
     "One JSON object per line, partition by partition.\n"
     "  --after P:O   of partition P only, after offset O\n"
     "  --clear       personal data decrypted; else it is printed as it stands in the log\n"
     "  --limit N     at most N events per partition\n"
     "  --follow      wait for more; Ctrl-C ends it\n"},
    {"parked", verb_parked, "[list|retry|skip] [options]", "streams that wait for somebody to look",
     "What a reader could not handle waits, that event and the later ones of its stream; the rest\n"
     "goes on. A line: domain, reader, stream, log:partition:offset, reason.\n"
     "  retry           try again from that event: after what was in the way is mended\n"
     "  skip            leave that event out for good, and go on behind it\n"
     "  --domain NAME   --reader NAME   --stream UUID   which; skip needs a stream\n"
     "  --all           retry all that were named\n"},
    {"keys", verb_keys, "[list|rotate|drop KID]", "the master keys of personal data",
     "Which master keys there are, and how many keys of people each wraps.\n"
     "  rotate     makes a new one in front of the file of keys, and wraps all by it, beside a\n"
     "             running system, which goes on. Where SHINA_MASTER_KEYS are the keys "
     "themselves:\n"
     "             by the first one there, which is put there and given to all processes before.\n"
     "             Stopped or killed, it goes on with the next run\n"
     "  drop KID   takes out one by which nothing is wrapped any more. Copies of the database "
     "from\n"
     "             before the rotation need it still\n"},
    {"rebuild", verb_rebuild, "VIEW...", "make the tables of views anew, beside a running system",
     "Folds the whole log into a new table, with progress, and puts it into the place of the old\n"
     "one, which is read until then. What a view's code or contract changes is rebuilt by itself\n"
     "at the start; this is for a table that was damaged. Ctrl-C leaves everything as it was.\n"},
    {"replay", verb_replay,
     "ANALYTIC [--from TIME] [--to TIME] [--rules FILE] [--tenant UUID] [--limit N] [--json]",
     "what would an analytic say at other rates?",
     "Runs an analytic over the whole log once more, beside a working system, into tables that "
     "are\n"
     "dropped afterwards, and prints each window that differs from what is read today. Without\n"
     "rules none should, unless the analytic's code has changed since its tables were filled; "
     "exit\n"
     "code 1: some do.\n"
     "  --from, --to TIME   only windows that begin at or after --from, and before --to: a day "
     "such as\n"
     "                      2026-11-23 (its midnight UTC), 2026-11-23T05:00:00Z, or milliseconds\n"
     "  --rules FILE        rates by domain, in JSON: {\"trips\": {\"per_km_kop\": 600}}; what is\n"
     "                      left out stays as it was. Which there are stands in the contract of a\n"
     "                      domain, under what_if\n"
     "  --tenant UUID       of one carrier\n"
     "  --limit N           at most N lines; default 100; 0: all\n"
     "  --json              a window as it is today and as it would be, one line of JSON each\n"},
    {"archive", verb_archive, "DOMAIN... [--before TIME] [--keep-events N] [--dry-run]",
     "move old events to files, beside a running system",
     "Moves the oldest events of each partition from the database to files in SHINA_ARCHIVE, as\n"
     "far as every reader has read them. Commands, rebuilds, `events` and `verify` read them\n"
     "there, so keep the files, and back them up with the database. Stopped or killed, it goes\n"
     "on with the next run.\n"
     "  --before TIME     only events of before 2026-01-31T00:00:00Z, or older than 90d\n"
     "  --keep-events N   the newest N of each partition stay\n"
     "  --dry-run         only tell what would go, and what is held back by whom\n"},
    {"audit", verb_audit, "verify [--tenant UUID] [--anchors FILE]",
     "is the audit as it was written?",
     "Reads every row and computes its hash anew. A line for each row that was changed or is\n"
     "missing, with tenant and number; then the end of each chain, number and hash. Exit code 1:\n"
     "there are faults.\n"
     "  --tenant UUID    of one carrier\n"
     "  --anchors FILE   ends of before, kept out of reach of whoever may write the database:\n"
     "                   each must still be there; those of today are added to the file if all\n"
     "                   is well. Without it nobody sees that a chain's end was cut off together\n"
     "                   with its head, or all of it written anew\n"},
    {"verify", verb_verify, "[--topics]", "check the log and everything made of it",
     "Gapless offsets, epochs, times, versions, one answer per command, every view equal to the\n"
     "fold of the log, no checkpoint ahead of it, every archive as it was written. Exit code 1:\n"
     "there are faults.\n"
     "  --topics   the topics of events in Kafka as well: read whole, each event as it is in the\n"
     "             log, in order, without holes; told is how much came again, and how much is not\n"
     "             there yet\n"},
    {"contracts", verb_contracts,
     "check --against REVISION-OR-FOLDER [--mode MODE] [--schemas DIR]",
     "may these contracts follow the published ones?",
     "Compares the events of the contracts in schemas/ with those of a git revision, or of a\n"
     "folder of contracts. A line for each change that somebody could not read: file, place, why.\n"
     "Exit code 1: there are such.\n"
     "  --against X    a tag, a commit, or a folder\n"
     "  --mode MODE    BACKWARD: what the log holds is read by the new contracts; FORWARD: what\n"
     "                 they write is read by who knows the old ones; FULL: both. With\n"
     "                 _TRANSITIVE also against all tags before that; default\n"
     "                 BACKWARD_TRANSITIVE\n"
     "  --schemas DIR  the new contracts; default: those that this program was built from\n"},
    {"migrate", verb_migrate, "", "apply the migrations to the database",
     "Runs sql-migrate up under an advisory lock; `run` does it by itself.\n"},
    {"config", verb_config, "[--markdown]", "print the configuration in force",
     "Secrets print as ***.\n  --markdown   the table of keys instead\n"},
    {"version", verb_version, "", "print the version", ""},
};

#define VERBS ((int)(sizeof(verbs) / sizeof(verbs[0])))

/* --- small verbs ------------------------------------------------------------------------- */

static int
verb_config(const bus_config *config, int argc, char **argv)
{
    static const char *const known[] = {"--markdown", NULL};
    bus_buf                  out = {0};

    if (!options_known(argc, argv, known, 0))
        return 2;
    if (flag_of(argc, argv, "--markdown"))
        bus_config_reference(&out);
    else
        bus_config_print(config, &out);
    (void)fputs(out.at, stdout);
    bus_buf_fini(&out);
    return 0;
}

static int
verb_version(const bus_config *config, int argc, char **argv)
{
    (void)config;
    (void)argc;
    (void)argv;
    (void)puts("shina " SHINA_VERSION);
    return 0;
}

/* --- help and dispatch --------------------------------------------------------------------- */

static int
print_help(FILE *to, const char *verb)
{
    for (int i = 0; verb != NULL && i < VERBS; i++)
        if (strcmp(verbs[i].name, verb) == 0) {
            (void)fprintf(to, "Usage: shina %s %s\n\n%s\n", verb, verbs[i].arguments,
                          verbs[i].help);
            return 0;
        }
    (void)fputs("Usage: shina VERB [options]\n\n", to);
    for (int i = 0; i < VERBS; i++)
        (void)fprintf(to, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
    (void)fputs("\nshina help VERB tells more. Configuration: the environment and .env;\n"
                "shina config --markdown lists the keys.\n",
                to);
    return verb == NULL ? 0 : 2;
}

static bus_code
load_config(bus_config **out, bus_error *err)
{
    const char *domains[SHINA_PARTS_MAX];
    bus_code    rc = bus_config_load(out, ".env", err);

    if (rc != BUS_OK)
        return rc;
    for (int i = 0; i < shina_modules_count && i < SHINA_PARTS_MAX; i++)
        domains[i] = shina_modules[i]->contract->module;
    rc = bus_config_check_domains(*out, domains, shina_modules_count, err);
    if (rc != BUS_OK)
        bus_config_free(*out);
    return rc;
}

int
main(int argc, char **argv)
{
    bus_config *config;
    bus_error   err = {0};
    const char *verb = argc > 1 ? argv[1] : NULL;
    int         rc = 2;

    (void)signal(SIGPIPE, SIG_IGN);
    shina_standard_files();
    shina_last_word();
    if (verb == NULL || strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0 ||
        strcmp(verb, "help") == 0)
        return print_help(stdout, verb != NULL && argc > 2 ? argv[2] : NULL);
    for (int i = 0; i < VERBS; i++) {
        if (strcmp(verbs[i].name, verb) != 0)
            continue;
        if (flag_of(argc - 1, argv + 1, "--help"))
            return print_help(stdout, verb);
        if (load_config(&config, &err) != BUS_OK)
            return failed(&err);
        rc = verbs[i].run(config, argc - 1, argv + 1);
        bus_config_free(config);
        return rc;
    }
    (void)fprintf(stderr, "shina: there is no verb \"%s\"\n", verb);
    return print_help(stderr, verb);
}
