/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: one plain value, filled from a table that declares every key once
 * (config-keys.h): type, unit, range, default, help.
 *
 * The files are libconfig's: /etc/agentd/agentd.conf, then /etc/agentd/conf.d/<name>.conf by name,
 * merged key by key (a list replaces a list). An unknown key, another type or a value out of range
 * is an error that names file, line, key and what is allowed; then nothing is changed. `@include`
 * is refused: conf.d is the way to split. Nothing here writes a user's file.
 */
#pragma once

#include "common/base/buffer.h"
#include "common/schema/contract.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CONFIG_STRING_MAX 255
#define CONFIG_ARGS_MAX   32
#define CONFIG_ENV_MAX    64
#define CONFIG_ERROR_MAX  512
#define CONFIG_REGION_MAX 31
#define CONFIG_LISTEN_MAX 107 /* a unix socket's path is the longest form */

#define STATSD_LISTENERS_MAX  4
#define STATSD_DIMENSIONS_MAX 8

enum config_sink { CONFIG_SINK_NONE, CONFIG_SINK_FILE, CONFIG_SINK_CLOUDWATCH };
enum config_readiness { CONFIG_READINESS_NOTIFY, CONFIG_READINESS_DELAY };
enum config_probe { CONFIG_PROBE_NONE, CONFIG_PROBE_PRIVATE, CONFIG_PROBE_HTTP };

struct config_app {
    char name[APP_NAME_MAX + 1];
    bool enabled;
    char *command[CONFIG_ARGS_MAX + 1];    /* argv, NULL at the end; [0] is an absolute path */
    char *environment[CONFIG_ENV_MAX + 1]; /* "NAME=value", NULL at the end */
    char directory[CONFIG_STRING_MAX + 1]; /* "" = / */
    char user[CONFIG_STRING_MAX + 1];      /* "" = the agent's own */
    char group[CONFIG_STRING_MAX + 1];     /* "" = the user's */
    char *listen[APP_LISTENERS_MAX +
                 1];  /* "127.0.0.1:8080", "[::]:80", "8080" (all addresses), "/path" */
    unsigned workers; /* 0 in the file = one a CPU; here already resolved */
    unsigned ready_timeout_s;
    unsigned drain_timeout_s; /* requests in flight */
    unsigned idle_timeout_s;  /* idle kept-alive connections */
    bool scoreboard;          /* hand one to the workers */
    enum config_readiness readiness;
    unsigned ready_delay_s; /* of CONFIG_READINESS_DELAY */
    unsigned watchdog_s;    /* 0 = none */
    enum config_probe probe;
    char probe_path[CONFIG_STRING_MAX + 1];
    unsigned probe_interval_s, probe_timeout_s;
    unsigned probe_failures;                       /* in a row */
    unsigned memory_max_mib, cpu_weight, pids_max; /* a worker; 0 = no limit, the default weight */
};

struct config {
    /* agent */
    char instance_id[CONFIG_STRING_MAX +
                     1]; /* "" = the host's name (IMDS with the lifecycle work) */
    char runtime_dir[CONFIG_STRING_MAX + 1];
    char state_dir[CONFIG_STRING_MAX + 1];
    int log_level;           /* syslog's number */
    unsigned core_silence_s; /* a core that says nothing for so long is replaced */
    /* health */
    char health_listen[CONFIG_LISTEN_MAX + 1];
    unsigned lame_duck_s; /* goes on serving for so long after /health says 503 */
    /* control: the socket is runtime_dir/control.sock */
    char control_group[CONFIG_STRING_MAX + 1]; /* may read; "" = the agent's own group */
    char admin_group[CONFIG_STRING_MAX + 1];   /* may change, besides root; "" = nobody else */
    /* observe */
    unsigned sample_ms;
    unsigned window_s; /* 10 or 60 */
    char disk_path[CONFIG_STRING_MAX + 1];
    /* publish */
    enum config_sink sink;
    char publish_file[CONFIG_STRING_MAX + 1]; /* "" = state_dir/metrics.jsonl */
    char namespace_[CONFIG_STRING_MAX + 1];
    char asg_name[CONFIG_STRING_MAX + 1]; /* AutoScalingGroupName; "" = find out */
    bool asg_lookup;                      /* where to look: IMDS, Auto Scaling */
    bool per_instance;                    /* InstanceId besides AutoScalingGroupName */
    char region[CONFIG_REGION_MAX + 1];   /* "" = the environment's, the instance's */
    char endpoint[CONFIG_STRING_MAX + 1]; /* URL; "" = the Region's */
    unsigned flush_s;                     /* 0 = adaptive */
    unsigned scaling_target_percent;
    char spool_dir[CONFIG_STRING_MAX + 1]; /* "" = state_dir/spool */
    unsigned spool_limit_mib, spool_age_h;
    unsigned publish_stop_s;
    /* statsd */
    char *statsd_listen[STATSD_LISTENERS_MAX + 1];      /* NULL at the end */
    char *statsd_dimensions[STATSD_DIMENSIONS_MAX + 1]; /* names of tags; NULL at the end */
    unsigned statsd_series_max;
    /* prometheus */
    char prometheus_listen[CONFIG_LISTEN_MAX + 1]; /* "" = none */
    /* stress */
    bool stress_enabled;
    unsigned stress_max_s;
    unsigned stress_latency_ms, stress_steal_percent; /* 0 = no guard */

