/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every verb of agentctl, declared once: name, arguments, options, exit codes, help.
 *
 * `agentctl --help`, the bash completion and the verbs' part of agentctl(1) are made from this
 * table, and agentctl's dispatch too: a new verb is one entry here and one function
 * verb_<function>() in a file of its own under ctl/.
 */
#pragma once

#include "common/schema/contract.h"

#include <stdbool.h>
#include <stddef.h>

/* What a word on the command line is: how it is checked and completed. */
enum verb_value {
    VERB_VALUE_NONE,
    VERB_VALUE_FILE,
    VERB_VALUE_DIRECTORY,
    VERB_VALUE_DURATION, /* as clock_parse_duration() reads it */
    VERB_VALUE_NUMBER,   /* a whole number */
    VERB_VALUE_TARGET,   /* APP or APP.SLOT */
    VERB_VALUE_PRIORITY, /* "idle" or "normal" */
    VERB_VALUE_VERB,
    VERB_VALUE_URL,
    VERB_VALUE_TEXT, /* any */
};

/* OPTION(identifier, letter or 0, name, value's name or NULL, value, help) */
#define VERB_OPTIONS(OPTION)                                                                       \
    OPTION(SOCKET, 0, "socket", "PATH", VERB_VALUE_FILE,                                           \
           "The control socket of agentd. Default: $AGENTCTL_SOCKET, else "                        \
           "/run/agentd/control.sock.")                                                            \
    OPTION(JSON, 0, "json", NULL, VERB_VALUE_NONE,                                                 \
           "Print JSON with stable keys instead of text. Colours and width don't matter to it.")   \
    OPTION(NO_COLOR, 0, "no-color", NULL, VERB_VALUE_NONE,                                         \
           "No colours. They are also off when standard output is no terminal, when NO_COLOR is "  \
           "set and when TERM is dumb.")                                                           \
    OPTION(HELP, 'h', "help", NULL, VERB_VALUE_NONE, "Show this help and exit.")                   \
    OPTION(NAMES, 0, "names", NULL, VERB_VALUE_NONE,                                               \
           "Print only the names, APP and APP.SLOT, one a line. For scripts and completion.")      \
    OPTION(FOLLOW, 'f', "follow", NULL, VERB_VALUE_NONE,                                           \
           "Go on printing what is new, until interrupted.")                                       \
    OPTION(LINES, 'n', "lines", "N", VERB_VALUE_NUMBER,                                            \
           "Start with the newest N only. Default: 50.")                                           \
    OPTION(SINCE, 0, "since", "ID", VERB_VALUE_NUMBER, "Only events after the one with this id.")  \
    OPTION(VERBOSE, 'v', "verbose", NULL, VERB_VALUE_NONE,                                         \
           "Also what dead workers wrote at last, indented below their deaths.")                   \
    OPTION(ONCE, 0, "once", NULL, VERB_VALUE_NONE, "Print it once, as text, and exit.")            \
    OPTION(CONFIG, 0, "config", "FILE", VERB_VALUE_FILE,                                           \
           "Read this file, without asking the daemon.")                                           \
    OPTION(CONFIG_DIR, 0, "config-dir", "DIR", VERB_VALUE_DIRECTORY,                               \
           "Read the *.conf files of this directory after the file. Default: conf.d beside the "   \
           "file.")                                                                                \
    OPTION(CORE, 0, "core", NULL, VERB_VALUE_NONE,                                                 \
           "Restart the core of agentd instead of workers. No request and no worker is touched.")  \
    OPTION(APP, 0, "app", "APP", VERB_VALUE_TARGET, "Only this app's workers.")                    \
    OPTION(WAIT, 0, "wait", NULL, VERB_VALUE_NONE,                                                 \
           "Return when the change is done, not when it is accepted.")                             \
    OPTION(TIMEOUT, 0, "timeout", "DURATION", VERB_VALUE_DURATION,                                 \
           "Wait so long at most (30s, 5m, 1h30m; a bare number is seconds), then exit with 6. "   \
           "Implies --wait. Default: 60s.")                                                        \
    OPTION(DRY_RUN, 0, "dry-run", NULL, VERB_VALUE_NONE,                                           \
           "Print the bodies of PutMetricData that the last full window makes, and send nothing.") \
    OPTION(RATE, 0, "rate", "N", VERB_VALUE_NUMBER,                                                \
           "Send N requests a second, each at its own moment, however long the answers take. "     \
           "1 to 10000. Default: 50, unless --connections is given.")                              \
    OPTION(CONNECTIONS, 0, "connections", "N", VERB_VALUE_NUMBER,                                  \
           "Keep N connections busy: on each the next request follows the answer. "                \
           "With --rate: use N at most, 1000 if it isn't given. 1 to 1000.")                       \
    OPTION(NEW_CONNECTIONS, 0, "new-connections", NULL, VERB_VALUE_NONE,                           \
           "Send each request on a connection of its own, so that a load balancer that spreads "   \
           "connections spreads the requests.")                                                    \
    OPTION(DATA, 0, "data", "TEXT", VERB_VALUE_TEXT,                                               \
           "POST this as a form (message=hello) instead of a GET. Up to 64 KiB.")                  \
    OPTION(FOR, 0, "for", "DURATION", VERB_VALUE_DURATION,                                         \
           "End after so long (90s, 10m, 1h; a bare number is seconds). "                          \
           "For load 1s to 1h, default 30s; for watch 1s to 24h, default: until interrupted; "     \
           "for stress on default 10m, at most stress.max_seconds.")                               \
    OPTION(INTERVAL, 0, "interval", "DURATION", VERB_VALUE_DURATION,                               \
           "Time between two polls: for watch 100ms to 60s, for top 200ms to 1h. Default: 1s.")    \
    OPTION(LOAD, 0, "load", "PERCENT", VERB_VALUE_NUMBER,                                          \
           "Busy time of all CPUs together that is held, 1 to 100, with what others use. "         \
           "Default: 85.")                                                                         \
    OPTION(CORES, 0, "cores", "N", VERB_VALUE_NUMBER, "Use so many CPUs at most. Default: all.")   \
    OPTION(PRIORITY, 0, "priority", "PRIORITY", VERB_VALUE_PRIORITY,                               \
           "idle yields the CPU to the apps, normal competes with them. Default: idle.")           \
    OPTION(COMPLETION, 0, "completion", NULL, VERB_VALUE_NONE,                                     \
           "Print the completion script for bash.")                                                \
    OPTION(MAN, 0, "man", NULL, VERB_VALUE_NONE,                                                   \
           "Print the part of the manual page that is made from the verbs.")

