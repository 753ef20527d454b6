/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration in force as a file, each value with its origin. */
#include "common/schema/config-internal.h"

#include <errno.h>
#include <string.h>

#define ORIGIN_COLUMN 44 /* where the comments begin, if the value leaves room */

/* As libconfig's scanner reads it back; a tab or a line break only occurs in arguments. */
static void print_string(struct buffer *buffer, const char *text)
{
    (void) buffer_append(buffer, "\"", 1);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            (void) buffer_printf(buffer, "\\%c", *text);
        else if (*text == '\n')
            (void) buffer_append_string(buffer, "\\n");
        else if ((unsigned char) *text < ' ')
            (void) buffer_printf(buffer, "\\x%02x", (unsigned) *text);
        else
            (void) buffer_append(buffer, text, 1);
    }
    (void) buffer_append(buffer, "\"", 1);
}

static void print_list(struct buffer *buffer, char *const items[])
{
    (void) buffer_append_string(buffer, "[");
    for (size_t i = 0; items[i]; i++) {
        (void) buffer_append_string(buffer, i ? ", " : " ");
        print_string(buffer, items[i]);
    }
    (void) buffer_append_string(buffer, items[0] ? " ]" : "]");
}

/* The word for a value, as config-value.c made it from the word's place. */
static void print_choice(struct buffer *buffer, const struct config_key *key, int value)
{
    const char *word = key->choices;
    for (int i = (int) key->min; i < value && strchr(word, '|'); i++)
        word = strchr(word, '|') + 1;
    (void) buffer_printf(buffer, "\"%.*s\"", (int) strcspn(word, "|"), word);
}

/* Appends can fail; config_print() looks at the buffer once, at the end. */
static void print_value(struct buffer *buffer, const struct config_key *key, const void *base)
{
    const void *field = (const char *) base + key->offset;
    switch (key->type) {
    case CONFIG_BOOL:
        (void) buffer_append_string(buffer, *(const bool *) field ? "true" : "false");
        break;
    case CONFIG_UINT:
        (void) buffer_printf(buffer, "%u", *(const unsigned *) field);
        break;
    case CONFIG_CHOICE:
        print_choice(buffer, key, *(const int *) field);
        break;
    case CONFIG_STRING:
    case CONFIG_PATH:
    case CONFIG_LISTEN:
        print_string(buffer, field);
        break;
    case CONFIG_LIST:
        print_list(buffer, field);
        break;
    }
}

/* NULL: the configuration was not loaded from files. */
static void print_origin(struct buffer *buffer, const struct config *config,
                         const struct config_origin *origin)
{
    if (!origin)
        return;
    if (origin->file == 0)
        (void) buffer_append_string(buffer, "  # default");
    else
        (void) buffer_printf(buffer, "  # %s:%u", config->origins->files[origin->file - 1],
                             origin->line);
}

/* "    name = value;      # origin" */
static void print_key(struct buffer *buffer, const struct config *config,
                      const struct config_key *key, const void *base, int indent,
                      const struct config_origin *origin)
{
    size_t begin = buffer->length;
    (void) buffer_printf(buffer, "%*s%s = ", indent, "", key->name);
    print_value(buffer, key, base);
    (void) buffer_append_string(buffer, ";");
    size_t used = buffer->length - begin;
    if (origin && used < ORIGIN_COLUMN)
        (void) buffer_printf(buffer, "%*s", (int) (ORIGIN_COLUMN - used), "");
    print_origin(buffer, config, origin);
    (void) buffer_append_string(buffer, "\n");
}

static void print_apps(struct buffer *buffer, const struct config *config)
{
    size_t n;
    const struct config_key *keys = config_keys(&n) + CONFIG_N_NODE_KEYS;
    (void) buffer_append_string(buffer, "apps: {\n");
    for (size_t i = 0; i < config->n_apps; i++) {
        (void) buffer_printf(buffer, "    %s: {\n", config->apps[i].name);
        for (size_t k = 0; k < CONFIG_N_APP_KEYS; k++)
            print_key(buffer, config, &keys[k], &config->apps[i], 8,
                      config->origins ? &config->origins->app[i][k] : NULL);
        (void) buffer_append_string(buffer, "    };\n");
    }
    (void) buffer_append_string(buffer, "};\n");
}

int config_print(const struct config *config, struct buffer *buffer)
{
    size_t n;
    const struct config_key *keys = config_keys(&n);
    const char *section = "";
    for (size_t i = 0; i < CONFIG_N_NODE_KEYS; i++) {
        if (strcmp(section, keys[i].section) != 0)
            (void) buffer_printf(buffer, "%s%s: {\n", *section ? "};\n" : "", keys[i].section);
        section = keys[i].section;
        print_key(buffer, config, &keys[i], config, 4,
                  config->origins ? &config->origins->node[i] : NULL);
    }
    (void) buffer_append_string(buffer, "};\n");
    print_apps(buffer, config);
    return buffer->failed ? -ENOBUFS : 0;
}
