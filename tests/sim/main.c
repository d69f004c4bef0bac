/* main.c - the deterministic simulator: `make sim SEEDS=n SEED=s`.
 *
 * The real kernel (writers, couriers, projectors, members, leases) runs as fibers of one thread
 * over simulated clock, chance, transport and store. A seed decides everything: what the clients
 * ask, how the processes take turns, and what goes wrong: messages that are lost, late, doubled and
 * overtake each other; processes that are killed between any two steps, stand still or stop;
 * threads that wake past their lease; calls of the store that fail, are slow, or whose outcome
 * nobody knows; leases that run out; full queues; clocks that jump. After a while nothing goes
 * wrong any more; then all must come to an end in bounded time (liveness), and check.c looks at
 * what is left:
 *
 *   - an acknowledged command is in the log, at the moment of its answer and at the end
 *   - a refused one left nothing; one of which nobody knows is there at most once
 *   - every repeat of an acknowledged command gets the same answer
 *   - what an order asked of an item happened once, or was refused for good, and the order was told
 * so
 *   - a name is held by one item, or free; a promise ends; a depletion is noted once
 *   - the answers to one stream's sends stand in the order of the sends
 *   - a consumer of the topics sees each event once, in order, without holes
 *   - windows are what a walk over the log makes of it, whatever happened to who filled them
 *   - `shina verify` finds nothing: offsets, versions, epochs, times, checkpoints, views, snapshots
 *
 * Each seed runs in a process of its own, so that a crash of the kernel is a finding, too. A
 * failure prints the seed, the step, what was violated, and the last steps. `--seed N --trace`
 * prints all. Files: sched.c time and fibers; world.c processes; store.c and network.c what they
 * stand on; chaos.c faults; clients.c and journal.c who asks; check.c what must hold.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/planted.h"
#include "bus/log/log.h"
#include "tests/sim/check.h"
#include "tests/sim/clients.h"
#include "tests/sim/journal.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_US 1000000         /* how often it is looked whether all is finished */
#define SECONDS_MAX 120         /* of real time for one seed */
#define PROGRESS_S 5            /* between two lines of progress */
#define CALM_MAX_US 180000000   /* all must be finished so long after the last fault */
#define FAULTS_LEAST_US 8000000 /* of simulated time with faults */
#define FAULTS_MOST_US 30000000

typedef struct {
    uint64_t seed, seeds;
    bool     trace, quiet;
} settings;

/* What a seed's process tells at its end. */
typedef struct {
    bool     failed;
    uint64_t digest, steps;
    int64_t  commands, answers, repeats, windows, late, landed, simulated_us;
    int64_t  met[SIM_METS];
} outcome;

static sim_world *world; /* of the seed that runs here, for the signal handler */
static uint64_t   running_seed;

static void
print_failure(const char *what)
{
    (void)fprintf(stderr,
                  "FAILED: seed %" PRIu64 ", step %" PRIu64
                  ": %s\nThe last %d lines of its history:\n",
                  running_seed, sim_steps(world->sched), what, SIM_LINES);
    sim_print_lines(world->sched, stderr);
    (void)fprintf(stderr, "Again: make sim SEED=%" PRIu64 " SEEDS=1\n", running_seed);
}

/* The kernel has aborted, or does not come to an end. */
static void
on_signal(int number)
{
    print_failure(number == SIGALRM ? "it does not come to an end" : "the kernel crashed");
    _exit(2);
}

static void
run_history(sim_world *w)
{
    char pending[300] = "";

    w->faults_until_us = sim_between(w->sched, FAULTS_LEAST_US, FAULTS_MOST_US);
    (void)sim_spawn(w->sched, SIM_GOD, "chaos", sim_chaos_main, w);
    sim_clients_start(w);
    sim_run(w->sched, w->faults_until_us);
    while (sim_failed(w->sched) == NULL) {
        sim_run(w->sched, sim_now_us(w->sched) + LOOK_US);
        if (!sim_check_pending(w, pending, sizeof(pending)))
            break;
        if (sim_now_us(w->sched) > w->faults_until_us + CALM_MAX_US)
            sim_fail(w->sched, "liveness: long after the last fault there are %s", pending);
    }
    if (sim_failed(w->sched) == NULL)
        sim_check_all(w);
}

static outcome
run_seed(uint64_t seed, const settings *how)
{
    outcome out = {0};

    running_seed = seed;
    world = sim_world_create(seed);
    if (how->trace)
        sim_trace(world->sched, stdout);
    (void)signal(SIGABRT, on_signal);
    (void)signal(SIGSEGV, on_signal);
    (void)signal(SIGALRM, on_signal);
    (void)alarm(SECONDS_MAX);
    run_history(world);
    (void)alarm(0);
    if (sim_failed(world->sched) != NULL)
        print_failure(sim_failed(world->sched));
    out = (outcome){.failed = sim_failed(world->sched) != NULL,
                    .digest = sim_digest(world->sched),
                    .steps = sim_steps(world->sched),
                    .commands = world->journal->count,
                    .answers = world->journal->answers,
                    .repeats = world->journal->repeats,
                    .windows = world->windows,
                    .late = world->late,
                    .landed = world->landed,
                    .simulated_us = sim_now_us(world->sched)};
    memcpy(out.met, world->met, sizeof(out.met));
    return out;
}

