/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "ctl/instances.h"

#include "common/base/json.h"
#include "common/base/text.h"

#include <string.h>

const char *const instance_headers[INSTANCE_HEADERS_MAX + 1] = {"X-Instance-Id", "X-Served-By",
                                                                NULL};

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t")] == '\0';
}

void instance_find(const char *header, const char *body, size_t length, char ret[INSTANCE_NAME_MAX])
{
    CLEANUP_JSON struct json_object *object = NULL;
    const char *name = header;
    size_t start = 0;

    ret[0] = '\0';
    if (!name || is_blank(name)) {
        while (start < length && strchr(" \t\r\n", body[start]))
            start++;
        /* Most bodies are none: they needn't be parsed to know. */
        if (start == length || body[start] != '{' || length > INSTANCE_JSON_LIMIT ||
            json_parse(body, length, &object) < 0 ||
            json_get_string(object, "instanceId", &name) < 0 || is_blank(name))
            return;
    }
    text_copy(ret, INSTANCE_NAME_MAX, name);
}

bool instances_add(struct instances *instances, const char *name, unsigned status,
                   uint64_t latency_us, uint64_t now_us)
{
    struct instance *instance = NULL;
    bool is_new = false;

    instances->total++;
    for (size_t i = 0; i < instances->n && !instance; i++)
        if (strcmp(instances->list[i].name, name) == 0)
            instance = &instances->list[i];
    if (!instance) {
        if (instances->n == INSTANCES_MAX) {
            instances->others++;
            return false;
        }
        instance = &instances->list[instances->n++];
        text_copy(instance->name, sizeof(instance->name), name);
        is_new = true;
    }
    instance->count++;
    instance->last_at_us = now_us;
    instance->last_latency_us = latency_us;
    instance->last_status = status;
    return is_new;
}

static int compare(const void *a, const void *b)
{
    const struct instance *first = a, *second = b;

    if (first->count != second->count)
        return first->count > second->count ? -1 : 1;
    return strcmp(first->name, second->name);
}

void instances_sort(struct instances *instances)
{
    qsort(instances->list, instances->n, sizeof(instances->list[0]), compare);
}

double instances_share(const struct instances *instances, uint64_t count)
{
    return instances->total > 0 ? 100.0 * (double) count / (double) instances->total : 0;
}
