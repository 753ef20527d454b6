/* SPDX-License-Identifier: Apache-2.0 */
/* The signer against AWS's published test suite; tests/data/sigv4/NOTICE says where it is from. */
#include "tests/unit/unit.h"

#include "common/aws/sigv4.h"
#include "common/base/json.h"

#include <fcntl.h>

#define ACCESS_KEY    "AKIDEXAMPLE"
#define SECRET_KEY    "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define TIME_S        1440938160 /* 2015-08-30 12:36:00 */
#define LINES_MAX     16
#define VECTORS_COUNT 34

struct raw { /* a request cut into its parts, in place */
    char *text;
    const char *method, *path, *query, *host, *body;
    const char *headers[LINES_MAX];
};

/* "GET /some path?a=b HTTP/1.1": the path may have a blank in it. */
static void cut_request_line(char *line, struct raw *raw)
{
    char *end = strstr(line, " HTTP/1.1"), *path = strchr(line, ' '), *query;

    assert_non_null(end);
    *end = '\0';
    *path++ = '\0';
    query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    raw->method = line;
    raw->path = path;
    raw->query = query;
}

/* The end of a header: a line end with no blank behind it. */
static char *header_end(char *text)
{
    char *end = strchr(text, '\n');

    while (end && end[1] == ' ')
        end = strchr(end + 1, '\n');
    return end;
}

static void cut_headers(char *text, struct raw *raw)
{
    size_t n = 0;

    while (text && *text && *text != '\n') {
        char *end = header_end(text);

        if (end)
            *end = '\0';
        if (strncmp(text, "Host:", 5) == 0)
            raw->host = text + 5;
        else if (strncmp(text, "X-Amz-", 6) != 0) /* the date and the token are made */
            raw->headers[n++] = text;
        assert_true(n < LINES_MAX);
        text = end ? end + 1 : NULL;
    }
    raw->body = text && *text ? text + 1 : "";
}

/* The token stands in the canonical request where it is to be signed. */
static char *signed_token(const char *canonical)
{
    const char *token = strstr(canonical, "x-amz-security-token:");

    if (!token)
        return NULL;
    token += strlen("x-amz-security-token:");
    return strndup(token, strcspn(token, "\n"));
}

static void check_vector(const char *name, const char *request_text, const char *canonical,
                         const char *authorization)
{
    struct raw raw = {.text = strdup(request_text)};
    char *line_end = strchr(raw.text, '\n'), *token = signed_token(canonical);
    struct sigv4_keys keys = {ACCESS_KEY, SECRET_KEY, token};
    struct sigv4_request request = {.region = "us-east-1", .service = "service", .time_s = TIME_S};
    CLEANUP(buffer_done) struct buffer headers;
    const char *last;

    *line_end = '\0';
    cut_request_line(raw.text, &raw);
    cut_headers(line_end + 1, &raw);
    request.method = raw.method;
    request.path = raw.path;
    request.query = raw.query;
    request.host = raw.host;
    request.headers = raw.headers;
    request.body = raw.body;
    request.body_length = strlen(raw.body);
    buffer_init(&headers, 1 << 16);
    assert_int_equal(sigv4_sign(&request, &keys, &headers), 0);

    assert_string_equal(headers.data, "X-Amz-Date: 20150830T123600Z");
    last = headers.data + headers.length - 1;
    while (last > headers.data && last[-1] != '\0')
        last--;
    assert_int_equal(strncmp(last, "Authorization: ", 15), 0);
    if (strcmp(last + 15, authorization) != 0)
        fail_msg("%s: %s instead of %s; canonical:\n%s", name, last + 15, authorization, canonical);
    free(raw.text);
    free(token);
}

static void test_vectors(void **state)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_object *vectors;
    size_t length;
    char *text = unit_file_read(AT_FDCWD, VECTORS, &length);

    assert_int_equal(json_parse(text, length, &root), 0);
    assert_int_equal(json_get_array(root, "vectors", &vectors), 0);
    assert_int_equal(json_object_array_length(vectors), VECTORS_COUNT);
    for (size_t i = 0; i < VECTORS_COUNT; i++) {
        const struct json_object *vector = json_object_array_get_idx(vectors, i);
        const char *name, *request, *canonical, *authorization;

        assert_int_equal(json_get_string(vector, "name", &name), 0);
        assert_int_equal(json_get_string(vector, "request", &request), 0);
        assert_int_equal(json_get_string(vector, "canonical", &canonical), 0);
        assert_int_equal(json_get_string(vector, "authorization", &authorization), 0);
        check_vector(name, request, canonical, authorization);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
