/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the small XML answers of the Query protocol (STS, Auto Scaling, errors): elements and
 * their text, in order. No DTD, no entities but the predefined and numeric ones, no namespaces:
 * what AWS never sends is refused. Pure.
 */
#pragma once

#include "common/base/macro.h"

#include <stdbool.h>

#define XML_DEPTH_MAX 16u

struct xml_slice { /* borrowed from the text, not NUL-terminated */
    const char *data;
    size_t length;
};
bool xml_slice_is(struct xml_slice slice, const char *word);

struct xml { /* init with xml_init(), read-only for the caller */
    const char *at, *end;
    unsigned depth;
    struct xml_slice open[XML_DEPTH_MAX]; /* names of the elements around, outermost first */
    struct xml_slice name;                /* of the element that begins or ends */
    struct xml_slice text;                /* XML_CLOSE of a leaf: what stands in it, undecoded */
    bool is_leaf;                         /* XML_CLOSE: it had no element inside */
    bool seen_root, pending_close;
};

enum xml_event { XML_END, XML_OPEN, XML_CLOSE };

void xml_init(struct xml *xml, const char *text, size_t length);

/* The next event, XML_END after the root element; -EBADMSG for what is no XML of this kind,
 * truncated, or deeper than XML_DEPTH_MAX. At XML_OPEN the element itself is in |open| already, at
 * XML_CLOSE no longer. */
int xml_next(struct xml *xml);

/* The text with its entities decoded, NUL-terminated. 0, -EBADMSG (a bad entity, or one that is a
 * control character) or -ENOBUFS: more than fits. */
int xml_decode(struct xml_slice text, char *buffer, size_t size);

/* The first leaf of that name anywhere, decoded. Also -ENOENT; all that is before it must parse. */
int xml_find(const char *text, size_t length, const char *name, char *buffer, size_t size);
