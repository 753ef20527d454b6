/* SPDX-License-Identifier: Apache-2.0 */
/* Canonical forms. Bytes, never characters: nothing here depends on a locale. */
#include "common/aws/sigv4-canonical.h"

#include "common/aws/sigv4.h"

#include <errno.h>
#include <string.h>

#define BLANKS " \t\r\n\v\f" /* a value over several lines is one with blanks in it */

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 3986, section 2.3. */
static bool is_unreserved(char c)
{
    return is_alphanumeric(c) || (c != '\0' && strchr("-._~", c));
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static char to_lower(char c)
{
    return (char) (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* --- Encoding -------------------------------------------------------------------------------- */

enum encoding {
    ENCODE_ALL,
    ENCODE_BUT_SLASH,
    ENCODE_BUT_ESCAPES, /* %XX stays what it is */
};

/* How many bytes at the start of |text| stay as they are. */
static size_t kept(const char *text, size_t length, enum encoding encoding)
{
    size_t i = 0;

    while (i < length) {
        if (is_unreserved(text[i]) || (text[i] == '/' && encoding == ENCODE_BUT_SLASH))
            i++;
        else if (encoding == ENCODE_BUT_ESCAPES && text[i] == '%' && length - i >= 3 &&
                 is_hex(text[i + 1]) && is_hex(text[i + 2]))
            i += 3;
        else
            break;
    }
    return i;
}

/* Upper-case hex, as the service makes it. May leave a part behind when it fails. */
static int encode(struct buffer *out, const char *text, size_t length, enum encoding encoding)
{
    size_t i = 0;
    int r = buffer_append(out, "", 0);

    while (r == 0 && i < length) {
        size_t run = kept(text + i, length - i, encoding);

        r = buffer_append(out, text + i, run);
        i += run;
        if (r == 0 && i < length)
            r = buffer_printf(out, "%%%02X", (unsigned char) text[i++]);
    }
    return r;
}

int sigv4_encode(struct buffer *out, const char *text, bool keep_slash)
{
    size_t start = out->length;
    int r = encode(out, text, strlen(text), keep_slash ? ENCODE_BUT_SLASH : ENCODE_ALL);

    if (r < 0 && out->data) {
        out->length = start; /* all or nothing, as buffer_append() */
        out->data[start] = '\0';
    }
    return r;
}

/* --- Path ------------------------------------------------------------------------------------ */

/* For "..": not above the root, which is where this path starts in |out|. */
static void drop_last_segment(struct buffer *out, size_t start)
{
    while (out->length > start && out->data[--out->length] != '/')
        ;
    if (out->data)
        out->data[out->length] = '\0';
}

int sigv4_canonical_path(struct buffer *out, const char *path, bool s3)
{
    size_t start = out->length;
    const char *rest = path;
    int r = 0;

    if ((path[0] != '/' && path[0] != '\0') || strpbrk(path, "?#"))
        return -EINVAL;
    if (s3)
        return buffer_append_string(out, path[0] ? path : "/");
    while (r == 0 && *rest) {
        size_t length = strcspn(++rest, "/");

        if (length == 2 && memcmp(rest, "..", 2) == 0) {
            drop_last_segment(out, start);
        } else if (length > 0 && !(length == 1 && rest[0] == '.')) {
            r = buffer_append(out, "/", 1);
            if (r == 0)
                r = encode(out, rest, length, ENCODE_ALL);
        }
        rest += length;
    }
    /* A slash at the end stays; of an empty path it is all there is. */
    if (r == 0 && (out->length == start || rest[-1] == '/'))
        r = buffer_append(out, "/", 1);
    return r;
}

/* --- Query ----------------------------------------------------------------------------------- */

/* Name and value apart: as one string "a=" would stand behind "a-=", for '=' is more than '-'. */
struct parameter {
    const char *name, *value;
};

static int compare_parameters(const void *a, const void *b)
{
    const struct parameter *one = a, *other = b;
    int r = strcmp(one->name, other->name);

    return r != 0 ? r : strcmp(one->value, other->value);
}

/* Appends each parameter as name NUL value NUL, encoded. Returns their number. */
static int encode_parameters(struct buffer *out, const char *query)
{
    unsigned n = 0;
    int r;

    for (const char *next = query; *next;) {
        size_t length = strcspn(next, "&");
        size_t name_length = strcspn(next, "=&");
        size_t value_at = MIN(name_length + 1, length); /* none is as good as an empty one */

        if (length > 0) {
            if (++n > SIGV4_PARAMETERS_MAX)
                return -EINVAL;
            r = encode(out, next, name_length, ENCODE_BUT_ESCAPES);
            if (r == 0)
                r = buffer_append(out, "", 1);
            if (r == 0)
                r = encode(out, next + value_at, length - value_at, ENCODE_BUT_ESCAPES);
            if (r == 0)
                r = buffer_append(out, "", 1);
            if (r < 0)
                return r;
        }
        next += length + (next[length] == '&');
    }
    return (int) n;
}

int sigv4_canonical_query(struct buffer *out, const char *query, bool sorted)
{
    struct parameter parameters[SIGV4_PARAMETERS_MAX];
    CLEANUP(buffer_done) struct buffer encoded;
    const char *next;
    size_t n;
    int r;

    buffer_init(&encoded, out->limit + 1); /* a NUL more than what it becomes */
    r = encode_parameters(&encoded, query ? query : "");
    if (r < 0)
        return r;
    n = (size_t) r;
    next = encoded.data;
    for (size_t i = 0; i < n; i++) {
        parameters[i].name = next;
        parameters[i].value = next + strlen(next) + 1;
        next = parameters[i].value + strlen(parameters[i].value) + 1;
    }
    if (sorted && n > 1)
        qsort(parameters, n, sizeof(parameters[0]), compare_parameters);
    r = buffer_append(out, "", 0);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = buffer_printf(out, "%s%s=%s", i > 0 ? "&" : "", parameters[i].name,
                          parameters[i].value);
    return r;
}

/* --- Headers --------------------------------------------------------------------------------- */

int sigv4_header_parse(const char *line, struct sigv4_header *ret)
{
    size_t length = strcspn(line, ":");

    if (length == 0 || line[length] != ':')
        return -EINVAL;
    for (size_t i = 0; i < length; i++)
        if (!is_alphanumeric(line[i]) && !strchr("!#$%&'*+-.^_`|~", line[i]))
            return -EINVAL;
    *ret = (struct sigv4_header){line, length, line + length + 1};
    return 0;
}

/* As bytes of the lower-case names, a prefix before what it begins. */
static int compare_names(const struct sigv4_header *a, const struct sigv4_header *b)
{
    size_t common = MIN(a->name_length, b->name_length);

    for (size_t i = 0; i < common; i++) {
        int difference =
            (unsigned char) to_lower(a->name[i]) - (unsigned char) to_lower(b->name[i]);

        if (difference != 0)
            return difference;
    }
    return (a->name_length > b->name_length) - (a->name_length < b->name_length);
}

/* By insertion: few, and those of one name keep their order, which qsort() doesn't promise. */
static void sort_headers(struct sigv4_header headers[], size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct sigv4_header moved = headers[i];
        size_t k = i;

        for (; k > 0 && compare_names(&headers[k - 1], &moved) > 0; k--)
            headers[k] = headers[k - 1];
        headers[k] = moved;
    }
}

static int append_name(struct buffer *out, const struct sigv4_header *header)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < header->name_length; i++) {
        char c = to_lower(header->name[i]);

        r = buffer_append(out, &c, 1);
    }
    return r;
}