#define VERB_OPTION_ENUM_(identifier, letter, name, value_name, value, help)                       \
    VERB_OPTION_##identifier,
enum verb_option { VERB_OPTIONS(VERB_OPTION_ENUM_) VERB_OPTION_COUNT_ };
#undef VERB_OPTION_ENUM_

_Static_assert(VERB_OPTION_COUNT_ <= 32, "a bit for each option");
#define VERB_BIT(identifier)  (1u << (VERB_OPTION_##identifier))
#define VERB_CODE(identifier) (1u << (EXIT_CODE_##identifier))

/* What every verb takes and may exit with. */
#define VERB_OPTIONS_GLOBAL                                                                        \
    (VERB_BIT(SOCKET) | VERB_BIT(JSON) | VERB_BIT(NO_COLOR) | VERB_BIT(HELP))
#define VERB_CODES_LOCAL  (VERB_CODE(OK) | VERB_CODE(FAILED) | VERB_CODE(USAGE))
#define VERB_CODES_READ   (VERB_CODES_LOCAL | VERB_CODE(UNREACHABLE) | VERB_CODE(NOT_PERMITTED))
#define VERB_CODES_CHANGE (VERB_CODES_READ | VERB_CODE(TIMED_OUT) | VERB_CODE(REFUSED))

/*
 * VERB(identifier, function, name, arguments' text, their number at least and at most, what they
 * are, options besides the global ones, exit codes, summary, help)
 *
 * The name is one word, or two ("config check"). In the help each sentence is one that can stand
 * alone; "  " and line breaks have no place in it.
 */