/* In a process of its own: what was killed in the simulation is not given back. */
static outcome
run_apart(uint64_t seed, const settings *how)
{
    outcome out = {.failed = true};
    int     ends[2], status = 0;
    pid_t   child;

    if (pipe(ends) != 0 || (child = fork()) < 0) {
        perror("sim");
        exit(2);
    }
    if (child == 0) {
        outcome mine;

        (void)close(ends[0]);
        mine = run_seed(seed, how);
        (void)fflush(NULL);
        _exit(write(ends[1], &mine, sizeof(mine)) == (ssize_t)sizeof(mine) ? 0 : 2);
    }
    (void)close(ends[1]);
    if (read(ends[0], &out, sizeof(out)) != (ssize_t)sizeof(out))
        out = (outcome){.failed = true};
    (void)close(ends[0]);
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        out.failed = true;
    return out;
}

static void
add(outcome *total, const outcome *one)
{
    total->steps += one->steps;
    total->digest = (total->digest ^ one->digest) * UINT64_C(0x100000001b3);
    total->commands += one->commands;
    total->answers += one->answers;
    total->repeats += one->repeats;
    total->windows += one->windows;
    total->late += one->late;
    total->landed += one->landed;
    total->simulated_us += one->simulated_us;
    for (int i = 0; i < SIM_METS; i++)
        total->met[i] += one->met[i];
}

/* tests/sim/run.sh reads these lines. */
static void
print_total(const settings *how, const outcome *total)
{
    (void)printf("%" PRIu64 " seeds from %" PRIu64 ": nothing is violated; digest %016" PRIx64 "\n",
                 how->seeds, how->seed, total->digest);
    (void)printf("  hours simulated: %.2f\n", (double)total->simulated_us / 3.6e9);
    (void)printf("  steps: %" PRIu64 "\n", total->steps);
    (void)printf("  commands: %lld\n", (long long)total->commands);
    (void)printf("  answers: %lld\n", (long long)total->answers);
    (void)printf("  answers repeated: %lld\n", (long long)total->repeats);
    (void)printf("  windows compared: %lld\n", (long long)total->windows);
    (void)printf("  events late for their windows: %lld\n", (long long)total->late);
    (void)printf("  events in topics: %lld\n", (long long)total->landed);
    for (int i = 0; i < SIM_METS; i++)
        (void)printf("  %s: %lld\n", sim_met_names[i], (long long)total->met[i]);
}

static int
run_seeds(const settings *how)
{
    outcome total = {0};
    time_t  told = time(NULL);

    for (uint64_t i = 0; i < how->seeds; i++) {
        outcome one = run_apart(how->seed + i, how);

        if (one.failed) {
            (void)fprintf(stderr, "%" PRIu64 " seeds were well before it\n", i);
            return 1;
        }
        add(&total, &one);
        if (!how->quiet && time(NULL) - told >= PROGRESS_S) {
            told = time(NULL);
            (void)fprintf(stderr, "%" PRIu64 " of %" PRIu64 " seeds\n", i + 1, how->seeds);
        }
    }
    print_total(how, &total);
    return 0;
}

static void
print_help(void)
{
    (void)printf(
        "sim [--seeds N] [--seed S] [--trace] [--quiet] [--plant BUG | --plants]\n"
        "  --seeds N   how many seeds are run (100)\n"
        "  --seed S    the first of them (1)\n"
        "  --trace     prints every line of the history\n"
        "  --quiet     no progress\n"
        "  --plant BUG with a bug that was put in on purpose (a build with SHINA_PLANTED)\n"
        "  --plants    the names of those bugs\n");
}

#ifdef SHINA_PLANTED
static void
choose_plant(const char *name)
{
    if (!bus_plant_choose(name)) {
        (void)fprintf(stderr, "sim: no bug is called %s\n", name);
        exit(2);
    }
}

static void
print_plants(void)
{
    for (const bus_plant *p = bus_plants; p->name != NULL; p++)
        (void)printf("%s\t%s\n", p->name, p->what);
}
#else
static void
choose_plant(const char *name)
{
    (void)fprintf(stderr, "sim: this build has no planted bugs, so not %s\n", name);
    exit(2);
}

static void
print_plants(void)
{
}
#endif

static uint64_t
number_of(const char *text)
{
    char    *end;
    uint64_t n = strtoull(text, &end, 10);

    if (end == text || *end != '\0') {
        (void)fprintf(stderr, "sim: %s is no number\n", text);
        exit(2);
    }
    return n;
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seeds", required_argument, NULL, 'n'}, {"seed", required_argument, NULL, 's'},
        {"trace", no_argument, NULL, 't'},       {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},        {"plant", required_argument, NULL, 'p'},
        {"plants", no_argument, NULL, 'l'},      {NULL, 0, NULL, 0},
    };
    settings how = {.seed = 1, .seeds = 100};
    int      log = open("/dev/null", O_WRONLY | O_CLOEXEC);

    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;)
        switch (c) {
        case 'n': how.seeds = number_of(optarg); break;
        case 's': how.seed = number_of(optarg); break;
        case 't': how.trace = true; break;
        case 'q': how.quiet = true; break;
        case 'p': choose_plant(optarg); break;
        case 'l': print_plants(); return 0;
        case 'h': print_help(); return 0;
        default: print_help(); return 2;
        }
    bus_log_start(BUS_LOG_ERROR, log); /* what the kernel logs is what it should in such a world */
    return run_seeds(&how);
}
