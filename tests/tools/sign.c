/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/aws by hand, for the tests that hold it against botocore: one JSON object a line on stdin,
 * one a line on stdout.
 *
 *     do            sign, presign, rds or endpoint; the other members are the arguments of
 *                   sigv4_sign(), sigv4_presign(), sigv4_rds_token() and endpoint_resolve()
 *     answer        {"headers": [...]}, {"query": "..."}, {"token": "..."}, {"url": ..., "host":
 * ...} or {"error": errno}
 */
#include "common/aws/endpoint.h"
#include "common/aws/sigv4.h"
#include "common/base/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OUTPUT_LIMIT (1u << 20)
#define HEADERS_MAX  64

/* NULL if it isn't there. */
static const char *text(const struct json_object *object, const char *key)
{
    const char *value = NULL;

    return json_get_string(object, key, &value) == 0 ? value : NULL;
}

static int64_t number(const struct json_object *object, const char *key)
{
    int64_t value = 0;

    return json_get_int64(object, key, &value) == 0 ? value : 0;
}

static struct sigv4_keys keys_from(const struct json_object *input)
{
    return (struct sigv4_keys){text(input, "access_key_id"), text(input, "secret_access_key"),
                               text(input, "session_token")};
}

static struct sigv4_request request_from(const struct json_object *input,
                                         const char *headers[HEADERS_MAX])
{
    struct sigv4_request request = {
        .method = text(input, "method"),
        .host = text(input, "host"),
        .path = text(input, "path"),
        .query = text(input, "query"),
        .headers = headers,
        .body = text(input, "body"),
        .payload_hash = text(input, "payload_hash"),
        .region = text(input, "region"),
        .service = text(input, "service"),
        .time_s = (uint64_t) number(input, "time_s"),
    };
    struct json_object *lines;

    request.body_length = request.body ? strlen(request.body) : 0;
    json_get_bool(input, "s3", &request.s3);
    if (json_get_array(input, "headers", &lines) == 0)
        for (size_t i = 0; i < json_object_array_length(lines) && i < HEADERS_MAX - 1; i++)
            headers[i] = json_object_get_string(json_object_array_get_idx(lines, i));
    return request;
}

static int do_sign(const struct json_object *input, struct json_object *answer)
{
    const char *headers[HEADERS_MAX] = {NULL};
    struct sigv4_request request = request_from(input, headers);
    struct sigv4_keys keys = keys_from(input);
    CLEANUP(buffer_done) struct buffer out;
    struct json_object *lines;
    int r;

    buffer_init(&out, OUTPUT_LIMIT);
    r = sigv4_sign(&request, &keys, &out);
    if (r < 0)
        return r;
    lines = json_object_new_array();
    for (const char *line = out.data; line < out.data + out.length; line += strlen(line) + 1)
        json_object_array_add(lines, json_object_new_string(line));
    json_add(answer, "headers", lines);
    return 0;
}

static int do_presign(const struct json_object *input, struct json_object *answer)
{
    const char *headers[HEADERS_MAX] = {NULL};
    struct sigv4_request request = request_from(input, headers);
    struct sigv4_keys keys = keys_from(input);
    CLEANUP(buffer_done) struct buffer out;
    int r;

    buffer_init(&out, OUTPUT_LIMIT);
    r = sigv4_presign(&request, &keys, (uint32_t) number(input, "expires_s"), &out);
    if (r == 0)
        json_add_string(answer, "query", out.data);
    return r;
}

static int do_rds(const struct json_object *input, struct json_object *answer)
{
    struct sigv4_keys keys = keys_from(input);
    CLEANUP(buffer_done) struct buffer out;
    int r;

    buffer_init(&out, OUTPUT_LIMIT);
    r = sigv4_rds_token(text(input, "host"), (uint16_t) number(input, "port"), text(input, "user"),
                        text(input, "region"), &keys, (uint64_t) number(input, "time_s"), &out);
    if (r == 0)
        json_add_string(answer, "token", out.data);
    return r;
}

/* The environment is what the input says, and nothing else. */
static const char *variable(const char *name, void *userdata)
{
    const struct json_object *input = userdata;
    struct json_object *environment = NULL;

    json_object_object_get_ex(input, "getenv", &environment);
    return text(environment, name);
}

static int do_endpoint(const struct json_object *input, struct json_object *answer)
{
    struct endpoint_query query = {text(input, "service"), text(input, "environment"),
                                   text(input, "region"), text(input, "override")};
    struct endpoint endpoint;
    int r = endpoint_resolve(&query, variable, (void *) input, &endpoint);

    if (r < 0)
        return r;
    json_add_string(answer, "url", endpoint.url);
    json_add_string(answer, "host", endpoint.host);
    json_add_string(answer, "base_path", endpoint.base_path);
    return 0;
}

static int dispatch(const struct json_object *input, struct json_object *answer)
{
    const char *verb = text(input, "do");

    if (!verb)
        return -EINVAL;
    if (strcmp(verb, "sign") == 0)
        return do_sign(input, answer);
    if (strcmp(verb, "presign") == 0)
        return do_presign(input, answer);
    if (strcmp(verb, "rds") == 0)
        return do_rds(input, answer);
    if (strcmp(verb, "endpoint") == 0)
        return do_endpoint(input, answer);
    return -EINVAL;
}

static int answer_line(const char *line, size_t length)
{
    CLEANUP_JSON struct json_object *input = NULL;
    CLEANUP_JSON struct json_object *answer = json_object_new_object();
    CLEANUP(buffer_done) struct buffer out;
    int r = json_parse(line, length, &input);

    if (r == 0)
        r = dispatch(input, answer);
    if (r < 0)
        json_add(answer, "error", json_object_new_int(-r));
    buffer_init(&out, OUTPUT_LIMIT);
    r = json_print(answer, false, &out);
    if (r == 0 && puts(out.data) < 0)
        r = -EIO;
    return r;
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    int r = 0;

    while (r == 0 && (length = getline(&line, &room, stdin)) > 0)
        r = answer_line(line, (size_t) length);
    free(line);
    return r == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
