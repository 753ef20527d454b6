/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of AWS services: errors in JSON and XML, Auto Scaling's list, dates. What comes out is
 * one bounded line. */
#include "common/aws/autoscaling.h"
#include "common/aws/request-internal.h"
#include "common/aws/xml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_error(const char *text, size_t length, const char *header)
{
    char code[AWS_ERROR_CODE_MAX], message[AWS_ERROR_MESSAGE_MAX];

    aws_parse_error(text, length, header, code, message);
    require(strlen(code) < sizeof(code) && strlen(message) < sizeof(message));
    for (const char *p = code; *p; p++)
        require(*p > ' ' && *p <= '~');
    for (const unsigned char *p = (const unsigned char *) message; *p; p++)
        require(*p >= ' ' && *p != 0x7f);
}

/* Every event's slices lie in the text, and what opens closes. */
static void check_events(const char *text, size_t length)
{
    unsigned depth = 0;
    struct xml xml;
    int event;

    xml_init(&xml, text, length);
    while ((event = xml_next(&xml)) > XML_END) {
        depth += event == XML_OPEN ? 1 : -1;
        require(depth == xml.depth && depth <= XML_DEPTH_MAX);
        require(xml.name.data >= text && xml.name.data + xml.name.length <= text + length);
    }
    require(event == XML_END ? depth == 0 : event == -EBADMSG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *) data;
    char group[AUTOSCALING_GROUP_MAX];
    char *copy;
    uint64_t time_us;
    int r;

    if (size > 65536)
        return 0;
    copy = strndup(text, size);
    check_error(text, size, NULL);
    check_error("", 0, copy);
    check_events(text, size);
    r = autoscaling_parse_group(text, size, "i-1", group);
    require((r == 0 || r == -EBADMSG) && strlen(group) < sizeof(group));
    if (aws_parse_date(copy, &time_us) == 0)
        require(time_us > 0);
    (void) aws_parse_retry_after(copy, copy);
    free(copy);
    return 0;
}