#define VERBS(VERB)                                                                                \
    VERB(                                                                                          \
        STATUS, status, "status", "", 0, 0, VERB_VALUE_NONE, VERB_BIT(NAMES), VERB_CODES_READ,     \
        "show agentd, its apps and each worker",                                                   \
        "Shows the state of the node, holder and core, the sink of the metrics, and for each app " \
        "its workers and requests. "                                                               \
        "A worker's own status text and how its predecessor ended stand below it. "                \
        "Exits with 0 whenever agentd answers; use health to test.")                               \
    VERB(TOP, top, "top", "", 0, 0, VERB_VALUE_NONE, VERB_BIT(ONCE) | VERB_BIT(INTERVAL),          \
         VERB_CODES_READ, "watch the node live: CPU, requests, workers, events",                   \
         "Shows the host with the part that stress has in its CPU, the requests, each worker, "    \
         "graphs of the last ten minutes and the last events, and follows. "                       \
         "Keys: q leaves, s switches stress on or off and r reloads (both ask first), the arrows " \
         "choose an app or a worker, ? shows help. "                                               \
         "Without a terminal it prints the same as text, once, or with --interval again and "      \
         "again; --json then prints what status --json does. "                                     \
         "A daemon that goes away is waited for.")                                                 \
    VERB(HEALTH, health, "health", "", 0, 0, VERB_VALUE_NONE, 0,                                   \
         VERB_CODES_READ | VERB_CODE(NOT_HEALTHY), "say whether the node should get requests",     \
         "Asks the same as the load balancer's health check. "                                     \
         "Exits with 0 if the node is healthy, else with 3.")                                      \
    VERB(METRICS, metrics, "metrics", "", 0, 0, VERB_VALUE_NONE, VERB_BIT(DRY_RUN),                \
         VERB_CODES_READ | VERB_CODE(REFUSED),                                                     \
         "show every metric, now and in its last full window",                                     \
         "NOW is the newest sample. "                                                              \
         "MINIMUM, MEAN, MAXIMUM and SAMPLES are those of the last full window, as it was handed " \
         "to the sink.")                                                                           \
    VERB(COST, cost, "cost", "", 0, 0, VERB_VALUE_NONE, 0, VERB_CODES_READ | VERB_CODE(REFUSED),   \
         "say what a month of this node's metrics costs",                                          \
         "Counts the CloudWatch metrics of the last full window and the requests of the last "     \
         "hour, at public prices of us-east-1. "                                                   \
         "Metrics without InstanceId are shared by all nodes of an Auto Scaling group, so they "   \
         "cost once for the group.")                                                               \
    VERB(EVENTS, events, "events", "", 0, 0, VERB_VALUE_NONE,                                      \
         VERB_BIT(FOLLOW) | VERB_BIT(SINCE) | VERB_BIT(LINES) | VERB_BIT(VERBOSE),                 \
         VERB_CODES_READ, "show what happened: starts, deaths, restarts, changes",                 \
         "Shows the newest events of a ring in memory, the oldest first, in UTC. "                 \
         "With --follow it asks each second; with --json it then prints one object a line. "       \
         "What a worker wrote at last is kept for the newest 16 deaths; --verbose shows it, and "  \
         "--json has it as \"lines\".")                                                            \
    VERB(LOGS, logs, "logs", "[APP[.SLOT]]", 0, 1, VERB_VALUE_TARGET,                              \
         VERB_BIT(FOLLOW) | VERB_BIT(LINES), VERB_CODES_READ,                                      \
         "show the log lines of agentd, of an app or of one worker",                               \
         "Where agentd logs to the journal this runs journalctl(1) with the right identifiers, "   \
         "also when agentd is down. "                                                              \
         "Else it reads the files in the log directory, and --lines counts for each file. "        \
         "With --json it prints one object a line, with the journal's field names.")               \
    VERB(CONFIG_CHECK, config_check, "config check", "", 0, 0, VERB_VALUE_NONE,                    \
         VERB_BIT(CONFIG) | VERB_BIT(CONFIG_DIR), VERB_CODES_LOCAL,                                \
         "check configuration files without touching the daemon",                                  \
         "Reads the files as agentd would. "                                                       \
         "Prints the number of apps, or one line with file, line, key and what is allowed, and "   \
         "then exits with 2.")                                                                     \
    VERB(CONFIG_SHOW, config_show, "config show", "", 0, 0, VERB_VALUE_NONE,                       \
         VERB_BIT(CONFIG) | VERB_BIT(CONFIG_DIR), VERB_CODES_READ,                                 \
         "show every key with its value and where it comes from",                                  \
         "Shows the configuration that is in force. "                                              \
         "With --config or --config-dir it shows what the files give, without asking the daemon.") \
    VERB(RESTART, restart, "restart", "[APP[.SLOT]]", 0, 1, VERB_VALUE_TARGET,                     \
         VERB_BIT(CORE) | VERB_BIT(WAIT) | VERB_BIT(TIMEOUT), VERB_CODES_CHANGE,                   \
         "restart workers: all, those of an app, or one",                                          \
         "A new worker is started first; when it is ready, an old one finishes its requests and "  \
         "ends, one after the other. "                                                             \
         "The new one may have another slot; if it fails, that ends the restart as it does a "     \
         "reload. "                                                                                \
         "With --core the core of agentd is replaced instead; the workers serve on.")              \
    VERB(RELOAD, reload, "reload", "", 0, 0, VERB_VALUE_NONE,                                      \
         VERB_BIT(APP) | VERB_BIT(WAIT) | VERB_BIT(TIMEOUT), VERB_CODES_CHANGE,                    \
         "read the configuration again and replace the workers",                                   \
         "Prints the keys that changed, and those that take effect at a restart of agentd only. "  \
         "If a file is bad, nothing changes, the line is printed and the exit code is 1. "         \
         "Then each app's workers are replaced as by restart, also if no key changed, so that a "  \
         "new program is taken. "                                                                  \
         "A new worker that dies, is not ready in time or fails its probe ends that: it is "       \
         "killed and the others serve on; with --wait it is named, with how it ended and what it " \
         "wrote at last, and the exit code is 1. "                                                 \
         "A reload during another one comes after it; several share one. "                         \
         "Workers that die later are started by the new configuration in any case.")               \
    VERB(SCALE, scale, "scale", "APP N", 2, 2, VERB_VALUE_TARGET,                                  \
         VERB_BIT(WAIT) | VERB_BIT(TIMEOUT), VERB_CODES_CHANGE,                                    \
         "run another number of an app's workers",                                                 \
         "Starts workers, or lets the surplus finish their requests and end. "                     \
         "The number, 0 to 64, holds until the app's next reload or a restart of agentd; then it " \
         "is again the configuration's. "                                                          \
         "With --wait it returns when so many workers are ready.")                                 \
    VERB(DRAIN, drain, "drain", "", 0, 0, VERB_VALUE_NONE, VERB_BIT(WAIT) | VERB_BIT(TIMEOUT),     \
         VERB_CODES_CHANGE, "take the node out of service; its workers serve on",                  \
         "The health check fails from now on, so that the load balancer sends no more requests, "  \
         "until undrain or a restart of agentd. "                                                  \
         "An Auto Scaling group with ELB health checks replaces an instance that fails them: "     \
         "enter standby first, or suspend its ReplaceUnhealthy process. "                          \
         "With --wait it returns when no request was in flight or came in for 5 seconds; apps "    \
         "without a scoreboard are left out of that.")                                             \
    VERB(UNDRAIN, undrain, "undrain", "", 0, 0, VERB_VALUE_NONE,                                   \
         VERB_BIT(WAIT) | VERB_BIT(TIMEOUT), VERB_CODES_CHANGE,                                    \
         "take a drained node back into service",                                                  \
         "The health check says again how the node is. "                                           \
         "With --wait it returns when the node is healthy.")                                       \
    VERB(STRESS_ON, stress_on, "stress on", "", 0, 0, VERB_VALUE_NONE,                             \
         VERB_BIT(LOAD) | VERB_BIT(FOR) | VERB_BIT(CORES) | VERB_BIT(PRIORITY) | VERB_BIT(WAIT) |  \
             VERB_BIT(TIMEOUT),                                                                    \
         VERB_CODES_CHANGE, "load the CPUs up to a target, for a while",                           \
         "Holds the busy time of the whole host at the target: what others use counts, so the "    \
         "result is the greater of both. "                                                         \
         "A second one changes target and end. "                                                   \
         "It ends by itself, at the latest after stress.max_seconds; before that when an app's "   \
         "latency or CPUSteal is over its limit, an app has no ready worker, or the node drains "  \
         "or stops, and is refused while one of these holds. "                                     \
         "On burstable instances it says what CPU credits cost. "                                  \
         "With --wait it returns when the load is being made.")                                    \
    VERB(STRESS_OFF, stress_off, "stress off", "", 0, 0, VERB_VALUE_NONE,                          \
         VERB_BIT(WAIT) | VERB_BIT(TIMEOUT), VERB_CODES_CHANGE, "end the load",                    \
         "Exits with 0 also if it was off already. "                                               \
         "With --wait it returns when its process has gone.")                                      \
    VERB(STRESS_STATUS, stress_status, "stress status", "", 0, 0, VERB_VALUE_NONE, 0,              \
         VERB_CODES_READ, "show what stress is on, and how the last one ended",                    \
         "Exits with 0 whenever agentd answers.")                                                  \
    VERB(UPGRADE, upgrade, "upgrade", "", 0, 0, VERB_VALUE_NONE,                                   \
         VERB_BIT(WAIT) | VERB_BIT(TIMEOUT), VERB_CODES_CHANGE,                                    \
         "go on as the agentd that is installed now",                                              \
         "To be called when agentd's programs on disk were replaced by another version. "          \
         "They are checked first: the configuration, the running agentd's state, their versions. " \
         "If the check fails, nothing changes, the reason is printed and the exit code is 1. "     \
         "Workers serve on untouched; agentctl reload rolls them onto the apps' new programs. "    \
         "With --wait it returns when the new agentd answers.")                                    \
    VERB(LOAD, load, "load", "URL", 1, 1, VERB_VALUE_URL,                                          \
         VERB_BIT(RATE) | VERB_BIT(CONNECTIONS) | VERB_BIT(NEW_CONNECTIONS) | VERB_BIT(DATA) |     \
             VERB_BIT(FOR),                                                                        \
         VERB_CODES_LOCAL | VERB_CODE(UNREACHABLE),                                                \
         "send requests to an address and say how they fare",                                      \
         "Load only what is yours, or what you were asked to load. "                               \
         "Needs no agentd. "                                                                       \
         "With --rate the latency counts from the moment at which a request was meant to be "      \
         "sent, also if it had to wait for a connection; one that waits for 5 seconds is not "     \
         "sent, and counted. "                                                                     \
         "Redirects are not followed, proxies not used. "                                          \
         "Each second a line on standard error shows the requests, failures and latencies; at "    \
         "the end comes the summary. "                                                             \
         "Ctrl-C ends the sending and waits for the answers, a second one doesn't wait. "          \
         "Exits with 0 if every request was answered with a status below 400, with 1 if not, and " \
         "with 4 if none was answered at all.")                                                    \
    VERB(WATCH, watch, "watch", "URL", 1, 1, VERB_VALUE_URL, VERB_BIT(INTERVAL) | VERB_BIT(FOR),   \
         VERB_CODES_LOCAL | VERB_CODE(UNREACHABLE), "show which instances answer at an address",   \
         "Needs no agentd. "                                                                       \
         "Asks for /health, or the path in the URL, again and again, each time on a new "          \
         "connection, and shows each instance with its answers, the newest one's age, status and " \
         "latency. "                                                                               \
         "An instance is told by \"instanceId\" in a JSON answer or by the header X-Instance-Id "  \
         "or "                                                                                     \
         "X-Served-By. "                                                                           \
         "One that hasn't answered for a while is marked silent. "                                 \
         "Where standard output is no terminal it prints a line a poll and the table at the end, " \
         "with --json an object a poll. "                                                          \
         "Exits with 4 if no poll was answered.")                                                  \
    VERB(VERSION, version, "version", "", 0, 0, VERB_VALUE_NONE, 0, VERB_CODES_LOCAL,              \
         "show the versions of agentctl and of the running agentd",                                \
         "Exits with 0 also when agentd is not reachable, and says so.")                           \
    VERB(HELP, help, "help", "[VERB]", 0, 2, VERB_VALUE_VERB,                                      \
         VERB_BIT(COMPLETION) | VERB_BIT(MAN), VERB_CODES_LOCAL, "show help on a verb, or on all", \
         "The same as agentctl VERB --help.")

#define VERB_ENUM_(identifier, function, name, arguments, arguments_min, arguments_max, value,     \
                   options, codes, summary, help)                                                  \
    VERB_##identifier,
enum verb { VERBS(VERB_ENUM_) VERB_COUNT_ };
#undef VERB_ENUM_

struct verb_info {
    const char *name;
    const char *arguments; /* for the synopsis; "" = none */
    unsigned arguments_min, arguments_max;
    enum verb_value value; /* what the arguments are */
    unsigned options;      /* VERB_BIT()s, with the global ones */
    unsigned codes;        /* VERB_CODE()s */
    const char *summary;
    const char *help;
};

struct verb_option_info {
    char letter; /* 0 = none */
    const char *name;
    const char *value_name; /* NULL = a flag */
    enum verb_value value;
    const char *help;
};

/* Never NULL for a valid one. */
const struct verb_info *verb_info(enum verb verb);
const struct verb_option_info *verb_option_info(enum verb_option option);

/* What an exit code means, without a full stop. NULL for what is none. */
const char *exit_code_help(unsigned code);
