/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four lines: flags ('s' for S3), path, query, one header. What is canonical stays so when it is
 * made canonical again; what is presigned has its parameters in order and can be presigned again.
 */
#include "common/aws/sigv4-canonical.h"
#include "common/aws/sigv4.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT (1u << 18)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static const char *take_line(char **rest)
{
    char *line = strsep(rest, "\n");

    return line ? line : "";
}

static void check_query(const char *query)
{
    CLEANUP(buffer_done) struct buffer once;
    CLEANUP(buffer_done) struct buffer twice;
    int r;

    buffer_init(&once, LIMIT);
    buffer_init(&twice, LIMIT);
    r = sigv4_canonical_query(&once, query, true);
    if (r < 0) {
        require(r == -EINVAL);
        return;
    }
    for (const char *c = once.data; *c; c++)
        require(*c > ' ' && *c < 0x7f && !strchr("+/\"", *c));
    require(sigv4_canonical_query(&twice, once.data, true) == 0);
    require(strcmp(once.data, twice.data) == 0);
    buffer_clear(&twice);
    require(sigv4_canonical_query(&twice, once.data, false) == 0); /* it is sorted */
    require(strcmp(once.data, twice.data) == 0);
}

static void check_path(const char *path)
{
    CLEANUP(buffer_done) struct buffer out;

    buffer_init(&out, LIMIT);
    if (sigv4_canonical_path(&out, path, false) < 0)
        return;
    require(out.data[0] == '/' && !strstr(out.data, "//") && !strstr(out.data, "/../") &&
            !strstr(out.data, "/./"));
    for (const char *c = out.data; *c; c++)
        require(*c > ' ' && *c < 0x7f);
}

static void check_header(const char *header_line)
{
    struct sigv4_header headers[2];
    CLEANUP(buffer_done) struct buffer out;
    CLEANUP(buffer_done) struct buffer names;

    buffer_init(&out, LIMIT);
    buffer_init(&names, LIMIT);
    if (sigv4_header_parse(header_line, &headers[0]) < 0)
        return;
    headers[1] = headers[0];
    require(sigv4_canonical_headers(&out, &names, headers, 2) == 0);
    require(names.length == headers[0].name_length && out.length > names.length + 2);
    require(!memchr(out.data, '\n', out.length - 1));
}

static void check_signing(const char *flags, const char *path, const char *query,
                          const char *header_line)
{
    const char *headers[] = {header_line, NULL};
    struct sigv4_keys keys = {"AKID", "secret", strchr(flags, 't') ? "token/+" : NULL};
    struct sigv4_request request = {
        .method = "GET",
        .host = "example.com",
        .path = path,
        .query = query,
        .headers = *header_line ? headers : NULL,
        .region = "us-east-1",
        .service = "service",
        .time_s = 1440938160,
        .s3 = strchr(flags, 's') != NULL,
    };
    CLEANUP(buffer_done) struct buffer once;
    CLEANUP(buffer_done) struct buffer twice;
    CLEANUP(buffer_done) struct buffer lines;
    int r;

    buffer_init(&once, LIMIT);
    buffer_init(&twice, LIMIT);
    buffer_init(&lines, LIMIT);
    r = sigv4_presign(&request, &keys, 60, &once);
    require(r == 0 || (r == -EINVAL && once.length == 0));
    if (sigv4_sign(&request, &keys, &lines) == 0)
        require(lines.data[lines.length - 1] == '\0' && !memchr(lines.data, '\n', lines.length));
    if (r < 0)
        return;
    require(once.length > 64 + 17 &&
            strncmp(once.data + once.length - 64 - 17, "&X-Amz-Signature=", 17) == 0);
    request.query = once.data;
    r = sigv4_presign(&request, &keys, 60, &twice);
    require(r == -EINVAL || strncmp(once.data, twice.data, once.length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text, *rest;
    const char *flags, *path, *query, *header_line;

    if (size > 4096)
        return 0;
    text = rest = strndup((const char *) data, size);
    require(text);
    flags = take_line(&rest);
    path = take_line(&rest);
    query = take_line(&rest);
    header_line = rest ? rest : "";
    check_query(query);
    check_path(path);
    check_header(header_line);
    check_signing(flags, path, query, header_line);
    free(text);
    return 0;
}
