/* SPDX-License-Identifier: Apache-2.0 */
/* Which instances have answered: found in an answer, counted in a table of bounded size. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INSTANCES_MAX        64u
#define INSTANCE_NAME_MAX    65u          /* bytes with the NUL; longer ones are cut */
#define INSTANCE_JSON_LIMIT  (16u * 1024) /* bytes of a body that are looked into */
#define INSTANCE_HEADERS_MAX 2u

/* The headers that may name it, NULL-terminated: looked up in this order. */
extern const char *const instance_headers[INSTANCE_HEADERS_MAX + 1];

/*
 * The name in an answer: |header| (NULL: none), else the member "instanceId" of the JSON object
 * that the body is. "" if there is none, or none but blanks.
 */
void instance_find(const char *header, const char *body, size_t length,
                   char ret[INSTANCE_NAME_MAX]);

struct instance {
    char name[INSTANCE_NAME_MAX]; /* as it came: to be cleaned before a terminal; "": unnamed */
    uint64_t count;
    uint64_t last_at_us; /* of its newest answer, as the next two */
    uint64_t last_latency_us;
    unsigned last_status;
};

struct instances {
    struct instance list[INSTANCES_MAX]; /* as they first answered */
    size_t n;
    uint64_t total;  /* answers */
    uint64_t others; /* of them: from instances that found no place */
};

/* Returns whether it is a new one. */
bool instances_add(struct instances *instances, const char *name, unsigned status,
                   uint64_t latency_us, uint64_t now_us);

/* The most first, then by name. */
void instances_sort(struct instances *instances);

/* Percent of all answers. */
double instances_share(const struct instances *instances, uint64_t count);