    struct config_app apps[APPS_MAX];
    size_t n_apps; /* in order of name; enabled and disabled ones */

    struct config_origins *origins; /* where each value came from: config-load.c's own; NULL in a
                                       struct config that did not come from config_load() */
};

/*
 * Reads the files under an image (config-image.h), in its order, onto the defaults. On error
 * returns -EINVAL with one line in |error| ("FILE:LINE: KEY: what is wrong; what is allowed") or
 * -ENOMEM, and *ret is untouched. Looks at nothing but the image and the number of CPUs that this
 * process may use (workers = 0): that users, paths and programs exist is for who uses them.
 */
struct config_image;
int config_load(const struct config_image *image, struct config **ret,
                char error[CONFIG_ERROR_MAX]);
struct config *config_free(struct config *config);
DEFINE_CLEANUP(struct config *, config_free)

const struct config_app *config_find_app(const struct config *config, const char *name);

/*
 * The agent, and an app that goes on, keep their addresses until a restart: all workers of an app
 * share one set. Swaps what is allocated, so that a second call undoes it. What else needs a
 * restart, the core says. |old| NULL: all are the new ones.
 */
void config_keep_addresses(struct config *old, struct config *new);

/* For an upgrade in between: writes *config's addresses, or reads them into a new struct config
 * that has nothing else, for config_keep_addresses(). NULL stays NULL. */
struct record;
void config_walk_addresses(struct config **config, struct record *record);

/* How long a stopping worker may take: both of its deadlines run from the same moment. */
unsigned config_app_drain_s(const struct config_app *app);
/* And agentd: the lame duck, the slowest app's workers, and where something is sent, sending. */
unsigned config_stop_s(const struct config *config);

/* Every key with its value in force and, as a comment, where it came from ("default" or FILE:LINE):
 * the body of `agentctl config show`. Valid libconfig, and loads again to the same values. 0 or
 * buffer_append()'s errors. */
int config_print(const struct config *config, struct buffer *buffer);

/* --- the table, for the references, completion and tests -----------------------------------------
 */

enum config_type {
    CONFIG_BOOL,
    CONFIG_UINT,   /* into unsigned */
    CONFIG_CHOICE, /* one word of |choices|, into an int: |min| for the first, one more for each */
    CONFIG_STRING, /* this and the next two into an array of char */
    CONFIG_PATH,   /* absolute */
    CONFIG_LISTEN, /* an address for listen_parse() */
    CONFIG_LIST    /* into an array of char *, NULL at the end */
};

enum config_form {                   /* what a CONFIG_STRING or an item of a CONFIG_LIST may hold */
                   CONFIG_FORM_TEXT, /* UTF-8 without control characters */
                   CONFIG_FORM_ACCOUNT,   /* the name of a user or group */
                   CONFIG_FORM_DIMENSION, /* value of a CloudWatch dimension */
                   CONFIG_FORM_NAMESPACE, /* CloudWatch's */
                   CONFIG_FORM_REGION,    /* an AWS Region's name */
                   CONFIG_FORM_URL,       /* http:// or https://, no blanks, no user in it */
                   CONFIG_FORM_TARGET,    /* what an HTTP request asks for: "/health?x=1" */
                   CONFIG_FORM_PATH,      /* of type CONFIG_PATH */
                   CONFIG_FORM_ADDRESS,   /* of type CONFIG_LISTEN, and of lists of addresses */
                   CONFIG_FORM_ARGUMENT,  /* the first an absolute path */
                   CONFIG_FORM_VARIABLE,  /* "NAME=value", each NAME once, none of agentd's own */
                   CONFIG_FORMS_,
};

struct config_key {
    const char *section; /* "agent", "health", ...; "apps" for a key of each app */
    const char *name;
    enum config_type type;
    enum config_form form;
    const char *unit;     /* "s", "ms", "" */
    const char *fallback; /* the default, as written in a file */
    uint64_t min, max;    /* numbers; strings: bytes; lists: number of items */
    const char *choices;  /* "none|file"; for a number: the only ones allowed, "10|60"; else NULL */
    const char *help;     /* one or two sentences */
    bool restart;         /* takes effect at a restart of agentd only */
    size_t offset;        /* into struct config or struct config_app */
    size_t size;
};

/* All of them, section by section, in the order of the references; the apps' keys last. */
const struct config_key *config_keys(size_t *ret_count);

/* What the key takes, in words: "0 to 300 (s)". For error lines and references. Returns |buffer|.
 */
#define CONFIG_ALLOWED_MAX 256
const char *config_key_allowed(const struct config_key *key, char buffer[CONFIG_ALLOWED_MAX]);