/* The words, with one blank between. Blanks in quotes are no exception. */
static int append_value(struct buffer *out, const char *value)
{
    int r = 0;

    value += strspn(value, BLANKS);
    while (r == 0 && *value) {
        size_t word = strcspn(value, BLANKS);

        r = buffer_append(out, value, word);
        value += word;
        value += strspn(value, BLANKS);
        if (r == 0 && *value)
            r = buffer_append(out, " ", 1);
    }
    return r;
}

int sigv4_canonical_headers(struct buffer *out, struct buffer *out_names,
                            struct sigv4_header headers[], size_t n)
{
    int r = 0;

    sort_headers(headers, n);
    for (size_t i = 0; r == 0 && i < n; i++) {
        bool again = i > 0 && compare_names(&headers[i - 1], &headers[i]) == 0;

        if (again) {
            out->length--; /* the line goes on */
            r = buffer_append(out, ",", 1);
        } else {
            if (i > 0)
                r = buffer_append(out_names, ";", 1);
            if (r == 0)
                r = append_name(out_names, &headers[i]);
            if (r == 0)
                r = append_name(out, &headers[i]);
            if (r == 0)
                r = buffer_append(out, ":", 1);
        }
        if (r == 0)
            r = append_value(out, headers[i].value);
        if (r == 0)
            r = buffer_append(out, "\n", 1);
    }
    return r;
}
