/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the references that are made from the tables of common/schema/: `print-references config`
 * and `metrics` as Markdown, `man` as the list of keys in agentd.conf(5), `catalog` as the
 * journal's message catalog, `json` the metrics for the dashboards and alarms of
 * packaging/cloudformation/. Run by `make references`, `make templates` and by the tests that the
 * committed files are up to date.
 */
#include "common/base/buffer.h"
#include "common/base/json.h"
#include "common/base/macro.h"
#include "common/schema/config.h"
#include "common/schema/events.h"
#include "common/schema/metrics.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define JSON_LIMIT_BYTES (64u * 1024)

struct section {
    const char *name;
    const char *help;
};

static const struct section sections[] = {
    {"agent", "The agent itself."},
    {"health", "What the load balancer sees."},
    {"control", "Who may use the control socket, which is `control.sock` in `agent.runtime_dir`."},
    {"observe", "What is measured."},
    {"publish", "Where metrics go."},
    {"statsd", "Metrics that the apps send themselves."},
    {"prometheus", "Metrics for Prometheus."},
    {"stress", "agentctl stress: load on purpose."},
    {"apps", "The apps: a group for each, named as the app is, with these keys. A name is a "
             "letter, then letters, digits and `-`, all lower-case."},
};

/* In a table's cell a bar would end it. */
static void print_cell(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            putchar('\\');
        putchar(*text);
    }
}

static void print_config(void)
{
    size_t n;
    const struct config_key *keys = config_keys(&n);
    puts("<!-- Made from common/schema/config-keys.h by `make references`: do not edit. -->\n"
         "# Configuration reference\n\n"
         "Files, merging and examples: agentd.conf(5). `agentctl config show` prints the values in "
         "force and where each comes from.\n\n"
         "A key marked *restart* takes effect at a restart of agentd, the others at a reload.");
    for (size_t s = 0; s < ARRAY_SIZE(sections); s++) {
        printf("\n## %s\n\n%s\n\n", sections[s].name, sections[s].help);
        puts("| Key | Default | Allowed | Meaning |\n| --- | --- | --- | --- |");
        for (size_t i = 0; i < n; i++) {
            char allowed[CONFIG_ALLOWED_MAX];
            if (strcmp(keys[i].section, sections[s].name) != 0)
                continue;
            printf("| `%s` | `%s` | ", keys[i].name, keys[i].fallback);
            print_cell(config_key_allowed(&keys[i], allowed));
            printf(" | ");
            print_cell(keys[i].help);
            puts(keys[i].restart ? " *restart* |" : " |");
        }
    }
}

/* --- metrics --- */

static const char *kind_text(enum metric_kind kind)
{
    static const char *const texts[] = {
        [METRIC_GAUGE] = "gauge", [METRIC_COUNT] = "count", [METRIC_DISTRIBUTION] = "distribution"};
    return texts[kind];
}

static void print_metrics(void)
{
    static const struct {
        enum metric_scope scope;
        const char *title, *help;
    } scopes[] = {
        {METRIC_HOST, "Host", "One series a node."},
        {METRIC_APP, "Apps", "One series an app, with the dimension `App`."},
        {METRIC_AGENT, "Agent", "About agentd itself."},
    };
    puts("<!-- Made from common/schema/metrics.h by `make references`: do not edit. -->\n"
         "# Metrics reference\n\n"
         "Sampled every `observe.sample_ms`, summed up in windows of `observe.window` seconds.\n\n"
         "- A *gauge* is sampled: a window has SampleCount, Sum, Minimum and Maximum.\n"
         "- A *count* is how many there were in the window: SampleCount is 1, and Sum, Minimum and "
         "Maximum are that number.\n"
         "- A *distribution* has Values and Counts, from which CloudWatch makes percentiles.");
    for (size_t s = 0; s < ARRAY_SIZE(scopes); s++) {
        printf("\n## %s\n\n%s\n\n", scopes[s].title, scopes[s].help);
        puts("| Metric | Unit | Kind | Meaning |\n| --- | --- | --- | --- |");
        for (int i = 0; i < METRIC_COUNT_; i++) {
            const struct metric_info *info = metric_info(i);
            if (info->scope != scopes[s].scope)
                continue;
            printf("| `%s` | %s | %s | ", info->name, info->unit, kind_text(info->kind));
            print_cell(info->help);
            puts(" |");
        }
    }
}

/* --- the metrics for other programs --- */

