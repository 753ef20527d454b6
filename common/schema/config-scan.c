/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer that agrees with libconfig's scanner about where strings, comments and names end. */
#include "common/schema/config-scan.h"

#include "common/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum token {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_NUMBER, /* an integer, or what a float has before its point */
    TOKEN_OPEN,   /* { [ ( */
    TOKEN_CLOSE,
    TOKEN_INCLUDE,
    TOKEN_OTHER, /* a string, a separator, garbage */
    TOKEN_BAD,   /* |why| says what */
};

/* Bounded by |end|, not by a NUL: the text is checked for those, but not trusted to end in one. */
struct scan {
    const char *at, *end;
    const char *start; /* of the token */
    unsigned line;     /* of |at| */
    unsigned token_line;
    const char *why;
    uint64_t number; /* saturates past INT_MAX */
};

static void scan_init(struct scan *scan, const char *text, size_t length)
{
    *scan = (struct scan){.at = text, .end = text + length, .line = 1};
}

static bool is_name_char(char c)
{
    return isalnum((unsigned char) c) || c == '*' || c == '_' || c == '-';
}

/* Strings and block comments span lines; only this counts them. */
static void advance(struct scan *scan, size_t n)
{
    for (; n > 0 && scan->at < scan->end; n--)
        if (*scan->at++ == '\n')
            scan->line++;
}

static char peek(const struct scan *scan, size_t offset)
{
    return (size_t) (scan->end - scan->at) > offset ? scan->at[offset] : '\0';
}

/* Skips blanks and comments. false: a comment without end, which began at token_line. */
static bool skip_blank(struct scan *scan)
{
    while (scan->at < scan->end) {
        if (strchr(" \t\r\n\f", *scan->at) && *scan->at != '\0') {
            advance(scan, 1);
        } else if (*scan->at == '#' || (*scan->at == '/' && peek(scan, 1) == '/')) {
            while (scan->at < scan->end && *scan->at != '\n')
                scan->at++;
        } else if (*scan->at == '/' && peek(scan, 1) == '*') {
            scan->token_line = scan->line;
            advance(scan, 2);
            while (scan->at < scan->end && !(*scan->at == '*' && peek(scan, 1) == '/'))
                advance(scan, 1);
            if (scan->at >= scan->end)
                return false;
            advance(scan, 2);
        } else {
            break;
        }
    }
    return true;
}

/* After the opening quote. Backslash protects a quote and itself; a line break is part of it. */
static bool skip_string(struct scan *scan)
{
    while (scan->at < scan->end) {
        if (*scan->at == '"') {
            advance(scan, 1);
            return true;
        }
        bool escape = *scan->at == '\\' && (peek(scan, 1) == '"' || peek(scan, 1) == '\\');
        advance(scan, escape ? 2 : 1);
    }
    return false;
}

/* [+-] digits, or 0x and hex digits, and libconfig's L or LL. A float's rest is left to be another
 * token: no key takes one, and its type is told later. */
