/* main.c - shina-test-kafka: a broker for scripts. Prints its bootstrap servers on one line and
 * runs until its standard input ends or a signal comes.
 *
 *   shina-test-kafka [--nodes N] < fifo
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/kafka/broker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
on_signal(int number)
{
    (void)number; /* read() below is interrupted */
}

int
main(int argc, char **argv)
{
    const struct sigaction action = {.sa_handler = on_signal};
    int                    nodes = 1;
    tests_kafka           *kafka;
    char                   byte;

    if (argc == 3 && strcmp(argv[1], "--nodes") == 0)
        nodes = (int)strtol(argv[2], NULL, 10);
    else if (argc != 1) {
        (void)fprintf(stderr, "usage: shina-test-kafka [--nodes N]\n");
        return 2;
    }
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    kafka = tests_kafka_start(nodes);
    (void)printf("%s\n", tests_kafka_servers(kafka));
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    tests_kafka_stop(kafka);
    return 0;
}
