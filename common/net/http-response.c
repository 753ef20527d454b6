/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that can be sent many times: libmicrohttpd's objects over one shared body. */
#include "common/net/http-internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The bytes, shared by both of libmicrohttpd's objects, which may outlive ours. */
struct body {
    unsigned refs;
    char data[];
};

struct http_response {
    unsigned refs;
    unsigned status;
    size_t length;
    struct body *body;
    struct MHD_Response *keep;  /* an HTTP/1.1 connection stays open */
    struct MHD_Response *close; /* the same with `Connection: close`; made when first wanted */
};

static void body_unref(struct body *body)
{
    if (body && --body->refs == 0)
        free(body);
}

/* libmicrohttpd's free callback gets the bytes' address. */
static void body_on_free(void *data)
{
    body_unref((struct body *) ((char *) data - offsetof(struct body, data)));
}

static struct MHD_Response *make_mhd_response(struct http_response *response)
{
    struct MHD_Response *mhd;

    response->body->refs++;
    mhd = MHD_create_response_from_buffer_with_free_callback(response->length, response->body->data,
                                                             body_on_free);
    if (!mhd)
        response->body->refs--;
    return mhd;
}

int http_response_new(struct http_response **ret, unsigned status, const char *content_type,
                      const void *body, size_t length)
{
    CLEANUP(http_response_freep) struct http_response *response = calloc(1, sizeof(*response));

    if (!response)
        return -ENOMEM;
    response->refs = 1;
    response->status = status;
    response->length = length;
    response->body = malloc(sizeof(struct body) + length);
    if (!response->body)
        return -ENOMEM;
    response->body->refs = 1;
    if (length > 0)
        memcpy(response->body->data, body, length);
    response->keep = make_mhd_response(response);
    if (!response->keep)
        return -ENOMEM;
    if (content_type) {
        int r = http_response_add_header(response, "Content-Type", content_type);

        if (r < 0)
            return r;
    }
    *ret = TAKE(response);
    return 0;
}

/* libmicrohttpd leaves the body of a 304 away, and says its length. */
int http_response_new_unchanged(struct http_response **ret, const struct http_response *of)
{
    CLEANUP(http_response_freep) struct http_response *response = calloc(1, sizeof(*response));

    if (!response)
        return -ENOMEM;
    response->refs = 1;
    response->status = 304;
    response->length = of->length;
    response->body = of->body;
    response->body->refs++;
    response->keep = make_mhd_response(response);
    if (!response->keep)
        return -ENOMEM;
    *ret = TAKE(response);
    return 0;
}

int http_response_new_page(struct http_response **ret, unsigned status)
{
    char text[64];
    int n = snprintf(text, sizeof(text), "%s\n", http_status_phrase(status));

    return http_response_new(ret, status, "text/plain", text, (size_t) n);
}

const char *http_status_phrase(unsigned status)
{
    return MHD_get_reason_phrase_for(status);
}

int http_response_add_header(struct http_response *response, const char *name, const char *value)
{
    if (MHD_add_response_header(response->keep, name, value) != MHD_YES)
        return -EINVAL;
    if (response->close && MHD_add_response_header(response->close, name, value) != MHD_YES)
        return -EINVAL;
    return 0;
}

struct http_response *http_response_ref(struct http_response *response)
{
    response->refs++;
    return response;
}

struct http_response *http_response_free(struct http_response *response)
{
    if (!response || --response->refs > 0)
        return NULL;
    if (response->keep)
        MHD_destroy_response(response->keep);
    if (response->close)
        MHD_destroy_response(response->close);
    body_unref(response->body);
    free(response);
    return NULL;
}

unsigned http_response_status(const struct http_response *response)
{
    return response->status;
}

size_t http_response_length(const struct http_response *response)
{
    return response->length;
}

static enum MHD_Result copy_header(void *target, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    return MHD_add_response_header(target, name, value);
}

struct MHD_Response *http_response_get(struct http_response *response, bool close)
{
    if (!close)
        return response->keep;
    if (!response->close) {
        struct MHD_Response *mhd = make_mhd_response(response);

        if (!mhd)
            return NULL;
        MHD_get_response_headers(response->keep, copy_header, mhd);
        if (MHD_add_response_header(mhd, "Connection", "close") != MHD_YES) {
            MHD_destroy_response(mhd);
            return NULL;
        }
        response->close = mhd;
    }
    return response->close;
}
