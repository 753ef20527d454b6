/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/zone.h"

#include "config.h"

#include "common/aws/imds.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <string.h>

#define PATH       "meta-data/placement/availability-zone"
#define CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-"

struct zone {
    struct http_client *http;
    struct imds *imds;
    void (*done)(const char *zone, void *userdata);
    void *userdata;
};

bool zone_is_sound(const char *text)
{
    size_t length = strlen(text);

    return length > 0 && length < ZONE_MAX && strspn(text, CHARACTERS) == length;
}

static void on_value(int error, const char *value, size_t length, void *userdata)
{
    struct zone *zone = userdata;

    if (error < 0)
        log_debug_errno(-error, "No availability zone from IMDS: %m");
    else if (strlen(value) == length && zone_is_sound(value))
        zone->done(value, zone->userdata);
    else
        log_debug("IMDS's availability zone is none, ignoring");
}

int zone_ask(struct zone **ret, sd_event *event, void (*done)(const char *zone, void *userdata),
             void *userdata)
{
    CLEANUP(zone_freep) struct zone *zone = calloc(1, sizeof(*zone));
    struct imds_call *call;
    int r;

    if (!zone)
        return -ENOMEM;
    zone->done = done;
    zone->userdata = userdata;
    r = http_client_new(&zone->http, event, "visitor-board/" PACKAGE_VERSION);
    if (r >= 0)
        r = imds_new(&zone->imds, event, zone->http, endpoint_process_getenv, NULL);
    if (r >= 0)
        r = imds_get(zone->imds, PATH, on_value, zone, &call);
    if (r < 0)
        return r;
    *ret = TAKE(zone);
    return 0;
}

struct zone *zone_free(struct zone *zone)
{
    if (!zone)
        return NULL;
    imds_free(zone->imds);
    http_client_free(zone->http);
    free(zone);
    return NULL;
}
