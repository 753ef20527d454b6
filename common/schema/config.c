/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key table, and loading: each file of the image is scanned, parsed by libconfig and merged key
 * by key onto the defaults. What a single value may be is config-value.c's, what spans keys
 * config-check.c's.
 */
#include "common/schema/config.h"

#include "common/schema/config-internal.h"
#include "common/schema/config-scan.h"
#include "common/schema/config-value.h"
#include "common/base/text.h"

#include <libconfig.h>

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SIZE_OF(type, field) sizeof(((const type *) 0)->field)
/* clang-format off */
#define ROW(owner, section, name, field, type, form, unit, fallback, min, max, choices, restart,   \
            help)                                                                                  \
    {#section, #name, CONFIG_##type, CONFIG_FORM_##form, unit, fallback, min, max, choices, help,  \
     restart, offsetof(owner, field), SIZE_OF(owner, field)},
/* clang-format on */
#define NODE_ROW(...) ROW(struct config, __VA_ARGS__)
#define APP_ROW(...)  ROW(struct config_app, __VA_ARGS__)

static const struct config_key keys[] = {CONFIG_NODE_KEYS(NODE_ROW) CONFIG_APP_KEYS(APP_ROW)};

_Static_assert(ARRAY_SIZE(keys) == CONFIG_N_NODE_KEYS + CONFIG_N_APP_KEYS, "every key once");

const struct config_key *config_keys(size_t *ret_count)
{
    *ret_count = ARRAY_SIZE(keys);
    return keys;
}

const char *config_key_path(char buffer[CONFIG_KEY_TEXT_MAX], const struct config_key *key,
                            const char *app)
{
    (void) snprintf(buffer, CONFIG_KEY_TEXT_MAX, app ? "%s.%s.%s" : "%s%s.%s", key->section,
                    app ? app : "", key->name);
    return buffer;
}

int config_complain(char error[CONFIG_ERROR_MAX], const char *file, unsigned line, const char *key,
                    const char *format, ...)
{
    size_t used = 0;
    error[0] = '\0';
    if (file)
        used += (size_t) snprintf(error, CONFIG_ERROR_MAX, "%s:", file);
    if (line > 0 && used < CONFIG_ERROR_MAX)
        used += (size_t) snprintf(error + used, CONFIG_ERROR_MAX - used, "%u:", line);
    if (used > 0 && used < CONFIG_ERROR_MAX)
        used += (size_t) snprintf(error + used, CONFIG_ERROR_MAX - used, " ");
    if (key && used < CONFIG_ERROR_MAX)
        used += (size_t) snprintf(error + used, CONFIG_ERROR_MAX - used, "%s: ", key);
    if (used < CONFIG_ERROR_MAX) {
        va_list args;
        va_start(args, format);
        (void) vsnprintf(error + used, CONFIG_ERROR_MAX - used, format, args);
        va_end(args);
    }
    return -EINVAL;
}

/* --- life --- */

/* Lists are all that an app owns. */
static void app_clear(struct config_app *app)
{
    for (size_t i = CONFIG_N_NODE_KEYS; i < ARRAY_SIZE(keys); i++)
        config_value_clear(&keys[i], app);
}

struct config *config_free(struct config *config)
{
    if (!config)
        return NULL;
    for (size_t i = 0; i < CONFIG_N_NODE_KEYS; i++)
        config_value_clear(&keys[i], config);
    for (size_t i = 0; i < config->n_apps; i++)
        app_clear(&config->apps[i]);
    if (config->origins)
        for (size_t i = 0; i < config->origins->n_files; i++)
            free(config->origins->files[i]);
    free(config->origins);
    free(config);
    return NULL;
}

const struct config_app *config_find_app(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_apps; i++)
        if (strcmp(config->apps[i].name, name) == 0)
            return &config->apps[i];
    return NULL;
}

unsigned config_app_drain_s(const struct config_app *app)
{
    return MAX(app->drain_timeout_s, app->idle_timeout_s);
}

unsigned config_stop_s(const struct config *config)
{
    unsigned drain_s = 0;

    for (size_t i = 0; i < config->n_apps; i++)
        drain_s = MAX(drain_s, config_app_drain_s(&config->apps[i]));
    return config->lame_duck_s + drain_s +
           (config->sink == CONFIG_SINK_CLOUDWATCH ? config->publish_stop_s : 0);
}

/* --- loading --- */

