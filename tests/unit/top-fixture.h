/* SPDX-License-Identifier: Apache-2.0 */
/* The fixed node of tests/data/top as a model. */
#pragma once

#include "common/base/clock.h"
#include "ctl/top-view.h"
#include "tests/unit/unit.h"

#define FIXTURE_NOW_US (UINT64_C(1795299916) * USEC_PER_SEC) /* 2026-11-21T22:25:16Z */

/* To be freed. */
static inline char *fixture_read(const char *name)
{
    char path[PATH_MAX];
    struct buffer text;
    FILE *file;
    char chunk[4096];
    size_t n;

    snprintf(path, sizeof(path), "%s/top/%s", TEST_DATA, name);
    file = fopen(path, "re");
    if (!file)
        fail_msg("no %s", path);
    buffer_init(&text, 1024 * 1024);
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
        assert_int_equal(buffer_append(&text, chunk, n), 0);
    fclose(file);
    return buffer_take(&text, NULL);
}

static inline struct json_object *fixture_json(const char *name)
{
    CLEANUP_FREE char *text = fixture_read(name);
    struct json_object *object = NULL;

    assert_int_equal(json_parse(text, strlen(text), &object), 0);
    return object;
}

/* A literal; single quotes stand for double ones. To be put. */
static inline struct json_object *json_of(const char *text)
{
    CLEANUP_FREE char *copy = strdup(text);
    struct json_object *object = NULL;

    for (char *c = copy; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    if (json_parse(copy, strlen(copy), &object) < 0)
        fail_msg("no JSON: %s", text);
    return object;
}

static inline struct top_model *fixture_model(void)
{
    CLEANUP_JSON struct json_object *status = fixture_json("status.json");
    CLEANUP_JSON struct json_object *events = fixture_json("events.json");
    CLEANUP_JSON struct json_object *history = fixture_json("history.json");
    struct top_model *model = calloc(1, sizeof(*model));

    assert_non_null(model);
    top_model_init(model);
    top_model_take_status(model, status, FIXTURE_NOW_US);
    top_model_take_events(model, events);
    top_model_take_history(model, history);
    model->now_realtime_us = FIXTURE_NOW_US;
    return model;
}