static int print_json(void)
{
    static const char *const scopes[] = {
        [METRIC_HOST] = "host", [METRIC_APP] = "app", [METRIC_AGENT] = "agent"};
    struct buffer out;
    int r;

    buffer_init(&out, JSON_LIMIT_BYTES);
    for (int i = 0; i < METRIC_COUNT_; i++) {
        const struct metric_info *info = metric_info(i);
        buffer_append_string(&out, i == 0 ? "[\n{\"name\":" : ",\n{\"name\":");
        json_append_string(&out, info->name);
        buffer_printf(&out, ",\"scope\":\"%s\",\"kind\":\"%s\",\"unit\":", scopes[info->scope],
                      kind_text(info->kind));
        json_append_string(&out, info->unit);
        buffer_append_string(&out, ",\"help\":");
        json_append_string(&out, info->help);
        buffer_append_string(&out, "}");
    }
    buffer_append_string(&out, "\n]\n");
    r = out.failed ? -ENOMEM : 0;
    if (r == 0)
        fputs(out.data, stdout);
    buffer_done(&out);
    return r;
}

/* --- the manual page --- */

/* Text in mdoc: a new sentence begins a new line, and nothing in it is a request or an escape. */
static void print_roff(const char *text)
{
    bool line_start = true;
    for (const char *c = text; *c != '\0'; c++) {
        bool sentence_end = *c == ' ' && c > text && (c[-1] == '.' || c[-1] == ';') &&
                            (c < text + 2 || c[-2] != ' ');
        if (sentence_end) {
            putchar('\n');
            line_start = true;
            continue;
        }
        if (line_start && (*c == '.' || *c == '\''))
            fputs("\\&", stdout);
        if (*c == '\\')
            fputs("\\e", stdout);
        else if (*c == '`')
            ; /* Markdown's only */
        else
            putchar(*c);
        line_start = false;
    }
    putchar('\n');
}

static void print_man_key(const struct config_key *key)
{
    char allowed[CONFIG_ALLOWED_MAX];
    printf(".It Ic %s\n", key->name);
    print_roff(key->help);
    puts(".br");
    printf("Allowed: ");
    print_roff(config_key_allowed(key, allowed));
    puts(".br");
    printf("Default: ");
    print_roff(key->fallback);
    if (key->restart)
        puts(".br\nTakes effect at a restart of agentd.");
}

static void print_man(void)
{
    size_t n;
    const struct config_key *keys = config_keys(&n);
    for (size_t s = 0; s < ARRAY_SIZE(sections); s++) {
        printf(".Ss %s\n", sections[s].name);
        print_roff(sections[s].help);
        puts(".Bl -tag -width Ds");
        for (size_t i = 0; i < n; i++)
            if (strcmp(keys[i].section, sections[s].name) == 0)
                print_man_key(&keys[i]);
        puts(".El");
    }
}

/* A section without a text, or a text without a section, would vanish from the references. */
static bool sections_are_complete(void)
{
    size_t n, s = 0;
    const struct config_key *keys = config_keys(&n);
    for (size_t i = 0; i < n; i++) {
        if (s < ARRAY_SIZE(sections) && strcmp(keys[i].section, sections[s].name) != 0)
            s++;
        if (s == ARRAY_SIZE(sections) || strcmp(keys[i].section, sections[s].name) != 0)
            return false;
    }
    return s + 1 == ARRAY_SIZE(sections);
}

static void print_catalog(void)
{
    puts("# SPDX-License-Identifier: Apache-2.0\n"
         "# What `journalctl -x` says to agentd's events. Made from common/schema/events.c.");
    for (const struct event_entry *entry = event_entries; entry->name; entry++)
        printf("\n-- %s\nSubject: %s\nDefined-By: agentd\nDocumentation: man:agentd(8)\n\n%s\n",
               entry->id, entry->subject, entry->text);
}

int main(int argc, char *argv[])
{
    const char *what = argc == 2 ? argv[1] : "";
    if (!sections_are_complete()) {
        fputs("print-references: its list of sections is not that of the key table\n", stderr);
        return 1;
    }
    if (strcmp(what, "config") == 0) {
        print_config();
    } else if (strcmp(what, "metrics") == 0) {
        print_metrics();
    } else if (strcmp(what, "man") == 0) {
        print_man();
    } else if (strcmp(what, "catalog") == 0) {
        print_catalog();
    } else if (strcmp(what, "json") == 0) {
        if (print_json() < 0)
            return 1;
    } else {
        fputs("usage: print-references config|metrics|man|catalog|json\n", stderr);
        return 2;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