/* What is carried through the reading of all files. */
struct loader {
    struct config *config;
    config_t defaults;  /* every key with its default, as a file of its own */
    const char *file;   /* being read */
    unsigned file_mark; /* its config_origin.file */
    char *error;
};

/* A setting with another name than the table knows: says which was meant, or which there are. */
static int complain_unknown(struct loader *loader, const config_setting_t *setting,
                            const char *prefix, const char *const known[], size_t n_known)
{
    char path[CONFIG_KEY_TEXT_MAX], list[CONFIG_ERROR_MAX - CONFIG_KEY_TEXT_MAX];
    const char *name = config_setting_name(setting);
    const char *nearest = config_nearest(name, known, n_known);
    unsigned line = config_setting_source_line(setting);
    (void) snprintf(path, sizeof(path), "%s%s%.60s", prefix, *prefix ? "." : "", name);
    if (nearest)
        return config_complain(loader->error, loader->file, line, path,
                               "unknown key; did you mean \"%s\"?", nearest);
    size_t used = 0;
    list[0] = '\0';
    for (size_t i = 0; i < n_known && used < sizeof(list); i++)
        used +=
            (size_t) snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", known[i]);
    return config_complain(loader->error, loader->file, line, path, "unknown key; allowed: %s",
                           list);
}

/* A section or an app that is given a value. */
static int complain_no_group(struct loader *loader, const config_setting_t *setting,
                             const char *path)
{
    return config_complain(loader->error, loader->file, config_setting_source_line(setting), path,
                           "wrong type; allowed: a group, as in %s: { ... };",
                           config_setting_name(setting));
}

/* One value, with the error line or the origin that comes of it. */
static int read_key(struct loader *loader, const struct config_key *key, const char *app,
                    const config_setting_t *setting, void *base, struct config_origin *origin)
{
    struct config_problem problem;
    int r = config_value_read(key, setting, base, &problem);
    if (r == -EINVAL) {
        char path[CONFIG_KEY_TEXT_MAX], allowed[CONFIG_ALLOWED_MAX];
        (void) config_key_path(path, key, app);
        if (problem.item > 0) {
            size_t used = strlen(path);
            (void) snprintf(path + used, sizeof(path) - used, "[%zu]", problem.item);
        }
        return config_complain(loader->error, loader->file, problem.line, path, "%s; allowed: %s",
                               problem.why, config_key_allowed(key, allowed));
    }
    if (r == 0)
        *origin = (struct config_origin){.file = loader->file_mark,
                                         .line = config_setting_source_line(setting)};
    return r;
}

/* The keys of |group|, which are those of the table from |first| on that are of its section. */
static int read_group(struct loader *loader, const config_setting_t *group, const char *section,
                      const char *app, void *base, struct config_origin *origins)
{
    const char *known[ARRAY_SIZE(keys)];
    size_t first = 0, n = 0;
    while (strcmp(keys[first].section, section) != 0)
        first++;
    for (; first + n < ARRAY_SIZE(keys) && strcmp(keys[first + n].section, section) == 0; n++)
        known[n] = keys[first + n].name;

    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned) i);
        size_t k = 0;
        while (k < n && strcmp(known[k], config_setting_name(setting)) != 0)
            k++;
        if (k == n) {
            char prefix[CONFIG_KEY_TEXT_MAX];
            (void) snprintf(prefix, sizeof(prefix), app ? "%s.%s" : "%s", section, app);
            return complain_unknown(loader, setting, prefix, known, n);
        }
        size_t origin = app ? k : first + k;
        int r = read_key(loader, &keys[first + k], app, setting, base, &origins[origin]);
        if (r < 0)
            return r;
    }
    return 0;
}

/* libconfig's own rule for names has already refused a digit at the beginning. */
static bool is_app_name(const char *name)
{
    if (strlen(name) > APP_NAME_MAX || *name == '-')
        return false;
    for (; *name != '\0'; name++)
        if (!(*name >= 'a' && *name <= 'z') && !isdigit((unsigned char) *name) && *name != '-')
            return false;
    return true;
}