static void read_number(struct scan *scan)
{
    unsigned base = 10;
    scan->number = 0;
    if (*scan->at == '-' || *scan->at == '+')
        scan->at++;
    if (peek(scan, 0) == '0' && (peek(scan, 1) == 'x' || peek(scan, 1) == 'X')) {
        base = 16;
        scan->at += 2;
    }
    for (; scan->at < scan->end; scan->at++) {
        unsigned char c = (unsigned char) *scan->at;
        if (!isxdigit(c) || (base == 10 && !isdigit(c)))
            break;
        unsigned digit = (unsigned) (isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
        if (scan->number <= INT_MAX)
            scan->number = scan->number * base + digit;
    }
    while (peek(scan, 0) == 'L')
        scan->at++;
}

/* The next token; scan->start and scan->at enclose it. After TOKEN_BAD there is no next. */
static enum token scan_next(struct scan *scan)
{
    if (!skip_blank(scan)) {
        scan->why = "the comment that begins here has no end; close it with */";
        return TOKEN_BAD;
    }
    scan->start = scan->at;
    scan->token_line = scan->line;
    if (scan->at >= scan->end)
        return TOKEN_END;

    char c = *scan->at;
    if (isalpha((unsigned char) c) || c == '*') {
        while (scan->at < scan->end && is_name_char(*scan->at))
            scan->at++;
        return TOKEN_NAME;
    }
    if (isdigit((unsigned char) c) ||
        ((c == '-' || c == '+') && isdigit((unsigned char) peek(scan, 1)))) {
        read_number(scan);
        return TOKEN_NUMBER;
    }
    advance(scan, 1);
    switch (c) {
    case '"':
        if (skip_string(scan))
            return TOKEN_OTHER;
        scan->why = "the string that begins here has no end; close it with \"";
        return TOKEN_BAD;
    case '{':
    case '[':
    case '(':
        return TOKEN_OPEN;
    case '}':
    case ']':
    case ')':
        return TOKEN_CLOSE;
    case '@':
        if ((size_t) (scan->end - scan->at) >= 7 && memcmp(scan->at, "include", 7) == 0)
            return TOKEN_INCLUDE;
        return TOKEN_OTHER;
    default:
        return TOKEN_OTHER;
    }
}

/* Line by line, so that the line can be named. */
static const char *check_bytes(const char *text, size_t length, unsigned *ret_line)
{
    unsigned line = 1;
    for (const char *at = text, *end = text + length; at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t) (end - at));
        size_t n = newline ? (size_t) (newline - at) : (size_t) (end - at);
        *ret_line = line;
        if (memchr(at, '\0', n))
            return "a NUL byte; allowed: text";
        if (!text_is_utf8(at, n))
            return "not valid UTF-8; allowed: text in UTF-8";
        at += n + (newline ? 1 : 0);
    }
    return NULL;
}

int config_scan_check(const char *text, size_t length, unsigned *ret_line, const char **ret_why)
{
    *ret_why = check_bytes(text, length, ret_line);
    if (*ret_why)
        return -EINVAL;

    struct scan scan;
    unsigned depth = 0, n_names = 0;
    scan_init(&scan, text, length);
    for (enum token token = scan_next(&scan); token != TOKEN_END; token = scan_next(&scan)) {
        const char *why = NULL;
        if (token == TOKEN_BAD)
            why = scan.why;
        else if (token == TOKEN_INCLUDE)
            why = "@include is not supported; put further files into conf.d instead";
        else if (token == TOKEN_NUMBER && scan.number > INT_MAX)
            why = "number too large; allowed: up to 2147483647";
        else if (token == TOKEN_NAME && ++n_names > CONFIG_SETTINGS_MAX)
            why = "too many settings; allowed: up to 4096 in a file";
        else if (token == TOKEN_OPEN && ++depth > CONFIG_DEPTH_MAX)
            why = "groups and lists are nested too deeply";
        else if (token == TOKEN_CLOSE && depth > 0)
            depth--;
        if (why) {
            *ret_line = scan.token_line;
            *ret_why = why;
            return -EINVAL;
        }
    }
    return 0;
}

/* libconfig reads these as booleans, whatever their case. */
static bool is_boolean(const struct scan *scan)
{
    size_t length = (size_t) (scan->at - scan->start);
    return (length == 4 && strncasecmp(scan->start, "true", 4) == 0) ||
           (length == 5 && strncasecmp(scan->start, "false", 5) == 0);
}

bool config_scan_path(const char *text, size_t length, size_t n, char *buffer, size_t size)
{
    struct {
        const char *name;
        int length;
    } path[CONFIG_DEPTH_MAX + 1] = {{0}};
    struct scan scan;
    unsigned depth = 0;
    scan_init(&scan, text, length);
    for (enum token token = scan_next(&scan); token != TOKEN_END; token = scan_next(&scan)) {
        if (token == TOKEN_BAD)
            return false;
        if (token == TOKEN_OPEN) {
            if (++depth > CONFIG_DEPTH_MAX)
                return false;
            path[depth].name = NULL;
        }
        if (token == TOKEN_CLOSE && depth > 0)
            depth--;
        if (token != TOKEN_NAME || is_boolean(&scan))
            continue;
        path[depth].name = scan.start;
        path[depth].length = (int) (scan.at - scan.start);
        if (n-- > 0)
            continue;
        size_t used = 0;
        for (unsigned i = 0; i <= depth && used < size; i++)
            if (path[i].name)
                used += (size_t) snprintf(buffer + used, size - used, "%s%.*s", used ? "." : "",
                                          path[i].length, path[i].name);
        return used > 0 && used < size;
    }
    return false;
}