/* Makes room at the app's place in the order of names and fills in the defaults. */
static int add_app(struct loader *loader, const config_setting_t *setting, size_t place)
{
    struct config *config = loader->config;
    struct config_origins *origins = config->origins;
    size_t behind = config->n_apps - place;
    memmove(&config->apps[place + 1], &config->apps[place], behind * sizeof(config->apps[0]));
    memmove(&origins->app[place + 1], &origins->app[place], behind * sizeof(origins->app[0]));
    memmove(&origins->app_begin[place + 1], &origins->app_begin[place],
            behind * sizeof(origins->app_begin[0]));
    config->n_apps++;
    config->apps[place] = (struct config_app){0};
    (void) text_copy(config->apps[place].name, sizeof(config->apps[place].name),
                     config_setting_name(setting));
    origins->app_begin[place] = (struct config_origin){.file = loader->file_mark,
                                                       .line = config_setting_source_line(setting)};

    struct loader defaults = {.config = config, .error = loader->error};
    int r = read_group(&defaults, config_lookup(&loader->defaults, "apps"), "apps",
                       config->apps[place].name, &config->apps[place], origins->app[place]);
    assert(r != -EINVAL); /* a test holds the table's defaults and ranges together */
    return r;
}

/* A new app, or more keys for one of an earlier file. */
static int read_app(struct loader *loader, const config_setting_t *setting)
{
    struct config *config = loader->config;
    const char *name = config_setting_name(setting);
    unsigned line = config_setting_source_line(setting);
    char path[CONFIG_KEY_TEXT_MAX];
    (void) snprintf(path, sizeof(path), "apps.%.60s", name);
    if (!is_app_name(name))
        return config_complain(loader->error, loader->file, line, path,
                               "no name for an app; allowed: a letter, then letters, digits and "
                               "'-', all lower-case, up to %d bytes",
                               APP_NAME_MAX);
    if (!config_setting_is_group(setting))
        return complain_no_group(loader, setting, path);

    size_t place = 0;
    while (place < config->n_apps && strcmp(config->apps[place].name, name) < 0)
        place++;
    if (place == config->n_apps || strcmp(config->apps[place].name, name) != 0) {
        if (config->n_apps == APPS_MAX)
            return config_complain(loader->error, loader->file, line, path,
                                   "too many apps; allowed: up to %d", APPS_MAX);
        int r = add_app(loader, setting, place);
        if (r < 0)
            return r;
    }
    return read_group(loader, setting, "apps", name, &config->apps[place],
                      config->origins->app[place]);
}

static bool is_section(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (strcmp(keys[i].section, name) == 0)
            return true;
    return false;
}

static int complain_unknown_section(struct loader *loader, const config_setting_t *setting)
{
    const char *known[ARRAY_SIZE(keys)] = {0};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (n == 0 || strcmp(known[n - 1], keys[i].section) != 0)
            known[n++] = keys[i].section;
    return complain_unknown(loader, setting, "", known, n);
}

/* The top of a file: sections, of which apps has one level more. */
static int read_tree(struct loader *loader, const config_setting_t *root)
{
    int r = 0;
    for (int i = 0; i < config_setting_length(root) && r == 0; i++) {
        const config_setting_t *setting = config_setting_get_elem(root, (unsigned) i);
        const char *section = config_setting_name(setting);
        if (!is_section(section))
            return complain_unknown_section(loader, setting);
        if (!config_setting_is_group(setting))
            return complain_no_group(loader, setting, section);
        if (strcmp(section, "apps") != 0)
            r = read_group(loader, setting, section, NULL, loader->config,
                           loader->config->origins->node);
        else
            for (int k = 0; k < config_setting_length(setting) && r == 0; k++)
                r = read_app(loader, config_setting_get_elem(setting, (unsigned) k));
    }
    return r;
}

/* --- one file --- */

static void config_destroyp(config_t *config)
{
    config_destroy(config);
}

/* Settings with a name, however deep: as many as libconfig has taken before it gave up. */
static size_t count_settings(const config_setting_t *setting)
{
    size_t n = config_setting_name(setting) ? 1 : 0;
    if (config_setting_is_aggregate(setting))
        for (int i = 0; i < config_setting_length(setting); i++)
            n += count_settings(config_setting_get_elem(setting, (unsigned) i));
    return n;
}

/* libconfig's words, and for a key that is there twice its name, which libconfig doesn't tell: it
 * is the setting that comes after as many as made it into the tree. */
static int complain_parse(struct loader *loader, const config_t *tree, const char *text,
                          size_t length)
{
    const char *why = config_error_text(tree) ? config_error_text(tree) : "syntax error";
    char path[CONFIG_KEY_TEXT_MAX];
    unsigned line = (unsigned) config_error_line(tree);
    if (strstr(why, "duplicate")) {
        size_t before = count_settings(config_root_setting(tree));
        bool named =
            config_scan_path(text, length, before, path, sizeof(path)) && config_lookup(tree, path);
        return config_complain(loader->error, loader->file, line, named ? path : NULL,
                               "is there twice; allowed: each key, group and app once in a file");
    }
    return config_complain(loader->error, loader->file, line, NULL,
                           "%s; allowed: name = value; and name: { ... };", why);
}

/* Parses |text| with a newline added, without which libconfig 1.5 refuses a comment that ends the
 * file. */
static int parse(struct loader *loader, config_t *tree, const char *text, size_t length)
{
    CLEANUP_FREE char *copy = malloc(length + 2);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, text, length);
    memcpy(copy + length, "\n", 2);
    if (!config_read_string(tree, copy))
        return complain_parse(loader, tree, text, length);
    return 0;
}

static int read_file(struct loader *loader, const char *text, size_t length)
{
    unsigned line;
    const char *why;
    if (config_scan_check(text, length, &line, &why) < 0)
        return config_complain(loader->error, loader->file, line, NULL, "%s", why);

    CLEANUP(config_destroyp) config_t tree;
    config_init(&tree);
    int r = parse(loader, &tree, text, length);
    return r < 0 ? r : read_tree(loader, config_root_setting(&tree));
}

/* The table's defaults as a file, so that they take the same way as everything else. */
static int read_defaults(struct loader *loader)
{
    char text[8192];
    size_t used = 0;
    const char *section = "";
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (strcmp(section, keys[i].section) != 0)
            used += (size_t) snprintf(text + used, sizeof(text) - used, "%s%s: {\n",
                                      *section ? "};\n" : "", keys[i].section);
        section = keys[i].section;
        used += (size_t) snprintf(text + used, sizeof(text) - used, "%s = %s;\n", keys[i].name,
                                  keys[i].fallback);
        assert(used + 64 < sizeof(text));
    }
    used += (size_t) snprintf(text + used, sizeof(text) - used, "};\n");

    int r = parse(loader, &loader->defaults, text, used);
    for (size_t i = 0; r == 0 && i < CONFIG_N_NODE_KEYS; i++) {
        char path[CONFIG_KEY_TEXT_MAX];
        struct config_origin unused;
        r = read_key(loader, &keys[i], NULL,
                     config_lookup(&loader->defaults, config_key_path(path, &keys[i], NULL)),
                     loader->config, &unused);
    }
    assert(r != -EINVAL);
    return r;
}

/* "One a CPU": those that this process may run on. */
static unsigned count_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) < 0) /* more CPUs than the set has bits */
        return WORKERS_MAX;
    return MIN((unsigned) CPU_COUNT(&set), (unsigned) WORKERS_MAX);
}

/* Defaults first, then file after file; what "0 workers" means is settled at the end. */
static int read_image(struct loader *loader, const struct config_image *image)
{
    struct config_origins *origins = loader->config->origins;
    const char *path, *text;
    size_t cursor = 0, length;
    int r = read_defaults(loader);
    while (r == 0 && config_image_next(image, &cursor, &path, &text, &length)) {
        assert(origins->n_files < CONFIG_FILES_MAX);
        if (!(origins->files[origins->n_files] = strdup(path)))
            return -ENOMEM;
        loader->file_mark = (unsigned) ++origins->n_files;
        loader->file = path;
        r = read_file(loader, text, length);
    }
    for (size_t i = 0; i < loader->config->n_apps; i++)
        if (loader->config->apps[i].workers == 0)
            loader->config->apps[i].workers = count_cpus();
    return r;
}

int config_load(const struct config_image *image, struct config **ret, char error[CONFIG_ERROR_MAX])
{
    CLEANUP(config_freep) struct config *config = calloc(1, sizeof(*config));
    if (!config)
        return -ENOMEM;
    config->origins = calloc(1, sizeof(*config->origins));

    struct loader loader = {.config = config, .error = error};
    config_init(&loader.defaults);
    int r = config->origins ? read_image(&loader, image) : -ENOMEM;
    config_destroy(&loader.defaults);
    if (r == 0)
        r = config_check(config, error);
    if (r == 0)
        *ret = TAKE(config);
    return r;
}
